"""What clients are told of the tools."""

import json
from pathlib import Path
from typing import Any

import pytest

import remote_code
from remote_code.errors import InvalidArguments, UnknownTool
from remote_code.tools.registry import TOOLS, find, schemas, validate

STRING = {"type": "string"}
SAFE = 2**53 - 1

ORIGINAL = {
    "bash": (
        {"command": STRING, "timeout": {"type": "integer", "exclusiveMinimum": 0, "maximum": SAFE}, "workdir": STRING},
        ["command"],
    ),
    "edit": (
        {"filePath": STRING, "oldString": STRING, "newString": STRING, "replaceAll": {"type": "boolean"}},
        ["filePath", "oldString", "newString"],
    ),
    "glob": ({"pattern": STRING, "path": STRING}, ["pattern"]),
    "grep": ({"pattern": STRING, "path": STRING, "include": STRING}, ["pattern"]),
    "read": (
        {
            "filePath": STRING,
            "offset": {"type": "integer", "minimum": 0, "maximum": SAFE},
            "limit": {"type": "integer", "minimum": 0, "maximum": SAFE},
        },
        ["filePath"],
    ),
    "write": ({"content": STRING, "filePath": STRING}, ["content", "filePath"]),
    "apply_patch": ({"patchText": STRING}, ["patchText"]),
}
"""Properties and required fields of OpenCode 1.18.33."""


def test_schema_file_of_the_plugin_is_current() -> None:
    """OC-2: the plugin registers from this file; `remote-code tools` writes it."""
    file = Path(remote_code.__file__).parent / "plugin" / "tools.json"
    assert json.loads(file.read_text(encoding="utf-8")) == schemas()


@pytest.mark.parametrize("tool", schemas(), ids=lambda tool: str(tool["name"]))
def test_schema_is_the_originals_in_names_types_and_required(tool: dict[str, Any]) -> None:
    schema = tool["inputSchema"]
    plain = {
        name: {key: value for key, value in field.items() if key != "description"}
        for name, field in schema["properties"].items()
    }
    assert (plain, schema["required"]) == ORIGINAL[str(tool["name"])]
    assert set(schema) == {"$schema", "type", "properties", "required"}
    assert all(field["description"] for field in schema["properties"].values())


def test_descriptions_speak_of_the_remote_machine() -> None:
    assert all("remote machine" in tool.description for tool in TOOLS.values())


@pytest.mark.parametrize(
    ("tool", "arguments", "problems"),
    [
        pytest.param("bash", {}, ["command: missing"], id="missing"),
        pytest.param("bash", {"command": 5}, ["command: expected string, got number 5"], id="number-for-string"),
        pytest.param(
            "bash",
            {"command": "x", "timeout": "10"},
            ['timeout: expected integer, got string "10"'],
            id="string-for-integer",
        ),
        pytest.param(
            "bash",
            {"command": "x", "timeout": 0},
            ["timeout: expected integer greater than 0, got number 0"],
            id="timeout-zero",
        ),
        pytest.param(
            "read",
            {"filePath": "x", "offset": -1},
            ["offset: expected integer of at least 0, got number -1"],
            id="negative-offset",
        ),
        pytest.param(
            "read", {"filePath": "x", "limit": 1.5}, ["limit: expected integer, got number 1.5"], id="fraction"
        ),
        pytest.param(
            "read", {"filePath": "x", "limit": True}, ["limit: expected integer, got boolean true"], id="boolean"
        ),
        pytest.param(
            "edit",
            {"filePath": "x", "oldString": "a", "newString": "b", "replaceAll": "yes"},
            ['replaceAll: expected true or false, got string "yes"'],
            id="string-for-boolean",
        ),
        pytest.param(
            "read",
            {"file_path": "x"},
            ['filePath: missing ("file_path" is not a parameter; did you mean "filePath"?)'],
            id="misspelled",
        ),
        pytest.param(
            "write",
            {"content": [], "filePath": None},
            [
                "content: expected string, got array",
                "filePath: expected string, got null",
            ],
            id="two-problems",
        ),
    ],
)
def test_wrong_arguments_name_each_problem(tool: str, arguments: dict[str, object], problems: list[str]) -> None:
    with pytest.raises(InvalidArguments) as caught:
        validate(find(tool), arguments)
    assert caught.value.problems == problems
    assert all(problem in caught.value.message for problem in problems)


@pytest.mark.parametrize(
    ("tool", "field"), [("glob", "pattern"), ("grep", "pattern"), ("grep", "include")], ids=lambda name: name
)
def test_pattern_that_no_program_takes_is_refused_by_its_size(tool: str, field: str) -> None:
    arguments = {"pattern": "x", field: "é" * 5_000_000}
    with pytest.raises(InvalidArguments) as caught:
        validate(find(tool), arguments)
    assert f"\n  {field}: expected 30000 bytes at most, got string " in caught.value.message
    assert len(caught.value.message) < 500
    validate(find(tool), {"pattern": "x", field: "é" * 15_000})


def test_wrong_value_is_quoted_in_part_only() -> None:
    with pytest.raises(InvalidArguments) as caught:
        validate(find("bash"), {"command": "x", "timeout": "9" * 10_000_000})
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        pytest.param("bash", {"command": "x", "description": "what it does"}, id="unknown-field"),
        pytest.param("bash", {"command": "x", "timeout": None, "workdir": None}, id="null-for-optional"),
        pytest.param("read", {"filePath": "caf\udce9", "offset": 0}, id="byte-that-is-not-utf-8"),
    ],
)
def test_arguments_that_the_original_takes_are_taken(tool: str, arguments: dict[str, object]) -> None:
    validate(find(tool), arguments)


def test_unknown_tool_names_the_known_ones() -> None:
    with pytest.raises(UnknownTool) as caught:
        find("multiedit")
    assert caught.value.known == list(TOOLS)
