"""What the person runs themselves: `!cmd`, and `` !`cmd` `` in the templates of commands."""

import socket
from typing import cast

import pytest

from tests.opencode.conftest import Person
from tests.support.model import Call, JSONObject, ScriptedModel, Turn
from tests.support.opencode_server import OpenCodeServer, is_running
from tests.support.processes import wait_until

pytestmark = pytest.mark.opencode


def shell_output(server: OpenCodeServer, session: str, command: str) -> str:
    """Run `!command` and return what the person sees."""
    answer = cast(
        "dict[str, list[JSONObject]]",
        server.request(f"/session/{session}/shell", {"agent": "build", "command": command}),
    )
    [part] = [part for part in answer["parts"] if part["type"] == "tool"]
    return str(cast("JSONObject", part["state"])["output"])


def test_a_command_of_the_person_runs_on_the_remote(person: Person) -> None:
    """OC-3: byte for byte, with its exit status told."""
    command = "pwd; x=5; echo '$(hostname)' \"$x\"; cat <<'E'\nline 'one'\n\\two\nE\nexit 3"
    with ScriptedModel({}) as model, OpenCodeServer(person.opencode(model)) as server:
        output = shell_output(server, server.new_session(), command)
    assert output == f"{person.remote}\n$(hostname) 5\nline 'one'\n\\two\n(exit status 3)\n"


def test_a_command_of_the_person_needs_no_second_login(person: Person) -> None:
    """OC-2: it goes through the engine that is there."""
    with ScriptedModel({}) as model, OpenCodeServer(person.opencode(model)) as server:
        session = server.new_session()
        connections = [shell_output(server, session, 'echo "${SSH_CONNECTION}"') for _ in range(2)]
    assert connections[0] == connections[1] != "\n"


def test_an_aborted_command_of_the_person_ends_on_the_remote(person: Person) -> None:
    """OC-5."""
    turns: list[Turn] = ["Done."]
    with ScriptedModel({"go": turns}) as model, OpenCodeServer(person.opencode(model)) as server:
        session = server.new_session()
        body: JSONObject = {"agent": "build", "command": "echo $$ > pid; sleep 300"}
        with server.in_background(f"/session/{session}/shell", body):
            pid_file = person.remote / "pid"
            wait_until(lambda: pid_file.exists() and bool(pid_file.read_text(encoding="utf-8")), timeout_s=15)
            server.request(f"/session/{session}/abort", {})
            wait_until(lambda: not is_running(int(pid_file.read_text(encoding="utf-8"))), timeout_s=15)


def test_a_template_takes_its_output_from_the_remote(person: Person) -> None:
    """OC-3."""
    command: JSONObject = {"look": {"template": "look: !`pwd; cat note.txt`", "description": "x"}}
    (person.remote / "note.txt").write_text("a remote note\n", encoding="utf-8")
    with ScriptedModel({"look:": ["I see."]}) as model:
        opencode = person.opencode(model, settings={"command": command})
        run = opencode.run("", "--command", "look")
    assert run.text == "I see."
    [request] = model.agent_requests
    assert f"look: {person.remote}\na remote note" in request.prompt
    assert str(opencode.project) not in request.text
    assert socket.gethostname() not in request.text


def test_a_wrapper_that_is_gone_is_refused_and_nothing_runs_here(person: Person) -> None:
    """OC-3."""
    marker = person.folder / "ran-here"
    with ScriptedModel({"go": [[Call("bash", {"command": "pwd"})], "x"]}) as model:
        opencode = person.opencode(model)
        with OpenCodeServer(opencode) as server:
            session = server.new_session()
            server.prompt(session, "go")
            [wrapper] = (opencode.home / ".opencode" / "remote-code").glob("remote-code-shell-*")
            wrapper.unlink()
            with pytest.raises(OSError, match="500"):
                shell_output(server, session, f"touch '{marker}'")
    assert not marker.exists()
