"""Permission rules and answers have the same effect as with OpenCode's own tools."""

from typing import cast

import pytest

from tests.opencode.conftest import Person
from tests.support.model import PATIENCE_S, Call, JSONObject, ScriptedModel, Turn
from tests.support.opencode_server import OpenCodeServer
from tests.support.processes import wait_until

pytestmark = pytest.mark.opencode


def test_a_command_that_the_configuration_denies_is_not_run(person: Person) -> None:
    """OC-5: the run goes on, and the model is told which rule it was."""
    settings: JSONObject = {"permission": {"bash": {"*": "allow", "touch *": "deny"}}}
    turns: list[Turn] = [
        [Call("bash", {"command": "true && touch denied"})],
        [Call("bash", {"command": "echo allowed"})],
        "Done.",
    ]
    with ScriptedModel({"go": turns}) as model:
        run = person.opencode(model, settings=settings).run("go")
    denied, allowed = run.tool_states
    assert str(denied[1]["error"]).startswith("The user has specified a rule which prevents you from using this")
    assert allowed[1]["output"] == "allowed\n"
    assert run.text == "Done."
    assert list(person.remote.iterdir()) == []


def test_denied_editing_takes_the_tools_away(person: Person) -> None:
    """OC-5."""
    with ScriptedModel({"go": ["Done."]}) as model:
        person.opencode(model, settings={"permission": {"edit": "deny"}}).run("go")
    assert {"edit", "write", "apply_patch"} & set(model.agent_requests[0].tools) == set()


@pytest.mark.parametrize("is_remote", [pytest.param(True, id="remote"), pytest.param(False, id="built-in")])
def test_a_rejected_question_stops_the_run_as_for_built_in_tools(person: Person, is_remote: bool) -> None:
    """OC-5: the same error, the same end; `opencode run` rejects what would be asked."""
    turns: list[Turn] = [[Call("bash", {"command": "echo hi"})], "This is never said."]
    with ScriptedModel({"go": turns}) as model:
        opencode = person.opencode(model, settings={"permission": {"bash": "ask"}}, is_remote=is_remote)
        run = opencode.run("go")
    [(name, state)] = run.tool_states
    assert (name, state["error"]) == ("bash", "The user rejected permission to use this specific tool call.")
    assert run.text == ""
    assert len(model.agent_requests) == 1


def test_a_rejection_with_words_goes_back_to_the_model(person: Person) -> None:
    """OC-5: the run goes on with the person's words."""
    turns: list[Turn] = [[Call("write", {"filePath": "a.txt", "content": "x\n"})], "I will not."]
    with ScriptedModel({"go": turns}) as model:
        opencode = person.opencode(model, settings={"permission": {"edit": "ask"}})
        with OpenCodeServer(opencode) as server:
            session = server.new_session()
            server.begin_prompt(session, "go")
            wait_until(lambda: bool(server.request("/permission")), timeout_s=PATIENCE_S)
            [asked] = cast("list[JSONObject]", server.request("/permission"))
            metadata = cast("JSONObject", asked["metadata"])
            assert (asked["permission"], asked["patterns"]) == ("edit", ["a.txt"])
            assert metadata["filepath"] == f"{person.remote}/a.txt"
            assert "+x" in str(metadata["diff"])
            server.request(f"/permission/{asked['id']}/reply", {"reply": "reject", "message": "use b.txt"})
            model.wait_for_requests(2)
    assert "use b.txt" in model.agent_requests[1].results[0]
    assert list(person.remote.iterdir()) == []
