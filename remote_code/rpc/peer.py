"""One end of the wire: reads lines, runs handlers in threads, matches answers to requests of our own."""

import enum
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from remote_code.errors import Cancelled, RemoteCodeError
from remote_code.rpc.messages import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    MAX_LINE_BYTES,
    METHOD_NOT_FOUND,
    BadMessage,
    JSONObject,
    MessageId,
    Notification,
    RemoteError,
    Request,
    Response,
    parse_line,
    to_line,
)

log = logging.getLogger(__name__)

Params = TypeVar("Params", bound=BaseModel)
Result = TypeVar("Result")
Call = Request | Notification


class Interrupt(Protocol):
    """What may end the wait for an answer before it comes."""

    def add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have `listener` called once when the wait must end; returns what removes it."""


class Lane(enum.Enum):
    """Where a call waits for its turn and runs; the lanes do not delay each other."""

    INLINE = "inline"
    """In the reader's thread, in the order of the lines; must not block."""
    QUESTION = "question"
    """For what a client waits for before it goes on."""
    CALL = "call"
    """For work that ends soon."""
    LONG_CALL = "long-call"
    """For work that may take as long as it likes."""


LANE_THREADS = {Lane.QUESTION: 4, Lane.CALL: 16, Lane.LONG_CALL: 16}
"""How many calls of each lane run at once; further ones wait."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a call has to do once its arrival is noted."""

    run: Callable[[], object]
    lane: Lane


@dataclass(frozen=True, slots=True)
class Method:
    """One method that the other side may call; made by `method` or `deferred`."""

    begin: Callable[[JSONObject], Work]
    """Called with the raw params in the reader's thread."""
    then: Callable[[], None] = lambda: None
    """Called once the answer has been sent, also when it is an error."""


def method(
    params: type[Params],
    handler: Callable[[Params], object],
    *,
    lane: Lane = Lane.QUESTION,
    then: Callable[[], None] = lambda: None,
) -> Method:
    """Return a method whose params are validated by the model `params` before `handler` gets them."""

    def begin(valid: Params) -> Work:
        return Work(lambda: handler(valid), lane)

    return Method(lambda raw: begin(params.model_validate(raw)), then)


def deferred(params: type[Params], begin: Callable[[Params], Work]) -> Method:
    """Return a method that notes its arrival in `begin`, in the order of the lines, and returns its work."""
    return Method(lambda raw: begin(params.model_validate(raw)))


