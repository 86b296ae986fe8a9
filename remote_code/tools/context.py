"""What a tool gets besides its arguments, and what it gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from remote_code.errors import Cancelled
from remote_code.mirror.sync import SyncEngine
from remote_code.paths import Workspace
from remote_code.remote.files import Files
from remote_code.remote.probe import Host
from remote_code.shell.job import Cancel, Flights
from remote_code.shell.pool import Shells
from remote_code.tools.memory import Memory

JSONObject = dict[str, object]


class Ask(Protocol):
    """Puts a permission question to the person; returns when it is granted."""

    def __call__(
        self,
        permission: str,
        *,
        patterns: Sequence[str],
        always: Sequence[str],
        metadata: Mapping[str, object],
    ) -> None:
        """Ask and wait. No worker, channel or lock may be held meanwhile.

        Raises:
            PermissionRejected: the person, or a rule of theirs, said no.
            Cancelled: the call was cancelled while waiting.
        """


@dataclass(frozen=True, slots=True)
class Limits:
    """How much text a result or an error may hold, everything included (protocol.md, `limits`)."""

    max_lines: int = 2000
    max_bytes: int = 51_200


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What one call returns; the shape of protocol.md's `tool/call` result."""

    title: str
    output: str
    metadata: JSONObject
    attachments: list[JSONObject] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that a tool may use during one call."""

    session_id: str
    call_id: str
    workspace: Workspace
    host: Host
    """What the probe learned of the remote."""
    label: str
    """The target as the person knows it, for texts."""
    shells: Shells
    files: Files
    sync: SyncEngine
    limits: Limits
    memory: Memory
    """What outlives the call; one for all calls of an engine."""
    ask: Ask
    progress: Callable[[str | None, JSONObject], None]
    """Sends a title (or None) and metadata to the client while the tool runs."""
    cancel: Cancel
    flights: Flights

    def raise_if_cancelled(self) -> None:
        """End the call if it was cancelled; to be called before whatever cannot be taken back.

        Raises:
            Cancelled: it was.
        """
        if self.cancel.is_set:
            raise Cancelled("the call was cancelled before it had changed anything")
