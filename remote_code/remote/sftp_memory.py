"""What is remembered of an SFTP server from one call to the next: to do with fewer questions, never to rely on."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from remote_code.paths import RemotePath
from remote_code.remote.sftp_wire import Attributes

STALE_LOCK_S = 60.0
"""A lock that has been seen unchanged for so long has lost its owner: replacing takes seconds."""
_MAX_KNOWN = 10_000


class KnownPlaces:
    """Where paths led at the last look, to guess with and never to rely on. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Guards the dictionary below.
        self._found: dict[RemotePath, RemotePath] = {}

    def note(self, found: Iterable[tuple[RemotePath, RemotePath | None]]) -> None:
        """Remember where paths lead, None for nowhere to go; the oldest are forgotten."""
        with self._lock:
            for path, real_path in found:
                self._found.pop(path, None)
                if real_path is not None:
                    self._found[path] = real_path
            while len(self._found) > _MAX_KNOWN:
                del self._found[next(iter(self._found))]

    def real_path(self, path: RemotePath) -> RemotePath | None:
        """Return where `path` led; None when that is not known."""
        with self._lock:
            return self._found.get(path)


class ServerClock:
    """The server's clock, which SFTP tells only by what is written: to know which files changed just now."""

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def note(self, written: Attributes) -> None:
        """Learn from the state of a file that was written a moment ago."""
        if written.mtime_s is not None:
            self._offset_s = written.mtime_s - time.time()

    def is_young(self, attributes: Attributes | None) -> bool:
        """Tell whether a file changed so lately that its next change may leave the same time.

        Before anything was written the clocks are taken to be less than a minute apart.
        """
        if attributes is None or attributes.mtime_s is None:
            return True
        slack_s = 60.0 if self._offset_s is None else 5.0
        return attributes.mtime_s >= time.time() + (self._offset_s or 0.0) - slack_s


class StaleLocks:
    """Remembers how long the locks of others have stood. May be used from any thread."""

    def __init__(self, after_s: float = STALE_LOCK_S) -> None:
        self._after_s = after_s
        self._lock = threading.Lock()  # Guards the dictionary below.
        self._seen: dict[bytes, tuple[Attributes, float]] = {}

    def is_stale(self, path: bytes, found: Attributes) -> bool:
        """Note that the lock `path` stands as `found`, and tell whether it has for long."""
        now = time.monotonic()
        with self._lock:
            known = self._seen.get(path)
            if known is None or known[0] != found:
                self._seen[path] = (found, now)
                return False
            return now - known[1] > self._after_s


@dataclass(frozen=True, slots=True)
class ServerMemory:
    """All that one `SFTPFiles` remembers."""

    places: KnownPlaces = field(default_factory=KnownPlaces)
    clock: ServerClock = field(default_factory=ServerClock)
    locks: StaleLocks = field(default_factory=StaleLocks)
