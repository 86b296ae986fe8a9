"""The params of the engine's methods, as docs/protocol.md describes them. Unknown members are ignored."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

PROTOCOL_VERSION = 1


def _check_whole(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ValueError(f"at position {exc.start} there is half of a surrogate pair") from exc
    return text


Name = Annotated[str, AfterValidator(_check_whole)]
"""An id of the client's that is also written down: whole characters only."""


class Params(BaseModel):
    """Base of all params: camel case on the wire; members that a newer plugin adds are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class ClientInfo(Params):
    """Who speaks to the engine."""

    name: str
    version: str


class OutputLimits(Params):
    """OpenCode's bounds for one result."""

    max_lines: int = Field(default=2000, ge=1)
    max_bytes: int = Field(default=51_200, ge=1)


class InitializeParams(Params):
    """Params of `initialize`."""

    protocol_version: int
    client: ClientInfo
    directory: str
    worktree: str
    limits: OutputLimits = OutputLimits()
    exec_socket: str | None = None
    """Where the engine shall listen for `remote-code exec`; None for nowhere."""


class ToolCallParams(Params):
    """Params of `tool/call`."""

    call_id: Name
    name: str
    args: dict[str, object]
    session_id: Name = ""
    """Calls without one share one session."""
    agent: str | None = None
    directory: str | None = None


class ToolCancelParams(Params):
    """Params of `tool/cancel`."""

    call_id: str


class NoParams(Params):
    """Params of methods that take none."""


class MessageRewriteParams(Params):
    """Params of `message/rewrite`."""

    parts: list[dict[str, object]]
    session_id: Name
    directory: str


class SystemRewriteParams(Params):
    """Params of `system/rewrite`."""

    system: list[str]
    session_id: str | None = None
    directory: str
    worktree: str


class ExecParams(Params):
    """Params of `exec`, the one method of the engine's socket."""

    command: str
    session_id: str | None = None
    timeout_s: float | None = Field(default=None, gt=0)
    """None: the person ends it."""


class ExecOutputParams(Params):
    """Params of `exec/output`: bytes of the command, as they come."""

    stream: str
    data: str
    """In base64."""


class ExecResult(Params):
    """Result of `exec`."""

    exit_status: int | None
    signal: str | None
