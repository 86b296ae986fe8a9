"""The bytes below a transport: a TCP connection to one of a host's addresses, or the ProxyCommand's process."""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from remote_code.config import without_secrets
from remote_code.errors import ConfigError, ConnectionFailed, ConnectTimeout
from remote_code.ssh.canonical import FAMILIES
from remote_code.ssh.meaning import NetworkOptions
from remote_code.ssh.options import Options

if TYPE_CHECKING:
    from paramiko.channel import Channel

_log = logging.getLogger(__name__)

DEFAULT_CONNECT_TIMEOUT_S = 15.0
USER_TIMEOUT_MS = 14_000
"""Unacknowledged data for so long ends a TCP connection, where the kernel can be told so."""

ENDED_EARLY = "ended the connection before it identified itself"
"""What is said of a server that accepts and goes, whichever way and moment it does."""
CHECK_SERVER = "check host and port, and the log of the SSH server there"

_Address = tuple[socket.AddressFamily, tuple[object, ...]]


def dial(options: Options) -> socket.socket:
    """Connect to the first address of the host that answers, in the resolver's order: IPv6 first.

    Raises:
        ConnectTimeout: nothing answered in time.
        ConnectionFailed: the name is unknown, or every address refused.
    """
    network = options.network
    timeout_s = network.connect_timeout_s or DEFAULT_CONNECT_TIMEOUT_S
    failure: ConnectionFailed | None = None
    for attempt in range(network.connection_attempts):
        if attempt:
            time.sleep(1)  # As ssh does between ConnectionAttempts.
        try:
            return _dial_once(options, time.monotonic() + timeout_s, timeout_s)
        except ConnectionFailed as exc:
            failure = exc
    assert failure is not None
    raise failure


def _dial_once(options: Options, deadline: float, timeout_s: float) -> socket.socket:
    addresses = _look_up(options, deadline, timeout_s)
    complaints: list[str] = []
    timed_out = was_reset = False
    for place, (family, address) in enumerate(addresses):
        left = deadline - time.monotonic()
        # Every address gets its share, so that one that swallows packets leaves time for the next.
        share = max(0.5, left / (len(addresses) - place))
        try:
            return _dial_address(family, address, options.network, share)
        except TimeoutError:
            timed_out = True
            complaints.append(f"{address[0]}: no answer")
        except OSError as exc:
            complaints.append(f"{address[0]}: {exc.strerror or exc}")
            # Refused would be another error: this one was accepted first.
            was_reset = isinstance(exc, ConnectionResetError)
    where = f"{options.host_name!r} port {options.port}"
    if timed_out:
        raise ConnectTimeout(
            f"cannot connect to {where}: no answer within {timeout_s:.0f} s ({'; '.join(complaints)}); check that the "
            "host is up and reachable from here, or raise ConnectTimeout",
            host=options.host,
            port=options.port,
            timeout_s=timeout_s,
        )
    if was_reset and len(complaints) == 1:
        raise ConnectionFailed(f"{where} {ENDED_EARLY}; {CHECK_SERVER}", host=options.host, port=options.port)
    raise ConnectionFailed(
        f"cannot connect to {where}: {'; '.join(complaints)}; check host, port and that an SSH server runs there",
        host=options.host,
        port=options.port,
    )


def _look_up(options: Options, deadline: float, timeout_s: float) -> list[_Address]:
    """Resolve the name in a thread of its own: the resolver cannot be given a deadline."""
    found: list[_Address] = []
    problem: list[OSError] = []

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(
                options.host_name,
                options.port,
                FAMILIES[options.network.address_family],
                socket.SOCK_STREAM,
            )
            found.extend((row[0], row[4]) for row in rows)
        except (OSError, UnicodeError) as exc:
            problem.append(exc if isinstance(exc, OSError) else OSError(0, str(exc)))

    thread = threading.Thread(target=look_up, name="ssh-lookup", daemon=True)
    thread.start()
    thread.join(max(0.1, deadline - time.monotonic()))
    if thread.is_alive():
        raise ConnectTimeout(
            f"the name {options.host_name!r} was not resolved within {timeout_s:.0f} s; check the network and the name",
            host=options.host,
            port=options.port,
            timeout_s=timeout_s,
        )
    if problem or not found:
        reason = problem[0].strerror if problem else "no address"
        raise ConnectionFailed(
            f"cannot resolve the host name {options.host_name!r}: {reason}; check the spelling, or HostName in "
            "~/.ssh/config",
            host=options.host,
            port=options.port,
        )
    return found


def _dial_address(
    family: socket.AddressFamily, address: tuple[object, ...], network: NetworkOptions, timeout_s: float
) -> socket.socket:
    sock = PromptSocket(family, socket.SOCK_STREAM)
    try:
        if network.bind_interface is not None:
            _bind_interface(sock, network.bind_interface)
        if network.bind_address is not None and network.bind_address != "*":
            sock.bind(
                socket.getaddrinfo(network.bind_address, 0, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][4]
            )
        sock.settimeout(timeout_s)
        sock.connect(address)
        tune(sock, keep_alive=network.tcp_keep_alive)
    except BaseException:
        sock.close()
        raise
    return sock


