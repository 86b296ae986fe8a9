"""One OpenCode process and its engine: directories, aborts, crashes, the end."""

import os
import signal
import subprocess
from pathlib import Path
from typing import cast

import pytest

from tests.opencode.conftest import Person
from tests.support.model import PATIENCE_S, Call, JSONObject, ScriptedModel, Turn
from tests.support.opencode_server import OpenCodeServer, is_running
from tests.support.processes import wait_until
from tests.support.sshd import SSHServer

pytestmark = pytest.mark.opencode


def engines_of(pid: int) -> list[int]:
    """Return the process ids of the engines that a process started."""
    rows = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], check=True, capture_output=True, text=True).stdout
    table = [line.split(None, 2) for line in rows.splitlines()]
    return [int(row[0]) for row in table if int(row[1]) == pid and row[2].endswith("remote_code.cli serve")]


def test_two_directories_and_two_sessions_share_one_engine(person: Person, tmp_path: Path) -> None:
    """OC-2, OC-6."""
    turns: list[Turn] = [[Call("bash", {"command": "pwd"})], "Done."]
    with ScriptedModel({"go": turns}) as model:
        opencode = person.opencode(model)
        other = tmp_path / "other"
        other.mkdir()
        with OpenCodeServer(opencode) as server:
            for directory in (opencode.project, other, other):
                session = server.new_session(directory=directory)
                server.prompt(session, "go", directory=directory)
            assert len(engines_of(server.pid)) == 1
            [engine] = engines_of(server.pid)
            server.request("/instance/dispose", {}, directory=other)
            session = server.new_session()
            server.prompt(session, "go")
            assert engines_of(server.pid) == [engine]
        wait_until(lambda: not is_running(engine), timeout_s=PATIENCE_S)
    results = [request.results[0] for request in model.agent_requests if request.results]
    assert results == [f"{person.remote}\n"] * 4


def test_an_abort_ends_the_command_on_the_remote(person: Person) -> None:
    """OC-5."""
    command = "echo $$ > pid; echo before; sleep 300"
    turns: list[Turn] = [[Call("bash", {"command": command})], "Never said."]
    with ScriptedModel({"go": turns}) as model, OpenCodeServer(person.opencode(model)) as server:
        session = server.new_session()
        server.begin_prompt(session, "go")
        wait_until(lambda: _has_text(person.remote / "pid"), timeout_s=PATIENCE_S)
        wait_until(lambda: _output(server, session) == "before\n", timeout_s=PATIENCE_S)
        server.request(f"/session/{session}/abort", {})
        pid = int((person.remote / "pid").read_text(encoding="utf-8"))
        wait_until(lambda: not is_running(pid), timeout_s=PATIENCE_S)
        wait_until(lambda: _status(server, session) != "running", timeout_s=PATIENCE_S)
    assert len(model.agent_requests) == 1


def test_a_crashed_engine_is_started_again_once(person: Person) -> None:
    """OC-2: the call under way gets a clear error, the next one works."""
    turns: list[Turn] = [
        [Call("bash", {"command": "echo $$ > pid; sleep 300"})],
        [Call("bash", {"command": "echo again"})],
        "Recovered.",
    ]
    with ScriptedModel({"go": turns}) as model, OpenCodeServer(person.opencode(model)) as server:
        session = server.new_session()
        server.begin_prompt(session, "go")
        wait_until(lambda: _has_text(person.remote / "pid"), timeout_s=PATIENCE_S)
        [engine] = engines_of(server.pid)
        os.kill(engine, signal.SIGKILL)
        model.wait_for_requests(3)
        crashed, again = server.tool_parts(session)
        assert len(engines_of(server.pid)) == 1
    error = str(cast("JSONObject", crashed["state"])["error"])
    assert "ended by itself (SIGKILL)" in error
    assert "The outcome of this call is unknown" in error
    assert cast("JSONObject", again["state"])["output"] == "again\n"


def test_a_killed_opencode_leaves_no_engine_and_no_command(person: Person) -> None:
    """OC-2, SSH-8."""
    with ScriptedModel({"go": [[Call("bash", {"command": "echo $$ > pid; sleep 300"})], "Never said."]}) as model:
        with OpenCodeServer(person.opencode(model)) as server:
            server.begin_prompt(server.new_session(), "go")
            wait_until(lambda: _has_text(person.remote / "pid"), timeout_s=PATIENCE_S)
            [engine] = engines_of(server.pid)
            server.kill()
            wait_until(lambda: not is_running(engine), timeout_s=PATIENCE_S)
        pid = int((person.remote / "pid").read_text(encoding="utf-8"))
        wait_until(lambda: not is_running(pid), timeout_s=PATIENCE_S)


def test_a_target_that_dies_and_comes_back_is_worked_on_again(person: Person, tmp_path: Path) -> None:
    """SSH-6: the command under way has an unknown outcome and is not run again; later calls just work."""
    turns: dict[str, list[Turn]] = {
        "break": [[Call("bash", {"command": "echo started >> log; sleep 300"})], "It broke."],
        "again": [[Call("bash", {"command": "cat log"})], "It works."],
    }
    with SSHServer(tmp_path / "own-sshd") as sshd, ScriptedModel(turns) as model:
        opencode = person.opencode(model, environment={"REMOTE_SSH": sshd.command()})
        with OpenCodeServer(opencode) as server:
            session = server.new_session()
            server.begin_prompt(session, "break")
            wait_until(lambda: _has_text(person.remote / "log"), timeout_s=PATIENCE_S)
            sshd.stop()
            model.wait_for_requests(2)
            sshd.start()
            server.prompt(session, "again")
            broken, works = server.tool_parts(session)
    assert "outcome is unknown" in str(cast("JSONObject", broken["state"])["error"])
    assert cast("JSONObject", works["state"])["output"] == "started\n"


def _has_text(path: Path) -> bool:
    return path.exists() and path.read_text(encoding="utf-8").endswith("\n")


def _state(server: OpenCodeServer, session: str) -> JSONObject:
    parts = server.tool_parts(session)
    return cast("JSONObject", parts[-1]["state"]) if parts else {}


def _output(server: OpenCodeServer, session: str) -> object:
    return cast("JSONObject", _state(server, session).get("metadata") or {}).get("output")


def _status(server: OpenCodeServer, session: str) -> object:
    return _state(server, session).get("status")
