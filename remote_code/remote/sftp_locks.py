"""Locks between engines where there is nothing but SFTP: one name per directory, taken in one step without a handle.

A lock is a directory `.rc-lock` that holds an empty directory named by its owner's token. It is made beside, and
renamed: a rename never replaces a directory that has something in it. So the name decides who holds the lock, and what
is in it whose it is. All of that travels in one flight with what is to be done under the lock.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence

from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_memory import StaleLocks
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Names, Reply, Request, Status, Type

LOCK_WAIT_S = 10.0
LOCK_POLL_S = 0.05

SendFlight = Callable[[Sequence[Request]], list[Reply]]


class Lock:
    """The lock of one directory, as one job sees it."""

    def __init__(self, folder: bytes, token: str) -> None:
        self.folder = folder
        self.path = lock_path(folder)
        self.temp = lock_temp(folder, token)
        self._word = b"/" + token.encode()
        self._is_made: bool | None = None
        self.refusal: Status | None = None
        """Why nothing can be made in this directory, when that is so."""
        self.is_ours = False

    def take(self, rename: Callable[[bytes, bytes], Request]) -> list[Request]:
        """Return the requests of which the last one takes the lock; the first time they make what is renamed."""
        take = rename(self.temp, self.path)
        if self._is_made is not None:
            return [take]
        return [wire.make_directory(self.temp), wire.make_directory(self.temp + self._word), take]

    def note(self, replies: Sequence[Reply]) -> None:
        """Note what came back for `take`."""
        statuses = [reply if isinstance(reply, Status) else Status(Code.FAILURE) for reply in replies]
        if self._is_made is None:
            self._is_made = statuses[0].code == Code.OK
            # Without the word in it a lock would be anybody's.
            self.refusal = next((status for status in statuses[:2] if status.code != Code.OK), None)
        self.is_ours = statuses[-1].code == Code.OK

    def step_back(self) -> list[Request]:
        """Return the requests that give the lock to others for now."""
        was_ours, self.is_ours = self.is_ours, False
        return [wire.rename(self.path, self.temp)] if was_ours else []

    def release(self) -> list[Request]:
        """Return the requests that leave nothing of it."""
        if not self._is_made:
            return []
        path = self.path if self.is_ours else self.temp
        return [wire.on_path(Type.RMDIR, path + self._word), wire.on_path(Type.RMDIR, path)]


class FolderLocks:
    """The locks of all directories of one job, taken together or not at all."""

    def __init__(self, folders: Iterable[bytes], *, token: str, stale: StaleLocks, can_replace: bool) -> None:
        # In one order, so that two jobs that want the same two meet at the first.
        self.locks = [Lock(folder, token) for folder in sorted(set(folders))]
        self._stale = stale
        self._rename = wire.posix_rename if can_replace else wire.rename
        self._deadline = time.monotonic() + LOCK_WAIT_S

    def take(self) -> list[Request]:
        """Return the requests that take all locks; what follows them in the same flight is done under them."""
        return [request for lock in self.locks for request in lock.take(self._rename)]

    def note(self, replies: Sequence[Reply]) -> None:
        """Note what came back for `take`."""
        at = 0
        for lock in self.locks:
            count = len(lock.take(self._rename))
            lock.note(replies[at : at + count])
            at += count

    @property
    def are_ours(self) -> bool:
        """Whether all locks are held."""
        return all(lock.is_ours for lock in self.locks)

    def release(self) -> list[Request]:
        """Return the requests that leave nothing of the locks."""
        return [request for lock in self.locks for request in lock.release()]

    def wait(self, flight: SendFlight, *, closes: Sequence[Request]) -> bool:
        """Step back while another engine holds a lock, and wait a moment; False when that has taken too long.

        `closes` travels along: what was opened without the lock is of no use.
        """
        others = [lock for lock in self.locks if not lock.is_ours]
        flight([*closes, *(request for lock in self.locks for request in lock.step_back())])
        if time.monotonic() > self._deadline:
            return False
        looks = flight([wire.on_path(Type.LSTAT, lock.path) for lock in others])
        stale = [
            (lock.path, look)
            for lock, look in zip(others, looks, strict=True)
            if isinstance(look, Attributes) and self._stale.is_stale(lock.path, look)
        ]
        for path, look in stale:
            _remove_stale(flight, path, look)
        if not stale:
            # Of random length, or two engines that want the same two locks would meet again and again.
            time.sleep(LOCK_POLL_S * (0.5 + random.random()))
        return True


def _remove_stale(flight: SendFlight, path: bytes, found: Attributes) -> None:
    """Remove a lock that stands as `found`; never one that was taken since: its word is another."""
    (handle,) = flight([wire.on_path(Type.OPENDIR, path)])
    words: list[bytes] = []
    if isinstance(handle, Handle):
        names, _, look = flight(
            [wire.on_handle(Type.READDIR, handle), wire.close(handle), wire.on_path(Type.LSTAT, path)]
        )
        if look != found:
            return
        words = [name for name, _ in names.entries if name not in (b".", b"..")] if isinstance(names, Names) else []
    flight([*(wire.on_path(Type.RMDIR, path + b"/" + word) for word in words), wire.on_path(Type.RMDIR, path)])


def lock_path(folder: bytes) -> bytes:
    """Return the name that engines contend for in a directory."""
    return folder.rstrip(b"/") + b"/.rc-lock"


def lock_temp(folder: bytes, token: str) -> bytes:
    """Return the name that a lock of the job `token` has before it is one."""
    return folder.rstrip(b"/") + f"/.rc-{token}-lock".encode()
