"""What a worker is asked to do and what comes back: data only."""

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


class Outcome(enum.Enum):
    """What is known of a job that has ended, whichever way."""

    DONE = "done"
    """The server reported its end: an exit status or a signal."""
    NOT_STARTED = "not_started"
    """It certainly never ran."""
    UNKNOWN = "unknown"
    """It may have run, in part or whole; nobody can tell."""


@dataclass(frozen=True, slots=True)
class Command:
    """A user's command for a standby shell: runs in bash where there is one, else sh."""

    text: str
    workdir: str
    """Absolute remote directory."""
    timeout_s: float
    keep_bytes: int = 64 << 20
    """How much of each stream the result keeps: the first and the last half of it."""
    stdin: bytes | Path | None = field(default=None, repr=False)
    """What it reads: bytes, or a local file, of which no more than a piece is held in memory; None for nothing.

    With an input, a command that dies of a signal of its own shows as exit status 128 and the signal's number, as
    shells tell it.
    """


@dataclass(frozen=True, slots=True)
class Script:
    """A short POSIX script of our own, for a resident shell whose library has been loaded.

    Repeatable: it may be sent once more when the link was lost while it ran (reads only).
    """

    text: str
    """Script lines, each ended by a newline; user text in it is quoted."""
    payload: bytes = b""
    """Bytes that follow the script in the same flight; the script reads exactly so many from descriptor 3."""
    timeout_s: float = 30.0
    """How long the remote may be silent before its answer is complete; a large answer takes what it takes."""
    is_repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ended.

    With outcome DONE exactly one of `exit_status` and `signal` is set, except on a server that closed the channel in
    order and reported neither.
    """

    outcome: Outcome
    exit_status: int | None
    signal: str | None
    """Signal name without SIG, for example "TERM"."""
    stdout: bytes
    stderr: bytes
    is_timed_out: bool = False
    is_cancelled: bool = False
    holds_output: bool = False
    """Whether background children still held the output when the call was ended after its drain."""
    is_output_cut: bool = False
    """Whether the link was lost between the command's end and that of its output."""
    dropped_bytes: int = 0
    """Bytes of standard output that were not kept; they are missing behind the first `Command.keep_bytes // 2`."""
    dropped_stderr_bytes: int = 0
    """The same of standard error."""
    process_group: int | None = field(default=None, compare=False)
    """Process group of the command on the remote, which its background children share; None where it is not known."""


OnOutput = Callable[[str, bytes], None]
"""Called with "stdout" or "stderr" and the bytes that came, in order, from the thread that runs the job."""


class Cancel:
    """A request to stop, which may come from any thread and before or after anyone listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Guards the two fields below; listeners are called outside it.
        self._is_set = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether the stop was asked for."""
        return self._is_set

    def set(self) -> None:
        """Ask for the stop and tell all listeners; further calls do nothing."""
        with self._lock:
            if self._is_set:
                return
            self._is_set = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called once when the stop is asked for, at once if it was. Returns what removes it."""
        with self._lock:
            if not self._is_set:
                self._listeners.append(listener)
                return lambda: self._remove(listener)
        listener()
        return lambda: None

    def _remove(self, listener: Callable[[], None]) -> None:
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)


@dataclass(slots=True)
class Flights:
    """Counts the flights that one tool call waits for; workers add to it, `metadata.remote` shows it."""

    count: int = 0
    cancel: Cancel | None = None
    """Ends the waits of the call that may be given up: for a free worker, and for answers of repeatable scripts."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, n: int = 1) -> None:
        """Count `n` flights more."""
        with self._lock:
            self.count += n
