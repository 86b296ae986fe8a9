"""Locks between engines where there is nothing but SFTP: one file per directory, and a word of whose it is."""

import threading
import time

from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_wire import Attributes, Handle, Request

STALE_LOCK_S = 60.0
"""A lock that has been seen unchanged for so long has lost its owner: replacing takes seconds."""


class Locks:
    """Remembers how long the locks of others have stood. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Guards the dictionary below.
        self._seen: dict[bytes, tuple[Attributes, float]] = {}

    def is_stale(self, path: bytes, found: Attributes) -> bool:
        """Note that the lock `path` stands as `found`, and tell whether it has for `STALE_LOCK_S`."""
        now = time.monotonic()
        with self._lock:
            known = self._seen.get(path)
            if known is None or known[0] != found:
                self._seen[path] = (found, now)
                return False
            return now - known[1] > STALE_LOCK_S


class Lock:
    """The lock of one directory: a file with our token in it, renamed to the common name if nothing has that."""

    def __init__(self, folder: bytes, token: str) -> None:
        self.folder = folder
        self.path = lock_path(folder)
        self.temp = lock_temp(folder, token)
        self.handle: Handle | None = None
        self.is_ours = False

    def take(self, token: str) -> list[Request]:
        """Return the requests of which the last one takes the lock; the first time they write its contents."""
        rename = wire.rename(self.temp, self.path)
        if self.handle is None:
            return [rename]
        return [wire.write(self.handle, 0, token.encode()), wire.close(self.handle), rename]


def lock_path(folder: bytes) -> bytes:
    """Return the name that engines contend for in a directory."""
    return folder.rstrip(b"/") + b"/.rc-lock"


def lock_temp(folder: bytes, token: str) -> bytes:
    """Return the name that a lock of the job `token` has before it is one."""
    return folder.rstrip(b"/") + f"/.rc-{token}-lock".encode()
