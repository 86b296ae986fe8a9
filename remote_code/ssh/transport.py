"""All that is changed in paramiko's Transport and its channels; its private parts are touched here and in `packets.py`.

What is built on, checked by a test that fails when a new paramiko moves it: the three preference tuples and tables,
`_check_banner`, `_handler_table`, `_channel_handler_table`, `auth_handler._handler_table`, `Channel.event_ready`, and
how a key exchange holds back what others send.
"""

import contextlib
import logging
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import paramiko
from paramiko.buffered_pipe import BufferedPipe
from paramiko.channel import Channel
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_REQUEST,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
    cMSG_CHANNEL_REQUEST,
    cMSG_CHANNEL_WINDOW_ADJUST,
    cMSG_GLOBAL_REQUEST,
)
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

from remote_code.ssh.algorithms import Algorithms
from remote_code.ssh.channel_data import DataToSend, PieceBuffer, ReceivedData
from remote_code.ssh.legacy import KexGexSHA1, KexGroup1SHA1, KexGroup14SHA1, PlainKexCurve25519, SHA1RSAKey
from remote_code.ssh.packets import PACKETS_PER_WRITE, BannerMissing, Stream, WatchedPacketizer

# Every failure is raised under a name of our own; paramiko would print a traceback for each as well.
if logging.getLogger("paramiko").level == logging.NOTSET:
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_IDLE = threading.Event()
"""Stands in for the `wake` of channels that nobody waits on."""

WINDOW_BYTES = 16 << 20
"""How much a server may send on one channel before we have taken it: what fills a link of 50 ms."""
_BANNER_LINES = 50


