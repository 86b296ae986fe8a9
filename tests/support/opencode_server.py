"""`opencode serve` and its HTTP API, as far as the tests use it."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from tests.support.model import PATIENCE_S, JSONObject
from tests.support.opencode import PLAIN_MODEL, OpenCode


class OpenCodeServer:
    """One server process; requests name the directory that they are about."""

    def __init__(self, opencode: OpenCode) -> None:
        self._opencode = opencode
        self._url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        log = self._opencode.folder / "serve.log"
        with log.open("w", encoding="utf-8") as file:
            # A port that is picked before the server listens may be somebody else's by then.
            self._process = self._opencode.start("serve", "--port", "0", stderr=file)
        if self._process.stdout is None:
            raise AssertionError("the output is a pipe")
        for line in self._process.stdout:
            if found := re.search(r"listening on (\S+)", line):
                self._url = found[1]
                return self
        raise RuntimeError(f"opencode serve ended before it listened:\n{log.read_text(encoding='utf-8')}")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=PATIENCE_S)

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise AssertionError("the server runs only inside `with`")
        return self._process.pid

    def kill(self) -> None:
        """End the server with SIGKILL: it cannot clean up."""
        if self._process is not None:
            self._process.kill()

    def request(self, path: str, body: JSONObject | None = None, *, directory: Path | None = None) -> object:
        """POST `body`, or GET without one, and return the JSON of the answer, if any."""
        query = urllib.parse.urlencode({"directory": str(directory or self._opencode.project)})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self._url}{path}?{query}", data=data, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            text = response.read()
        return json.loads(text) if text else None

    @contextmanager
    def in_background(self, path: str, body: JSONObject) -> Iterator[None]:
        """POST in a thread, which has its answer at the end of the block."""
        with ThreadPoolExecutor(1) as executor:
            answer = executor.submit(self.request, path, body)
            yield
            answer.result()

    def new_session(self, *, directory: Path | None = None) -> str:
        """Make a session and return its id."""
        return str(cast("JSONObject", self.request("/session", {}, directory=directory))["id"])

    def prompt(self, session: str, text: str, *, directory: Path | None = None, **changes: object) -> JSONObject:
        """Send a prompt and return the last assistant message, once the agent has ended its turn.

        `changes` are members of the request's body: `agent`, `model`, further `parts`.
        """
        body = prompt_body(text) | changes
        return cast("JSONObject", self.request(f"/session/{session}/message", body, directory=directory))

    def begin_prompt(self, session: str, text: str) -> None:
        """Send a prompt and return at once."""
        self.request(f"/session/{session}/prompt_async", prompt_body(text))

    def shell(self, session: str, command: str) -> str:
        """Run a command of the person, `!command`, and return what they see."""
        body: JSONObject = {"agent": "build", "command": command}
        answer = cast("dict[str, list[JSONObject]]", self.request(f"/session/{session}/shell", body))
        [part] = [part for part in answer["parts"] if part["type"] == "tool"]
        return str(cast("JSONObject", part["state"])["output"])

    def tool_parts(self, session: str) -> list[JSONObject]:
        """Return the tool parts of a session, oldest first."""
        messages = cast("list[dict[str, list[JSONObject]]]", self.request(f"/session/{session}/message"))
        return [part for message in messages for part in message["parts"] if part["type"] == "tool"]


def model_reference(name: str) -> JSONObject:
    """Return a model as the API names it."""
    provider, model = name.split("/")
    return {"providerID": provider, "modelID": model}


def prompt_body(text: str) -> JSONObject:
    """Return the body of a request for a prompt to the plain model."""
    return {"agent": "build", "model": model_reference(PLAIN_MODEL), "parts": [{"type": "text", "text": text}]}


def is_running(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
