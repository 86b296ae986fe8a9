"""SSH servers that sshd cannot play: one with a scripted login, and raw ones that misbehave in one way."""

import contextlib
import io
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import paramiko
from cryptography.hazmat.primitives import serialization
from paramiko.common import (
    AUTH_FAILED,
    AUTH_PARTIALLY_SUCCESSFUL,
    AUTH_SUCCESSFUL,
    MSG_CHANNEL_OPEN,
    MSG_NEWKEYS,
    OPEN_SUCCEEDED,
    cMSG_IGNORE,
)
from paramiko.server import InteractiveQuery

from tests.support.sshd import make_key


class RawServer:
    """Listens on loopback and gives every connection to `serve`, in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            thread = threading.Thread(target=self._run, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            self._serve(sock)


def says(text: bytes, *, ending: Literal["close", "reset", "silence"] = "close") -> Callable[[socket.socket], None]:
    """Return a server that sends `text`, then closes in order, resets the connection, or waits for the client to go."""

    def serve(sock: socket.socket) -> None:
        if ending == "reset":
            sock.recv(1)  # A reset before the client is through with connect() would take the text along.
            sock.sendall(text)
            reset(sock)
            return
        sock.sendall(text)
        if ending == "close":
            sock.shutdown(socket.SHUT_WR)
        # What the client sends is read up to its end: closing before that would be a reset.
        while sock.recv(65536):
            pass

    return serve


def reset(sock: socket.socket) -> None:
    """End a connection by a reset, as the kernel does for a program that closes it with input unread."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def cuts_after(
    n_bytes: int, port: int, *, record: bytearray | None = None, ending: Literal["close", "reset"] = "close"
) -> Callable[[socket.socket], None]:
    """Return a proxy to a port of loopback that closes or resets both sides after the server has sent `n_bytes`."""

    def serve(sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            thread = threading.Thread(target=_copy, args=(sock, server), daemon=True)
            thread.start()
            left = n_bytes
            while left > 0 and (data := server.recv(min(left, 65536))):
                sock.sendall(data)
                left -= len(data)
                if record is not None:
                    record.extend(data)
            for end, how in (
                (sock, socket.SHUT_RD if ending == "reset" else socket.SHUT_RDWR),
                (server, socket.SHUT_RDWR),
            ):
                with contextlib.suppress(OSError):
                    end.shutdown(how)
            thread.join(5)
            if ending == "reset":  # Not before: a socket that another thread waits on stays open.
                reset(sock)

    return serve


class Gate(RawServer):
    """A proxy to a port of loopback whose way back can be shut: what the server says is held until it is opened again.

    With `shuts_at_new_keys` it shuts by itself behind the server's SSH_MSG_NEWKEYS (RFC 4253, 7.3).
    """

    def __init__(self, port: int, *, shuts_at_new_keys: bool = False) -> None:
        self._to = port
        self._shuts_at_new_keys = shuts_at_new_keys
        self._way_back = threading.Event()
        self._way_back.set()
        super().__init__(self._pass_on)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        super().__exit__(kind, value, trace)

    def shut(self) -> None:
        """Hold what the server says from now on."""
        self._way_back.clear()

    def open(self) -> None:
        """Let through what was held, and what comes."""
        self._way_back.set()

    def _pass_on(self, sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._to)) as server:
            for end in (sock, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=_copy, args=(sock, server), daemon=True)
            thread.start()
            if self._shuts_at_new_keys:
                with server.makefile("rb") as stream:
                    self._pass_key_exchange(stream, sock)
            while data := server.recv(65536):
                self._way_back.wait()
                sock.sendall(data)
            sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def _pass_key_exchange(self, stream: IO[bytes], sock: socket.socket) -> None:
        """Pass on the identification string, the packets up to the last in clear, and hold what was read behind it."""
        sock.sendall(stream.readline())
        kind = 0
        while kind != MSG_NEWKEYS:
            length = stream.read(4)
            packet = stream.read(int.from_bytes(length, "big"))
            kind = packet[1]
            if kind == MSG_NEWKEYS:
                self.shut()
            sock.sendall(length + packet)
        self._way_back.wait()
        assert isinstance(stream, io.BufferedReader)
        sock.sendall(stream.read1() if stream.peek() else b"")


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@dataclass
class Script:
    """What the login asks for, and what was seen of it."""

    steps: Sequence[str] = ("password",)
    """The methods that must succeed one after the other."""
    also_offered: Sequence[str] = ()
    password: str = "correct horse"
    prompts: Sequence[Sequence[tuple[str, bool]]] = ()
    """The rounds of keyboard-interactive."""
    answers: Sequence[Sequence[str]] = ()
    runs_commands: bool = False
    """Whether a command is run by /bin/sh, on pipes; else its text is printed."""
    identification: str = ""
    """What the server calls itself, if not by its own name."""
    ends_at_early_session: bool = False
    """Whether it ends the connection when a session is asked for before the login is complete."""
    n_ignored_sessions: int = 0
    """How many requests for a session it gives no answer at all."""
    seen: list[str] = field(default_factory=list)


