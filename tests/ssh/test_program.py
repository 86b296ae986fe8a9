"""SSH-4: REMOTE_TRANSPORT=ssh, the same work over the user's own ssh program."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from remote_code.errors import (
    AlgorithmUnsupported,
    AuthenticationFailed,
    ChannelRefused,
    ConfigError,
    ConnectionFailed,
    ConnectionLost,
    HostKeyMismatch,
    RemoteCodeError,
)
from remote_code.ssh.program import ProgramChannel, ProgramLink
from tests.support.connecting import connected_by_program, run
from tests.support.processes import wait_until
from tests.support.ssh_servers import Script, ScriptedServer
from tests.support.sshd import SSHServer, free_port, make_key


def attempt(command: str, *, password: str | None = None) -> RemoteCodeError:
    with pytest.raises(RemoteCodeError) as caught, connected_by_program(command, password=password):
        pass
    assert "\n" not in caught.value.message
    return caught.value


def send_all(channel: ProgramChannel, data: memoryview) -> None:
    while data:
        data = data[channel.send(data, timeout_s=0.5) :]


def processes_of(link: ProgramLink) -> list[str]:
    table = subprocess.run(["ps", "-eo", "args="], check=True, capture_output=True, text=True).stdout
    return [row for row in table.splitlines() if str(link.folder) in row]


def test_commands_run_with_their_streams_and_statuses(sshd: SSHServer) -> None:
    with connected_by_program(sshd.command()) as link:
        assert link.server.startswith("SSH-2.0-OpenSSH")
        assert run(link, "cat; echo oops >&2; exit 3", stdin=b"in") == (b"in", b"oops\n", 3, None)
        assert run(link, "exit 255") == (b"", b"", 255, None)
        assert run(link, "kill -9 $$") == (b"", b"", None, None)
        assert run(link, "head -c 8000000 /dev/zero")[0] == bytes(8_000_000)
        assert run(link, "echo -x; echo '$HOME'")[0] == b"-x\n$HOME\n"
    wait_until(lambda: not processes_of(link))
    assert not link.folder.exists()


def test_the_password_reaches_the_program_and_nothing_else(tmp_path: Path) -> None:
    """CFG-5."""
    with (
        ScriptedServer(tmp_path, Script()) as server,
        connected_by_program(server.command(), password="correct horse") as link,
    ):
        assert run(link, "true")[0] == b"ran: true"
        assert processes_of(link)
        for row in processes_of(link):
            assert "correct horse" not in row
        for process in Path("/proc").glob("[0-9]*/environ"):
            if process.parent.name != str(os.getpid()):
                try:
                    assert b"correct horse" not in process.read_bytes()
                except OSError:
                    continue


def test_the_program_may_ask_a_person(tmp_path: Path) -> None:
    script = Script(
        steps=["keyboard-interactive"],
        prompts=[[("Password: ", False), ("Your code: ", True)]],
        answers=[["correct horse", "42"]],
    )
    with (
        ScriptedServer(tmp_path, script) as server,
        connected_by_program(server.command(), password="correct horse", ask=lambda prompt, echo: "42") as link,
    ):
        assert link.needed_person


def test_a_wrong_password_is_final_and_says_what_is_offered(tmp_path: Path) -> None:
    with ScriptedServer(tmp_path, Script()) as server:
        error = attempt(server.command("-oNumberOfPasswordPrompts=1"), password="hunter2")
    assert isinstance(error, AuthenticationFailed)
    assert error.facts["offered"] == ["password"]
    assert "hunter2" not in error.message


def test_a_changed_host_key_is_refused_whatever_the_settings(tmp_path: Path) -> None:
    """SSH-1."""
    with SSHServer(tmp_path / "server") as server:
        public = make_key(tmp_path / "wrong").with_name("wrong.pub").read_text(encoding="utf-8")
        server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public}", encoding="utf-8")
        error = attempt(server.command("-oStrictHostKeyChecking=no"))
    assert isinstance(error, HostKeyMismatch)
    assert (error.facts["file"], error.facts["line"]) == (str(server.known_hosts), 1)


def test_an_unknown_host_is_recorded_when_nobody_can_be_asked(sshd: SSHServer, tmp_path: Path) -> None:
    """SSH-1."""
    command = sshd.command().replace(str(sshd.known_hosts), str(tmp_path / "known"))
    notices: list[str] = []
    with connected_by_program(command, notices=notices):
        assert len(notices) == 1
    assert isinstance(
        attempt(command.replace(str(tmp_path / "known"), "none") + " -oStrictHostKeyChecking=yes"), HostKeyMismatch
    )


def test_other_failures_carry_the_words_of_the_program(sshd: SSHServer, tmp_path: Path) -> None:
    refused = attempt(f"ssh -F none -p {free_port()} 127.0.0.1")
    assert type(refused) is ConnectionFailed
    assert "refused" in refused.message
    assert type(attempt(f"ssh -F {tmp_path}/absent host")) is ConfigError
    with SSHServer(tmp_path / "old", config=["KexAlgorithms diffie-hellman-group1-sha1"]) as old:
        error = attempt(old.command())
    assert isinstance(error, AlgorithmUnsupported)
    assert "diffie-hellman-group1-sha1" in str(error.facts["theirs"])


def test_max_sessions_refuses_a_channel_and_leaves_the_link_good(tmp_path: Path) -> None:
    with (
        SSHServer(tmp_path / "server", config=["MaxSessions 1"]) as server,
        connected_by_program(server.command()) as link,
    ):
        held = link.open_exec("cat", timeout_s=20)
        with pytest.raises(ChannelRefused) as caught:
            link.open_exec("true", timeout_s=20)
        assert "refused" in caught.value.message
        assert link.is_alive
        held.close()
        wait_until(lambda: held.is_closed)


def test_the_end_of_the_server_wakes_everybody(tmp_path: Path) -> None:
    with SSHServer(tmp_path / "server") as server, connected_by_program(server.command()) as link:
        channel = link.open_exec("sleep 100", timeout_s=20)
        ended = threading.Event()
        link.add_loss_listener(ended.set)
        server.drop_sessions()
        assert ended.wait(5)
        assert channel.wake.wait(5)
        assert channel.is_link_lost
        assert channel.exit_status is None
        with pytest.raises(ConnectionLost):
            link.open_exec("true", timeout_s=5)


def test_a_black_hole_is_noticed_by_the_program(sshd: SSHServer) -> None:
    """SSH-6: the user's ServerAliveInterval wins over the 14 s that are ours."""
    with DelayProxy("127.0.0.1", sshd.port) as proxy:
        command = sshd.command("-oServerAliveInterval=1", "-oServerAliveCountMax=1", port=proxy.port)
        with connected_by_program(command) as link:
            ended = threading.Event()
            link.add_loss_listener(ended.set)
            proxy.freeze()
            assert ended.wait(10)


def test_a_process_that_reads_nothing_ends_the_wait(sshd: SSHServer) -> None:
    with connected_by_program(sshd.command()) as link:
        channel = link.open_exec("sleep 100", timeout_s=20)
        data = memoryview(bytes(10_000_000))
        started = time.monotonic()
        with pytest.raises(ConnectionLost):
            send_all(channel, data)
        assert time.monotonic() - started < 10
        assert link.is_alive