class LinkTransport(paramiko.Transport):
    """One SSH transport with the algorithms that were asked for, wake events, pings and a word on its end."""

    _CLIENT_ID = "remote_code"

    _kex_info: ClassVar[Mapping[str, type]] = {
        **paramiko.Transport._kex_info,  # type: ignore[attr-defined] # private
        PlainKexCurve25519.name: PlainKexCurve25519,
        KexGroup14SHA1.name: KexGroup14SHA1,
        KexGroup1SHA1.name: KexGroup1SHA1,
        KexGexSHA1.name: KexGexSHA1,
    }
    _key_info: ClassVar[Mapping[str, type]] = {
        **paramiko.Transport._key_info,  # type: ignore[attr-defined] # private
        "ssh-rsa": SHA1RSAKey,
        "ssh-rsa-cert-v01@openssh.com": SHA1RSAKey,
    }

    def __init__(self, stream: Stream, algorithms: Algorithms, *, compress: bool) -> None:
        super().__init__(stream, packetizer_class=WatchedPacketizer)  # type: ignore[arg-type] # as above
        self.offered = algorithms
        self._preferred_kex = algorithms.kex
        self._host_key_algorithms = algorithms.host_keys
        self._preferred_ciphers = algorithms.ciphers
        self._preferred_macs = algorithms.macs
        self._preferred_pubkeys = algorithms.pubkeys
        self.use_compression(compress)
        self.extensions_came = threading.Event()
        """Set when the server has told its extensions (RFC 8308), which it does right after the key exchange."""
        self.preamble: list[str] = []
        """What the server said before its identification string, or instead of it."""
        self.server_lists: dict[str, list[str]] = {}
        """The algorithms of the server's last KEXINIT, by paramiko's names."""
        self.n_key_exchanges = 0
        self.host_key_blob = b""
        """The host key or certificate that signed the key exchange."""
        self.disconnect_reason = ""
        """The server's own words when it ended the connection."""
        self.on_end: Callable[[], None] = lambda: None
        """Called once by the transport's thread, as the last thing it does."""
        # A key exchange is waited for as long as the link lives; whether it does, the connection's watcher knows.
        self.clear_to_send_timeout = math.inf
        self._postponed: deque[Message] = deque()
        # What waits for the end of a key exchange and has no thread that does; guarded by `clear_to_send_lock`.
        self._pings: deque[Callable[[], None]] = deque()
        # A deque is safe between the thread that asks and the transport's that answers; replies come in order.
        self._handler_table[MSG_REQUEST_SUCCESS] = self._parse_ping_reply  # type: ignore[attr-defined] # private
        self._handler_table[MSG_REQUEST_FAILURE] = self._parse_ping_reply  # type: ignore[attr-defined] # private

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The host key algorithms that are offered, as given: paramiko would put certificates behind each."""
        return self._host_key_algorithms

    @property
    def watched(self) -> WatchedPacketizer:
        """The packetizer by its own type."""
        packetizer = self.packetizer
        assert isinstance(packetizer, WatchedPacketizer)
        return packetizer

    def run(self) -> None:
        """Run the transport's thread, then tell of its end."""
        try:
            super().run()
        finally:
            self.on_end()

    def abandon(self) -> None:
        """End the transport at once, from any thread; who waits on its stream wakes up."""
        shutdown = getattr(self.sock, "shutdown", None)
        if shutdown is not None:
            with contextlib.suppress(OSError, EOFError):
                shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, EOFError):
            self.close()

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

    def open_exec(
        self, command: str, environment: tuple[tuple[str, str], ...], *, timeout_s: float, on_terminal: bool = False
    ) -> Channel:
        """Open a session, send the environment and start a command in it, on a pseudo-terminal or on pipes.

        Raises:
            paramiko.ChannelException: the server opens no further session.
            SSHException: it opened one and refused the command, or did not answer in time.
            EOFError: the link is lost.
        """
        return self._start("exec", command, environment, timeout_s=timeout_s, on_terminal=on_terminal)

    def open_subsystem(self, name: str, *, timeout_s: float) -> Channel:
        """Open a session and start a subsystem in it (RFC 4254, 6.5); raises as `open_exec`."""
        return self._start("subsystem", name, (), timeout_s=timeout_s, on_terminal=False)

    def _start(
        self, kind: str, what: str, environment: tuple[tuple[str, str], ...], *, timeout_s: float, on_terminal: bool
    ) -> Channel:
        deadline = time.monotonic() + timeout_s
        channel = self.open_session(window_size=WINDOW_BYTES, timeout=timeout_s)
        # Nothing can have come: what would send it is started below.
        channel.in_buffer = PieceBuffer()
        channel.in_stderr_buffer = PieceBuffer()
        channel.wake = threading.Event()  # type: ignore[attr-defined] # ours
        channel.exit_signal = None  # type: ignore[attr-defined] # ours
        channel.is_closed_by_server = False  # type: ignore[attr-defined] # ours
        channel.is_sending = False  # type: ignore[attr-defined] # ours
        channel.last_words = []  # type: ignore[attr-defined] # ours
        for name, value in environment:
            self._send_request(channel, "env", name, value, wants_reply=False)
        if on_terminal:
            self._send_terminal_request(channel)
        channel._event_pending()  # type: ignore[attr-defined] # private
        self._send_request(channel, kind, what, wants_reply=True)
        channel.event.wait(max(0.0, deadline - time.monotonic()))
        if not channel.event_ready:
            was_closed = channel.closed
            channel.close()
            raise SSHException(f"{kind} was refused" if was_closed else f"no answer to {kind}")
        return channel

    def send_data(self, channel: Channel, data: memoryview) -> int:
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
            channel.is_sending = True  # type: ignore[attr-defined] # ours
        message = DataToSend(channel.remote_chanid, pieces)
        try:
            self._send_user_message(message)
        except EOFError:
            if not message.is_written:
                raise
        finally:
            self.say_last(channel, [])
        return len(data) - len(rest) if message.is_written else 0

    def receive_data(self, channel: Channel, n_bytes: int) -> bytes:
        """Return up to `n_bytes` of what has come on standard output, and let the server send as much more."""
        return self._take(channel, channel.in_buffer, n_bytes)

    def receive_stderr(self, channel: Channel, n_bytes: int) -> bytes:
        """Return up to `n_bytes` of what has come on standard error, and let the server send as much more."""
        return self._take(channel, channel.in_stderr_buffer, n_bytes)

    def _take(self, channel: Channel, buffer: "BufferedPipe[bytes]", n_bytes: int) -> bytes:
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

    def end_input(self, channel: Channel) -> list[Message]:
        """Note that nothing more will be sent to a channel; return what is to be given to `say_last`."""
        with channel.lock:
            return _said_last(channel, [channel._send_eof()])  # type: ignore[attr-defined] # private

    def end_channel(self, channel: Channel) -> list[Message]:
        """Close a channel on this side; return what is to be given to `say_last`."""
        with channel.lock:
            return _said_last(channel, channel._close_internal())  # type: ignore[attr-defined] # private

    def say_last(self, channel: Channel, messages: list[Message]) -> None:
        """Post the last messages of a channel, and behind them what was left to this thread meanwhile.

        Raises:
            EOFError: the link is lost.
        """
        while True:
            for message in messages:
                self.post(message)
            with channel.lock:
                messages = getattr(channel, "last_words", [])
                channel.last_words = []  # type: ignore[attr-defined] # ours
                if not messages:
                    channel.is_sending = False  # type: ignore[attr-defined] # ours
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

    def _send_terminal_request(self, channel: Channel) -> None:
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

    def _send_request(self, channel: Channel, kind: str, *fields: str, wants_reply: bool) -> None:
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

    def _check_banner(self) -> None:
        """Read the server's identification string (RFC 4253, 4.2) and keep what it says before it."""
        deadline = time.monotonic() + self.banner_timeout
        for _ in range(_BANNER_LINES):
            try:
                line = self.watched.read_text_line(deadline)
            except (OSError, EOFError) as exc:
                raise BannerMissing("no SSH identification string came") from exc
            if line.startswith("SSH-"):
                break
            self.preamble.append(line)
        else:
            raise BannerMissing("too much text came before the SSH identification string")
        self.remote_version = line
        if not line.startswith(("SSH-2.0-", "SSH-1.99-")):
            raise BannerMissing(f"the server speaks another protocol: {line[:100]!r}")

    def _parse_kex_init(self, m: Message) -> None:
        place = m.packet.tell()
        parsed = self._really_parse_kex_init(m)  # type: ignore[attr-defined] # private
        self.server_lists = {name: value for name, value in parsed.items() if isinstance(value, list)}
        m.packet.seek(place)
        super()._parse_kex_init(m)  # type: ignore[misc] # private

    def _parse_ext_info(self, msg: Message) -> None:
        super()._parse_ext_info(msg)  # type: ignore[misc] # private
        self.extensions_came.set()

    def _parse_disconnect(self, m: Message) -> None:
        m.get_int()
        self.disconnect_reason = m.get_text()[:1000]

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        super()._verify_key(host_key, sig)  # type: ignore[misc] # private
        self.n_key_exchanges += 1
        self.host_key_blob = host_key


