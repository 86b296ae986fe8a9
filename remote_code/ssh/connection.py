"""One authenticated connection to the target: how it is made, watched and ended, and the channels that it gives out.

paramiko is imported when a connection is made, not with this module.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from remote_code.errors import ChannelRefused, ConfigError, ConnectionLost
from remote_code.ssh.ending import Aside, LinkEnd
from remote_code.ssh.options import Options
from remote_code.ssh.secrets import Secrets

if TYPE_CHECKING:
    from paramiko.channel import Channel as ParamikoChannel
    from paramiko.message import Message

    from remote_code.ssh.auth import Login
    from remote_code.ssh.session_channel import SessionChannel
    from remote_code.ssh.transport import LinkTransport

_log = logging.getLogger(__name__)

PING_IN_USE_S = 5.0
"""A link that is waited on is asked for a sign of life after so long a silence."""
PING_IDLE_S = 15.0
"""All the traffic of an idle link, unless ServerAliveInterval says otherwise."""
PING_DEADLINE_S = 8.0
"""A link that has brought nothing for so long after a ping is lost."""
CLOSE_S = 1.0
"""How long the close of a channel waits for a link that takes nothing; its last words are then sent when it does."""
_RECEIVE_BYTES = 256 << 10


def connect(
    options: Options, *, secrets: Secrets, on_notice: Callable[[str], None], for_sessions: bool = True
) -> "Connection":
    """Make a connection: the way there, host key, login. Blocks, bounded by the timeouts of each step.

    `on_notice` is told what a person should know and nobody asks for, such as a host key recorded at its first use.
    A connection that is only gone through needs no sessions.

    Raises:
        ConfigError: the options ask for what only the ssh program can do.
        HostKeyMismatch: the host is not the one that is known; nothing was sent to it that tells who we are.
        AuthenticationFailed: the login was refused; it must not be tried again with the same secrets.
        ServerBusy: the server takes no login now; later it may.
        AlgorithmUnsupported, ConnectTimeout, ConnectionFailed: no connection for another reason.
    """
    if options.needs_program:
        raise ConfigError(
            f"{options.needs_program[0]} cannot be honoured here; leave it out, or use your own ssh program with "
            "REMOTE_TRANSPORT=ssh",
            variable="REMOTE_SSH",
            value=options.needs_program[0],
            accepted="settings that need no ssh program",
        )
    from remote_code.ssh.paramiko_alone import load_paramiko

    load_paramiko()
    from remote_code.ssh.handshake import open_transport

    opened = open_transport(options, secrets=secrets, on_notice=on_notice, for_sessions=for_sessions)
    return Connection(opened.transport, options, opened.login, opened.carriers)


class ExecChannel:
    """One exec channel; satisfies the Protocol `Channel` of the shell room."""

    def __init__(self, connection: "Connection", channel: "SessionChannel") -> None:
        self.wake = channel.wake
        self.is_in_use = False
        """Whether somebody waits for the remote process, so that the link is watched closely."""
        self._is_closed_by_us = False
        self._connection = connection
        self._channel = channel

    def send(self, data: memoryview, *, timeout_s: float) -> int:
        """Hand at least one byte to the transport and return how many; blocks while the window is closed."""
        self.is_in_use = True
        self._channel.settimeout(timeout_s)
        try:
            count = self._connection.transport.send_data(self._channel, data)
        except TimeoutError as exc:
            raise self._connection.lost(f"the remote process took no input for {timeout_s:.0f} s") from exc
        except (OSError, EOFError) as exc:
            raise self._connection.lost("the channel has ended") from exc
        if count == 0:
            raise self._connection.lost("the channel has ended")
        return count

    def receive(self) -> bytes:
        """Return what has come on standard output, without blocking; empty when nothing has."""
        return self._connection.transport.receive_data(self._channel, _RECEIVE_BYTES)

    def receive_stderr(self) -> bytes:
        """Return what has come on standard error, without blocking; empty when nothing has."""
        return self._connection.transport.receive_stderr(self._channel, _RECEIVE_BYTES)

    @property
    def exit_status(self) -> int | None:
        """The exit status that the server reported, or None. Never invented."""
        # paramiko's -1 stands for none; what the protocol carries is never negative.
        return self._channel.exit_status if self._channel.exit_status >= 0 else None

    @property
    def exit_signal(self) -> str | None:
        """Name of the signal that ended the process, without SIG, as the server reported it."""
        return self._channel.exit_signal

    @property
    def is_at_eof(self) -> bool:
        """Whether both streams have ended; not so when they were cut with the link."""
        return bool(self._channel.eof_received) or self._is_closed_by_an_end

    @property
    def is_closed(self) -> bool:
        """Whether the channel was closed by the server, by us, or with its link."""
        return self._channel.closed

    @property
    def is_link_lost(self) -> bool:
        """Whether the link under the channel has ended, in which case a missing exit status means "unknown"."""
        # The end of a link closes its channels a moment before the link itself is known to have ended.
        return not self._connection.is_alive or (self._channel.closed and not self._is_closed_by_an_end)

    @property
    def _is_closed_by_an_end(self) -> bool:
        """Whether the server or we closed the channel, rather than the end of the link."""
        return self._channel.is_closed_by_server or self._is_closed_by_us

    def shutdown_write(self) -> None:
        """End the process's standard input; waits `CLOSE_S` at most for a link that takes nothing."""
        self._connection.say(self._channel, self._channel.end_input())

    def close(self) -> None:
        """Close the channel; does nothing when it is closed already. Waits as `shutdown_write`."""
        self._is_closed_by_us = True
        self._connection.forget(self)
        self._connection.say(self._channel, self._channel.end())


