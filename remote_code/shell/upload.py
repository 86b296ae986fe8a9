"""Upload of a large file: one stream, or several side by side where the server's receive window would bound one.

OpenSSH takes 2 MB per channel and round trip: 40 MB/s at 50 ms, however fast the link. The file is then made in parts,
each over a channel and in a shell of its own. The end of the file is sent last, when all else is there and verified: so
its size tells the remote side whether it is whole, and it removes what is not.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from remote_code.errors import Cancelled, ConnectionLost, RemoteCodeError, RemoteOperationFailed
from remote_code.quoting import quote
from remote_code.shell.bulk import GONE, PIECE_BYTES, as_command, check, transfer_job
from remote_code.shell.job import Cancel
from remote_code.shell.worker import SEND_TIMEOUT_S, StandbyShell, lost_error

STREAMS = 3
"""How many channels one file takes at most."""
LONG_RTT_S = 0.01
"""Up to here one window after the other fills a link of 200 MB/s."""
BLOCK_BYTES = 1 << 16
"""What offsets are counted in on the remote side."""
SMALLEST_PART_BYTES = 4 << 20
"""Less is over before another channel is open."""
LARGEST_PART_BYTES = 64 << 20
"""A channel of its own serves so much; then another file may have its turn."""

STATUS_S = 1.0
"""How far the ends of two shells may be apart of which one has seen what the other did."""

Borrow = Callable[[Cancel], AbstractContextManager[StandbyShell]]
"""Lends one more shell; waits for it until the given cancel is set."""


@dataclass(frozen=True, slots=True)
class Part:
    """A range of the file that goes over one channel."""

    first_block: int
    size_bytes: int

    @property
    def offset(self) -> int:
        """Where it begins, in bytes."""
        return self.first_block * BLOCK_BYTES

    @property
    def n_blocks(self) -> int:
        """How many blocks it takes, the last of the file perhaps in part."""
        return -(-self.size_bytes // BLOCK_BYTES)


def split(size_bytes: int, *, n_streams: int) -> list[Part]:
    """Return the parts of a file for so many streams, in order; all but the last are whole blocks."""
    part_bytes = min(max(-(-size_bytes // n_streams), SMALLEST_PART_BYTES), LARGEST_PART_BYTES)
    n_blocks = -(-part_bytes // BLOCK_BYTES)
    step = n_blocks * BLOCK_BYTES
    if n_streams == 1 or size_bytes <= step:
        return [Part(0, size_bytes)]
    return [Part(offset // BLOCK_BYTES, min(step, size_bytes - offset)) for offset in range(0, size_bytes, step)]


class Upload:
    """One upload of the next `size_bytes` of `source`, which must be seekable for more than one stream.

    The caller's thread sends the last part. Helpers, each a thread and a borrowed shell, send the others.
    """

    def __init__(self, path: str, source: BinaryIO, size_bytes: int, *, n_streams: int, timeout_s: float) -> None:
        self._path = path
        self._source = source
        self._size_bytes = size_bytes
        self._timeout_s = timeout_s
        *others, self._last = split(size_bytes, n_streams=n_streams)
        self._base = source.tell() if others else 0
        self._n_helpers = min(n_streams - 1, len(others))
        self._todo = deque(others)
        self._reading = threading.Lock()  # Held while the source is at the place of one thread.
        self._lock = threading.Lock()  # Guards the two below.
        self._n_open = len(others)
        self._error: RemoteCodeError | None = None
        self._is_made = threading.Event()
        self._are_others_done = threading.Event()
        # Both are set too when the upload is given up.
        self._given_up = Cancel()

    def run(self, shell: StandbyShell, borrow: Borrow, *, cancel: Cancel) -> None:
        """Make the remote file, which must not exist; it is whole or not there.

        Raises:
            RemoteOperationFailed: it exists, cannot be written, or did not become what was sent.
            ConnectionLost, Cancelled: the remote side removes what it has when its input ends.
        """
        self._given_up.add_listener(self._is_made.set)
        self._given_up.add_listener(self._are_others_done.set)
        forget = cancel.add_listener(self._given_up.set)
        helpers = [
            threading.Thread(target=self._help, args=(borrow,), name="shells-upload", daemon=True)
            for _ in range(self._n_helpers)
        ]
        for helper in helpers:
            helper.start()
        try:
            self._make(shell, cancel)
        finally:
            forget()
            self._given_up.set()
            for helper in helpers:
                helper.join()

    def _make(self, shell: StandbyShell, cancel: Cancel) -> None:
        last = self._last
        n_blocks = last.n_blocks if self._n_helpers else 0
        call = f"rc_take_file {quote(self._path)} {self._size_bytes} {last.first_block} {n_blocks}\n"
        shell.send(transfer_job(shell, call))
        digest = hashlib.sha256()
        try:
            if self._n_helpers:
                # The file is whole with its last byte.
                self._send(shell, last.offset, last.size_bytes - 1, digest, watch=lambda: self._look(shell))
                self._wait_for_others(shell)
                self._send(shell, last.offset + last.size_bytes - 1, 1, digest)
            else:
                self._send(shell, last.offset, last.size_bytes, digest)
        except RemoteCodeError as exc:
            self._raise_unless_told(shell, self._error or exc)
        # The end of the input ends the file: to count its bytes would take one process more.
        shell.channel.shutdown_write()
        result = shell.follow(as_command(self._timeout_s), cancel=cancel)
        check(result, self._path, "write", digest.hexdigest())

    def _raise_unless_told(self, shell: StandbyShell, error: RemoteCodeError) -> None:
        """Raise what has stopped the sending, unless the script has ended early: then its status says why.

        When it has removed the file, those who send the other parts only find that gone.
        """
        if error.facts.get("reason") == GONE:
            shell.wait_until_over(STATUS_S)
        elif not isinstance(error, ConnectionLost) or error is self._error:
            raise error
        if shell.channel.is_link_lost:
            raise lost_error(is_started=True, is_repeatable=False) from error

    def _look(self, shell: StandbyShell) -> None:
        """Learn that the file is there: all that the script prints."""
        if not self._is_made.is_set() and shell.channel.receive():
            self._is_made.set()

    def _wait_for_others(self, shell: StandbyShell) -> None:
        """Block until the other parts are there and verified.

        Raises:
            RemoteCodeError: one of them is not.
            ConnectionLost: the shell has ended.
        """
        wake = shell.channel.wake
        while self._n_open and not self._is_made.is_set():
            wake.clear()
            self._look(shell)
            if not shell.is_usable:
                raise ConnectionLost("the shell ended", outcome="unknown", retry_safe=False)
            if not self._is_made.is_set():
                wake.wait(SEND_TIMEOUT_S)
        if self._n_open:
            self._are_others_done.wait()
        if self._error is not None:
            raise self._error
        if self._given_up.is_set:
            raise Cancelled("the transfer was cancelled")

    def _help(self, borrow: Borrow) -> None:
        """Send parts until there are none left; runs in a thread of its own."""
        try:
            while self._todo and not self._given_up.is_set:
                with borrow(self._given_up) as shell:
                    self._is_made.wait()
                    part = self._todo.popleft()
                    self._send_part(shell, part)
        except IndexError:
            return  # Another helper was quicker.
        except RemoteCodeError as exc:
            with self._lock:
                if not self._given_up.is_set:
                    self._error = exc
            self._given_up.set()

    def _send_part(self, shell: StandbyShell, part: Part) -> None:
        forget = self._given_up.add_listener(shell.close)
        digest = hashlib.sha256()
        try:
            shell.send(transfer_job(shell, f"rc_take_part {quote(self._path)} {part.first_block} {part.n_blocks}\n"))
            try:
                self._send(shell, part.offset, part.size_bytes, digest)
            except ConnectionLost as exc:
                if shell.channel.is_link_lost:
                    raise lost_error(is_started=True, is_repeatable=False) from exc
            shell.channel.shutdown_write()
            result = shell.follow(as_command(self._timeout_s), cancel=self._given_up)
            check(result, self._path, "write", digest.hexdigest())
        finally:
            forget()
        with self._lock:
            self._n_open -= 1
            if not self._n_open:
                self._are_others_done.set()

    def _send(
        self,
        shell: StandbyShell,
        offset: int,
        n_bytes: int,
        digest: "hashlib._Hash",
        *,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        while n_bytes > 0:
            if self._given_up.is_set:
                raise self._error or Cancelled("the transfer was cancelled")
            piece = memoryview(self._read(offset, min(n_bytes, PIECE_BYTES)))
            if not piece:
                reason = "the local file is shorter than it was"
                raise RemoteOperationFailed(f'cannot write "{self._path}": {reason}', path=self._path, reason=reason)
            digest.update(piece)
            n_bytes -= len(piece)
            offset += len(piece)
            while piece:
                piece = piece[shell.channel.send(piece, timeout_s=SEND_TIMEOUT_S) :]
                watch()

    def _read(self, offset: int, n_bytes: int) -> bytes:
        if not self._n_helpers:
            return self._source.read(n_bytes)
        with self._reading:
            self._source.seek(self._base + offset)
            return self._source.read(n_bytes)
