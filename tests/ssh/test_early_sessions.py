"""SSH-2, SSH-5: the way to the first command is short: sessions are asked for before the login has its answer."""

import os
import shlex
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from remote_code.errors import AuthenticationFailed, ChannelRefused
from remote_code.shell.opening import patiently
from remote_code.ssh import auth, sessions
from tests.support.connecting import connected, run
from tests.support.dropbear import DropbearServer
from tests.support.processes import wait_until
from tests.support.ssh_servers import Gate, Script, ScriptedServer
from tests.support.sshd import SSHServer, make_key

OPENSSH = "SSH-2.0-OpenSSH_9.9"
TOO_EARLY = "dispatch_protocol_error: type 90"
"""How sshd logs a request for a session that comes before the login is complete."""


def test_sessions_are_asked_for_in_the_flight_of_the_login(tmp_path: Path) -> None:
    """Nothing that the server says behind its key exchange has arrived, and the sessions are open there."""
    with (
        SSHServer(tmp_path / "server", config=["LogLevel DEBUG1"]) as server,
        Gate(server.port, shuts_at_new_keys=True) as gate,
    ):

        def are_open() -> bool:
            return log(server).count("ctype session") == auth.EARLY_SESSIONS

        threading.Thread(target=open_when, args=(gate, are_open), daemon=True).start()
        with connected(server.command(port=gate.port)) as connection:
            assert log(server).count("ctype session") == auth.EARLY_SESSIONS
            for number in range(3):
                assert run(connection, f"echo {number}")[0] == f"{number}\n".encode()
        assert log(server).count("ctype session") == 3
        assert TOO_EARLY not in log(server)


def open_when(gate: Gate, claim: Callable[[], object]) -> None:
    wait_until(claim)
    gate.open()


def log(server: SSHServer) -> str:
    return server.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("n_wrong", [1, 3])
def test_a_login_goes_on_after_a_refused_key_whose_sessions_came_too_early(tmp_path: Path, n_wrong: int) -> None:
    """Nor does the server's log fill: no more than two requests take sessions along."""
    keys = [make_key(tmp_path / f"wrong{number}") for number in range(n_wrong)]
    with SSHServer(tmp_path / "server") as server:
        command = server.command()
        right = shlex.join(["-i", str(server.client_key)])
        wrong = shlex.join([word for key in keys for word in ("-i", str(key))])
        with connected(command.replace(right, f"{wrong} {right}")) as connection:
            for _ in range(3):
                assert run(connection, "echo in")[0] == b"in\n"
        assert log(server).count(TOO_EARLY) == min(n_wrong, 2) * auth.EARLY_SESSIONS


def test_a_session_that_is_refused_early_is_asked_for_again_when_it_is_wanted(tmp_path: Path) -> None:
    with (
        SSHServer(tmp_path / "server", config=["MaxSessions 1", "LogLevel DEBUG1"]) as server,
        connected(server.command()) as connection,
    ):
        first = connection.open_exec("cat", timeout_s=20)
        with pytest.raises(ChannelRefused):
            run(connection, "echo too many")
        assert log(server).count("ctype session") == auth.EARLY_SESSIONS + 1
        first.close()
        assert patiently(lambda: run(connection, "echo free"), threading.Event().wait)[0] == b"free\n"


def test_an_early_session_that_was_closed_before_its_use_is_passed_over(sshd: SSHServer) -> None:
    with connected(sshd.command()) as connection:
        for session in connection.transport._early:
            assert session.is_answered.wait(20)
            connection.transport.say_last(session, session.end())
        for number in range(3):
            assert run(connection, f"echo {number}")[0] == f"{number}\n".encode()


def test_no_session_is_asked_for_early_on_the_way_through_a_jump_host(tmp_path: Path) -> None:
    with SSHServer(tmp_path / "server", config=["LogLevel DEBUG1"]) as server:
        place = f"{server.user}@127.0.0.1"
        config = tmp_path / "config"
        config.write_text(
            f"Host *\n IdentityFile {server.client_key}\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {server.known_hosts}\n GlobalKnownHostsFile none\n",
            encoding="utf-8",
        )
        words = ["ssh", "-F", str(config), "-p", str(server.port), "-J", f"{place}:{server.port}", place]
        with connected(shlex.join(words)) as connection:
            assert run(connection, "echo through")[0] == b"through\n"
        assert log(server).count("ctype session") == auth.EARLY_SESSIONS


def test_a_server_that_ends_the_connection_at_an_early_session_is_asked_without(tmp_path: Path) -> None:
    """Some call themselves OpenSSH and are not. The wrong key is refused, and the session behind it is too much."""
    key = make_key(tmp_path / "key")
    script = Script(
        steps=("password",), also_offered=("publickey",), identification=OPENSSH, ends_at_early_session=True
    )
    with ScriptedServer(tmp_path, script) as server:
        command = server.command("-i", str(key), "-o", "IdentitiesOnly=yes")
        with connected(command, password=script.password) as connection:
            assert run(connection, "what")[0] == b"ran: what"
        assert script.seen == ["publickey wrong", "publickey wrong", "password right"]


def test_a_server_that_refuses_the_login_and_ends_the_connection_is_told_as_ever(tmp_path: Path) -> None:
    script = Script(identification=OPENSSH, ends_at_early_session=True)
    with ScriptedServer(tmp_path, script) as server:
        with pytest.raises(AuthenticationFailed) as caught, connected(server.command(), password="wrong"):
            pass
        assert caught.value.facts["tried"] == ["password"]


def test_a_server_that_gives_early_sessions_no_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_EARLY_ANSWER_S", 0.1)
    script = Script(identification=OPENSSH, n_ignored_sessions=auth.EARLY_SESSIONS)
    with (
        ScriptedServer(tmp_path, script) as server,
        connected(server.command(), password=script.password) as connection,
    ):
        for text in ("one", "two", "three"):
            assert run(connection, text)[0] == f"ran: {text}".encode()


@pytest.mark.skipif(os.getuid() != 0, reason="Dropbear needs root")
def test_the_first_command_on_dropbear_goes_in_the_flight_that_asks_for_its_session(tmp_path: Path) -> None:
    with DropbearServer(tmp_path / "dropbear") as server, Gate(server.port) as gate:
        command = server.command().replace(f"-p {server.port}", f"-p {gate.port}")
        known = f"HostKeyAlias=[127.0.0.1]:{server.port}"
        with connected(command.replace("ssh ", f"ssh -o {known} ", 1)) as connection:
            gate.shut()
            made = tmp_path / "made"
            threading.Thread(target=open_when, args=(gate, made.exists), daemon=True).start()
            assert run(connection, f"touch {made}; echo out")[0] == b"out\n"
            assert run(connection, "echo again")[0] == b"again\n"
