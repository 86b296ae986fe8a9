"""Every way in which no connection comes about is one error that says what was asked, what was found, what helps."""

import contextlib
import os
import random
import socket
import threading
from pathlib import Path
from typing import Literal

import pytest

from remote_code.errors import (
    ConnectionFailed,
    ConnectTimeout,
    HostKeyMismatch,
    RemoteCodeError,
    ServerBusy,
)
from remote_code.ssh.dial import dial
from tests.support.connecting import connected, options_of, run
from tests.support.processes import wait_until
from tests.support.ssh_servers import RawServer, cuts_after, reset, says
from tests.support.sshd import SSHServer, free_port, make_key


def attempt(command: str) -> RemoteCodeError:
    """Try to connect and return the error; it is one line, and its facts are there."""
    with pytest.raises(RemoteCodeError) as caught, connected(command):
        pass
    assert "\n" not in caught.value.message
    assert "paramiko" not in caught.value.message.lower()
    return caught.value


def raw_command(port: int, *options: str) -> str:
    return f"ssh -F none -oUserKnownHostsFile=none -oIdentityAgent=none {' '.join(options)} -p {port} me@127.0.0.1"


def n_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_a_port_that_nobody_listens_on_is_named() -> None:
    port = free_port()
    error = attempt(raw_command(port))
    assert type(error) is ConnectionFailed
    assert error.facts == {"host": "127.0.0.1", "port": port}
    assert "refused" in error.message.lower()


def test_an_unknown_host_is_named() -> None:
    error = attempt("ssh -F none me@no-such-host.invalid")
    assert type(error) is ConnectionFailed
    assert "no-such-host.invalid" in error.message


def test_a_host_that_does_not_answer_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for sock in waiting:  # They fill the queue of connections, so that the next SYN gets no answer.
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        error = attempt(raw_command(port, "-oConnectTimeout=1"))
        for sock in waiting:
            sock.close()
    assert isinstance(error, ConnectTimeout)
    assert error.facts["timeout_s"] == 1.0


CHECK = "check host and port, and the log of the SSH server there"
NO_SERVER = "is no SSH server of use"
BANNER_LINES = "too much text came before the SSH identification string"


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize(
    ("sent", "kind", "words"),
    [
        pytest.param(b"", ConnectionFailed, "ended the connection before it identified itself", id="closes"),
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            ConnectionFailed,
            "ended the connection before it identified itself; it says 'HTTP/1.1 400 Bad Request'",
            id="web-server",
        ),
        pytest.param(
            b"SSH-1.5-old\r\n",
            ConnectionFailed,
            f"{NO_SERVER} (the server speaks another protocol: 'SSH-1.5-old')",
            id="protocol-1",
        ),
        pytest.param(
            b"\x00\xff\x80\r\n" * 2,
            ConnectionFailed,
            "ended the connection before it identified itself; it says '\ufffd\ufffd  \ufffd\ufffd'",
            id="noise",
        ),
        pytest.param(
            b"Exceeded MaxStartups\r\n",
            ServerBusy,
            "takes no further login at the moment (it says 'Exceeded MaxStartups'); it is tried again later",
            id="max-startups",
        ),
        pytest.param(
            b"Not allowed at this time\r\n",
            ServerBusy,
            "takes no further login at the moment (it says 'Not allowed at this time'); it is tried again later",
            id="penalty",
        ),
        pytest.param(
            b"line\r\n" * 200,
            ConnectionFailed,
            f"{NO_SERVER} ({BANNER_LINES}); it says '{' '.join(['line'] * 50)}'",
            id="endless-preamble",
        ),
        pytest.param(b"x" * 50_000, ConnectionFailed, f"{NO_SERVER} ({BANNER_LINES})", id="endless-line"),
        pytest.param(
            b"\x1b]0;title\x07go away\r\n",
            ConnectionFailed,
            "ended the connection before it identified itself; it says ']0;title go away'",
            id="terminal-escape",
        ),
        pytest.param(
            b"SSH-2.0-x\r\n", ConnectionFailed, "ended the connection during the key exchange", id="closes-after-banner"
        ),
    ],
)
def test_a_server_that_says_something_else_is_described(
    sent: bytes, kind: type[RemoteCodeError], words: str, ending: Literal["close", "reset"]
) -> None:
    """Whether it then closes in order or resets the connection makes no difference."""
    with RawServer(says(sent, ending=ending)) as server:
        error = attempt(raw_command(server.port))
    assert type(error) is kind
    help_text = "" if kind is ServerBusy else f"; {CHECK}"
    assert error.message == f"'127.0.0.1' port {server.port} {words}{help_text}"