class Peer:
    """Serves methods over a pair of byte streams until the input ends, and calls the other side."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO, *, methods: Mapping[str, Method]) -> None:
        self._reader = reader
        self._writer = writer
        self._methods = methods
        self._write_lock = threading.Lock()  # One line at a time on the wire; nothing else is done under it.
        self._pending_lock = threading.Lock()  # Guards `_pending`, `_next_id` and `_is_ended`.
        self._pending: dict[int, _Waiting] = {}
        self._next_id = 1
        self._is_ended = False
        self._threads = {
            lane: ThreadPoolExecutor(size, thread_name_prefix=lane.value) for lane, size in LANE_THREADS.items()
        }

    def serve(self) -> None:
        """Read and answer until the input ends; whatever a line holds, the next one is read.

        Returns with handlers possibly still running; `close` waits for them.
        """
        while True:
            try:
                line = self._read_line()
                if line is None:
                    break
                if line.strip():
                    self._dispatch(line)
            except BadMessage as exc:
                self._send_error(exc.message_id, {"code": exc.code, "message": exc.message})
        with self._pending_lock:
            self._is_ended = True
            waiting, self._pending = list(self._pending.values()), {}
        for one in waiting:
            one.finish()

    def close(self) -> None:
        """Drop what has not begun; what runs is expected to end by its own cancellation."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    def notify(self, method: str, params: JSONObject) -> None:
        """Send a notification; a wire that is gone is not an error."""
        self._send({"method": method, "params": params})

    def call(self, method: str, params: JSONObject, *, interrupt: Interrupt) -> object:
        """Send a request and return its result; waits for as long as a person may take.

        Raises:
            RemoteError: the other side answered with an error.
            Cancelled: `interrupt` fired, or the input ended, before an answer came.
        """
        waiting = _Waiting()
        with self._pending_lock:
            if self._is_ended:
                raise Cancelled(f"{method} cannot be asked: the client has gone")
            message_id, self._next_id = self._next_id, self._next_id + 1
            self._pending[message_id] = waiting
        remove = interrupt.add_listener(waiting.finish)
        try:
            self._send({"id": message_id, "method": method, "params": params})
            waiting.done.wait()
        finally:
            remove()
            with self._pending_lock:
                self._pending.pop(message_id, None)
        if waiting.response is None:
            raise Cancelled(f"{method} was not answered: the call was cancelled or the client has gone")
        if waiting.response.error is not None:
            raise waiting.response.error
        return waiting.response.result

    def _read_line(self) -> bytes | None:
        """Return the next line, None at the end.

        Raises:
            BadMessage: the line was longer than `MAX_LINE_BYTES`; it has been skipped to its end.
        """
        line = self._reader.readline(MAX_LINE_BYTES + 1)
        if not line:
            return None
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := self._reader.readline(1 << 20)) and not rest.endswith(b"\n"):
                pass
            raise BadMessage(INVALID_REQUEST, f"the line is longer than {MAX_LINE_BYTES} bytes")
        return line

    def _dispatch(self, line: bytes) -> None:
        message = parse_line(line)
        if isinstance(message, Response):
            self._resolve(message)
            return
        message_id = message.message_id if isinstance(message, Request) else None
        method = self._methods.get(message.method)
        if method is None:
            if isinstance(message, Request):
                raise BadMessage(METHOD_NOT_FOUND, f"there is no method {message.method!r}", message_id)
            return
        work = self._guarded(message, lambda: method.begin(message.params))
        if work is None:
            return
        if work.lane is Lane.INLINE:
            self._finish(message, work.run, method.then)
        else:
            self._threads[work.lane].submit(self._finish, message, work.run, method.then)

    def _finish(self, message: Call, work: Callable[[], object], then: Callable[[], None]) -> None:
        """Do the work of one call and answer it; what cannot be written as a line is a failure of the work too."""

        def answer() -> bytes:
            result = work()
            return to_line({"id": message.message_id, "result": result}) if isinstance(message, Request) else b""

        if line := self._guarded(message, answer):
            self._write(line)
        then()

    def _guarded(self, message: Call, step: Callable[[], Result]) -> Result | None:
        """Return what `step` returns; on an exception answer with an error object and return None."""
        try:
            return step()
        except ValidationError as exc:
            error: JSONObject = {"code": INVALID_PARAMS, "message": f"{message.method}: {_problems(exc)}"}
        except RemoteCodeError as exc:
            error = exc.to_error_object()
        except Exception as exc:
            # A defect of ours is answered, and the engine goes on.
            log.exception("event=handler_failed method=%s", message.method)
            text = f"{message.method} failed inside Remote Code: {type(exc).__name__}: {exc}; see the log"
            error = {"code": INTERNAL_ERROR, "message": text}
        if isinstance(message, Request):
            self._send_error(message.message_id, error)
        return None

    def _resolve(self, response: Response) -> None:
        with self._pending_lock:
            # An unknown id is harmless: the call was cancelled meanwhile.
            waiting = self._pending.get(response.message_id) if isinstance(response.message_id, int) else None
        if waiting is not None:
            waiting.finish(response)

    def _send_error(self, message_id: MessageId, error: JSONObject) -> None:
        self._send({"id": message_id, "error": error})

    def _send(self, message: JSONObject) -> None:
        self._write(to_line(message))

    def _write(self, line: bytes) -> None:
        try:
            with self._write_lock:
                self._writer.write(line)
                self._writer.flush()
        except (OSError, ValueError):
            # The reader sees the end of the client by its own end of file.
            log.info("event=wire_gone")


class _Waiting:
    """The place where an answer to one request of ours arrives."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.response: Response | None = None

    def finish(self, response: Response | None = None) -> None:
        """Wake the waiter; the first call decides."""
        if not self.done.is_set():
            self.response = response
            self.done.set()


def _problems(exc: ValidationError) -> str:
    """Return what is wrong with the params, a clause each."""
    return "; ".join(f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in exc.errors())


__all__ = ["Lane", "Method", "Peer", "RemoteError", "Work", "deferred", "method"]
