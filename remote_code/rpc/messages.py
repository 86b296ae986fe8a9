"""JSON-RPC 2.0 messages as lines: parsing, telling them apart, and the standard error codes."""

import json
import math
from dataclasses import dataclass

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

MAX_LINE_BYTES = 64 * 1024 * 1024
"""Longest line that is read, its newline not counted."""

JSONObject = dict[str, object]
MessageId = str | int | float | None


class BadMessage(Exception):
    """A line is no message. `message_id` is the id to answer to, None when it could not be read."""

    def __init__(self, code: int, message: str, message_id: MessageId = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.message_id = message_id


class RemoteError(Exception):
    """The other side answered a request of ours with an error object."""

    def __init__(self, code: int, message: str, data: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True)
class Request:
    """A call that wants an answer."""

    message_id: MessageId
    method: str
    params: JSONObject


@dataclass(frozen=True, slots=True)
class Notification:
    """A call that wants none."""

    method: str
    params: JSONObject


@dataclass(frozen=True, slots=True)
class Response:
    """An answer to a request of ours; `error` is None when it succeeded."""

    message_id: MessageId
    result: object
    error: RemoteError | None


Message = Request | Notification | Response


def parse_line(line: bytes) -> Message:
    """Return the message that one line holds.

    Raises:
        BadMessage: the line is not JSON in UTF-8 (-32700), or JSON that is no message (-32600).
    """
    try:
        value: object = json.loads(line.decode("utf-8"), parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as exc:
        raise BadMessage(PARSE_ERROR, f"the line is not JSON in UTF-8: {exc}") from exc
    if not isinstance(value, dict):
        raise BadMessage(INVALID_REQUEST, "a message must be one JSON object (batches are not supported)")
    message_id = value.get("id")
    if isinstance(message_id, bool) or not isinstance(message_id, str | int | float | None):
        raise BadMessage(INVALID_REQUEST, "the id must be a string, a number or null")
    if value.get("jsonrpc") != "2.0":
        raise BadMessage(INVALID_REQUEST, 'the message lacks "jsonrpc": "2.0"', message_id)
    if "method" in value:
        return _parse_call(value, message_id)
    if "id" in value and ("result" in value or "error" in value):
        return _parse_response(value, message_id)
    raise BadMessage(INVALID_REQUEST, "the message has neither a method nor a result nor an error", message_id)


def _parse_call(value: JSONObject, message_id: MessageId) -> Request | Notification:
    method, params = value["method"], value.get("params", {})
    if not isinstance(method, str):
        raise BadMessage(INVALID_REQUEST, "the method must be a string", message_id)
    if not isinstance(params, dict):
        raise BadMessage(INVALID_PARAMS, "the params must be an object", message_id)
    return Request(message_id, method, params) if "id" in value else Notification(method, params)


def _parse_response(value: JSONObject, message_id: MessageId) -> Response:
    error = value.get("error")
    if error is None and "result" in value:
        return Response(message_id, value["result"], None)
    return Response(message_id, None, _parse_error(error))


def _parse_error(error: object) -> RemoteError:
    if not isinstance(error, dict):
        return RemoteError(INTERNAL_ERROR, str(error), None)
    code = error.get("code")
    return RemoteError(
        code if isinstance(code, int) else INTERNAL_ERROR, str(error.get("message", "")), error.get("data")
    )


def _finite(text: str) -> float:
    """Return a number that can be written as JSON again; Python's reader alone would let the others pass."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def to_line(message: JSONObject) -> bytes:
    """Return a message as one line with its newline.

    Lone surrogates (bytes of remote names and files that are not UTF-8) travel as JSON escapes.
    """
    body = {"jsonrpc": "2.0", **message}
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":")).encode("ascii") + b"\n"
