"""Whatever a client sends, every request is answered once, and the engine goes on.

`REMOTE_CODE_TORTURE` makes it 100,000 messages, `REMOTE_CODE_FUZZ` any number; `REMOTE_CODE_SEED` repeats a run.
"""

import json
import os
import random
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import EngineClient, EngineError
from tests.support.footprint import marked_processes
from tests.support.processes import wait_until
from tests.support.random_messages import RandomMessages, answered_id
from tests.support.sshd import SSHServer

N_MESSAGES = int(os.environ.get("REMOTE_CODE_FUZZ") or (100_000 if os.environ.get("REMOTE_CODE_TORTURE") else 2_000))
ROUND = min(10_000, N_MESSAGES)
"""Messages for one engine."""
SEED = int(os.environ.get("REMOTE_CODE_SEED") or random.randrange(10**6))
MAX_OPEN = 60
"""Requests without an answer, at which the sender waits."""
STALLED_S = 30.0
"""How long the engine may owe so many answers."""
MARK = f"REMOTE_CODE_MARK={uuid.uuid4().hex}"


class Fuzzer:
    """Sends lines, answers questions in every way but the right one, and counts what comes back."""

    def __init__(self, engine: EngineClient, seed: int, base: Path) -> None:
        self.expected: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.defects: list[str] = []
        self.lines: dict[str, bytes] = {}
        """The last line that wants an answer with an id, by that id."""
        self._engine = engine
        self._base = base
        self._chance = random.Random(seed)
        self._messages = RandomMessages(self._chance, base)
        self._changed = threading.Condition()  # Guards the counters and `_late`.
        self._late: list[bytes] = []
        self._answers = random.Random(seed + 1)
        engine.intercept = self._see

    def send(self, n_messages: int) -> None:
        """Send so many lines, and further ones whenever the engine waits for an answer."""
        for _ in range(n_messages):
            line = self._messages.line()
            with self._changed:
                key = answered_id(line)
                if key is not None:
                    self.expected[key] += 1
                    self.lines[key] = line
            self._engine.send_line(line)
            self._answer_late(0.2)
            deadline = time.monotonic() + STALLED_S
            while not self._has_room():
                assert time.monotonic() < deadline, f"no answer to {self.expected - self.received}"
                self._answer_late(1.0)
                self._engine.send_line(self._messages.cancel())

    def finish(self) -> None:
        """Cancel what still runs and wait for all answers."""
        for call_id in set(self._messages.call_ids):
            message = {"jsonrpc": "2.0", "method": "tool/cancel", "params": {"callId": call_id}}
            self._engine.send_line(json.dumps(message).encode("ascii"))
        deadline = time.monotonic() + 2 * STALLED_S
        while time.monotonic() < deadline and not self._is_complete():
            # Questions of calls whose id was made up are ended by their answers alone.
            self._answer_late(1.0)

    def _is_complete(self) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self.expected - self.received, 0.05)

    def _has_room(self) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: (self.expected - self.received).total() < MAX_OPEN, 0.05)

    def _answer_late(self, share: float) -> None:
        with self._changed:
            due = [line for line in self._late if self._answers.random() < share]
            self._late = [line for line in self._late if line not in due]
        for line in due:
            self._engine.send_line(line)

    def _see(self, message: dict[str, Any]) -> bool:
        """Count an answer, or think of answers to a question; runs in the reader's thread."""
        with self._changed:
            if message.get("method") == "permission/ask":
                self._late += self._think_of_answers(message)
            elif "method" not in message:
                self.received[json.dumps(message["id"])] += 1
                error = message.get("error")
                if error is not None and error["code"] == -32603:
                    self.defects.append(error["message"])
                self._changed.notify_all()
        return True

    def _think_of_answers(self, question: dict[str, Any]) -> list[bytes]:
        message_id, asked = question["id"], question["params"]
        is_harmless = asked["permission"] != "external_directory" or all(
            str(pattern).startswith(f"{self._base}/") for pattern in asked["patterns"]
        )
        granted: dict[str, Any] = {"id": message_id, "result": {}}
        rejected: dict[str, Any] = {"id": message_id, "error": {"code": 1, "message": "no"}}
        wrong: list[dict[str, Any]] = [
            {"id": message_id + 1000, "result": {}},
            {"id": str(message_id), "result": {}},
            {"id": message_id, "error": "no"},
            {"id": message_id, "error": {"code": "x", "message": ["no"], "data": None}},
            {"id": message_id, "error": None},
            {"id": message_id, "result": False},
            {"id": message_id, "result": None},
        ]
        right = granted if is_harmless and self._answers.random() < 0.8 else rejected
        answers = [right, *self._answers.choices([*wrong, right, rejected], k=self._answers.randrange(3))]
        if self._answers.random() < 0.3:
            answers.reverse()
        return [json.dumps({"jsonrpc": "2.0", **answer}).encode("ascii") for answer in answers]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    (work / "sub").mkdir(parents=True)
    elsewhere.mkdir()
    (work / "a.txt").write_text("one\n", encoding="utf-8")
    (work / "sub" / "b.txt").write_text("one\ntwo\n", encoding="utf-8")
    (elsewhere / "c.txt").write_text("one\n", encoding="utf-8")
    (work / "link").symlink_to(elsewhere / "c.txt")
    return tmp_path


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range((N_MESSAGES + ROUND - 1) // ROUND))
def test_every_request_is_answered_once_whatever_is_sent(base: Path, number: int) -> None:
    print(f"REMOTE_CODE_SEED={SEED + number}")
    work = base / "work"
    name, _, value = MARK.partition("=")
    with SSHServer(base / "sshd", environment={name: value}) as server:
        environ = {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(work)}
        with EngineClient(environ, home=base / "home") as engine:
            fuzzer = Fuzzer(engine, SEED + number, base)
            fuzzer.send(ROUND)
            fuzzer.finish()
            engine.intercept = lambda message: False
            hello = {"protocolVersion": 1, "client": {"name": "tests", "version": "1"}, "directory": "/"}
            engine.request("initialize", {**hello, "worktree": "/", "limits": {"maxLines": 2000, "maxBytes": 51_200}})
            (work / "after.txt").write_text("after\n", encoding="utf-8")
            assert "1: after\n" in engine.call("read", {"filePath": "after.txt"}).output
            assert engine.call("bash", {"command": "echo still here"}).output == "still here\n"
            assert engine.close() == 0
        wait_until(lambda: not marked_processes(MARK))
    unanswered = {fuzzer.lines[key]: n for key, n in (fuzzer.expected - fuzzer.received).items()}
    assert unanswered == {}
    assert fuzzer.received - fuzzer.expected == Counter(), "answers that nobody asked for"
    assert fuzzer.defects == []
    assert [path for path in work.rglob("*") if path.name == "canary" or path.name.startswith(".rc-")] == []
    assert (base / "elsewhere" / "c.txt").exists()


def test_nesting_of_any_depth_is_answered(tmp_path: Path) -> None:
    """Where reading still works and writing does not, that is the answer."""
    answers: list[dict[str, Any]] = []
    depths = [10, 500, *range(900, 1000, 7), 20_000]
    with EngineClient({"REMOTE_SSH": "ssh -F none -p 1 127.0.0.1"}, home=tmp_path / "home") as engine:
        complete = threading.Event()

        def see(message: dict[str, Any]) -> bool:
            if "method" not in message:
                answers.append(message)
                if len(answers) == 2 * len(depths):
                    complete.set()
            return True

        engine.intercept = see
        for number, depth in enumerate(depths):
            deep = b"[" * depth + b"]" * depth
            rewrite = b'{"jsonrpc":"2.0","id":"r%d","method":"message/rewrite","params":'
            rewrite += b'{"parts":[{"type":"x","deep":%b}],"sessionId":"s","directory":"/"}}'
            call = b'{"jsonrpc":"2.0","id":"c%d","method":"tool/call","params":'
            call += b'{"callId":"1","name":"bash","args":{"command":%b}}}'
            for line in (rewrite, call):
                engine.send_line(line % (number, deep))
        assert complete.wait(30)
    told = Counter(message["id"] for message in answers if message["id"] is not None)
    assert set(told.values()) == {1}
    assert {"r0", "c0", "r1", "c1"} <= set(told)


def test_ids_with_half_a_character_are_refused_by_name(sshd: SSHServer, base: Path) -> None:
    environ = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(base / "work")}
    call: dict[str, Any] = {"callId": "1", "name": "edit", "sessionId": "s"}
    call |= {"args": {"filePath": "a.txt", "oldString": "one", "newString": "two"}}
    with EngineClient(environ, home=base / "home") as engine:
        for member in ("callId", "sessionId"):
            with pytest.raises(EngineError) as refused:
                engine.request("tool/call", {**call, member: "\ud808"})
            assert refused.value.code == -32602
            assert member in refused.value.message
    assert (base / "work" / "a.txt").read_bytes() == b"one\n"
