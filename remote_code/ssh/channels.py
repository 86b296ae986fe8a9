"""The connection protocol (RFC 4254) on paramiko's Transport: sessions, what goes to and fro in them, and pings.

Sessions are opened here rather than by paramiko, so that the first can be asked for in the flight of the login.
"""

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable

import paramiko
from paramiko.buffered_pipe import BufferedPipe
from paramiko.channel import Channel
from paramiko.common import (
    CONNECTION_FAILED_CODE,
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_REQUEST,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
    cMSG_CHANNEL_OPEN,
    cMSG_CHANNEL_REQUEST,
    cMSG_CHANNEL_WINDOW_ADJUST,
    cMSG_GLOBAL_REQUEST,
)
from paramiko.message import Message
from paramiko.ssh_exception import ChannelException, SSHException

from remote_code.ssh.channel_data import DataToSend, ReceivedData
from remote_code.ssh.packets import PACKETS_PER_WRITE, Stream, WatchedPacketizer
from remote_code.ssh.session_channel import SessionChannel

_IDLE = threading.Event()
"""Stands in for the `wake` of channels that nobody waits on."""

WINDOW_BYTES = 16 << 20
"""How much a server may send on one channel before we have taken it: what fills a link of 50 ms."""

_EARLY_ANSWER_S = 3.0
"""After so long without an answer for an early session it is made sure that the server knows of it."""


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
        self._asked: dict[int, SessionChannel] = {}
        # Those that the server has not answered, by number; guarded by `lock`.
        self._early: deque[SessionChannel] = deque()
        # Those that were asked for during the login and nobody took yet.
        self._asking = threading.Lock()
        # Held while a session is asked for: the server sees their numbers in order.
        self._handler_table[MSG_REQUEST_SUCCESS] = self._parse_ping_reply  # type: ignore[attr-defined] # private
        self._handler_table[MSG_REQUEST_FAILURE] = self._parse_ping_reply  # type: ignore[attr-defined] # private

    def run(self) -> None:
        """Run the transport's thread, and wake up at its end who waits for a session."""
        try:
            super().run()
        finally:
            with self.lock:
                for session in self._asked.values():
                    session.is_answered.set()

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

    @property
    def takes_early_sessions(self) -> bool:
        """Whether sessions may be asked for behind an authentication request, before the server has answered that.

        OpenSSH takes what follows a login that it accepts, and says "unimplemented" behind one that it refuses. What
        others do is theirs: some end the connection. Nor must a packet pass the start of delayed compression.
        """
        is_known = self.remote_version.startswith("SSH-2.0-OpenSSH_") and "Windows" not in self.remote_version
        return is_known and self.local_compression == "none"

    def ask_early_sessions(self, n_sessions: int) -> None:
        """Ask for sessions in the flight of an authentication request; those who start the next ones take them.

        Raises:
            EOFError: the link is lost.
        """
        for _ in range(n_sessions):
            self._early.append(self._ask_session())

    def drop_early_sessions(self) -> None:
        """Forget the early sessions: the request that they followed was refused, so they came to nothing."""
        while self._early:
            self._forget(self._early.popleft())

    def open_exec(
        self, command: str, environment: tuple[tuple[str, str], ...], *, timeout_s: float, on_terminal: bool = False
    ) -> SessionChannel:
        """Open a session, send the environment and start a command in it, on a pseudo-terminal or on pipes.

        Raises:
            paramiko.ChannelException: the server opens no further session.
            SSHException: it opened one and refused the command, or did not answer in time.
            EOFError: the link is lost.
        """
        return self._start("exec", command, environment, timeout_s=timeout_s, on_terminal=on_terminal)

    def open_subsystem(self, name: str, *, timeout_s: float) -> SessionChannel:
        """Open a session and start a subsystem in it (RFC 4254, 6.5); raises as `open_exec`."""
        return self._start("subsystem", name, (), timeout_s=timeout_s, on_terminal=False)

    def _start(
        self, kind: str, what: str, environment: tuple[tuple[str, str], ...], *, timeout_s: float, on_terminal: bool
    ) -> SessionChannel:
        deadline = time.monotonic() + timeout_s
        channel = self._take_session(deadline)
        for name, value in environment:
            self._send_request(channel, "env", name, value, wants_reply=False)
        if on_terminal:
            self._send_terminal_request(channel)
        channel._event_pending()  # type: ignore[attr-defined] # private
        self._send_request(channel, kind, what, wants_reply=True)
        if not self._is_opened(channel, deadline):
            raise SSHException("no answer to the request for a session")
        channel.event.wait(max(0.0, deadline - time.monotonic()))
        if not channel.event_ready:
            was_closed = channel.closed
            channel.close()
            raise SSHException(f"{kind} was refused" if was_closed else f"no answer to {kind}")
        return channel

    def _take_session(self, deadline: float) -> SessionChannel:
        """Return a session that requests may be sent to: an early one, or one that is asked for; raises as `open_exec`.

        Dropbear numbers its channels from 0 and refuses none: requests to the first can go in the flight that asks for
        it.
        """
        with contextlib.suppress(IndexError, ChannelException):
            # What was refused then may be free by now.
            early = self._early.popleft()
            if not early.is_answered.wait(_EARLY_ANSWER_S) and self.is_active():
                # A server that knows nothing of it answers what comes behind it first.
                self.send_ping(early.is_answered.set)
            if self._is_opened(early, deadline) and not early.closed:
                return early
        session = self._ask_session()
        if session.chanid == 0 and self.remote_version.startswith("SSH-2.0-dropbear"):
            session.remote_chanid = 0
        elif not self._is_opened(session, deadline):
            raise SSHException("no answer to the request for a session")
        return session

    def _ask_session(self) -> SessionChannel:
        """Ask for a session; the answer is not waited for."""
        with self._asking:
            with self.lock:
                number = self._next_channel()  # type: ignore[attr-defined] # private
                session = SessionChannel(number)
                session._set_transport(self)  # type: ignore[attr-defined] # private
                session._set_window(WINDOW_BYTES, self.default_max_packet_size)  # type: ignore[attr-defined] # private
                self._channels.put(number, session)  # type: ignore[attr-defined] # private
                self.channels_seen[number] = True
                self._asked[number] = session
            message = Message()
            message.add_byte(cMSG_CHANNEL_OPEN)
            message.add_string("session")
            for value in (number, WINDOW_BYTES, self.default_max_packet_size):
                message.add_int(value)
            self._send_user_message(message)
        return session

    def _is_opened(self, session: SessionChannel, deadline: float) -> bool:
        """Wait for the answer, and forget a session for which none came.

        Raises:
            ChannelException: the server opens no further session.
            EOFError: the link is lost.
        """
        # The transport's thread wakes up who has asked before its end; the rest it finds here.
        if self.is_active():
            session.is_answered.wait(max(0.0, deadline - time.monotonic()))
        if session.refusal is not None:
            raise session.refusal
        if not self.is_active():
            raise EOFError
        if not session.is_open:
            self._forget(session)
        return session.is_open

    def _forget(self, session: SessionChannel) -> None:
        with self.lock:
            self._asked.pop(session.chanid, None)
        self._channels.delete(session.chanid)  # type: ignore[attr-defined] # private

    def _parse_channel_open_success(self, m: Message) -> None:
        session = self._answered(m)
        if session is None:
            super()._parse_channel_open_success(m)  # type: ignore[misc] # private
            return
        number, window_size, max_packet_size = m.get_int(), m.get_int(), m.get_int()
        session._set_remote_channel(number, window_size, max_packet_size)  # type: ignore[attr-defined] # private
        session.is_open = True
        session.is_answered.set()

    def _parse_channel_open_failure(self, m: Message) -> None:
        session = self._answered(m)
        if session is None:
            super()._parse_channel_open_failure(m)  # type: ignore[misc] # private
            return
        self._channels.delete(session.chanid)  # type: ignore[attr-defined] # private
        code = m.get_int()
        session.refusal = ChannelException(code, CONNECTION_FAILED_CODE.get(code, "(unknown code)"))
        session.is_answered.set()

    def _answered(self, m: Message) -> SessionChannel | None:
        """Return the session that an answer is for; None, with the message as it was, when that is another channel."""
        place = m.packet.tell()
        with self.lock:
            session = self._asked.pop(m.get_int(), None)
        if session is None:
            m.packet.seek(place)
        return session

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

    def _send_terminal_request(self, channel: SessionChannel) -> None:
        """Ask for a pseudo-terminal (RFC 4254, 6.2) in the flight of the command; a refusal shows in the command."""
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string("pty-req")
        message.add_boolean(False)
        message.add_string("dumb")
        for size in (80, 24, 0, 0):
            message.add_int(size)
        message.add_string(b"\0")
        self._send_user_message(message)

    def _send_request(self, channel: SessionChannel, kind: str, *fields: str, wants_reply: bool) -> None:
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string(kind)
        message.add_boolean(wants_reply)
        for text in fields:
            message.add_string(text.encode("utf-8", "surrogateescape"))
        self._send_user_message(message)

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
