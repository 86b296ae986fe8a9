"""What the tools say when a path is not what they need; one sentence per kind of thing found."""

from typing import NoReturn

from remote_code.errors import (
    NoSuchFile,
    NotADirectory,
    OutsideWorkspace,
    PermissionDenied,
    RemoteCodeError,
    RemoteOperationFailed,
)
from remote_code.remote.state import Kind, Observation
from remote_code.tools.context import Context


def refuse(found: Observation, context: Context, *, action: str) -> NoReturn:
    """Raise the error for something that is neither a file nor a directory that can be used.

    Raises:
        RemoteCodeError: always, of the class that fits.
    """
    raise _error(found, context, action)


def _error(found: Observation, context: Context, action: str) -> RemoteCodeError:
    path = found.path
    if found.kind in {Kind.ABSENT, Kind.ABSENT_DIRECTORY}:
        return NoSuchFile(f"File not found: {path}", path=path)
    if found.kind is Kind.NO_ACCESS or found.is_unreadable:
        user = context.host.user
        return PermissionDenied(
            f'cannot {action} "{path}": permission denied for {user} on the remote machine', path=path, action=action
        )
    if found.kind is Kind.LINK_CYCLE:
        return RemoteOperationFailed(
            f'cannot {action} "{path}": its symbolic links lead in a circle', path=path, reason="link_cycle"
        )
    if found.kind is Kind.OUTSIDE:
        return OutsideWorkspace(
            f'cannot {action} "{path}": it leads to "{found.real_path}", which was not granted',
            path=path,
            workspace=context.workspace.root,
        )
    if found.kind is Kind.FILE and found.is_too_large:
        return RemoteOperationFailed(
            f'cannot {action} "{path}": it is too large; use a shell command', path=path, reason="too_large"
        )
    return RemoteOperationFailed(
        f'cannot {action} "{path}": it is a FIFO, device or socket, not a regular file', path=path, reason="kind"
    )


def not_a_directory(path: str, tool: str) -> NotADirectory:
    """Return the error for a file where a directory to search is due."""
    return NotADirectory(f"{tool} path must be a directory: {path}", path=path)
