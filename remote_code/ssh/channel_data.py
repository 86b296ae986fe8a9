"""Data of channels on its way (RFC 4254, 5.2): as it came, as it is to be sent, and what was not taken yet."""

import threading
from collections import deque
from collections.abc import Sequence

from paramiko.buffered_pipe import BufferedPipe


class ReceivedData:
    """An SSH_MSG_CHANNEL_DATA (RFC 4254, 5.2), taken apart; has of `Message` what the transport asks of it."""

    __slots__ = ("_channel_id", "_data", "seqno")

    def __init__(self, channel_id: int, data: memoryview, seqno: int) -> None:
        self._channel_id = channel_id
        self._data = data
        self.seqno = seqno

    def get_int(self) -> int:
        """Return the channel's number, which is asked for first."""
        return self._channel_id

    def get_binary(self) -> memoryview:
        """Return the data."""
        return self._data


class DataToSend:
    """Pieces of data for one channel, each of a size that it takes in one packet; goes the way of a `Message`."""

    __slots__ = ("channel_id", "is_written", "pieces")

    def __init__(self, channel_id: int, pieces: Sequence[memoryview]) -> None:
        self.channel_id = channel_id
        self.pieces = pieces
        self.is_written = False
        """Whether the server may have got it; paramiko drops in silence what is sent on a link that has ended."""


class PieceBuffer(BufferedPipe):  # type: ignore[type-arg] # generic in its stubs only
    """What has come on a stream of a channel and was not taken yet; keeps the pieces as they came."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: deque[bytes | memoryview] = deque()
        self._size = 0
        self._has_data = threading.Condition(self._lock)  # type: ignore[attr-defined] # private

    def feed(self, data: bytes | memoryview) -> None:
        """Add a piece; the transport's thread does."""
        with self._has_data:
            self._pieces.append(data)
            self._size += len(data)
            self._has_data.notify_all()

    def read_ready(self) -> bool:
        """Tell whether there is anything."""
        return self._size > 0

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """Return the first pieces, up to `nbytes`; at least one byte, or nothing at the end.

        Raises:
            TimeoutError: nothing came in time.
        """
        with self._has_data:
            if not self._has_data.wait_for(lambda: self._size or self._closed, timeout):
                raise TimeoutError
            return self._take(nbytes)

    def empty(self) -> bytes:
        """Return everything."""
        with self._has_data:
            return self._take(self._size)

    def close(self) -> None:
        """Note that nothing more will come."""
        with self._has_data:
            self._closed = True
            self._has_data.notify_all()

    def __len__(self) -> int:
        return self._size

    def _take(self, n_bytes: int) -> bytes:
        taken: list[bytes | memoryview] = []
        left = n_bytes
        while self._pieces and left:
            piece = self._pieces.popleft()
            if len(piece) > left:
                self._pieces.appendleft(memoryview(piece)[left:])
                piece = memoryview(piece)[:left]
            taken.append(piece)
            left -= len(piece)
        self._size -= n_bytes - left
        return b"".join(taken)
