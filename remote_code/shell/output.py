"""What is kept of an output that may be endless."""

from collections import deque


class KeptOutput:
    """Collects a stream and keeps its first and last half of `limit_bytes`, whatever came between."""

    def __init__(self, limit_bytes: int) -> None:
        self._head_room = limit_bytes // 2
        self._tail_limit = limit_bytes - limit_bytes // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.total_bytes = 0
        """How much has come."""

    def add(self, data: bytes) -> None:
        """Take what has come; memory stays within the limit and one piece more."""
        self.total_bytes += len(data)
        room = self._head_room - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._tail_bytes += len(data)
        while self._tail and self._tail_bytes - len(self._tail[0]) >= self._tail_limit:
            self._tail_bytes -= len(self._tail.popleft())

    @property
    def dropped_bytes(self) -> int:
        """How much is missing between the head and the tail."""
        return self.total_bytes - len(self._head) - min(self._tail_bytes, self._tail_limit)

    def contents(self) -> bytes:
        """Return the head and the tail, joined."""
        tail = b"".join(self._tail)
        return bytes(self._head) + tail[max(0, len(tail) - self._tail_limit) :]
