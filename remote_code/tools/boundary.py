"""The edge of the workspace: what lies outside is asked for before a byte of it travels.

A path that is outside by its text is looked at first (its kind, nothing of its contents) and then asked for. A path
that is inside by its text, but leads out through a link, is found by the remote itself, which then answers its real
path only; that path is asked for in the same way.
"""

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from remote_code.mirror.sync import Pulled
from remote_code.paths import RemotePath, is_within, relative
from remote_code.remote.files import ANYWHERE
from remote_code.remote.state import Kind, Observation, Wanted
from remote_code.tools.context import Context

NO_CONTENTS = -1
"""A limit below every size: the state of a file, and no byte of it."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Where a call may read and write: the workspace, and what the person agreed to."""

    roots: tuple[RemotePath, ...]

    def and_(self, paths: Iterable[RemotePath]) -> "Granted":
        """Return the same with more real paths."""
        return Granted(tuple(dict.fromkeys([*self.roots, *paths])))


def workspace_only(context: Context) -> Granted:
    """Return what needs no question: the workspace as the remote names it, links followed."""
    return Granted((context.host.workdir_real,))


def is_inside(context: Context, path: RemotePath) -> bool:
    """Tell whether `path` lies in the workspace by its text, under either name of the workspace."""
    return context.workspace.is_within(path) or is_within(path, context.host.workdir_real)


def shown(context: Context, path: RemotePath) -> str:
    """Return `path` as titles and permission patterns show it: relative to the workspace, by whichever name."""
    real = context.host.workdir_real
    if not context.workspace.is_within(path) and is_within(path, real):
        return relative(path, real)
    return context.workspace.relative(path)


def ask_for_outside(context: Context, paths: Sequence[RemotePath], granted: Granted) -> Granted:
    """Ask for those of `paths` that are outside of the workspace by their text, and return what is granted then.

    Raises:
        PermissionRejected: the person, or a rule of theirs, said no.
    """
    outside = [path for path in dict.fromkeys(paths) if not is_inside(context, path)]
    return _ask(context, observe(context, outside), granted)


def ask_for_links(context: Context, found: Iterable[Observation], granted: Granted) -> Granted | None:
    """Ask for the real paths of what an observation found to lead outside; None when nothing did.

    Raises:
        PermissionRejected: the person, or a rule of theirs, said no.
    """
    outside = [one.real_path for one in found if one.kind is Kind.OUTSIDE and one.real_path not in granted.roots]
    if not outside:
        return None
    return _ask(context, observe(context, outside), granted)


def ask_for_real_path(context: Context, real_path: RemotePath, granted: Granted) -> Granted:
    """Ask for a real path that a search found to lie outside, and return what is granted then.

    Raises:
        PermissionRejected: the person, or a rule of theirs, said no.
    """
    return _ask(context, observe(context, [real_path]), granted)


def pull(
    context: Context,
    paths: Sequence[RemotePath],
    granted: Granted,
    *,
    n_asked: int,
    session_id: str | None,
    limit_bytes: int | None = None,
) -> tuple[list[Pulled], Granted]:
    """Pull `paths`, asking for what the first `n_asked` of them turn out to lead to outside of the workspace.

    One flight; two more when something leads outside and is granted. The others are left as they were found.
    `session_id`: who has seen the contents then; None for nobody.

    Raises:
        PermissionRejected: the person, or a rule of theirs, said no.
    """
    while True:
        pulled = context.sync.pull(
            paths, session_id=session_id, roots=granted.roots, flights=context.flights, limit_bytes=limit_bytes
        )
        more = ask_for_links(context, [one.observation for one in pulled[:n_asked]], granted)
        if more is None:
            return pulled, granted
        granted = more


def observe(context: Context, paths: Sequence[RemotePath]) -> list[Observation]:
    """Return what `paths` are, wherever they lead, without any contents; no flight when there are none."""
    if not paths:
        return []
    wanted = [Wanted(path) for path in paths]
    return context.files.observe(wanted, roots=ANYWHERE, flights=context.flights, limit_bytes=NO_CONTENTS)


def _ask(context: Context, found: Sequence[Observation], granted: Granted) -> Granted:
    """Ask one question for each path, under its own name and, where a link leads elsewhere, under its real one."""
    for one in found:
        is_directory = one.kind is Kind.DIRECTORY
        names = dict.fromkeys((one.path, one.real_path))
        directories = [name if is_directory else RemotePath(posixpath.dirname(name)) for name in names]
        patterns = [posixpath.join(directory, "*") for directory in dict.fromkeys(directories)]
        context.ask(
            "external_directory",
            patterns=patterns,
            always=patterns,
            metadata={"filepath": one.path, "parentDir": directories[0]},
        )
    return granted.and_(one.real_path for one in found)
