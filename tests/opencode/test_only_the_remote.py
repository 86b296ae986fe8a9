"""What a model is told and offered: the remote, and nothing of this machine."""

import json
import subprocess
from typing import cast

import pytest

from demo.story import PROJECT, setup_script
from remote_code.opencode.install import PLUGIN_DIR
from tests.opencode.conftest import Served
from tests.support.model import Call, JSONObject
from tests.support.opencode import GPT_MODEL
from tests.support.opencode_server import model_reference

pytestmark = pytest.mark.opencode

OWN = ["question", "skill", "task", "todowrite", "webfetch"]
"""Tools of OpenCode that are not ours."""


def states(served: Served, session: str) -> list[tuple[str, str]]:
    """Return name and status of the tool calls of a session."""
    parts = served.server.tool_parts(session)
    return sorted((str(part["tool"]), str(cast("JSONObject", part["state"])["status"])) for part in parts)


def test_the_model_is_told_of_the_remote(served: Served) -> None:
    """OC-3: environment and instructions are the remote's."""
    remote = served.person.remote
    subprocess.run(["sh", "-c", setup_script(str(remote))], check=True)
    served.server.prompt(served.server.new_session(), "where are you")
    [request] = served.model.agent_requests_about("where are you")
    assert f"  Working directory: {remote}\n" in request.system
    assert "  Is directory a git repo: yes\n  Git branch: main\n" in request.system
    assert f"Instructions from: {remote}/AGENTS.md\n{PROJECT['AGENTS.md']}" in request.system
    assert request.system.count("<env>") == 1
    served.person.assert_unseen(request)


def test_tools_are_offered_by_model_id_with_our_schemas(served: Served) -> None:
    """OC-1: names and schemas; optional arguments stay optional."""
    session = served.server.new_session()
    served.server.prompt(session, "plain tools")
    served.server.prompt(session, "other tools", model=model_reference(GPT_MODEL))
    [plain], [gpt] = (served.model.agent_requests_about(f"{which} tools") for which in ("plain", "other"))
    assert sorted(plain.tools) == sorted([*OWN, "bash", "edit", "glob", "grep", "read", "write"])
    assert sorted(gpt.tools) == sorted([*OWN, "apply_patch", "bash", "glob", "grep", "read"])
    ours = {tool["name"]: tool for tool in json.loads((PLUGIN_DIR / "tools.json").read_text(encoding="utf-8"))}
    for request in (plain, gpt):
        for name in set(request.tools) - set(OWN):
            assert request.tools[name]["description"] == ours[name]["description"]
            sent = cast("JSONObject", request.tools[name]["parameters"])
            assert sent["required"] == ours[name]["inputSchema"]["required"]
            assert sent["properties"] == ours[name]["inputSchema"]["properties"]


def test_calls_in_parallel_all_arrive(served: Served) -> None:
    """OC-5."""
    for number in range(8):
        (served.person.remote / f"{number}.txt").write_text(f"file {number}\n", encoding="utf-8")
    calls = [Call("read", {"filePath": f"{served.person.remote}/{number}.txt"}) for number in range(8)]
    served.model.teach({"read them": [calls, "Read."]})
    served.server.prompt(served.server.new_session(), "read them")
    results = served.model.agent_requests_about("read them")[-1].results
    assert [f"1: file {number}" in result for number, result in enumerate(results)] == [True] * 8


def test_a_sub_agent_works_on_the_remote_too(served: Served) -> None:
    """OC-6."""
    (served.person.remote / "answer.txt").write_text("forty-two\n", encoding="utf-8")
    task = {"description": "look", "prompt": "find the answer", "subagent_type": "general"}
    served.model.teach(
        {
            "ask a helper": [[Call("task", task)], "It is forty-two."],
            "find the answer": [[Call("read", {"filePath": "answer.txt"})], "The file says forty-two."],
        }
    )
    session = served.server.new_session()
    served.server.prompt(session, "ask a helper")
    assert states(served, session) == [("task", "completed")]
    helper = served.model.agent_requests_about("find the answer")
    assert f"<path>{served.person.remote}/answer.txt</path>" in helper[-1].results[0]
    for request in helper:
        served.person.assert_unseen(request)


def test_a_planning_agent_reads_the_remote_and_changes_nothing(served: Served) -> None:
    """OC-3, OC-6."""
    (served.person.remote / "plan.txt").write_text("alpha\n", encoding="utf-8")
    calls = [Call("read", {"filePath": "plan.txt"}), Call("write", {"filePath": "planned.txt", "content": "x"})]
    served.model.teach({"make a plan": [calls, "A plan."]})
    session = served.server.new_session()
    served.server.prompt(session, "make a plan", agent="plan")
    assert states(served, session) == [("read", "completed"), ("write", "error")]
    assert not (served.person.remote / "planned.txt").exists()
    for request in served.model.agent_requests_about("make a plan"):
        served.person.assert_unseen(request)


def test_an_attached_file_is_the_remotes(served: Served) -> None:
    """OC-3: `@file` and `-f` are the same part of a message."""
    (served.person.remote / "notes.txt").write_text("remote notes\n", encoding="utf-8")
    local = served.opencode.project / "notes.txt"
    local.write_text("Local rules in here\n", encoding="utf-8")
    text = "what does @notes.txt say"
    attached = {"type": "file", "mime": "text/plain", "url": local.as_uri(), "filename": "notes.txt"}
    served.server.prompt(served.server.new_session(), text, parts=[{"type": "text", "text": text}, attached])
    [request] = [request for request in served.model.agent_requests if text in request.text]
    assert "1: remote notes" in request.text
    assert f"{served.person.remote}/notes.txt" in request.text
    served.person.assert_unseen(request)


def test_a_mention_that_only_the_remote_knows_is_attached(served: Served) -> None:
    """OC-3."""
    (served.person.remote / "far.txt").write_text("far away\n", encoding="utf-8")
    served.server.prompt(served.server.new_session(), "what does @far.txt say")
    [request] = [request for request in served.model.agent_requests if "@far.txt" in request.text]
    assert "1: far away" in request.text


def test_titles_are_asked_for_without_anything_local(served: Served) -> None:
    """OC-3: nothing that was sent in any session of this module."""
    served.server.prompt(served.server.new_session(), "what is this about")
    served.model.wait_for_title()
    for request in served.model.requests:
        served.person.assert_unseen(request)
