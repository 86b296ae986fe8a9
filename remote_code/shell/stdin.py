"""The local end of a command's standard input: a thread that sends it while another one follows the output."""

import io
import os
import stat
import threading
from pathlib import Path
from typing import BinaryIO

from remote_code.errors import ConnectionLost, InvalidArguments, RemoteOperationFailed
from remote_code.shell.channel import Channel

PIECE_BYTES = 256 << 10
"""What is read from a local file at a time."""
_PATIENCE_S = 1.0
"""How often the thread looks up from a closed window: a command may read as late as it likes, or never."""


class Input:
    """An opened input of a known size. Sent by `start`, whose thread closes it; else by `close`."""

    def __init__(self, source: bytes | Path) -> None:
        """Open it.

        Raises:
            InvalidArguments: it is no regular file, or cannot be read.
        """
        self._path = source if isinstance(source, Path) else None
        self._stopping = threading.Event()
        self._problem = ""
        self.size_bytes: int
        """How much is sent; what a file grows by meanwhile is not."""
        if isinstance(source, bytes):
            self._stream: BinaryIO = io.BytesIO(source)
            self.size_bytes = len(source)
            return
        try:
            self._stream = source.open("rb")
        except OSError as exc:
            raise _unusable(source, exc.strerror or str(exc)) from exc
        info = os.fstat(self._stream.fileno())
        if not stat.S_ISREG(info.st_mode):
            self._stream.close()
            raise _unusable(source, "it is not a regular file")
        self.size_bytes = info.st_size

    def start(self, channel: Channel, *, end: bytes) -> None:
        """Send it through a channel, and `end` behind it, in a thread of its own; returns at once."""
        threading.Thread(target=self._send, args=(channel, end), name="shells-stdin", daemon=True).start()

    def stop(self) -> None:
        """Send no more: the command has ended.

        Raises:
            RemoteOperationFailed: not all of the input could be read, so the command was ended before its end.
        """
        self._stopping.set()
        if self._problem:
            path = str(self._path)
            raise RemoteOperationFailed(
                f'the command was ended: its input "{path}" {self._problem}', path=path, reason=self._problem
            )

    def close(self) -> None:
        """Close an input that is not sent."""
        self._stream.close()

    def _send(self, channel: Channel, end: bytes) -> None:
        with self._stream:
            left = self.size_bytes
            while left and not self._stopping.is_set():
                try:
                    piece = self._stream.read(min(left, PIECE_BYTES))
                except OSError as exc:
                    self._give_up(channel, f"could not be read: {exc.strerror}")
                    return
                if not piece:
                    self._give_up(channel, "became shorter while it was sent")
                    return
                left -= len(piece)
                if not self._hand_over(channel, piece):
                    return
            self._hand_over(channel, end)

    def _hand_over(self, channel: Channel, piece: bytes) -> bool:
        """Send a piece; return whether anybody is still there to take the next."""
        rest = memoryview(piece)
        while rest and not self._stopping.is_set():
            try:
                rest = rest[channel.send(rest, timeout_s=_PATIENCE_S) :]
            except ConnectionLost:
                # Nobody has read for a while, or ever will again: the thread that follows the output knows.
                if channel.is_closed or channel.is_link_lost or self._stopping.wait(_PATIENCE_S / 20):
                    return False
        return not self._stopping.is_set()

    def _give_up(self, channel: Channel, problem: str) -> None:
        """End the command by its lifeline; it never sees the end of its input."""
        self._problem = problem
        channel.shutdown_write()


def _unusable(path: Path, reason: str) -> InvalidArguments:
    return InvalidArguments(f'the input "{path}" cannot be used: {reason}', tool="bash", problems=[f"stdin: {reason}"])
