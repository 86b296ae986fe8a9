"""The reasons for which the remote refuses an operation, as errors that say what helps. Pure."""

from remote_code.errors import (
    IsADirectory,
    NoSpace,
    NoSuchFile,
    OutsideWorkspace,
    PermissionDenied,
    RemoteChanged,
    RemoteCodeError,
    RemoteOperationFailed,
)
from remote_code.paths import RemotePath
from remote_code.remote.state import Change, Kind

_CHANGED = {
    "changed": 'cannot {action} "{path}": it is no longer what was read; read it again',
    "exists": 'cannot create "{path}": something has that name by now; read it first',
    "gone": 'cannot {action} "{path}": it no longer exists',
}
_DENIED = {
    "readonly": 'cannot {action} "{path}": the file is read-only for this account (see ls -l), or its file system is',
    "denied": 'cannot {action} "{path}": the remote account may not change this directory or file',
    "mkdir": 'cannot create "{path}": its directory cannot be made there: no permission, or a file has its name',
}
_FAILED = {
    "busy": 'cannot {action} "{path}": other engines kept its directory locked for 10 s; try again',
    "payload": 'cannot {action} "{path}": the new contents did not arrive whole; nothing was changed, try again',
    "broken": (
        'writing "{path}" in place failed half-way and the old contents could not be put back; '
        "complete copies of old and new lie beside it as .rc-*"
    ),
}


def replace_refused(reason: str, change: Change | None, *, done: list[RemotePath]) -> RemoteCodeError:
    """Return the error for a replace that ended with `reason` at `change`; `done` was written before it."""
    path = change.path if change is not None else "the files"
    action = "remove" if change is not None and change.contents is None else "write"
    facts: dict[str, str | list[str]] = {"path": path, "reason": reason, "done": [str(each) for each in done]}
    suffix = f" (already written: {', '.join(done)})" if done else ""
    if reason in _CHANGED:
        return RemoteChanged(_CHANGED[reason].format(action=action, path=path) + suffix, **facts)
    if reason in _DENIED:
        return PermissionDenied(_DENIED[reason].format(action=action, path=path) + suffix, action=action, **facts)
    if reason == "outside":
        return outside(RemotePath(path))
    if reason == "kind":
        return IsADirectory(f'cannot {action} "{path}": it is a directory, or no ordinary file{suffix}', **facts)
    if reason == "space":
        sentence = f'cannot {action} "{path}": the remote file system is full, or takes no new file there{suffix}'
        return NoSpace(sentence, **facts)
    sentence = _FAILED.get(reason, 'cannot {action} "{path}": the remote refused it ({reason})')
    return RemoteOperationFailed(sentence.format(action=action, path=path, reason=reason) + suffix, **facts)


def move_refused(reason: str, source: RemotePath, target: RemotePath, *, is_target: bool) -> RemoteCodeError:
    """Return the error for a move that ended with `reason`, which is about its target or its source."""
    path = target if is_target else source
    sentence = f'cannot move "{source}" to "{target}": '
    if reason == "outside":
        return outside(path)
    if reason == "exists":
        return RemoteChanged(sentence + "something has the new name already", path=path, reason=reason)
    if reason == "changed":
        return RemoteChanged(sentence + "it is no longer what was read; read it again", path=path, reason=reason)
    if reason == "directory":
        return NoSuchFile(sentence + "the new directory does not exist", path=path)
    if reason == "denied":
        return PermissionDenied(sentence + "the remote account may not do that", path=path, action="move")
    return RemoteOperationFailed(sentence + f"the remote refused it ({reason})", path=path, reason=reason)


def outside(path: RemotePath) -> OutsideWorkspace:
    """Return the error for a path whose real path leads out of the allowed roots."""
    return OutsideWorkspace(f'"{path}" leads out of the allowed directories through a link', path=path)


def unreadable(path: RemotePath, *, action: str) -> PermissionDenied:
    """Return the error for a file or directory that the account may not read."""
    return PermissionDenied(f'cannot {action} "{path}": the remote account may not read it', path=path, action=action)


def keeps_changing(path: RemotePath) -> RemoteOperationFailed:
    """Return the error for a file that was written during every attempt to read it."""
    return RemoteOperationFailed(
        f'cannot read "{path}" whole: it was being rewritten during each of several attempts; try again later',
        path=path,
        reason="changing",
    )


def cannot_make_directory(path: RemotePath, kind: Kind | None) -> RemoteCodeError:
    """Return the error for a directory that could not be made, where something of `kind` stands in the way."""
    if kind is Kind.OUTSIDE:
        return outside(path)
    if kind is None or kind is Kind.NO_ACCESS:
        return PermissionDenied(
            f'cannot make the directory "{path}": the remote account may not do that', path=path, action="make"
        )
    return RemoteOperationFailed(
        f'cannot make the directory "{path}": something else has that name', path=path, reason="exists"
    )
