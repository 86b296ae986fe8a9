"""SFTP sessions: requests sent together, and a few channels shared by all callers."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from remote_code.errors import ConnectionLost, PoolClosed, PoolTimeout, SFTPError
from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_wire import Reply, Request
from remote_code.shell.channel import Channel
from remote_code.shell.job import Flights

START_TIMEOUT_S = 30.0
FLIGHT_TIMEOUT_S = 60.0
"""How long a server may stay silent while replies are due."""
QUEUE_TIMEOUT_S = 600.0

OpenChannel = Callable[[], Channel]
"""Opens one more channel with the `sftp` subsystem in it."""


class SFTPSession:
    """One SFTP channel, used by one caller at a time."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._buffer = bytearray()
        self._next_id = 0
        self._unheeded: set[int] = set()
        self.is_usable = True
        try:
            with suppress(ConnectionLost):  # A server that says no and leaves is named by what it said.
                self._send(memoryview(wire.init()))
            self.extensions = wire.parse_version(self._packet(START_TIMEOUT_S))
        except ConnectionLost as exc:
            channel.close()
            if channel.is_link_lost:
                raise
            raise SFTPError("the server's SFTP subsystem ended before it answered", status="start") from exc
        except BaseException:
            channel.close()
            raise

    def flight(self, requests: Sequence[Request], *, flights: Flights) -> list[Reply]:
        """Send all requests, then wait for all replies; they stand in the order of the requests.

        A request that another one depends on belongs into an earlier flight: a server may work on several at once.

        Raises:
            ConnectionLost: the channel ended; outcome "unknown".
            SFTPError: the server does not keep to the protocol.
        """
        if not requests:
            return []
        flights.add()
        try:
            first = self._next_id
            self._next_id += len(requests)
            packets = (wire.frame(request, first + n) for n, request in enumerate(requests))
            self._send(memoryview(b"".join(packets)))
            replies: dict[int, Reply] = {}
            while len(replies) < len(requests):
                request_id, reply = wire.parse_reply(self._packet(FLIGHT_TIMEOUT_S))
                if request_id in self._unheeded:
                    self._unheeded.remove(request_id)
                    continue
                if not first <= request_id < self._next_id or request_id in replies:
                    raise SFTPError(f"the SFTP server answered the unknown request {request_id}", status="protocol")
                replies[request_id] = reply
        except BaseException:
            # Replies may still be under way: nobody could tell them from those of the next flight.
            self.is_usable = False
            raise
        return [replies[first + n] for n in range(len(requests))]

    def post(self, requests: Sequence[Request]) -> None:
        """Send requests whose replies nobody needs, such as closing a handle; nothing is waited for."""
        if not requests:
            return
        try:
            ids = range(self._next_id, self._next_id + len(requests))
            self._next_id += len(requests)
            self._unheeded.update(ids)
            self._send(memoryview(b"".join(wire.frame(request, n) for n, request in zip(ids, requests, strict=True))))
        except BaseException:
            self.is_usable = False
            raise

    @property
    def is_lost(self) -> bool:
        """Whether the channel has ended while nobody used it."""
        return self._channel.is_closed or self._channel.is_link_lost or self._channel.is_at_eof

    def close(self) -> None:
        """Close the channel; the server ends with it."""
        self.is_usable = False
        self._channel.close()

    def _send(self, data: memoryview) -> None:
        while data:
            data = data[self._channel.send(data, timeout_s=FLIGHT_TIMEOUT_S) :]

    def _packet(self, timeout_s: float) -> bytes:
        size_bytes = int.from_bytes(self._take(4, timeout_s), "big")
        if not 1 <= size_bytes <= wire.MAX_PACKET_BYTES:
            said = bytes(self._buffer[:200]).decode("utf-8", "replace")
            raise SFTPError(f"the server's SFTP subsystem does not speak SFTP; it said {said!r}", status="protocol")
        return self._take(size_bytes, timeout_s)

    def _take(self, count: int, timeout_s: float) -> bytes:
        """Return the next `count` bytes; the time begins anew whenever something comes."""
        deadline = time.monotonic() + timeout_s
        while len(self._buffer) < count:
            self._channel.wake.clear()
            is_over = self._channel.is_closed or self._channel.is_link_lost or self._channel.is_at_eof
            if data := self._channel.receive():
                self._buffer += data
                deadline = time.monotonic() + timeout_s
                continue
            self._channel.receive_stderr()
            left_s = deadline - time.monotonic()
            if is_over or left_s <= 0:
                why = "the SFTP channel has ended" if is_over else f"the SFTP server was silent for {timeout_s:.0f} s"
                raise ConnectionLost(why, outcome="unknown", retry_safe=False)
            self._channel.wake.wait(left_s)
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


class SFTPSessions:
    """A bounded set of SFTP channels, opened when they are needed. All methods may be called from any thread."""

    def __init__(self, open_channel: OpenChannel, *, size: int = 2) -> None:
        self._open_channel = open_channel
        self._size = size
        # Guards the fields below. No I/O is done while it is held.
        self._changed = threading.Condition()
        self._idle: list[SFTPSession] = []
        self._in_use: set[object] = set()
        self._is_closed = False

    @contextmanager
    def lend(self) -> Iterator[SFTPSession]:
        """Lend a session for the body; blocks while all are in use.

        Raises:
            PoolTimeout, PoolClosed, ChannelRefused, ConnectionLost, SFTPError: there is none.
        """
        slot = object()
        session = self._acquire(slot)
        try:
            if session is None:
                session = SFTPSession(self._open_channel())
            yield session
        finally:
            with self._changed:
                self._in_use.discard(slot)
                is_kept = session is not None and session.is_usable and not self._is_closed
                if is_kept and session is not None:
                    self._idle.append(session)
                self._changed.notify()
            if session is not None and not is_kept:
                session.close()

    def close(self) -> None:
        """End all sessions that are idle; those in use end with their calls."""
        with self._changed:
            self._is_closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for session in idle:
            session.close()

    def _acquire(self, slot: object) -> SFTPSession | None:
        """Wait for a free place; return the idle session for it, or None when one must be opened."""
        deadline = time.monotonic() + QUEUE_TIMEOUT_S
        with self._changed:
            while len(self._in_use) >= self._size and not self._is_closed:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise PoolTimeout(
                        f"all {self._size} SFTP channels stayed busy for {QUEUE_TIMEOUT_S:.0f} s",
                        waited_s=QUEUE_TIMEOUT_S,
                        size=self._size,
                        in_use=len(self._in_use),
                    )
                self._changed.wait(left_s)
            if self._is_closed:
                raise PoolClosed("the SFTP channels are closed")
            self._in_use.add(slot)
            while self._idle:
                session = self._idle.pop()
                if session.is_usable and not session.is_lost:
                    return session
            return None
