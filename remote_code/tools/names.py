"""Paths as a model can write them: bytes of a name that are not UTF-8 reach it as U+FFFD, and come back as that."""

import posixpath
import re

from remote_code.errors import RemoteCodeError
from remote_code.paths import RemotePath
from remote_code.tools.boundary import is_inside, workspace_only
from remote_code.tools.context import Context

REPLACEMENT = "\ufffd"

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def resolve(context: Context, path: str) -> RemotePath:
    """Return the absolute path that a model means.

    Where U+FFFD stands in it, inside the workspace, the names that are there decide: one flight for each directory
    with such a name in it. What fits no name, or several, is left as it is.

    Raises:
        InvalidPath: the path is empty or holds a NUL.
    """
    resolved = context.workspace.resolve(path)
    if REPLACEMENT not in resolved or not is_inside(context, resolved):
        return resolved
    found = "/"
    for part in resolved.split("/")[1:]:
        found = posixpath.join(found, _real_name(context, RemotePath(found), part) if REPLACEMENT in part else part)
    return RemotePath(found)


def as_shown(name: str) -> str:
    """Return a name as it reaches the model."""
    return _LONE_SURROGATE.sub(REPLACEMENT, name)


def _real_name(context: Context, directory: RemotePath, shown: str) -> str:
    roots = workspace_only(context).roots
    try:
        _, entries = context.files.list_directory(directory, roots=roots, flights=context.flights)
    except RemoteCodeError:
        return shown
    names = [entry.name for entry in entries if as_shown(entry.name) == shown]
    return names[0] if len(names) == 1 else shown
