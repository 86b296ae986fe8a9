"""The engine as a process: what it answers before, without and after a connection, and what is left when it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.engine import ROOT, EngineClient, EngineError
from tests.support.footprint import use_of
from tests.support.processes import find_processes, unique_sleep, wait_until
from tests.support.sshd import SSHServer, free_port

SEVEN = {"bash", "glob", "grep", "read", "write", "edit", "apply_patch"}


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def environ(server: SSHServer, workdir: Path, **more: str) -> dict[str, str]:
    return {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(workdir), **more}


def test_initialize_tells_target_workdir_and_the_seven_tools(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    with EngineClient(environ(sshd, workdir), home=tmp_path / "home") as engine:
        told = engine.initialized
    assert told["protocolVersion"] == 1
    assert told["target"] == {"host": "127.0.0.1", "port": sshd.port, "user": sshd.user, "label": "127.0.0.1"}
    assert told["workdir"] == str(workdir)
    assert {tool["name"] for tool in told["tools"]} == SEVEN


def test_a_workdir_with_a_tilde_is_told_once_it_is_known(sshd: SSHServer, tmp_path: Path) -> None:
    """CFG-4: `~` is the remote home, known once connected."""
    with EngineClient({"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": "~"}, home=tmp_path / "home") as engine:
        assert engine.initialized["workdir"] is None
        engine.call("bash", {"command": "true"})
        assert engine.request("status", {})["workdir"] == os.path.expanduser(f"~{sshd.user}")


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        pytest.param({"REMOTE_SSH": "ssh 'unclosed"}, "config_error", id="unparsable"),
        pytest.param({"REMOTE_SSH": "ssh -Z host"}, "config_error", id="unknown option"),
        pytest.param({"REMOTE_SSH": "ssh host ls"}, "config_error", id="remote command"),
        pytest.param({"REMOTE_SSH": "ssh host", "REMOTE_POOL_FILE_SIZE": "many"}, "config_error", id="bad number"),
        pytest.param({}, "config_error", id="no target"),
    ],
)
def test_a_bad_setting_is_the_answer_of_every_tool_and_of_status(
    variables: dict[str, str], kind: str, tmp_path: Path
) -> None:
    """CFG-6: a bad value is one clear error line, told by every tool; the engine itself goes on."""
    with EngineClient(variables, home=tmp_path / "home") as engine:
        assert engine.initialized["target"] is None
        status = engine.request("status", {})
        assert status["state"] == "failed"
        messages = set()
        for tool in sorted(SEVEN):
            with pytest.raises(EngineError) as caught:
                engine.call(tool, {})
            assert caught.value.kind == kind
            messages.add(caught.value.message)
        assert messages == {status["error"]["message"]}


def test_a_target_that_is_down_is_the_answer_of_every_tool(tmp_path: Path) -> None:
    """OC-2: a failing target gives one clear message, and tools answer with it at once."""
    port = free_port()
    with EngineClient({"REMOTE_SSH": f"ssh -F none -p {port} 127.0.0.1"}, home=tmp_path / "home") as engine:
        for _ in range(2):
            with pytest.raises(EngineError) as caught:
                engine.call("read", {"filePath": "a"})
            assert caught.value.kind == "connection_failed"
            assert f"port {port}" in caught.value.message
        assert engine.request("status", {})["state"] == "failed"
        before = use_of(engine.pid).n_threads
        for _ in range(50):
            with pytest.raises(EngineError):
                engine.call("read", {"filePath": "a"})
        # A connection may be on its way again: two threads, and one more for calls.
        assert use_of(engine.pid).n_threads <= before + 3


def test_a_missing_workdir_is_named_with_what_creates_it_and_found_once_it_is_there(
    sshd: SSHServer, workdir: Path, tmp_path: Path
) -> None:
    """CFG-4: a missing directory is an error that names it and the command that creates it."""
    missing = workdir / "not there"
    with EngineClient(environ(sshd, missing), home=tmp_path / "home") as engine:
        with pytest.raises(EngineError) as caught:
            engine.call("bash", {"command": "pwd"})
        assert caught.value.kind == "no_such_file"
        assert f'"{missing}"' in caught.value.message
        assert "remote-code doctor --create-workdir" in caught.value.message
        assert engine.request("status", {})["state"] == "failed"
        missing.mkdir()
        assert engine.call("bash", {"command": "pwd"}).output == f"{missing}\n"
        assert engine.request("status", {})["state"] == "ready"


def test_a_wrong_password_is_one_clear_error_without_the_password(sshd: SSHServer, tmp_path: Path) -> None:
    """SSH-2: an authentication failure is final, and the message lists what was tried."""
    with SSHServer(tmp_path / "sshd", config=["PasswordAuthentication yes", "PubkeyAuthentication no"]) as server:
        variables = {"REMOTE_SSH": server.command(), "REMOTE_PASSWORD": "hunter2-is-wrong"}
        with EngineClient(variables, home=tmp_path / "home") as engine:
            with pytest.raises(EngineError) as caught:
                engine.call("bash", {"command": "true"})
            assert caught.value.kind == "authentication_failed"
            assert "password" in caught.value.message
            assert "hunter2" not in caught.value.message
    assert "hunter2" not in (tmp_path / "home" / "engine.log").read_text(encoding="utf-8")


def test_a_changed_host_key_is_refused_by_every_tool(tmp_path: Path, workdir: Path) -> None:
    """SSH-1: changed: refused with the file, line and both fingerprints."""
    with SSHServer(tmp_path / "sshd") as server:
        other = (server.folder / "client_key.pub").read_text(encoding="utf-8").split()
        server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {other[0]} {other[1]}\n", encoding="utf-8")
        engine = EngineClient(environ(server, workdir), home=tmp_path / "home")
        with engine, pytest.raises(EngineError) as caught:
            engine.call("bash", {"command": "true"})
    assert caught.value.kind == "host_key_mismatch"
    assert f"{server.known_hosts}" in caught.value.message
    assert caught.value.message.count("SHA256:") == 2


def test_the_secrets_are_in_no_environment_that_a_command_sees(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """CFG-5: no process that the engine starts inherits the passwords."""
    variables = environ(sshd, workdir, REMOTE_PASSWORD="hunter2-login", REMOTE_SUDO_PASSWORD="hunter2-sudo")
    with EngineClient(variables, home=tmp_path / "home") as engine:
        output = engine.call("bash", {"command": "env"}).output
        arguments = Path(f"/proc/{engine.pid}/cmdline").read_bytes() if os.path.isdir("/proc/self") else b""
    assert "hunter2" not in output
    assert b"hunter2" not in arguments


def test_the_end_of_the_input_ends_the_engine_and_its_commands(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """SSH-8: the end of the engine leaves no process behind on the remote."""
    mark = unique_sleep()
    engine = EngineClient(environ(sshd, workdir), home=tmp_path / "home")
    with engine:
        engine.start_call("bash", {"command": f"sleep {mark}"})
        wait_until(lambda: find_processes(mark))
        assert engine.close() == 0
    wait_until(lambda: not find_processes(mark))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_signal_ends_the_engine_and_its_commands(
    number: signal.Signals, sshd: SSHServer, workdir: Path, tmp_path: Path
) -> None:
    """SSH-8: also after `kill -9` of the engine: the channel's input is a lifeline."""
    mark = unique_sleep()
    with EngineClient(environ(sshd, workdir), home=tmp_path / "home") as engine:
        running = engine.start_call("bash", {"command": f"sleep {mark}"})
        wait_until(lambda: find_processes(mark))
        os.kill(engine.pid, number)
        assert running.done.wait(5)
        wait_until(lambda: not find_processes(mark))


