"""Every error that a person or a model can see: one tree, facts as attributes, one JSON-RPC code each.

The sentence says what was asked, what was found and what would help. The facts travel in `data` of the JSON-RPC
error object, so they hold plain JSON values only, and never a secret.
"""

import re
from typing import Self

Fact = str | int | float | bool | None | list[str] | dict[str, str]
"""A JSON value that an error may carry."""


class RemoteCodeError(Exception):
    """The base of all errors that leave a room.

    `message` is the whole sentence for the person and the model; `facts` are its parts, readable as attributes.
    """

    code = -32010
    """Error code of JSON-RPC 2.0; the same for the whole tree, `kind` tells the classes apart."""

    def __init__(self, message: str, **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def __getattr__(self, name: str) -> Fact:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            value: Fact = facts[name]
            return value
        raise AttributeError(f"{type(self).__name__} has no fact {name!r}")

    @property
    def kind(self) -> str:
        """The class name in snake case, as protocol errors name it."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(self).__name__).lower()

    def again(self) -> Self:
        """Return an equal error, for one that is kept: raised itself, it would gather the frames of every raise."""
        return type(self)(self.message, **self.facts)

    def to_error_object(self) -> dict[str, object]:
        """Return the `error` member of a JSON-RPC response."""
        return {"code": self.code, "message": self.message, "data": {"kind": self.kind, **self.facts}}


class ConfigError(RemoteCodeError):
    """A setting cannot be used. Facts: `variable`, `value` (never of a password), `accepted`."""


class InvalidArguments(RemoteCodeError):
    """The arguments of a call do not fit its tool. Facts: `tool`, `problems`."""


class UnknownTool(RemoteCodeError):
    """No tool has this name. Facts: `name`, `known`."""


class Cancelled(RemoteCodeError):
    """The call was cancelled before it had anything to return."""


class OutsideWorkspace(RemoteCodeError):
    """A path leads out of the workspace. Facts: `path`, `workspace`."""


class InvalidPath(RemoteCodeError):
    """A path cannot name a file on the remote. Facts: `path`."""


class PermissionRejected(RemoteCodeError):
    """The person, or a rule of theirs, said no. Facts: `permission`, `patterns`."""


class ConnectionFailed(RemoteCodeError):
    """No connection could be made. Facts: `host`, `port` where known. Final unless the class says otherwise."""


class AuthenticationFailed(ConnectionFailed):
    """The server refused the login. Facts: `host`, `user`, `offered`, `tried`. Never retried in a loop."""


class HostKeyMismatch(ConnectionFailed):
    """The host key is changed, revoked or unknown. Facts: `host`, `file`, `line`, `expected`, `found`."""


class AlgorithmUnsupported(ConnectionFailed):
    """Client and server have no algorithm in common. Facts: `ours`, `theirs`, `option`."""


class ConnectTimeout(ConnectionFailed):
    """The connection did not come up in time. Facts: `host`, `port`, `timeout_s`."""


class ServerBusy(ConnectionFailed):
    """The server takes no further login now (MaxStartups, penalties); later it may. Facts: `host`, `said`."""


class ShellUnsupported(ConnectionFailed):
    """The account gives no POSIX shell that answers. Facts: `host`, `said` (what it printed instead)."""


class ConnectionLost(RemoteCodeError):
    """The link broke. Facts: `outcome` ("not_started" or "unknown"), `retry_safe`."""


class ChannelRefused(RemoteCodeError):
    """The server opens no further channel on this connection (MaxSessions). Facts: `host`."""


class PoolTimeout(RemoteCodeError):
    """All workers stayed busy. Facts: `waited_s`, `size`, `in_use`."""


class PoolClosed(RemoteCodeError):
    """The engine is ending; nothing more is started."""


class SFTPError(RemoteCodeError):
    """The SFTP server answered with a status. Facts: `status`, `path`."""


class NoSuchFile(RemoteCodeError):
    """The path does not exist on the remote. Facts: `path`."""


class NotADirectory(RemoteCodeError):
    """A directory was due and something else is there. Facts: `path`."""


class IsADirectory(RemoteCodeError):
    """A file was due and a directory is there. Facts: `path`."""


class PermissionDenied(RemoteCodeError):
    """The remote account may not do this. Facts: `path`, `action`."""


class NoSpace(RemoteCodeError):
    """The remote file system is full or the quota is spent. Facts: `path`."""


class RemoteChanged(RemoteCodeError):
    """The remote file is no longer what this session saw. Facts: `path`, and `diff` where contents are known."""


class RemoteOperationFailed(RemoteCodeError):
    """A file operation failed in another named way. Facts: `path`, `reason`."""


class MirrorUnusable(RemoteCodeError):
    """The local mirror cannot be read or written. Facts: `path`."""


class NotInHistory(RemoteCodeError):
    """The history holds no such entry, or its contents no longer. Facts: `entry`, `path`."""


class ToolError(RemoteCodeError):
    """A tool could not do what it was asked."""


class NoChange(ToolError):
    """An edit whose old and new text are equal."""


class OldStringEmpty(ToolError):
    """`oldString` is empty though the file exists."""


class EditNotFound(ToolError):
    """`oldString` does not occur. Facts: `path` where known."""


class EditAmbiguous(ToolError):
    """`oldString` fits several places. Facts: `path`, `matches` where known."""


class EditTooLarge(ToolError):
    """The matched span is much larger than `oldString`; nothing was replaced."""


class PatchRejected(ToolError):
    """A patch cannot be parsed or applied. Facts: `path`, `hunk`, `line` where known."""


class BinaryFile(ToolError):
    """A text was due and the file is binary. Facts: `path`."""


class EncodingUnsupported(ToolError):
    """A text cannot be written in the file's encoding. Facts: `character`, `encoding`, `position`."""


class OffsetOutOfRange(ToolError):
    """`offset` lies beyond the last line. Facts: `offset`, `lines`."""


class CommandFailed(ToolError):
    """A command ended unsuccessfully. Facts: `exit_status`, `signal`, `stdout`, `stderr`."""


class SearchUnavailable(ToolError):
    """The remote has no program that can do this search. Facts: `needs`."""


class SearchFailed(ToolError):
    """The search program refused the request. Facts: `pattern`, `stderr`."""