def _waking(handle: Callable[[Channel, Message], None]) -> Callable[[Channel, Message], None]:
    """Wrap a handler of channel messages so that whoever waits on the channel wakes up."""

    def handle_and_wake(channel: Channel, message: Message) -> None:
        handle(channel, message)
        getattr(channel, "wake", _IDLE).set()

    return handle_and_wake


def _handle_request(channel: Channel, message: Message) -> None:
    """Handle a channel request; keeps `exit-signal` (RFC 4254, 6.10), which paramiko drops."""
    place = message.packet.tell()
    kind = message.get_text()
    message.get_boolean()
    if kind == "exit-signal":
        channel.exit_signal = message.get_text()  # type: ignore[attr-defined] # ours
        channel.status_event.set()
    else:
        message.packet.seek(place)
        Channel._handle_request(channel, message)  # type: ignore[attr-defined] # private


def _handle_close(channel: Channel, message: Message) -> None:
    """Note that the server closed the channel, before it looks closed: the end of the link closes it as well."""
    channel.is_closed_by_server = True  # type: ignore[attr-defined] # ours
    transport = channel.transport
    assert isinstance(transport, LinkTransport)
    messages = transport.end_channel(channel)
    transport._unlink_channel(channel.chanid)  # type: ignore[attr-defined] # private
    if messages:
        transport.say_last(channel, messages)


def _handle_data(channel: Channel, message: Message | ReceivedData) -> None:
    """Keep what came, without a copy where the channel is one of ours."""
    data = message.get_binary()
    channel.in_buffer.feed(data if isinstance(channel.in_buffer, PieceBuffer) else bytes(data))


def _said_last(channel: Channel, messages: Sequence[Message | None]) -> list[Message]:
    """Return what may be posted now of the last messages of a channel, whose lock is held.

    While another thread is about to send there, data or last messages of its own, it is left to that thread: behind
    the end of a channel they would be for none, and servers end the connection for that.
    """
    words = [message for message in messages if message is not None]
    if getattr(channel, "is_sending", False):
        channel.last_words += words  # type: ignore[attr-defined] # ours
        return []
    channel.is_sending = bool(words)  # type: ignore[attr-defined] # ours
    return words


# The handlers are looked up in this table, so overriding methods of Channel would change nothing.
LinkTransport._channel_handler_table = {  # type: ignore[attr-defined] # private
    kind: _waking(handle)
    for kind, handle in paramiko.Transport._channel_handler_table.items()  # type: ignore[attr-defined] # private
} | {
    MSG_CHANNEL_DATA: _waking(_handle_data),
    MSG_CHANNEL_REQUEST: _waking(_handle_request),
    MSG_CHANNEL_CLOSE: _waking(_handle_close),
}
