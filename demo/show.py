"""Prints the story: who says what, what each tool call cost, what came back."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

LINES_SHOWN = 12
"""Longer results are cut; this is a story, not a log."""


@dataclass(frozen=True, slots=True)
class Step:
    """One tool call that ended."""

    name: str
    arguments: Mapping[str, object]
    output: str
    is_error: bool
    metadata: Mapping[str, object]
    took_ms: float

    @property
    def cost(self) -> str:
        """Time and round trips, as the engine's workers counted them."""
        remote = self.metadata.get("remote")
        if not isinstance(remote, Mapping):
            return f"{self.took_ms:.0f} ms"
        trips = cast("int", remote["roundTrips"])
        return f"{cast('float', remote['tookMs']):.0f} ms, {trips} round trip{'' if trips == 1 else 's'}"


class Story:
    """The printer; one per demo."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, text: str) -> None:
        """Say what the demo itself does."""
        self._console.print(Text(text, style="dim"))

    def title(self, text: str) -> None:
        """Begin a part of the story."""
        self._console.print()
        self._console.rule(Text(text, style="bold"), align="left")

    def person(self, text: str) -> None:
        """Print what the person asks."""
        self._console.print(Panel(Text(text), title="you", title_align="left", border_style="cyan"))

    def model(self, text: str) -> None:
        """Print what the model says."""
        self._console.print(Panel(Text(text), title="model", title_align="left", border_style="green"))

    def step(self, step: Step) -> None:
        """Print one tool call."""
        mark, style = ("✗", "red") if step.is_error else ("●", "green")
        line = Text.assemble(
            (f"{mark} {step.name} ", f"bold {style}"), (_subject(step), ""), (f"  {step.cost}", "cyan")
        )
        diff = step.metadata.get("diff")
        if isinstance(diff, str) and diff:
            hunks = diff[diff.index("@@") :] if "@@" in diff else diff
            body: Syntax | Text = Syntax(hunks.rstrip("\n"), "diff", background_color="default")
        else:
            body = Text(_cut(step.output), style="dim")
        self._console.print(Group(line, Padding(body, (0, 0, 0, 4))))

    def diff(self, text: str) -> None:
        """Print a unified diff."""
        self._console.print(Syntax(text.rstrip("\n"), "diff", background_color="default"))


def _subject(step: Step) -> str:
    """Return what a call is about, in a few words."""
    for name in ("command", "pattern"):
        if name in step.arguments:
            return str(step.arguments[name])
    if "filePath" in step.arguments:
        return "…/" + posixpath.basename(str(step.arguments["filePath"]))
    return "" if "patchText" not in step.arguments else step.output.splitlines()[-1]


def _cut(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    more = [f"… {len(lines) - LINES_SHOWN} more lines"] if len(lines) > LINES_SHOWN else []
    return "\n".join([*lines[:LINES_SHOWN], *more])
