"""The wire: what a line may hold, and what comes back for it."""

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from remote_code.errors import Cancelled, NoSuchFile
from remote_code.rpc.messages import MAX_LINE_BYTES, BadMessage, Request, Response, parse_line, to_line
from remote_code.rpc.peer import Lane, Method, Peer, RemoteError, Work, deferred, method
from remote_code.shell.job import Cancel

JSON = dict[str, object]


class Echo(BaseModel):
    text: str


class Client:
    """The other end of a Peer: writes lines, reads lines."""

    def __init__(self, methods: dict[str, Method]) -> None:
        to_peer_read, to_peer_write = os.pipe()
        from_peer_read, from_peer_write = os.pipe()
        self._peer_in = os.fdopen(to_peer_read, "rb")
        self._peer_out = os.fdopen(from_peer_write, "wb")
        self.writer: BinaryIO = os.fdopen(to_peer_write, "wb")
        self.reader: BinaryIO = os.fdopen(from_peer_read, "rb")
        self.peer = Peer(self._peer_in, self._peer_out, methods=methods)
        self._thread = threading.Thread(target=self.peer.serve)
        self._thread.start()

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        self.writer.flush()

    def request(self, message_id: int, method: str, **params: object) -> None:
        self.send(to_line({"id": message_id, "method": method, "params": params}))

    def receive(self) -> JSON:
        value: JSON = json.loads(self.reader.readline())
        return value

    def close(self) -> None:
        self.writer.close()
        self._thread.join(5)
        self.peer.close()
        for stream in (self.reader, self._peer_in, self._peer_out):
            stream.close()


@contextmanager
def serving(**methods: Callable[[Echo], object]) -> Iterator[Client]:
    client = Client({name: method(Echo, handler) for name, handler in methods.items()})
    try:
        yield client
    finally:
        client.close()


def test_a_request_gets_its_result_and_its_own_id() -> None:
    with serving(echo=lambda params: {"said": params.text}) as client:
        client.request(7, "echo", text="hé\ud800")
        assert client.receive() == {"jsonrpc": "2.0", "id": 7, "result": {"said": "hé\ud800"}}


def test_an_error_of_ours_travels_with_kind_and_facts() -> None:
    def fail(params: Echo) -> object:
        raise NoSuchFile("File not found: /x", path="/x")

    with serving(fail=fail) as client:
        client.request(1, "fail", text="")
        assert client.receive()["error"] == {
            "code": -32010,
            "message": "File not found: /x",
            "data": {"kind": "no_such_file", "path": "/x"},
        }


def test_a_defect_in_a_handler_is_answered_and_survived() -> None:
    def fail(params: Echo) -> object:
        raise ZeroDivisionError("by accident")

    with serving(fail=fail, echo=lambda params: params.text) as client:
        client.request(1, "fail", text="")
        error = client.receive()["error"]
        assert isinstance(error, dict)
        assert error["code"] == -32603
        client.request(2, "echo", text="still here")
        assert client.receive()["result"] == "still here"


@pytest.mark.parametrize(
    ("line", "code", "message_id"),
    [
        pytest.param(b"{oops\n", -32700, None, id="no JSON"),
        pytest.param(b"\xff\xfe\n", -32700, None, id="no UTF-8"),
        pytest.param(b"[" * 100_000 + b"\n", -32700, None, id="too deep"),
        pytest.param(b'{"jsonrpc":"2.0","id":NaN,"method":"echo"}\n', -32700, None, id="a constant of Python"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"x":1e999}\n', -32700, None, id="a number beyond all numbers"),
        pytest.param(b"[]\n", -32600, None, id="a batch"),
        pytest.param(b'{"jsonrpc":"2.0","id":true,"method":"echo"}\n', -32600, None, id="a boolean id"),
        pytest.param(b'{"id":3,"method":"echo"}\n', -32600, 3, id="no version"),
        pytest.param(b'{"jsonrpc":"2.0","id":3}\n', -32600, 3, id="neither call nor answer"),
        pytest.param(b'{"jsonrpc":"2.0","id":3,"method":"nope"}\n', -32601, 3, id="unknown method"),
        pytest.param(b'{"jsonrpc":"2.0","id":3,"method":"echo","params":[1]}\n', -32602, 3, id="params as a list"),
        pytest.param(b'{"jsonrpc":"2.0","id":"s","method":"echo"}\n', -32602, "s", id="params missing"),
    ],
)
def test_a_bad_line_is_answered_and_the_next_one_is_read(line: bytes, code: int, message_id: object) -> None:
    with serving(echo=lambda params: params.text) as client:
        client.send(line)
        answer = client.receive()
        assert (answer["id"], answer["error"]["code"]) == (message_id, code)  # type: ignore[index]  # An error object.
        client.request(9, "echo", text="next")
        assert client.receive() == {"jsonrpc": "2.0", "id": 9, "result": "next"}


def test_a_line_over_the_limit_is_answered_and_skipped() -> None:
    with serving(echo=lambda params: params.text) as client:
        client.send(b'"' + b"x" * MAX_LINE_BYTES + b'"\n')
        assert client.receive()["error"] == {
            "code": -32600,
            "message": f"the line is longer than {MAX_LINE_BYTES} bytes",
        }
        client.request(1, "echo", text="next")
        assert client.receive()["result"] == "next"