class Connection:
    """One authenticated connection; satisfies the Protocol `Link` of the shell room.

    Three threads belong to it: the transport's, which reads, the watcher's, which pings and declares the link lost, and
    one that sends the last words of channels, so that nobody who closes one waits for a link that takes nothing.
    """

    def __init__(
        self, transport: "LinkTransport", options: Options, login: "Login", carriers: "list[Connection]"
    ) -> None:
        self.options = options
        self.login = login
        """How the login went; a person may have been needed."""
        self.transport = transport
        """For the channels."""
        self._carriers = carriers
        self._ended: LinkEnd[ExecChannel] = LinkEnd()
        self._last_words = Aside("ssh-close", patience_s=CLOSE_S)
        self._loss_reason = ""
        self._rtt_s: float | None = None
        self._ping_sent = 0.0
        self._ping_answered = 0.0
        # Both are written by one thread each (watcher, transport) and read by the watcher.
        transport.on_end = self._on_end
        if not transport.is_active():
            self._on_end()
        self._watcher = threading.Thread(target=self._watch, name="ssh-watch", daemon=True)
        self._watcher.start()

    @property
    def server(self) -> str:
        """The server's identification string (RFC 4253, 4.2)."""
        return self.transport.remote_version

    @property
    def is_alive(self) -> bool:
        """Whether the link is up as far as is known without sending anything."""
        return not self._ended.has_come and self.transport.is_active()

    @property
    def rtt_s(self) -> float | None:
        """The last measured round-trip time in seconds; None before the first measurement."""
        return self._rtt_s

    @property
    def needed_person(self) -> bool:
        """Whether a person had to answer at the login, so that no further one is made unasked."""
        return self.login.needed_person

    @property
    def n_key_exchanges(self) -> int:
        """How many key exchanges there have been, the first included."""
        return self.transport.n_key_exchanges

    def open_exec(self, command: str, *, timeout_s: float) -> ExecChannel:
        """Open a session channel and start `command` in it.

        Raises:
            ChannelRefused: the server opens no further channel here; the link stays good.
            ConnectionLost: the link has ended.
        """
        environment = self.options.environment
        return self._open(lambda: self.transport.open_exec(command, environment, timeout_s=timeout_s))

    def open_terminal(self, command: str, *, timeout_s: float) -> ExecChannel:
        """Open a session channel as `open_exec`, whose streams are a pseudo-terminal."""
        environment = self.options.environment
        return self._open(lambda: self.transport.open_exec(command, environment, timeout_s=timeout_s, on_terminal=True))

    def open_subsystem(self, name: str, *, timeout_s: float) -> ExecChannel:
        """Open a session channel with a subsystem in it, such as `sftp`; raises as `open_exec`."""
        return self._open(lambda: self.transport.open_subsystem(name, timeout_s=timeout_s))

    def _open(self, start: "Callable[[], SessionChannel]") -> ExecChannel:
        import paramiko

        if not self.is_alive:
            raise self.lost("no channel can be opened", outcome="not_started")
        try:
            channel = start()
        except paramiko.SSHException as exc:
            if not self.is_alive:
                raise self.lost("no channel could be opened") from exc
            raise ChannelRefused(
                f"{self.options.host!r} opens no further channel on this connection: {exc}", host=self.options.host
            ) from exc
        except (OSError, EOFError) as exc:
            raise self.lost("no channel could be opened") from exc
        made = ExecChannel(self, channel)
        self._ended.add_channel(made)
        return made

    def open_tunnel(self, host: str, port: int, *, timeout_s: float) -> "ParamikoChannel":
        """Open a connection from the remote machine to a host and port (RFC 4254, 7.2).

        Raises:
            ChannelRefused: the server does not forward, or cannot reach the place.
            ConnectionLost: the link has ended.
        """
        import paramiko

        try:
            return self.transport.open_channel(
                "direct-tcpip", dest_addr=(host, port), src_addr=("127.0.0.1", 0), timeout=timeout_s
            )
        except paramiko.SSHException as exc:
            if not self.is_alive:
                raise self.lost("no tunnel could be opened") from exc
            raise ChannelRefused(
                f"{self.options.host!r} opens no connection to {host!r} port {port}: {exc}", host=self.options.host
            ) from exc
        except (OSError, EOFError) as exc:
            raise self.lost("no tunnel could be opened") from exc

    def add_loss_listener(self, listener: Callable[[], None]) -> None:
        """Have `listener` called once, from any thread, when the link has ended for whatever reason."""
        self._ended.add_listener(listener)

    def close(self) -> None:
        """End the link and all its channels, then the links that it goes through."""
        self._end("it was closed")
        for carrier in self._carriers:
            carrier.close()

    def forget(self, channel: ExecChannel) -> None:
        """Take a channel off the list of those that are woken at the end."""
        self._ended.forget(channel)

    def say(self, channel: "SessionChannel", messages: "list[Message]") -> None:
        """Post the last words of a channel; waits `CLOSE_S` at most."""
        if messages:
            self._last_words.do(lambda: self._say(channel, messages))

    def _say(self, channel: "SessionChannel", messages: "list[Message]") -> None:
        try:
            self.transport.say_last(channel, messages)
        except (OSError, EOFError):
            _log.debug("event=last_words_on_ended_link")

    def lost(self, what: str, *, outcome: str = "unknown") -> ConnectionLost:
        """Return the error for work that the end of the link, or of its channel, has cut."""
        reason = self._loss_reason or self.transport.disconnect_reason
        because = f" ({reason})" if reason else ""
        return ConnectionLost(
            f"the connection to {self.options.host!r} was lost{because}: {what}", outcome=outcome, retry_safe=False
        )

    def _end(self, reason: str) -> None:
        self._loss_reason = self._loss_reason or reason
        self.transport.abandon()

    def _on_end(self) -> None:
        """Tell everybody; runs in the transport's thread, once."""
        self._last_words.end()
        if not self._ended.come():
            return
        _log.info("event=link_ended host=%s reason=%s", self.options.host, self._loss_reason or "server")
        # The links below serve nobody else.
        for carrier in self._carriers:
            carrier.close()

    def _is_in_use(self) -> bool:
        return any(channel.is_in_use and not channel.is_closed for channel in self._ended.channels())

    def _watch(self) -> None:
        """Ping when nothing has come for a while, and end the link when nothing comes after that."""
        idle_s = self.options.network.server_alive_interval_s
        idle_s = PING_IDLE_S if idle_s is None else idle_s
        rekey_s = self.options.network.rekey_interval_s
        rekeyed = time.monotonic()
        wait_s = 1.0
        is_first = True
        while not self._ended.wait(wait_s):
            now = time.monotonic()
            if rekey_s and now - rekeyed >= rekey_s:
                rekeyed = now
                self.transport.watched.request_rekey()
            interval_s = PING_IN_USE_S if self._is_in_use() else idle_s
            heard = self.transport.watched.last_received
            if self._ping_sent > self._ping_answered:
                # Anything that comes is a sign of life: on a slow link the reply waits behind a transfer.
                silent_s = now - max(self._ping_sent, heard)
                if silent_s >= PING_DEADLINE_S:
                    self._end(f"nothing came for {now - heard:.0f} s")
                    return
                wait_s = min(1.0, PING_DEADLINE_S - silent_s)
            elif is_first or (interval_s and now - heard >= interval_s):
                is_first = False
                self._ping()
                wait_s = 1.0
            else:
                # At most 5 s: the link may come into use meanwhile.
                wait_s = min(PING_IN_USE_S, max(0.1, heard + interval_s - now)) if interval_s else PING_IN_USE_S

    def _ping(self) -> None:
        sent = time.monotonic()
        self._ping_sent = sent

        def on_reply() -> None:
            self._ping_answered = time.monotonic()
            self._rtt_s = self._ping_answered - sent

        try:
            self.transport.send_ping(on_reply)
        except (OSError, EOFError):
            self._end("a ping could not be sent")