def test_an_engine_whose_parent_has_gone_ends(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """SSH-8: a vanished parent ends the engine, though somebody else still holds its input open."""
    script = '"$0" -m remote_code.cli serve <"$1" >"$2" 2>/dev/null & echo $!; read -r line'
    fifo, answers = tmp_path / "input", tmp_path / "answers"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    parent = subprocess.Popen(
        ["sh", "-c", script, sys.executable, str(fifo), str(answers)],
        cwd=ROOT,
        env={**os.environ, **environ(sshd, workdir), "HOME": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            os.write(holder, b'{"jsonrpc":"2.0","id":1,"method":"status"}\n')
            wait_until(lambda: answers.exists() and answers.stat().st_size > 0)
            parent.kill()
            wait_until(lambda: not os.path.exists(f"/proc/{pid}"), timeout_s=10)
        finally:
            os.close(holder)


def test_calls_run_in_parallel_and_a_waiting_one_can_be_cancelled(
    sshd: SSHServer, workdir: Path, tmp_path: Path
) -> None:
    with EngineClient(environ(sshd, workdir), home=tmp_path / "home") as engine:
        engine.call("bash", {"command": "true"})
        marks = [unique_sleep() for _ in range(20)]
        slow = [engine.start_call("bash", {"command": f"sleep {mark}"}) for mark in marks]
        quick = engine.call("glob", {"pattern": "*"})
        assert quick.output == "No files found"
        for call in slow:
            engine.cancel(call)
        for call in slow:
            assert call.done.wait(10)
    wait_until(lambda: not any(find_processes(mark) for mark in marks))


def test_an_unknown_call_is_cancelled_without_harm(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    with EngineClient(environ(sshd, workdir), home=tmp_path / "home") as engine:
        engine.send_line(b'{"jsonrpc":"2.0","method":"tool/cancel","params":{"callId":"nobody"}}')
        assert engine.call("bash", {"command": "echo still here"}).output == "still here\n"


def test_the_environment_is_the_remotes(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """OC-3: instructions and git state are the remote's."""
    subprocess.run(["git", "init", "-q", "-b", "trunk", str(workdir)], check=True)
    (workdir / "AGENTS.md").write_text("Be kind.\n", encoding="utf-8")
    inner = workdir / "inner"
    inner.mkdir()
    (inner / "AGENTS.md").write_text("Be brief.\n", encoding="utf-8")
    (inner / "CLAUDE.md").write_text("not this one\n", encoding="utf-8")
    with EngineClient(environ(sshd, inner), home=tmp_path / "home") as engine:
        told = engine.request("environment", {})
        assert told["workdir"] == str(inner)
        assert told["isGitRepo"] is True
        assert told["branch"] == "trunk"
        assert told["instructions"] == [
            {"path": str(inner / "AGENTS.md"), "text": "Be brief.\n"},
            {"path": str(workdir / "AGENTS.md"), "text": "Be kind.\n"},
        ]
        subprocess.run(["git", "-C", str(workdir), "checkout", "-q", "-b", "topic"], check=True)
        assert engine.request("environment", {})["branch"] == "topic"


def test_the_local_environment_block_never_passes(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """OC-3: the `<env>` block is the remote's, also when the target is down."""
    block = "You are an agent.\n<env>\n  Working directory: /home/me/local-project\n</env>"
    params = {"system": [block], "directory": "/home/me/local-project", "worktree": "/"}
    with EngineClient(environ(sshd, workdir), home=tmp_path / "home") as engine:
        [system] = engine.request("system/rewrite", params)["system"]
    assert "local-project" not in system
    assert f"Working directory: {workdir}\n" in system
    down = {"REMOTE_SSH": f"ssh -F none -p {free_port()} 127.0.0.1", "REMOTE_WORKDIR": "/srv/app"}
    with EngineClient(down, home=tmp_path / "home") as engine:
        [system] = engine.request("system/rewrite", params)["system"]
    assert "local-project" not in system
    assert "Working directory: /srv/app\n" in system
    assert "cannot be used now" in system


def test_every_result_tells_its_cost(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    with EngineClient(environ(sshd, workdir), home=tmp_path / "home") as engine:
        engine.call("bash", {"command": "true"})
        cost = engine.call("read", {"filePath": str(workdir)}).metadata["remote"]
    assert set(cost) == {"roundTrips", "tookMs", "rttMs"}
    assert cost["roundTrips"] == 1


def test_a_link_that_was_lost_is_repaired_and_the_next_call_works(tmp_path: Path, workdir: Path) -> None:
    """SSH-6: lost links are reconnected, and the next call just works; a command is never run a second time."""
    (workdir / "a.txt").write_text("one\n", encoding="utf-8")
    with (
        SSHServer(tmp_path / "sshd") as server,
        EngineClient(environ(server, workdir), home=tmp_path / "home") as engine,
    ):
        engine.call("read", {"filePath": "a.txt"})
        mark = unique_sleep()
        running = engine.start_call("bash", {"command": f"echo x >>count; echo begun; sleep {mark}"})
        wait_until(lambda: find_processes(mark))
        server.drop_sessions()
        with pytest.raises(EngineError) as caught:
            running.result()
        assert caught.value.kind == "connection_lost"
        assert "unknown" in caught.value.message
        assert "1: one" in engine.call("read", {"filePath": "a.txt"}).output
        assert engine.call("bash", {"command": "cat count"}).output == "x\n"
    wait_until(lambda: not find_processes(mark))
