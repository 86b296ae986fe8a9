"""What the first answer waits for, and what is never loaded. Times are `benchmarks/startup.py`'s."""

from pathlib import Path

from benchmarks.startup import imports, start_engine
from tests.support.engine import EngineClient
from tests.support.sshd import SSHServer

NEVER = {"asyncio", "hypothesis", "rich", "typer", "unittest"}
"""For people at a terminal, for tests, or for parts of libraries that are not used here."""
LATER = {"charset_normalizer", "paramiko", "tree_sitter", "unidiff"}
"""Loaded by the first file, connection, command or diff that needs them."""


def top_level(log: str) -> set[str]:
    return {each.module.partition(".")[0] for each in imports(log)}


def test_the_first_answer_waits_for_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """OC-2: the engine starts fast; paramiko is imported in the background, once `initialize` is answered."""
    loaded = top_level(start_engine(tmp_path, options=("-X", "importtime")).log)
    assert {"remote_code", "pydantic"} <= loaded
    assert loaded & (NEVER | LATER) == set()


def test_a_working_engine_has_loaded_what_its_calls_needed(sshd: SSHServer, tmp_path: Path) -> None:
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    (work / "a.txt").write_text("plain\n", encoding="utf-8")
    environ = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(work), "PYTHONPROFILEIMPORTTIME": "1"}
    with EngineClient(environ, home=home) as engine:
        engine.call("bash", {"command": "true"})
        engine.call("read", {"filePath": "a.txt"})
        engine.call("edit", {"filePath": "a.txt", "oldString": "plain", "newString": "edited"})
        loaded = top_level((home / "engine.log").read_text(encoding="utf-8"))
    assert {"paramiko", "tree_sitter"} <= loaded
    assert loaded & (NEVER | {"charset_normalizer", "unidiff"}) == set()
