"""When the plugin acts at all, what it takes out of the environment, and what a target that fails says."""

import json
from pathlib import Path

import pytest

from tests.opencode.conftest import Person
from tests.support.model import Call, JSONObject, ScriptedModel, Turn
from tests.support.opencode import OpenCode
from tests.support.sshd import SSHServer, free_port

pytestmark = pytest.mark.opencode

SECRETS = {"REMOTE_PASSWORD": "hunter2-login", "REMOTE_SUDO_PASSWORD": "hunter2-sudo"}


def test_without_a_target_opencode_behaves_as_without_the_plugin(person: Person) -> None:
    """CFG-1: the same requests, the same results."""
    turns: list[Turn] = [
        [Call("write", {"filePath": "a.txt", "content": "one\n"})],
        [Call("bash", {"command": "cat a.txt; pwd; echo $SHELL"}), Call("read", {"filePath": "a.txt"})],
        "Done.",
    ]
    with ScriptedModel({"go": turns}) as model:
        with_plugin = person.opencode(model, is_remote=False)
        with_plugin.run("go")
        (with_plugin.config_dir / "tui.json").unlink()
        plain = OpenCode(person.program, person.folder, model.base_url)
        plain.prepare()
        assert "plugin" not in json.loads((plain.config_dir / "opencode.json").read_text(encoding="utf-8"))
        (plain.project / "a.txt").unlink()
        plain.run("go")
    bodies = [_without_call_ids(request.body) for request in model.requests if request.tools]
    assert bodies[: len(bodies) // 2] == bodies[len(bodies) // 2 :]
    assert not (with_plugin.home / ".opencode" / "remote-code").exists()


def test_passwords_reach_no_process_of_opencode(person: Person) -> None:
    """CFG-5: neither a server that OpenCode starts nor a command on the remote inherits them."""
    found = person.folder / "environment-of-a-child"
    server: JSONObject = {"type": "local", "command": ["sh", "-c", f"env > '{found}'"]}
    turns: list[Turn] = [[Call("bash", {"command": "env"})], "Done."]
    with ScriptedModel({"go": turns}) as model:
        person.opencode(model, settings={"mcp": {"spy": server}}, environment=SECRETS).run("go")
    assert "REMOTE_SSH=" in found.read_text(encoding="utf-8")
    assert "hunter2" not in found.read_text(encoding="utf-8")
    assert "hunter2" not in "\n".join(request.text for request in model.requests)
    assert "hunter2" not in _all_text(person.folder)


FAILING = [
    pytest.param({"REMOTE_SSH": "ssh -p {port} me@127.0.0.1"}, "127.0.0.1", id="down"),
    pytest.param({"REMOTE_SSH": "ssh --nonsense 'unclosed"}, "REMOTE_SSH", id="unparsable"),
    pytest.param({"REMOTE_WORKDIR": "/no/such/directory"}, "/no/such/directory", id="missing-workdir"),
]


@pytest.mark.parametrize(("wrong", "named"), FAILING)
def test_a_target_that_fails_is_told_by_every_tool_and_opencode_goes_on(
    person: Person, wrong: dict[str, str], named: str
) -> None:
    """OC-2: one clear message."""
    environment = {name: value.format(port=free_port()) for name, value in wrong.items()}
    calls: Turn = [
        Call("bash", {"command": "true"}),
        Call("glob", {"pattern": "*"}),
        Call("grep", {"pattern": "x"}),
        Call("read", {"filePath": "x"}),
        Call("write", {"filePath": "x", "content": "x"}),
        Call("edit", {"filePath": "x", "oldString": "a", "newString": "b"}),
    ]
    with ScriptedModel({"go": [calls, "I see."]}) as model:
        opencode = person.opencode(model, environment=environment)
        run = opencode.run("go")
    errors = {str(state.get("error")) for _, state in run.tool_states}
    assert len(run.tool_states) == 6
    assert len(errors) == 1
    assert named in errors.pop()
    assert run.text == "I see."
    assert str(opencode.project) not in model.agent_requests[0].text
    assert "The remote machine cannot be used now: " in model.agent_requests[0].system


def test_a_changed_host_key_is_refused_in_the_session(person: Person, sshd: SSHServer, tmp_path: Path) -> None:
    """SSH-1, OC-2."""
    known = tmp_path / "known_hosts"
    other = (sshd.folder / "client_key.pub").read_text(encoding="utf-8").split()
    known.write_text(f"[127.0.0.1]:{sshd.port} {other[0]} {other[1]}\n", encoding="utf-8")
    command = sshd.command().replace(str(sshd.known_hosts), str(known))
    with ScriptedModel({"go": [[Call("bash", {"command": "true"})], "I see."]}) as model:
        run = person.opencode(model, environment={"REMOTE_SSH": command}).run("go")
    [(_, state)] = run.tool_states
    assert str(known) in str(state["error"])
    assert run.text == "I see."


def test_an_engine_that_cannot_be_started_is_told(person: Person) -> None:
    """OC-2."""
    environment = {"REMOTE_CODE_COMMAND": "'/no/such program' -x"}
    with ScriptedModel({"go": [[Call("bash", {"command": "true"})], "I see."]}) as model:
        opencode = person.opencode(model, environment=environment)
        run = opencode.run("go")
    [(_, state)] = run.tool_states
    assert '("/no/such program -x serve") cannot be started' in str(state["error"])
    assert run.text == "I see."
    assert str(opencode.project) not in model.agent_requests[0].text


def _without_call_ids(body: JSONObject) -> JSONObject:
    text = json.dumps(body)
    for index, message in enumerate(body["messages"]):  # type: ignore[arg-type, var-annotated]  # JSON
        for call in message.get("tool_calls") or []:
            text = text.replace(call["id"], f"call-{index}")
    unnumbered: JSONObject = json.loads(text)
    return unnumbered


def _all_text(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)
