"""Plays the story through a real OpenCode: each prompt is one `opencode run` in the same session."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from demo.show import Step, Story
from demo.story import Chapter
from demo.target import Target
from tests.support.model import JSONObject, ScriptedModel
from tests.support.opencode import GPT_MODEL, PLAIN_MODEL, OpenCode


def play(chapters: Sequence[Chapter], opencode: OpenCode, model: ScriptedModel, target: Target, story: Story) -> None:
    """Play all chapters in one session and print them.

    Raises:
        RuntimeError: OpenCode ended with an error.
    """
    session: list[str] = []
    offers: dict[str, list[str]] = {}
    for chapter in chapters:
        name = GPT_MODEL if chapter.is_gpt else PLAIN_MODEL
        seen = len(model.agent_requests)
        if chapter.before is not None:
            story.note(target.let_happen(chapter.before))
        story.person(chapter.prompt)
        for event in _events(opencode, ["--model", name, *session, chapter.prompt]):
            session = ["--session", str(event["sessionID"])]
            _show(cast("JSONObject", event.get("part") or {}), story)
        offered = sorted(model.agent_requests[seen].tools)
        if offers.setdefault(name, offered) is offered:
            story.note(f"The model {name.split('/')[1]} was offered: {', '.join(offered)}")


def _events(opencode: OpenCode, arguments: list[str]) -> Iterator[JSONObject]:
    with opencode.start("run", "--format", "json", *arguments) as process:
        if process.stdout is None or process.stderr is None:
            raise AssertionError("both streams are pipes")
        yield from (json.loads(line) for line in process.stdout if line.startswith("{"))
        errors = process.stderr.read()
    if process.returncode != 0:
        raise RuntimeError(f"OpenCode ended with status {process.returncode}:\n{errors}")


def _show(part: JSONObject, story: Story) -> None:
    if part.get("type") == "text":
        story.model(str(part["text"]))
    if part.get("type") == "tool":
        story.step(_step(part))


def _step(part: JSONObject) -> Step:
    state = cast("JSONObject", part["state"])
    is_error = state["status"] == "error"
    time = cast("dict[str, float]", state["time"])
    return Step(
        name=str(part["tool"]),
        arguments=cast("Mapping[str, object]", state["input"]),
        output=str(state["error"] if is_error else state["output"]),
        is_error=is_error,
        metadata=cast("Mapping[str, object]", state.get("metadata") or {}),
        took_ms=time["end"] - time["start"],
    )
