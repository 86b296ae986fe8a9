"""The main job: a model works on the remote with all of OpenCode's tools, and sees nothing of this machine."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from demo.story import PROJECT, REPAIRED, chapters, scripts, setup_script
from remote_code.opencode.install import PLUGIN_DIR
from tests.opencode.conftest import Person
from tests.support.model import Call, Request, ScriptedModel, Scripts
from tests.support.opencode import GPT_MODEL, PLAIN_MODEL

pytestmark = pytest.mark.opencode

OWN = ["skill", "task", "todowrite", "webfetch"]
"""Tools of OpenCode that are not ours."""


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout


def assert_nothing_local(request: Request, person: Person) -> None:
    for secret in (str(person.folder), str(PLUGIN_DIR), socket.gethostname(), "Local rules"):
        assert secret not in request.text


def test_a_model_repairs_a_project_on_the_remote(person: Person) -> None:
    """OC-3, OC-5: edit and patch by two kinds of models in one session."""
    workdir = str(person.remote)
    subprocess.run(
        ["sh", "-c", setup_script(workdir)], check=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    )
    first, second = chapters(workdir)
    with ScriptedModel(scripts(workdir)) as model:
        opencode = person.opencode(model)
        (opencode.project / "AGENTS.md").write_text("Local rules.\n", encoding="utf-8")
        one = opencode.run(first.prompt, model=PLAIN_MODEL)
        two = opencode.run(second.prompt, "--session", one.session_id, model=GPT_MODEL)

    assert (person.remote / "convert.sh").read_text(encoding="utf-8") == REPAIRED
    assert git(person.remote, "status", "--short") == " M convert.sh\n"
    assert {path.name for path in opencode.project.iterdir()} == {"AGENTS.md"}

    states = one.tool_states + two.tool_states
    assert sorted((name, state["status"]) for name, state in one.tool_states) == [
        ("bash", "error"),
        ("edit", "completed"),
        ("glob", "completed"),
        ("grep", "completed"),
        ("read", "completed"),
        ("read", "completed"),
    ]
    assert [(name, state["status"]) for name, state in two.tool_states] == [
        ("apply_patch", "completed"),
        ("bash", "completed"),
    ]
    for _, state in states:
        if state["status"] == "completed":
            metadata = state["metadata"]
            assert isinstance(metadata, dict)
            assert set(metadata["remote"]) == {"roundTrips", "tookMs", "rttMs"}

    results = model.agent_requests[-1].results
    assert "FAIL  212 degrees Fahrenheit in Celsius: expected 100, found 324" in "\n".join(results)
    assert results[-1] == "ok    100 degrees Celsius in Fahrenheit\nok    212 degrees Fahrenheit in Celsius\n"
    for request in model.requests:
        assert_nothing_local(request, person)


def test_the_model_is_told_of_the_remote(person: Person) -> None:
    """OC-3: environment and instructions are the remote's."""
    subprocess.run(["sh", "-c", setup_script(str(person.remote))], check=True)
    with ScriptedModel({"hello": ["Hello."]}) as model:
        opencode = person.opencode(model)
        (opencode.project / "AGENTS.md").write_text("Local rules.\n", encoding="utf-8")
        assert opencode.run("hello").text == "Hello."
    [request] = model.agent_requests
    assert f"  Working directory: {person.remote}\n" in request.system
    assert "  Is directory a git repo: yes\n  Git branch: main\n" in request.system
    assert f"Instructions from: {person.remote}/AGENTS.md\n{PROJECT['AGENTS.md']}" in request.system
    assert request.system.count("<env>") == 1
    assert_nothing_local(request, person)


def test_tools_are_offered_by_model_id_with_our_schemas(person: Person) -> None:
    """OC-1: names and schemas; optional arguments stay optional."""
    with ScriptedModel({"hello": ["Hello."]}) as model:
        opencode = person.opencode(model)
        opencode.run("hello", model=PLAIN_MODEL)
        opencode.run("hello", model=GPT_MODEL)
    plain, gpt = model.agent_requests
    ours = {tool["name"]: tool for tool in json.loads((PLUGIN_DIR / "tools.json").read_text(encoding="utf-8"))}
    assert sorted(plain.tools) == sorted([*OWN, "bash", "edit", "glob", "grep", "read", "write"])
    assert sorted(gpt.tools) == sorted([*OWN, "apply_patch", "bash", "glob", "grep", "read"])
    for request in (plain, gpt):
        for name in set(request.tools) - set(OWN):
            assert request.tools[name]["description"] == ours[name]["description"]
            sent = request.tools[name]["parameters"]
            assert isinstance(sent, dict)
            assert sent["required"] == ours[name]["inputSchema"]["required"]
            assert sorted(sent["properties"]) == sorted(ours[name]["inputSchema"]["properties"])


def test_calls_in_parallel_all_arrive(person: Person) -> None:
    """OC-5."""
    for number in range(8):
        (person.remote / f"{number}.txt").write_text(f"file {number}\n", encoding="utf-8")
    calls = [Call("read", {"filePath": f"{person.remote}/{number}.txt"}) for number in range(8)]
    with ScriptedModel({"read them": [calls, "Read."]}) as model:
        person.opencode(model).run("read them")
    results = model.agent_requests[-1].results
    assert [f"1: file {number}" in result for number, result in enumerate(results)] == [True] * 8


def test_a_sub_agent_works_on_the_remote_too(person: Person) -> None:
    """OC-6."""
    (person.remote / "answer.txt").write_text("forty-two\n", encoding="utf-8")
    task = {"description": "look", "prompt": "find the answer", "subagent_type": "general"}
    turns: Scripts = {
        "ask a helper": [[Call("task", task)], "It is forty-two."],
        "find the answer": [[Call("read", {"filePath": "answer.txt"})], "The file says forty-two."],
    }
    with ScriptedModel(turns) as model:
        run = person.opencode(model).run("ask a helper")
    assert run.text == "It is forty-two."
    helper = next(
        request for request in model.agent_requests if request.results and "find the answer" in request.prompt
    )
    assert f"<path>{person.remote}/answer.txt</path>" in helper.results[0]
    for request in model.requests:
        assert_nothing_local(request, person)


def test_a_mentioned_file_is_the_remotes(person: Person) -> None:
    """OC-3: `@file` and `-f`."""
    (person.remote / "notes.txt").write_text("remote notes\n", encoding="utf-8")
    with ScriptedModel({"what does": ["It says so."]}) as model:
        opencode = person.opencode(model)
        (opencode.project / "notes.txt").write_text("Local rules in here\n", encoding="utf-8")
        opencode.run("what does it say?", "-f", str(opencode.project / "notes.txt"))
    [request] = model.agent_requests
    assert "1: remote notes" in request.text
    assert f"{person.remote}/notes.txt" in request.text
    assert_nothing_local(request, person)


def test_a_planning_agent_reads_the_remote_and_is_told_nothing_local(person: Person) -> None:
    """OC-3, OC-6."""
    (person.remote / "a.txt").write_text("alpha\n", encoding="utf-8")
    turns: Scripts = {
        "make a plan": [
            [Call("read", {"filePath": "a.txt"}), Call("write", {"filePath": "b.txt", "content": "x"})],
            "A plan.",
        ]
    }
    with ScriptedModel(turns) as model:
        run = person.opencode(model).run("make a plan", "--agent", "plan")
    assert run.text == "A plan."
    assert sorted((name, state["status"]) for name, state in run.tool_states) == [
        ("read", "completed"),
        ("write", "error"),
    ]
    assert not (person.remote / "b.txt").exists()
    for request in model.requests:
        assert_nothing_local(request, person)
