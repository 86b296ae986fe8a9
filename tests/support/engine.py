"""A client of `remote-code serve`: speaks docs/protocol.md over the engine's input and output, as the plugin does.

    with EngineClient({"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": "/srv"}, home=folder) as engine:
        result = engine.call("read", {"filePath": "a.txt"})

Permission questions are granted unless `engine.answer` says otherwise; all of them are kept in `engine.questions`.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0
"""How long an answer may take; the tests' own commands are shorter."""

JSON = dict[str, Any]


class EngineError(Exception):
    """The engine answered with an error."""

    def __init__(self, error: JSON) -> None:
        super().__init__(error["message"])
        self.message: str = error["message"]
        self.code: int = error["code"]
        self.data: JSON = error.get("data", {})
        self.kind: str | None = self.data.get("kind")


@dataclass(frozen=True)
class Question:
    """One `permission/ask`."""

    call_id: str
    permission: str
    patterns: list[str]
    always: list[str]
    metadata: JSON


@dataclass(frozen=True)
class Result:
    """The result of one `tool/call`."""

    title: str
    output: str
    metadata: JSON
    attachments: list[JSON]

    @property
    def round_trips(self) -> int:
        """What the call cost."""
        cost: int = self.metadata["remote"]["roundTrips"]
        return cost


@dataclass
class Pending:
    """A request that is under way."""

    call_id: str
    done: threading.Event = field(default_factory=threading.Event)
    progressed: threading.Event = field(default_factory=threading.Event)
    progress: list[JSON] = field(default_factory=list)
    answer: JSON | None = None

    def wait(self, timeout_s: float = WAIT_S) -> Any:  # noqa: ANN401 - any JSON value may be a result
        """Return the result.

        Raises:
            EngineError: the engine answered with an error.
            TimeoutError: it did not answer in time.
        """
        if not self.done.wait(timeout_s):
            raise TimeoutError(f"no answer to {self.call_id} after {timeout_s:g} s")
        if self.answer is None:
            raise EOFError(f"the engine ended before it answered {self.call_id}")
        if "error" in self.answer:
            raise EngineError(self.answer["error"])
        return self.answer["result"]

    def result(self, timeout_s: float = WAIT_S) -> Result:
        """Return the result of a tool call; raises as `wait`."""
        found = self.wait(timeout_s)
        return Result(found["title"], found["output"], found["metadata"], found.get("attachments", []))


class EngineClient:
    """One engine process. Entering starts it and says `initialize`; leaving closes its input and waits for its end."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        home: Path,
        limits: Mapping[str, int] | None = None,
        log: Path | None = None,
    ) -> None:
        self.home = home
        self.log = log or home / "engine.log"
        """Where the engine's standard error goes."""
        self.limits = limits
        self.questions: list[Question] = []
        self.answer: Callable[[Question], bool] = lambda question: True
        """Decides each question; called in a thread of its own."""
        self.intercept: Callable[[JSON], bool] = lambda message: False
        """Sees each message first, in the reader's thread; what it returns True for is not looked at any more."""
        self.statuses: list[JSON] = []
        self.initialized: JSON = {}
        self._environ = dict(environ)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # Guards the wire to the engine and `_pending`.
        self._pending: dict[int, Pending] = {}
        self._calls: dict[str, Pending] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("REMOTE_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "remote_code.cli", "serve"],
                cwd=ROOT,
                env={**plain, "HOME": str(self.home), **self._environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._reader = threading.Thread(target=self._read, name="engine-reader", daemon=True)
        self._reader.start()
        params: JSON = {"protocolVersion": 1, "client": {"name": "tests", "version": "1"}}
        params |= {"directory": str(self.home), "worktree": str(self.home)}
        if self.limits is not None:
            params["limits"] = dict(self.limits)
        self.initialized = self.request("initialize", params)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The engine's process id."""
        return self._running.pid

    def close(self) -> int:
        """Close the engine's input, wait for its end, and return its exit status."""
        process = self._running
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()
        try:
            status = process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
            raise
        if self._reader is not None:
            self._reader.join(5)
        if process.stdout is not None:
            process.stdout.close()
        return status

    def call(self, tool: str, args: JSON, *, session: str = "s1", timeout_s: float = WAIT_S) -> Result:
        """Make one tool call and return its result.

        Raises:
            EngineError: the tool answered with an error.
        """
        return self.start_call(tool, args, session=session).result(timeout_s)

    def start_call(self, tool: str, args: JSON, *, session: str = "s1") -> Pending:
        """Begin a tool call."""
        call_id = f"call-{next(self._numbers)}"
        params = {"callId": call_id, "name": tool, "args": args, "sessionId": session}
        return self._begin("tool/call", params, call_id)

    def cancel(self, pending: Pending) -> None:
        """Ask for the end of a tool call."""
        self._send({"jsonrpc": "2.0", "method": "tool/cancel", "params": {"callId": pending.call_id}})

    def request(self, method: str, params: JSON, *, timeout_s: float = WAIT_S) -> Any:  # noqa: ANN401 - as Pending.wait
        """Make any request and return its result."""
        return self._begin(method, params, f"{method}-{next(self._numbers)}").wait(timeout_s)

    def send_line(self, line: bytes) -> None:
        """Put one line on the wire as it is."""
        with self._lock:
            stdin = self._stdin
            stdin.write(line + b"\n")
            stdin.flush()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the engine was not started"
        return self._process

    @property
    def _stdin(self) -> IO[bytes]:
        stdin = self._running.stdin
        assert stdin is not None
        return stdin

    def _begin(self, method: str, params: JSON, call_id: str) -> Pending:
        pending = Pending(call_id)
        with self._lock:
            message_id = next(self._numbers)
            self._pending[message_id] = pending
            self._calls[call_id] = pending
        self._send({"jsonrpc": "2.0", "id": message_id, "method": method, "params": params})
        return pending

    def _send(self, message: JSON) -> None:
        self.send_line(json.dumps(message).encode("ascii"))

    def _read(self) -> None:
        stdout = self._running.stdout
        assert stdout is not None
        for line in stdout:
            message: JSON = json.loads(line)
            if self.intercept(message):
                continue
            if "method" not in message:
                self._settle(message)
            elif message["method"] == "permission/ask":
                threading.Thread(target=self._decide, args=(message,), daemon=True).start()
            elif message["method"] == "tool/progress":
                self._note_progress(message["params"])
            elif message["method"] == "status/changed":
                self.statuses.append(message["params"])
        with self._lock:
            left, self._pending = list(self._pending.values()), {}
        for pending in left:
            pending.done.set()

    def _settle(self, message: JSON) -> None:
        with self._lock:
            pending = self._pending.pop(message["id"], None)
        if pending is not None:
            pending.answer = message
            pending.done.set()

    def _note_progress(self, params: JSON) -> None:
        pending = self._calls.get(params["callId"])
        if pending is not None:
            pending.progress.append(params["metadata"])
            pending.progressed.set()

    def _decide(self, message: JSON) -> None:
        params = message["params"]
        question = Question(
            params["callId"], params["permission"], params["patterns"], params["always"], params["metadata"]
        )
        self.questions.append(question)
        answer: JSON = {"jsonrpc": "2.0", "id": message["id"]}
        if self.answer(question):
            answer["result"] = {}
        else:
            answer["error"] = {"code": -32000, "message": "rejected", "data": {"kind": "permission_rejected"}}
        self._send(answer)