def tune(sock: socket.socket, *, keep_alive: bool) -> None:
    """Set what every TCP connection of ours has: no waiting for more to send, and an early end when nothing arrives."""
    # Without it small writes that follow each other wait for a delayed acknowledgement: 2 more round trips a login.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keep_alive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
    if user_timeout is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, user_timeout, USER_TIMEOUT_MS)


def _bind_interface(sock: socket.socket, name: str) -> None:
    option = getattr(socket, "SO_BINDTODEVICE", None)
    if option is None:
        raise OSError(0, f"BindInterface {name} cannot be honoured on this system")
    sock.setsockopt(socket.SOL_SOCKET, option, name.encode() + b"\0")


class PromptSocket(socket.socket):
    """A TCP socket that acknowledges at once while a login goes on.

    sshd collects small writes until it runs its first command; with our acknowledgement delayed by the kernel, the
    first channel would open 40 ms late.
    """

    _PROMPT_READS = 400

    def __init__(self, family: int, kind: int) -> None:
        super().__init__(family, kind)
        self._option = getattr(socket, "TCP_QUICKACK", None)
        self._reads_left = self._PROMPT_READS if self._option is not None else 0

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive; the kernel forgets the option with every acknowledgement, so it is set again each time."""
        data = super().recv(size, flags)
        self._acknowledge()
        return data

    def recv_into(self, buffer: memoryview, size: int = 0, flags: int = 0, /) -> int:  # type: ignore[override] # as used
        """Receive into a buffer; as `recv` else."""
        count = super().recv_into(buffer, size, flags)
        self._acknowledge()
        return count

    def _acknowledge(self) -> None:
        if self._reads_left and self._option is not None:
            self._reads_left -= 1
            with contextlib.suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, self._option, 1)


class ProxyProcess:
    """A ProxyCommand: its standard streams are the connection. Looks like a socket to the transport."""

    def __init__(self, command: str, environ: Mapping[str, str]) -> None:
        if sys.platform == "win32":
            raise ConfigError(
                "ProxyCommand cannot be used on Windows; REMOTE_TRANSPORT=ssh uses your own ssh program",
                variable="REMOTE_SSH",
                value=command,
                accepted="ProxyJump, or no proxy",
            )
        self._last_words = ""
        self._closing = threading.RLock()
        # Guards the file below: the transport's thread and whoever ends the connection close this at the same time.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._sock, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._complaints,
                env=without_secrets(environ),
                start_new_session=True,
            )

    def send(self, data: memoryview, /) -> int:
        """Send to the command's standard input."""
        return self._sock.send(data)

    def recv(self, count: int, /) -> bytes:
        """Receive from its standard output."""
        return self._sock.recv(count)

    def recv_into(self, buffer: memoryview, /) -> int:
        """Receive from it into a buffer."""
        return self._sock.recv_into(buffer)

    def settimeout(self, timeout_s: float | None, /) -> None:
        """Bound the three above."""
        self._sock.settimeout(timeout_s)

    def shutdown(self, how: int, /) -> None:
        """End both streams, so that whoever waits on them wakes up."""
        self._sock.shutdown(how)

    @property
    def _closed(self) -> bool:
        # paramiko asks its sockets by this name.
        return self._sock.fileno() < 0

    @property
    def complaint(self) -> str:
        """The last words of the command's standard error."""
        with self._closing:
            if self._complaints.closed:
                return self._last_words
            size = self._complaints.seek(0, os.SEEK_END)
            self._complaints.seek(max(0, size - 2000))
            return self._complaints.read().decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End the command with all that it started; waits a second at most."""
        self._sock.close()
        with self._closing:
            self._end()
            if not self._complaints.closed:
                self._last_words = self.complaint
                self._complaints.close()

    def _end(self) -> None:
        if self._process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.5)
                    break


class TunnelStream:
    """A channel of a jump host's transport as the stream of the next; may be closed when that one has ended already."""

    def __init__(self, channel: "Channel") -> None:
        self._channel = channel

    def send(self, data: memoryview, /) -> int:
        """Send towards the target."""
        return self._channel.send(data)  # type: ignore[arg-type] # a memoryview will do

    def recv(self, count: int, /) -> bytes:
        """Receive from it."""
        return self._channel.recv(count)

    def recv_into(self, buffer: memoryview, /) -> int:
        """Receive from it into a buffer."""
        data = self._channel.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def settimeout(self, timeout_s: float | None, /) -> None:
        """Bound the three above."""
        self._channel.settimeout(timeout_s)

    @property
    def _closed(self) -> bool:
        # paramiko asks its sockets by this name.
        return self._channel.closed

    def close(self) -> None:
        """Close the channel."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.close()
