"""The oldest OpenCode that is supported plays a session on the remote."""

import dataclasses
import subprocess
from pathlib import Path
from typing import cast

import pytest

from tests.opencode.conftest import Person
from tests.support.model import PATIENCE_S, Call, JSONObject, ScriptedModel, Turn
from tests.support.opencode import OLDEST_VERSION, install

pytestmark = pytest.mark.opencode

BUILD = Path(__file__).parents[2] / "build" / f"opencode-{OLDEST_VERSION}"


@pytest.fixture
def owner(person: Person) -> Person:
    """A person with the oldest OpenCode, which is installed from npm on the first use."""
    try:
        program = install(BUILD, version=OLDEST_VERSION)
    except (OSError, subprocess.CalledProcessError) as error:
        words = str(getattr(error, "stderr", "") or error).strip()
        pytest.skip(f"npm cannot bring opencode-ai {OLDEST_VERSION}: {words[-500:]}")
    return dataclasses.replace(person, program=program)


def test_the_oldest_opencode_works_on_the_remote(owner: Person) -> None:
    """OC-1, OC-3: a file is read, edited and looked at; the model sees the remote only."""
    file = owner.remote / "poem.txt"
    file.write_bytes(b"roses are red\r\nviolets are green\r\n")
    turns: list[Turn] = [
        [Call("read", {"filePath": "poem.txt"})],
        [Call("edit", {"filePath": str(file), "oldString": "are green", "newString": "are blue"})],
        [Call("bash", {"command": "pwd; grep -c blue poem.txt"})],
        "Mended.",
    ]
    with ScriptedModel({"mend the poem": turns}) as model:
        opencode = owner.opencode(model)
        (opencode.project / "AGENTS.md").write_text("Local rules.\n", encoding="utf-8")
        run = opencode.run("mend the poem")
        version = opencode.start("--version").communicate(timeout=PATIENCE_S)[0].strip()
    assert version == OLDEST_VERSION
    assert file.read_bytes() == b"roses are red\r\nviolets are blue\r\n"
    assert {path.name for path in opencode.project.iterdir()} == {"AGENTS.md"}
    assert [(name, state["status"]) for name, state in run.tool_states] == [
        ("read", "completed"),
        ("edit", "completed"),
        ("bash", "completed"),
    ]
    assert len(model.agent_requests) == len(turns)
    first, last = model.agent_requests[0], model.agent_requests[-1]
    assert f"  Working directory: {owner.remote}\n" in first.system
    assert cast("JSONObject", first.tools["read"]["parameters"])["required"] == ["filePath"]
    read, _, bash = last.results
    assert f"<path>{file}</path>" in read
    assert "2: violets are green" in read
    assert bash == f"{owner.remote}\n1\n"
    for request in model.requests:
        owner.assert_unseen(request)
