"""What `edit`, `write` and `apply_patch` share: contents as last known, the question with its diff, the conflict."""

from collections.abc import Sequence
from dataclasses import dataclass

from remote_code.errors import IsADirectory, RemoteChanged
from remote_code.mirror.plan import is_same
from remote_code.mirror.sync import Pulled
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, Change, Changed, FileState, Kind, Present
from remote_code.text import codec
from remote_code.text.diff import short
from remote_code.text.newline import to_lf
from remote_code.tools.boundary import Granted
from remote_code.tools.context import Context
from remote_code.tools.pages import printable
from remote_code.tools.refusals import refuse

_IN_PLACE = {
    "links": "it has several hard links",
    "owner": "its owner or group could not be kept otherwise",
    "mode": "its permissions could not be kept otherwise",
    "mount": "it is a mount point",
    "dir": "its directory is not writable",
}


@dataclass(frozen=True, slots=True)
class Known:
    """A file as far as is known: its state, and its bytes if it exists."""

    path: RemotePath
    state: FileState
    contents: bytes | None
    is_fresh: bool
    """Whether the remote was asked in this call."""

    @property
    def text(self) -> str:
        """The text as diffs show it: without BOM, with LF line ends; "" for a file that does not exist."""
        return "" if self.contents is None else diff_text(self.contents)


def diff_text(contents: bytes) -> str:
    """Return contents as diffs show them."""
    return printable(to_lf(codec.decode(contents).text))


def held(context: Context, path: RemotePath) -> Known | None:
    """Return what this session saw at `path`, if its bytes are held; no remote I/O."""
    seen = context.sync.seen(context.session_id, path)
    if not isinstance(seen, Present):
        return None
    copy = context.sync.held(path)
    if copy is None or not is_same(copy.state, seen):
        return None
    return Known(path, copy.state, copy.contents, is_fresh=False)


def known(pulled: Pulled, context: Context, *, action: str) -> Known:
    """Return what a pull found, if it is a file or nothing.

    Raises:
        IsADirectory, PermissionDenied, RemoteOperationFailed, OutsideWorkspace: it is something else.
    """
    found = pulled.observation
    if found.kind is Kind.DIRECTORY:
        raise IsADirectory(f"Path is a directory, not a file: {found.path}", path=found.path)
    if found.kind in {Kind.ABSENT, Kind.ABSENT_DIRECTORY}:
        return Known(found.path, Absent(), None, is_fresh=True)
    if found.kind is not Kind.FILE or pulled.contents is None or found.state is None:
        refuse(found, context, action=action)
    return Known(found.path, found.state, pulled.contents, is_fresh=True)


def ask_to_edit(context: Context, *, path: str, patterns: Sequence[str], diff: str, more: dict[str, object]) -> None:
    """Ask for a change of files, showing the diff.

    Raises:
        PermissionRejected: the person, or a rule of theirs, said no.
    """
    context.ask("edit", patterns=patterns, always=["*"], metadata={"filepath": path, "diff": diff, **more})


def push(context: Context, changes: Sequence[Change], granted: Granted) -> list[Changed]:
    """Write changes, all or none.

    Raises:
        Cancelled: the call was cancelled before.
        RemoteChanged: a file is not as expected.
    """
    context.raise_if_cancelled()
    return context.sync.push(
        changes,
        session_id=context.session_id,
        call_id=context.call_id,
        roots=granted.roots,
        flights=context.flights,
    )


def changed_meanwhile(path: str, before: str, now: str, *, why: str) -> RemoteChanged:
    """Return the error for a file that somebody else changed, with the difference."""
    difference = short(before, now)
    shown = f" What changed on the remote:\n{difference}" if difference else ""
    return RemoteChanged(f'"{path}" changed on the remote machine{why}{shown}', path=path, diff=difference)


def in_place_note(changed: Sequence[Changed]) -> str:
    """Return what a result says of files that could not be replaced by rename; "" when all were."""
    notes = [
        f"\n{one.path} was written in place, because {_IN_PLACE.get(one.in_place, one.in_place)}."
        for one in changed
        if one.in_place is not None
    ]
    return "\n" + "".join(notes) if notes else ""
