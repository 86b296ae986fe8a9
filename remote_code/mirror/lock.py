"""Locks of the mirror: between engines by a locked file, between calls of one engine by path."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from remote_code.errors import Cancelled, MirrorUnusable
from remote_code.paths import RemotePath
from remote_code.shell.job import Cancel

POLL_S = 0.05
"""How often a lock that another process holds is tried again."""
CANCEL_POLL_S = 0.2
"""How often a call that waits for another one looks whether it was cancelled."""


class FileLock:
    """An exclusive lock between processes, and between threads; the system frees it when the process ends.

    Use one object per holder. The file stays when the lock is released.
    """

    def __init__(self, path: Path, *, timeout_s: float = 60.0) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Wait for the lock.

        Raises:
            MirrorUnusable: another engine held it for `timeout_s`.
        """
        deadline = time.monotonic() + self.timeout_s
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                raise MirrorUnusable(
                    f'another engine has held the lock "{self.path}" for {self.timeout_s:g} s', path=str(self.path)
                )
            time.sleep(POLL_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it, and tell whether it is ours now."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _acquire(lock: threading.RLock, cancel: Cancel | None) -> None:
    while not lock.acquire(timeout=-1 if cancel is None else CANCEL_POLL_S):
        if cancel is not None and cancel.is_set:
            raise Cancelled("the call was cancelled while another one changed the same file")


class PathLocks:
    """One lock per remote path, within this process. A thread may take a lock again that it holds."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # Guards `_locks`; nothing blocks while it is held.
        self._locks: dict[RemotePath, tuple[threading.RLock, int]] = {}

    @contextmanager
    def hold(self, paths: Sequence[RemotePath], *, cancel: Cancel | None = None) -> Iterator[None]:
        """Hold the locks of all `paths`, taken in one order for all callers, so that no two wait for each other.

        Raises:
            Cancelled: `cancel` came while another call held one; it may wait for a person.
        """
        taken: list[tuple[RemotePath, threading.RLock]] = []
        try:
            for path in sorted(set(paths)):
                lock = self._borrow(path)
                try:
                    _acquire(lock, cancel)
                except BaseException:
                    self._give_back(path)
                    raise
                taken.append((path, lock))
            yield
        finally:
            for path, lock in reversed(taken):
                lock.release()
                self._give_back(path)

    def _borrow(self, path: RemotePath) -> threading.RLock:
        with self._guard:
            lock, users = self._locks.get(path, (threading.RLock(), 0))
            self._locks[path] = (lock, users + 1)
            return lock

    def _give_back(self, path: RemotePath) -> None:
        with self._guard:
            lock, users = self._locks[path]
            if users == 1:
                del self._locks[path]
            else:
                self._locks[path] = (lock, users - 1)