def test_a_connection_that_is_reset_at_once_is_described_as_one_that_is_closed() -> None:
    """The reset may come before our connect() is through, or after."""
    with RawServer(reset) as server:
        error = attempt(raw_command(server.port))
    assert type(error) is ConnectionFailed
    assert error.message == f"'127.0.0.1' port {server.port} ended the connection before it identified itself; {CHECK}"


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_noise_in_place_of_the_key_exchange_is_described(ending: Literal["close", "reset"]) -> None:
    with RawServer(says(b"SSH-2.0-x\r\n" + b"\xff" * 400, ending=ending)) as server:
        error = attempt(raw_command(server.port))
    assert type(error) is ConnectionFailed
    assert "the key exchange" in error.message


@pytest.mark.parametrize("sent", [b"", b"SSH-2.0-x\r\n", b"SSH-2.0"])
def test_a_server_that_falls_silent_is_a_timeout(sent: bytes) -> None:
    with RawServer(says(sent, ending="silence")) as server:
        error = attempt(raw_command(server.port, "-oConnectTimeout=1"))
    assert isinstance(error, ConnectTimeout)


@pytest.mark.parametrize("n_bytes", [500, 1_100])
def test_a_server_that_falls_silent_during_the_key_exchange_is_a_timeout(sshd: SSHServer, n_bytes: int) -> None:
    spoken = bytearray()
    with RawServer(cuts_after(n_bytes, sshd.port, record=spoken)) as recorder:
        attempt(sshd.command(port=recorder.port))
    with RawServer(says(bytes(spoken), ending="silence")) as server:
        error = attempt(sshd.command("-oConnectTimeout=1", port=server.port))
    assert isinstance(error, ConnectTimeout)
    assert "key exchange" in error.message


@pytest.mark.parametrize(("ending", "step"), [("close", 97), ("reset", 193)])
def test_a_server_that_ends_the_connection_at_any_stage_is_one_error(
    sshd: SSHServer, ending: Literal["close", "reset"], step: int
) -> None:
    """The connection is cut after every few bytes of a login; nothing is left open."""
    before = n_descriptors()
    threads_before = threading.active_count()
    endings: list[str] = []
    n_bytes = 0
    while True:
        with RawServer(cuts_after(n_bytes, sshd.port, ending=ending)) as proxy:
            try:
                with connected(sshd.command(port=proxy.port)):
                    break
            except ConnectionFailed as exc:
                assert type(exc) is ConnectionFailed
                endings.append(exc.message.replace(f"port {proxy.port} ", ""))
        n_bytes += step
    assert list(dict.fromkeys(endings)) == [
        f"'127.0.0.1' ended the connection before it identified itself; {CHECK}",
        f"'127.0.0.1' ended the connection during the key exchange; {CHECK}",
        f"'127.0.0.1' ended the connection during the login of {sshd.user!r}; check the log of the SSH server there",
    ]
    wait_until(lambda: n_descriptors() <= before)
    wait_until(lambda: threading.active_count() <= threads_before)


