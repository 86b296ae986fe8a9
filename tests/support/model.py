"""A scripted model: an OpenAI-compatible server on 127.0.0.1 that plays fixed turns and keeps what it was sent.

A script is chosen by the text of the last user message, and the turn by the number of assistant messages behind it.
So one server plays several sessions, and sub-agents, at the same time, without any state of its own.
"""

import json
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Self, cast

JSONObject = dict[str, object]

PATIENCE_S = 300.0
"""Bound of every wait for the client or for its request: what must happen ends the wait, not this."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call that the model makes."""

    name: str
    arguments: Mapping[str, object]


Turn = str | Sequence[Call]
"""What the model answers once: a text, which ends the agent's turn, or tool calls, made in parallel."""

Scripts = Mapping[str, Sequence[Turn]]
"""Turns by a piece of the user's message that starts them."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a completion, as the client sent it."""

    body: JSONObject = field(repr=False)

    @property
    def text(self) -> str:
        """The whole request as JSON text: everything that the model can see."""
        return json.dumps(self.body, ensure_ascii=False)

    @property
    def model(self) -> str:
        """The model id that was asked for."""
        return str(self.body["model"])

    @property
    def messages(self) -> list[JSONObject]:
        """The conversation, system prompt first."""
        return cast("list[JSONObject]", self.body["messages"])

    @property
    def system(self) -> str:
        """The system prompt."""
        return "\n".join(content_text(m) for m in self.messages if m["role"] == "system")

    @property
    def tools(self) -> dict[str, JSONObject]:
        """The function declarations by name; empty for titles and summaries."""
        declared = cast("list[dict[str, JSONObject]]", self.body.get("tools") or [])
        return {str(tool["function"]["name"]): tool["function"] for tool in declared}

    @property
    def results(self) -> list[str]:
        """The texts of all tool results so far, oldest first."""
        return [content_text(m) for m in self.messages if m["role"] == "tool"]

    @property
    def prompt(self) -> str:
        """The text of the last user message."""
        return content_text(self.messages[self._last_user()]) if self._last_user() >= 0 else ""

    @property
    def n_turns(self) -> int:
        """How many times the model has answered since the last user message."""
        return sum(m["role"] == "assistant" for m in self.messages[self._last_user() + 1 :])

    def _last_user(self) -> int:
        return max((i for i, m in enumerate(self.messages) if m["role"] == "user"), default=-1)


def content_text(message: JSONObject) -> str:
    """Return the text of a message whose content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """Sessions, sub-agents and titles ask at the same time, and a busy machine is slow to accept."""


class ScriptedModel:
    """The server; `with ScriptedModel({"fix the bug": [[Call("read", {...})], "Done."]}) as model:`."""

    def __init__(self, scripts: Scripts = MappingProxyType({})) -> None:
        self._scripts = dict(scripts)
        self._arrived = threading.Condition()
        self._requests: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def teach(self, scripts: Scripts) -> None:
        """Add scripts while the server runs; for tests that share one."""
        with self._arrived:
            self._scripts.update(scripts)

    def agent_requests_about(self, key: str) -> list[Request]:
        """Return the requests that offer tools and whose last user message holds `key`."""
        return [request for request in self.agent_requests if key in request.prompt]

    @property
    def base_url(self) -> str:
        """The address that a client is configured with."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> list[Request]:
        """All requests so far, oldest first, those for titles included."""
        with self._arrived:
            return list(self._requests)

    @property
    def agent_requests(self) -> list[Request]:
        """The requests that offer tools."""
        return [request for request in self.requests if request.tools]

    def wait_for_requests(self, n_requests: int) -> None:
        """Block until so many requests that offer tools have come.

        Raises:
            TimeoutError: they did not come.
        """
        self._wait_for(lambda: sum(bool(request.tools) for request in self._requests) >= n_requests)

    def wait_for_title(self) -> None:
        """Block until a title was asked for, which happens beside the session's work.

        Raises:
            TimeoutError: none was.
        """
        self._wait_for(lambda: any(not request.tools for request in self._requests))

    def _wait_for(self, claim: Callable[[], bool]) -> None:
        with self._arrived:
            if not self._arrived.wait_for(claim, PATIENCE_S):
                raise TimeoutError(f"what was waited for is not among the {len(self._requests)} requests that came")

    def _answer(self, body: JSONObject) -> Turn:
        request = Request(body)
        with self._arrived:
            self._requests.append(request)
            self._arrived.notify_all()
        if not request.tools:
            return "A short title"
        with self._arrived:
            scripts = dict(self._scripts)
        for key, turns in scripts.items():
            if key in request.prompt:
                return turns[request.n_turns] if request.n_turns < len(turns) else "Done."
        return f"No script fits: {request.prompt[:200]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = cast("JSONObject", json.loads(self.rfile.read(length)))
                turn = model._answer(body)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for chunk in stream_chunks(turn, str(body["model"])):
                    self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                self.wfile.write(b"data: [DONE]\n\n")

            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet: the requests are kept in `requests`."""

        return Handler


def stream_chunks(turn: Turn, model: str) -> list[JSONObject]:
    """Return the `chat.completion.chunk` objects that say `turn`."""
    if isinstance(turn, str):
        delta: JSONObject = {"role": "assistant", "content": turn}
        reason = "stop"
    else:
        calls = [
            {
                "index": index,
                "id": f"call_{uuid.uuid4().hex[:20]}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for index, call in enumerate(turn)
        ]
        delta = {"role": "assistant", "content": None, "tool_calls": calls}
        reason = "tool_calls"
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return [_chunk(model, delta, None), {**_chunk(model, {}, reason), "usage": usage}]


def _chunk(model: str, delta: JSONObject, reason: str | None) -> JSONObject:
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }
