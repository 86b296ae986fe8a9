"""Each promise of requirements.toml has a test that names it, and no test names a promise that is not there."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ID = re.compile(r"\b(?:CFG|SSH|BASH|GLOB|GREP|READ|WRITE|EDIT|PATCH|PATH|SYNC|OC)-\d+\b")
SOURCES = {"configuration", "connections", "tools", "mirror", "opencode"}


def requirements() -> list[dict[str, str]]:
    table: list[dict[str, str]] = tomllib.loads((TESTS / "requirements.toml").read_text(encoding="utf-8"))[
        "requirement"
    ]
    return table


@cache
def functions_and_ids(folder: Path) -> dict[str, set[str]]:
    """Return each test function with the ids that its docstring, or its module's, names."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        of_module = set(ID.findall(ast.get_docstring(module) or ""))
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                name = f"{path.relative_to(TESTS)}::{node.name}"
                found[name] = of_module | set(ID.findall(ast.get_docstring(node) or ""))
    return found


def test_table_is_well_formed() -> None:
    table = requirements()
    assert all(set(row) == {"id", "source", "behaviour"} for row in table)
    assert all(ID.fullmatch(row["id"]) and row["source"] in SOURCES and row["behaviour"].endswith(".") for row in table)
    assert len({row["id"] for row in table}) == len(table)


@pytest.mark.parametrize("requirement", [row["id"] for row in requirements()])
def test_requirement_has_a_test(requirement: str) -> None:
    assert any(requirement in ids for ids in functions_and_ids(TESTS).values())


def test_tests_name_known_requirements_only() -> None:
    known = {row["id"] for row in requirements()}
    unknown = {name: ids - known for name, ids in functions_and_ids(TESTS).items() if ids - known}
    assert unknown == {}


@pytest.mark.parametrize(("suite", "n_tests"), [("e2e", 34), ("extended", 27)])
def test_every_test_of_a_suite_names_its_requirement(suite: str, n_tests: int) -> None:
    found = functions_and_ids(TESTS / suite)
    assert [name for name, ids in found.items() if not ids] == []
    assert len(found) == n_tests


@pytest.mark.parametrize("suite", ["tests/e2e", "tests/extended"])
def test_suite_without_a_target_stops_at_once_with_one_message(suite: str) -> None:
    """A run that proves nothing about a person's machine must not look like one that does."""
    if (TESTS.parent / ".env.test").exists():
        pytest.skip("this machine names a target in .env.test")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REMOTE_")}
    words = [sys.executable, "-m", "pytest", suite, "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=TESTS.parent, env=environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no target for the suites e2e and extended: set REMOTE_SSH" in done.stdout + done.stderr
    assert "no tests ran" in done.stdout
