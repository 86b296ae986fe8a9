"""How sessions are opened (RFC 4254, 6): by us rather than by paramiko, so that the first go along with the login."""

import contextlib
import threading
import time
from collections import deque

from paramiko.common import CONNECTION_FAILED_CODE, cMSG_CHANNEL_OPEN, cMSG_CHANNEL_REQUEST
from paramiko.message import Message
from paramiko.ssh_exception import ChannelException, SSHException

from remote_code.ssh.channels import ChannelTransport
from remote_code.ssh.packets import Stream
from remote_code.ssh.session_channel import SessionChannel

WINDOW_BYTES = 16 << 20
"""How much a server may send on one channel before we have taken it: what fills a link of 50 ms."""

_EARLY_ANSWER_S = 3.0
"""After so long without an answer for an early session it is made sure that the server knows of it."""


class SessionTransport(ChannelTransport):
    """A transport that opens sessions."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._asked: dict[int, SessionChannel] = {}
        # Those that the server has not answered, by number; guarded by `lock`.
        self._early: deque[SessionChannel] = deque()
        # Those that were asked for during the login and nobody took yet.
        self._asking = threading.Lock()
        # Held while a session is asked for: the server sees their numbers in order.

    def run(self) -> None:
        """Run the transport's thread, and wake up at its end who waits for a session."""
        try:
            super().run()
        finally:
            with self.lock:
                for session in self._asked.values():
                    session.is_answered.set()

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
        self._wait_until_open(channel, deadline)
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
        with contextlib.suppress(IndexError, SSHException):
            # What was refused or ignored then may be free by now.
            early = self._early.popleft()
            if not early.is_answered.wait(_EARLY_ANSWER_S) and self.is_active():
                # A server that knows nothing of it answers what comes behind it first.
                self.send_ping(early.is_answered.set)
            self._wait_until_open(early, deadline)
            if not early.closed:
                return early
        session = self._ask_session()
        if session.chanid == 0 and self.remote_version.startswith("SSH-2.0-dropbear"):
            session.remote_chanid = 0
        else:
            self._wait_until_open(session, deadline)
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

    def _wait_until_open(self, session: SessionChannel, deadline: float) -> None:
        """Wait for the answer, and forget a session for which none came.

        Raises:
            ChannelException: the server opens no further session.
            SSHException: it gave no answer.
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
            raise SSHException("no answer to the request for a session")

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