class ScriptedServer(RawServer):
    """A paramiko server with a scripted login; unless the script says otherwise, a command prints `ran: COMMAND`."""

    def __init__(self, folder: Path, script: Script) -> None:
        self.script = script
        self.known_hosts = folder / "scripted_known_hosts"
        path = folder / "scripted_host_key"
        if not path.exists():
            make_key(path, kind="ecdsa")
        self._key = paramiko.ECDSAKey.from_private_key_file(str(path))
        super().__init__(self._talk)
        public = (folder / "scripted_host_key.pub").read_text(encoding="utf-8").split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n", encoding="utf-8")

    def command(self, *options: str) -> str:
        """Return the ssh command line that leads here."""
        known = f"-o UserKnownHostsFile={self.known_hosts} -o GlobalKnownHostsFile=none"
        return f"ssh -F none -o IdentityAgent=none {known} -p {self.port} {' '.join(options)} someone@127.0.0.1"

    def _talk(self, sock: socket.socket) -> None:
        transport = _Transport(sock, self.script)
        transport.add_server_key(self._key)
        try:
            transport.start_server(server=_Interface(self.script))
            transport.join(60)
        except (paramiko.SSHException, EOFError):
            return
        finally:
            transport.close()


class _Transport(paramiko.Transport):
    def __init__(self, sock: socket.socket, script: Script) -> None:
        super().__init__(sock)
        self._script = script
        self._n_ignored = script.n_ignored_sessions
        self.local_version = script.identification or self.local_version

    def _ensure_authed(self, ptype: int, message: paramiko.Message) -> paramiko.Message | None:
        if ptype == MSG_CHANNEL_OPEN and self._script.ends_at_early_session and not self.is_authenticated():
            raise EOFError
        if ptype == MSG_CHANNEL_OPEN and self._n_ignored:
            self._n_ignored -= 1
            nothing = paramiko.Message()
            nothing.add_byte(cMSG_IGNORE)
            nothing.add_string("")
            return nothing
        answer: paramiko.Message | None = super()._ensure_authed(ptype, message)  # type: ignore[misc] # private
        return answer


class _Interface(paramiko.ServerInterface):
    def __init__(self, script: Script) -> None:
        self._script = script
        self._done = 0
        self._round = 0

    def get_allowed_auths(self, username: str) -> str:
        return ",".join([self._script.steps[self._done], *self._script.also_offered])

    def check_auth_none(self, username: str) -> int:
        self._script.seen.append("none")
        return AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._result("publickey", right=True)

    def check_auth_password(self, username: str, password: str) -> int:
        return self._result("password", right=password == self._script.password)

    def check_auth_interactive(self, username: str, submethods: str | bytes) -> int | InteractiveQuery:
        self._round = 0
        if self._script.steps[self._done] != "keyboard-interactive":
            return self._result("keyboard-interactive", right=False)
        return self._query()

    def check_auth_interactive_response(self, responses: list[str]) -> int | InteractiveQuery:
        if list(responses) != list(self._script.answers[self._round]):
            return self._result("keyboard-interactive", right=False)
        self._round += 1
        if self._round < len(self._script.prompts):
            return self._query()
        return self._result("keyboard-interactive", right=True)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        def answer() -> None:
            # The client may be through with the connection before a command has ended.
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                if self._script.runs_commands:
                    _run(channel, command)
                else:
                    channel.sendall(b"ran: " + command)
                    channel.send_exit_status(0)
                channel.close()

        threading.Timer(0.01, answer).start()
        return True

    def _query(self) -> InteractiveQuery:
        return InteractiveQuery("", "", *self._script.prompts[self._round])

    def _result(self, method: str, *, right: bool) -> int:
        expected = self._script.steps[self._done]
        self._script.seen.append(f"{method} {'right' if right and method == expected else 'wrong'}")
        if method != expected or not right:
            return AUTH_FAILED
        self._done += 1
        if self._done == len(self._script.steps):
            return AUTH_SUCCESSFUL
        return AUTH_PARTIALLY_SUCCESSFUL


def _run(channel: paramiko.Channel, command: bytes) -> None:
    """Run a command with the channel's three streams, up to its end, and send its exit status."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [b"/bin/sh", b"-c", command], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, start_new_session=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr

        def copy(take: Callable[[int], bytes], give: Callable[[bytes], object]) -> None:
            with contextlib.suppress(OSError, ValueError):
                while data := take(65536):
                    give(data)

        def feed(stdin: IO[bytes]) -> None:
            with stdin:
                copy(channel.recv, stdin.write)

        ways = [
            threading.Thread(target=copy, args=(process.stdout.read, channel.sendall)),
            threading.Thread(target=copy, args=(process.stderr.read, channel.sendall_stderr)),
        ]
        feeding = threading.Thread(target=feed, args=(process.stdin,))
        for thread in [*ways, feeding]:
            thread.start()
        for thread in ways:
            thread.join()
        channel.send_exit_status(process.wait())
        channel.shutdown(2)
        feeding.join()


def rewrite_key(path: Path, *, form: str, passphrase: str = "") -> None:
    """Write an unencrypted OpenSSH key anew: as `pem`, `pkcs8` or `openssh`, encrypted when there is a passphrase."""
    private = serialization.load_ssh_private_key(path.read_bytes(), None)
    formats = {
        "pem": serialization.PrivateFormat.TraditionalOpenSSL,
        "pkcs8": serialization.PrivateFormat.PKCS8,
        "openssh": serialization.PrivateFormat.OpenSSH,
    }
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    path.write_bytes(private.private_bytes(serialization.Encoding.PEM, formats[form], encryption))