def test_unknown_notifications_empty_lines_and_answers_to_nobody_are_harmless() -> None:
    with serving(echo=lambda params: params.text) as client:
        client.send(b'\n{"jsonrpc":"2.0","method":"nope"}\n{"jsonrpc":"2.0","id":99,"result":1}\n')
        client.request(1, "echo", text="next")
        assert client.receive()["result"] == "next"


def test_a_question_to_the_client_returns_its_answer() -> None:
    with serving() as client:
        answers: list[object] = []
        asking = threading.Thread(target=lambda: answers.append(client.peer.call("ask", {"a": 1}, interrupt=Cancel())))
        asking.start()
        question = client.receive()
        assert question == {"jsonrpc": "2.0", "id": question["id"], "method": "ask", "params": {"a": 1}}
        client.send(to_line({"id": question["id"], "result": {"ok": True}}))
        asking.join(5)
        assert answers == [{"ok": True}]


def test_a_question_that_is_refused_raises_the_clients_error() -> None:
    with serving() as client:
        raised: list[RemoteError] = []

        def ask() -> None:
            try:
                client.peer.call("ask", {}, interrupt=Cancel())
            except RemoteError as exc:
                raised.append(exc)

        asking = threading.Thread(target=ask)
        asking.start()
        question = client.receive()
        client.send(to_line({"id": question["id"], "error": {"code": -1, "message": "no", "data": {"x": 1}}}))
        asking.join(5)
        assert [(exc.code, exc.message, exc.data) for exc in raised] == [(-1, "no", {"x": 1})]


@pytest.mark.parametrize("ending", ["cancel", "end of input"])
def test_a_question_ends_when_the_call_or_the_client_does(ending: str) -> None:
    client = Client({})
    cancel = Cancel()
    raised = threading.Event()

    def ask() -> None:
        try:
            client.peer.call("ask", {}, interrupt=cancel)
        except Cancelled:
            raised.set()

    asking = threading.Thread(target=ask)
    asking.start()
    client.receive()
    if ending == "cancel":
        cancel.set()
    else:
        client.writer.close()
    assert raised.wait(5)
    asking.join(5)
    client.close()


def test_long_calls_do_not_hold_up_short_ones() -> None:
    release = threading.Event()
    client = Client(
        {
            "long": method(Echo, lambda params: release.wait(5), lane=Lane.LONG_CALL),
            "short": method(Echo, lambda params: "quick"),
        }
    )
    try:
        for number in range(40):
            client.request(number, "long", text="")
        client.request(100, "short", text="")
        assert client.receive() == {"jsonrpc": "2.0", "id": 100, "result": "quick"}
        release.set()
        assert sorted(int(str(client.receive()["id"])) for _ in range(40)) == list(range(40))
    finally:
        release.set()
        client.close()


def test_an_arrival_is_noted_in_the_order_of_the_lines() -> None:
    release = threading.Event()
    arrived: list[str] = []

    def begin(params: Echo) -> Work:
        arrived.append(params.text)
        return Work(lambda: release.wait(5), Lane.CALL)

    client = Client(
        {
            "note": deferred(Echo, begin),
            "arrived": method(Echo, lambda params: list(arrived), lane=Lane.INLINE),
        }
    )
    try:
        for number in range(30):
            client.request(number, "note", text=str(number))
        client.request(100, "arrived", text="")
        assert client.receive()["result"] == [str(number) for number in range(30)]
        release.set()
        assert sorted(int(str(client.receive()["id"])) for _ in range(30)) == list(range(30))
    finally:
        release.set()
        client.close()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_bad_message(line: bytes) -> None:
    try:
        parse_line(line)
    except BadMessage as exc:
        assert exc.code in {-32700, -32600, -32602}


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_a_message_survives_the_wire(method: str, params: dict[str, str]) -> None:
    line = to_line({"id": 1, "method": method, "params": params})
    assert line.count(b"\n") == 1
    assert parse_line(line) == Request(1, method, dict(params))


def test_a_result_that_no_line_can_hold_is_answered_as_a_failure() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with serving(echo=lambda params: deep) as client:
        client.request(1, "echo", text="x")
        assert client.receive()["error"]["code"] == -32603  # type: ignore[index]  # An error object.
        client.request(2, "echo", text="x")
        assert client.receive()["id"] == 2
    while deep:  # Python's own end of such a list would be too deep as well.
        deep = deep.pop()  # type: ignore[assignment]


def test_an_answer_with_neither_result_nor_error_object_is_an_error() -> None:
    answer = parse_line(b'{"jsonrpc":"2.0","id":1,"error":null}')
    assert isinstance(answer, Response)
    assert answer.error is not None
    assert parse_line(b'{"jsonrpc":"2.0","id":1,"result":null,"error":null}') == Response(1, None, None)


def test_writing_to_a_client_that_has_gone_is_no_error() -> None:
    writer = io.BytesIO()
    writer.close()
    Peer(io.BytesIO(), writer, methods={}).notify("status/changed", {})