def test_servers_that_send_noise_are_one_error(sshd: SSHServer) -> None:
    """What a real server says up to the login, with bytes changed, left out and put in."""
    spoken = bytearray()
    with RawServer(cuts_after(1_300, sshd.port, record=spoken)) as recorder:
        attempt(sshd.command(port=recorder.port))
    assert len(spoken) == 1_300
    rng = random.Random(5)
    for _ in range(1_000 if os.environ.get("REMOTE_CODE_TORTURE") else 40):
        noise = bytearray(spoken)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(noise))
            kind = rng.randrange(3)
            if kind == 0:
                noise[place] = rng.randrange(256)
            elif kind == 1:
                del noise[place : place + rng.randint(1, 20)]
            else:
                noise[place:place] = rng.randbytes(rng.randint(1, 20))
        with RawServer(says(bytes(noise))) as server:
            error = attempt(sshd.command(port=server.port))
        assert isinstance(error, ConnectionFailed)


def test_a_changed_host_key_is_refused_before_any_login(tmp_path: Path) -> None:
    """SSH-1: the server learns nothing of who we are."""
    with SSHServer(tmp_path / "server") as server:
        wrong = make_key(tmp_path / "wrong")
        public = wrong.with_name("wrong.pub").read_text(encoding="utf-8")
        server.known_hosts.write_text(f"# old\n[127.0.0.1]:{server.port} {public}", encoding="utf-8")
        error = attempt(server.command("-o", "StrictHostKeyChecking=no"))
        assert isinstance(error, HostKeyMismatch)
        assert error.facts["line"] == 2
        assert error.facts["file"] == str(server.known_hosts)
        wait_until(lambda: "Connection closed" in server.log.read_text(encoding="utf-8"))
        assert "user" not in server.log.read_text(encoding="utf-8").lower().split("connection from")[-1]


def test_an_unknown_host_is_recorded_once_and_then_known(tmp_path: Path) -> None:
    """SSH-1: where nobody can be asked, first use decides, and it is told."""
    with SSHServer(tmp_path / "server") as server:
        file = tmp_path / "new" / "known_hosts"
        command = server.command().replace(str(server.known_hosts), str(file))
        notices: list[str] = []
        with connected(command, notices=notices):
            assert len(notices) == 1
            assert "SHA256:" in notices[0]
        recorded = file.read_text(encoding="utf-8")
        notices.clear()
        with connected(command, notices=notices):
            assert notices == []
        assert file.read_text(encoding="utf-8") == recorded
        with (
            pytest.raises(HostKeyMismatch),
            connected(server.command("-oStrictHostKeyChecking=yes").replace(str(server.known_hosts), "none")),
        ):
            pass


def test_a_full_server_is_recognised(tmp_path: Path) -> None:
    """SSH-5: MaxStartups is told apart from other failures, so that it is tried again."""
    with SSHServer(tmp_path / "server", config=["MaxStartups 1"]) as server:
        with contextlib.ExitStack() as stack:

            def holds_the_slot() -> bool:
                idle = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                return idle.recv(4) == b"SSH-"

            wait_until(holds_the_slot)
            error = attempt(server.command())
        assert isinstance(error, ServerBusy)
        wait_until(lambda: _connects(server))


def _connects(server: SSHServer) -> bool:
    try:
        with connected(server.command()) as connection:
            return run(connection, "echo in")[0] == b"in\n"
    except ServerBusy:
        return False


def test_several_addresses_are_tried_in_turn(sshd: SSHServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with an IPv6 address where nothing listens, and an IPv4 address where the server does."""
    rows = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", sshd.port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", sshd.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: rows)
    command = sshd.command(f"-oHostKeyAlias=[127.0.0.1]:{sshd.port}").replace("@127.0.0.1", "@two.example.org")
    with connected(command) as connection:
        assert connection.is_alive


def test_every_address_is_named_when_none_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    rows = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: rows)
    error = attempt(raw_command(port).replace("@127.0.0.1", "@two.example.org"))
    assert "127.0.0.1: " in error.message
    assert "127.0.0.2: " in error.message


def test_tcp_connections_wait_for_nothing(sshd: SSHServer) -> None:
    with dial(options_of(sshd.command())) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
