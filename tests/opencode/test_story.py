"""The main job: a model repairs a project on the remote with all of OpenCode's tools."""

import subprocess
from pathlib import Path

import pytest

from demo.story import REPAIRED, chapters, scripts, setup_script
from tests.opencode.conftest import Person
from tests.support.model import ScriptedModel
from tests.support.opencode import GPT_MODEL, PLAIN_MODEL

pytestmark = pytest.mark.opencode


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout


def test_a_model_repairs_a_project_on_the_remote(person: Person) -> None:
    """OC-3, OC-5: edit and patch by two kinds of models in one session."""
    workdir = str(person.remote)
    subprocess.run(
        ["sh", "-c", setup_script(workdir)], check=True, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    )
    first, second = chapters(workdir)
    with ScriptedModel(scripts([first, second])) as model:
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
        person.assert_unseen(request)
