"""What the demo plays: a small project on the remote, and the turns of a model that repairs it."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.model import Call, Scripts, Turn

PROJECT = {
    "README.md": "# convert\n\nConverts temperatures in whole degrees. `./run-tests` checks it.\n",
    "AGENTS.md": "Run ./run-tests after every change.\n",
    "convert.sh": """# Converts temperatures in whole degrees.

celsius_to_fahrenheit() {
    echo $(($1 * 9 / 5 + 23))
}

fahrenheit_to_celsius() {
    echo $((($1 - 32) * 9 / 5))
}
""",
    "run-tests": """#!/bin/sh
# Compares each conversion with a value from the book.
. ./convert.sh
failed=0
check() { # check NAME EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        echo "ok    $1"
    else
        echo "FAIL  $1: expected $2, found $3"
        failed=1
    fi
}
check "100 degrees Celsius in Fahrenheit" 212 "$(celsius_to_fahrenheit 100)"
check "212 degrees Fahrenheit in Celsius" 100 "$(fahrenheit_to_celsius 212)"
exit "$failed"
""",
}
"""Files of the sample project by name. Both conversions are wrong."""

REPAIRED = PROJECT["convert.sh"].replace("+ 23", "+ 32").replace("- 32) * 9 / 5", "- 32) * 5 / 9")
"""convert.sh as the story leaves it."""

_PATCH = """*** Begin Patch
*** Update File: {workdir}/convert.sh
@@ fahrenheit_to_celsius() {{
-    echo $((($1 - 32) * 9 / 5))
+    echo $((($1 - 32) * 5 / 9))
 }}
*** End Patch"""


class Happening(enum.Enum):
    """What happens to the remote between two prompts, beside the agent's work."""

    SOMEBODY_EDITS = enum.auto()
    UNDO = enum.auto()
    """The person takes the model's last write back."""
    TARGET_GOES = enum.auto()
    TARGET_RETURNS = enum.auto()


REVIEW = "# Reviewed by Ada."
"""The line that somebody else adds to convert.sh."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One prompt of the person, and what the model does about it."""

    prompt: str
    is_gpt: bool
    """Whether a model answers that is offered `apply_patch` instead of `edit` and `write`."""
    turns: Sequence[Turn]
    before: Happening | None = None

    def calls(self) -> list[Call]:
        """Return the tool calls in order."""
        return [call for turn in self.turns if not isinstance(turn, str) for call in turn]


def chapters(workdir: str) -> list[Chapter]:
    """Return the story for a project at the absolute remote `workdir`."""
    source = f"{workdir}/convert.sh"
    edit = {"filePath": source, "oldString": "$1 * 9 / 5 + 23", "newString": "$1 * 9 / 5 + 32"}
    return [
        Chapter(
            "100 degrees Celsius come out as 203 Fahrenheit here. Find out why and repair it.",
            False,
            [
                [Call("glob", {"pattern": "**/*"}), Call("read", {"filePath": workdir})],
                [Call("grep", {"pattern": "fahrenheit"})],
                [Call("read", {"filePath": source})],
                [Call("edit", edit)],
                [Call("bash", {"command": "./run-tests"})],
                "The first formula added 23 instead of 32; that is repaired. One test still fails.",
            ],
        ),
        Chapter(
            "Repair the other one too.",
            True,
            [
                [Call("apply_patch", {"patchText": _PATCH.format(workdir=workdir)})],
                [Call("bash", {"command": "./run-tests"})],
                "The second formula had its fraction upside down. All tests pass now.",
            ],
        ),
    ]


def further_chapters(workdir: str) -> list[Chapter]:
    """Return what may happen on any day: others work there too, the person thinks again, the machine goes away."""
    source = f"{workdir}/convert.sh"
    first_line = "# Converts temperatures in whole degrees."
    edit = {"filePath": source, "oldString": first_line, "newString": first_line[:-1] + "; fractions are cut off."}
    run_tests = [Call("bash", {"command": "./run-tests"})]
    return [
        Chapter(
            "Say in convert.sh what becomes of fractions.",
            False,
            [
                [Call("edit", edit)],
                "It says so now. Somebody had changed the file meanwhile; their line is still there.",
            ],
            Happening.SOMEBODY_EDITS,
        ),
        Chapter("Do the tests still pass?", False, [run_tests, "They do."], Happening.UNDO),
        Chapter("And now?", False, [run_tests, "The machine cannot be reached."], Happening.TARGET_GOES),
        Chapter("Try once more.", False, [run_tests, "It is back, and all tests pass."], Happening.TARGET_RETURNS),
    ]


def scripts(chapters: Sequence[Chapter]) -> Scripts:
    """Return the story as the scripted model plays it."""
    return {chapter.prompt: chapter.turns for chapter in chapters}


def setup_script(workdir: str) -> str:
    """Return shell text that makes the project at `workdir` and commits it."""
    lines = ["set -e", f"mkdir -p '{workdir}'", f"cd '{workdir}'"]
    for name, text in PROJECT.items():
        lines += [f"cat > {name} <<'END_OF_FILE'", text + "END_OF_FILE"]
    lines += ["chmod +x run-tests", "git init -q -b main", "git add ."]
    who = "-c user.name=Demo -c user.email=demo@localhost"
    lines.append(f"git {who} commit -q -m 'Convert temperatures'")
    return "\n".join(lines)
