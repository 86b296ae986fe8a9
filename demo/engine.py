"""Plays the story's tool calls through the engine alone, where there is no Node.js to install OpenCode with."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from demo.show import Step, Story
from demo.story import Chapter
from demo.target import Target
from tests.support.engine import EngineClient, EngineError
from tests.support.model import Call


def play(chapters: Sequence[Chapter], target: Target, story: Story) -> None:
    """Make all tool calls of the story and print them; every permission is granted."""
    with EngineClient(target.variables, home=target.home, log=Path(os.devnull)) as engine:
        for chapter in chapters:
            if chapter.before is not None:
                story.note(target.let_happen(chapter.before))
            story.person(chapter.prompt)
            for call in chapter.calls():
                story.step(_make(engine, call))
            story.model(str(chapter.turns[-1]))


def _make(engine: EngineClient, call: Call) -> Step:
    started = time.monotonic()
    try:
        result = engine.call(call.name, dict(call.arguments))
    except EngineError as exc:
        return Step(call.name, call.arguments, exc.message, True, {}, (time.monotonic() - started) * 1000)
    took_ms = (time.monotonic() - started) * 1000
    return Step(call.name, call.arguments, result.output, False, result.metadata, took_ms)
