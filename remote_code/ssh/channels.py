"""What goes to and fro in the channels of a transport (RFC 4254), without paramiko's waits and copies; and pings."""

import contextlib
import math
import threading
from collections import deque
from collections.abc import Callable

import paramiko
from paramiko.buffered_pipe import BufferedPipe
from paramiko.channel import Channel
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_REQUEST,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
    cMSG_CHANNEL_WINDOW_ADJUST,
    cMSG_GLOBAL_REQUEST,
)
from paramiko.message import Message

from remote_code.ssh.channel_data import DataToSend, ReceivedData
from remote_code.ssh.packets import PACKETS_PER_WRITE, Stream, WatchedPacketizer
from remote_code.ssh.session_channel import SessionChannel


class ChannelTransport(paramiko.Transport):
    """A transport whose sessions wake up who waits on them and never make its own thread wait."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream, packetizer_class=WatchedPacketizer)  # type: ignore[arg-type] # more than sockets will do
        # A key exchange is waited for as long as the link lives; whether it does, the connection's watcher knows.
        self.clear_to_send_timeout = math.inf
        self._postponed: deque[Message] = deque()
        # What waits for the end of a key exchange and has no thread that does; guarded by `clear_to_send_lock`.
        self._pings: deque[Callable[[], None]] = deque()
        # A deque is safe between the thread that asks and the transport's that answers; replies come in order.
        self._handler_table[MSG_REQUEST_SUCCESS] = self._parse_ping_reply  # type: ignore[attr-defined] # private
        self._handler_table[MSG_REQUEST_FAILURE] = self._parse_ping_reply  # type: ignore[attr-defined] # private

    def send_ping(self, on_reply: Callable[[], None]) -> None:
        """Send a global request that every server answers, if only by a refusal (RFC 4254, 4).

        Raises:
            EOFError: the link is lost.
        """
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._pings.append(on_reply)
        self.post(message)

    def post(self, message: Message) -> None:
        """Send a message now, or right after the key exchange that is under way, which is not waited for.

        Raises:
            EOFError: the link is lost.
        """
        with self.clear_to_send_lock:
            if self.clear_to_send.is_set():
                self._send_message(message)  # type: ignore[attr-defined] # private
            else:
                self._postponed.append(message)

    def send_data(self, channel: SessionChannel, data: memoryview) -> int:
        """Send the beginning of `data` to a channel of ours and return how much that was; 0 when the channel has ended.

        What is counted may have reached the server, whatever has become of the link since; what is not has not.
        Waits, for the channel's timeout, while its window is closed; one thread at a time may send to a channel.

        Raises:
            TimeoutError: the window stayed closed.
            OSError, EOFError: the channel or the link has ended.
        """
        pieces: list[memoryview] = []
        with channel.lock:
            if channel.closed:
                raise OSError("the channel is closed")
            rest = data
            while rest and len(pieces) < PACKETS_PER_WRITE and (not pieces or channel.out_window_size > 0):
                count = channel._wait_for_send_window(len(rest))  # type: ignore[attr-defined] # private
                if not count:
                    return 0
                pieces.append(rest[:count])
                rest = rest[count:]
            channel.is_sending = True
        message = DataToSend(channel.remote_chanid, pieces)
        try:
            self._send_user_message(message)
        except EOFError:
            if not message.is_written:
                raise
        finally:
            self.say_last(channel, [])
        return len(data) - len(rest) if message.is_written else 0

    def receive_data(self, channel: SessionChannel, n_bytes: int) -> bytes:
        """Return up to `n_bytes` of what has come on standard output, and let the server send as much more."""
        return self._take(channel, channel.in_buffer, n_bytes)

    def receive_stderr(self, channel: SessionChannel, n_bytes: int) -> bytes:
        """Return up to `n_bytes` of what has come on standard error, and let the server send as much more."""
        return self._take(channel, channel.in_stderr_buffer, n_bytes)

    def _take(self, channel: SessionChannel, buffer: "BufferedPipe[bytes]", n_bytes: int) -> bytes:
        if not buffer.read_ready():
            return b""
        data = buffer.read(n_bytes)
        more = channel._check_add_window(len(data))  # type: ignore[attr-defined] # private
        if more:
            message = Message()
            message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
            message.add_int(channel.remote_chanid)
            message.add_int(more)
            # What has been taken is the caller's, though the link may have ended meanwhile.
            with contextlib.suppress(OSError, EOFError):
                self.post(message)
        return data

    def say_last(self, channel: SessionChannel, messages: list[Message]) -> None:
        """Post the last messages of a channel, and behind them what was left to this thread meanwhile.

        Raises:
            EOFError: the link is lost.
        """
        while True:
            for message in messages:
                self.post(message)
            with channel.lock:
                messages, channel.last_words = channel.last_words, []
                if not messages:
                    channel.is_sending = False
                    return

    def _send_user_message(self, data: Message | DataToSend) -> None:
        """Send a message, after the key exchange that is under way; the transport's own thread must not wait for it."""
        if threading.current_thread() is self:
            assert isinstance(data, Message)
            self.post(data)
        else:
            super()._send_user_message(data)  # type: ignore[misc] # private

    def _parse_newkeys(self, m: Message) -> None:
        super()._parse_newkeys(m)  # type: ignore[misc] # private
        with self.clear_to_send_lock:
            while self._postponed:
                self._send_message(self._postponed.popleft())  # type: ignore[attr-defined] # private

    def _parse_ping_reply(self, message: Message) -> None:
        if self._pings:
            self._pings.popleft()()


