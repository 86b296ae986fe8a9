"""Plays the story's tool calls through the engine alone, where there is no Node.js to install OpenCode with."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, cast

from demo.show import Step, Story
from demo.story import Chapter
from demo.target import Target
from remote_code.opencode.install import engine_command
from tests.support.model import Call, JSONObject


def play(chapters: Sequence[Chapter], target: Target, story: Story) -> None:
    """Make all tool calls of the story and print them; every permission is granted."""
    with _engine(target) as wire:
        wire.request(
            "initialize", protocolVersion=1, client={"name": "demo", "version": "1"}, directory="/", worktree="/"
        )
        for chapter in chapters:
            if chapter.before is not None:
                story.note(target.let_happen(chapter.before))
            story.person(chapter.prompt)
            for call in chapter.calls():
                story.step(_make(wire, call))
            story.model(str(chapter.turns[-1]))


def _make(wire: "_Wire", call: Call) -> Step:
    started = time.monotonic()
    answer = wire.request("tool/call", callId=f"demo-{wire.last_id}", name=call.name, args=call.arguments)
    took_ms = (time.monotonic() - started) * 1000
    error = cast("JSONObject | None", answer.get("error"))
    result = cast("JSONObject", answer.get("result") or {})
    output = str(error["message"] if error else result["output"])
    metadata = cast("Mapping[str, object]", result.get("metadata") or {})
    return Step(call.name, call.arguments, output, error is not None, metadata, took_ms)


class _Wire:
    """JSON-RPC with one engine, a request at a time."""

    def __init__(self, reader: IO[str], writer: IO[str]) -> None:
        self._reader = reader
        self._writer = writer
        self.last_id = 0

    def request(self, method: str, **params: object) -> JSONObject:
        """Send a request and return its whole response; the engine's questions meanwhile are granted."""
        self.last_id += 1
        self._send({"id": self.last_id, "method": method, "params": params})
        for line in self._reader:
            message: JSONObject = json.loads(line)
            if message.get("method") == "permission/ask":
                self._send({"id": message["id"], "result": {}})
            elif message.get("id") == self.last_id and "method" not in message:
                return message
        raise RuntimeError("the engine ended")

    def _send(self, message: JSONObject) -> None:
        self._writer.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._writer.flush()


@contextmanager
def _engine(target: Target) -> Iterator[_Wire]:
    with subprocess.Popen(
        [*engine_command(), "serve"],
        env=target.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both streams are pipes")
        yield _Wire(process.stdout, process.stdin)
        process.stdin.close()
