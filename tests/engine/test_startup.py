"""What the first answer waits for. Times are `benchmarks/startup.py`'s; here is what must not be loaded before it."""

from pathlib import Path

from benchmarks.startup import imports, start_engine

LATER = {
    "paramiko": "loaded by the first connection",
    "rich": "for people at a terminal",
    "typer": "for people at a terminal",
    "charset_normalizer": "for files that are not UTF-8",
    "unidiff": "for unified diffs",
    "tree_sitter": "for the first command",
    "asyncio": "used by nothing here",
    "hypothesis": "for tests",
}


def test_the_first_answer_waits_for_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """OC-2: the engine starts fast; paramiko is imported in the background, once `initialize` is answered."""
    loaded = {
        each.module.partition(".")[0] for each in imports(start_engine(tmp_path, options=("-X", "importtime")).log)
    }
    assert {"remote_code", "pydantic"} <= loaded
    assert loaded & set(LATER) == set()