def _waking(handle: Callable[[Channel, Message], None]) -> Callable[[Channel, Message], None]:
    """Wrap a handler of channel messages so that whoever waits on the channel wakes up."""

    def handle_and_wake(channel: Channel, message: Message) -> None:
        handle(channel, message)
        if isinstance(channel, SessionChannel):
            channel.wake.set()

    return handle_and_wake


def _handle_request(channel: Channel, message: Message) -> None:
    """Handle a channel request; keeps `exit-signal` (RFC 4254, 6.10), which paramiko drops."""
    place = message.packet.tell()
    kind = message.get_text()
    message.get_boolean()
    if kind == "exit-signal" and isinstance(channel, SessionChannel):
        channel.exit_signal = message.get_text()
        channel.status_event.set()
    else:
        message.packet.seek(place)
        Channel._handle_request(channel, message)  # type: ignore[attr-defined] # private


def _handle_close(channel: Channel, message: Message) -> None:
    """Note that the server closed the channel, before it looks closed: the end of the link closes it as well."""
    if not isinstance(channel, SessionChannel):
        Channel._handle_close(channel, message)  # type: ignore[attr-defined] # private
        return
    channel.is_closed_by_server = True
    transport = channel.transport
    assert isinstance(transport, ChannelTransport)
    messages = channel.end()
    transport._unlink_channel(channel.chanid)  # type: ignore[attr-defined] # private
    if messages:
        transport.say_last(channel, messages)


def _handle_data(channel: Channel, message: Message | ReceivedData) -> None:
    """Keep what came, without a copy where the channel is a session."""
    data = message.get_binary()
    channel.in_buffer.feed(data if isinstance(channel, SessionChannel) else bytes(data))


# The handlers are looked up in this table, so overriding methods of Channel would change nothing.
ChannelTransport._channel_handler_table = {  # type: ignore[attr-defined] # private
    kind: _waking(handle)
    for kind, handle in paramiko.Transport._channel_handler_table.items()  # type: ignore[attr-defined] # private
} | {
    MSG_CHANNEL_DATA: _waking(_handle_data),
    MSG_CHANNEL_REQUEST: _waking(_handle_request),
    MSG_CHANNEL_CLOSE: _waking(_handle_close),
}
