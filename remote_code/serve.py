"""`remote-code serve`: the engine behind the wire of docs/protocol.md, from the first line to the end of input."""

import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NoReturn

from remote_code import __version__
from remote_code.app import Call, Engine, Status
from remote_code.errors import InvalidArguments, PermissionRejected
from remote_code.exec_socket import ExecListener
from remote_code.process import end_with_parent
from remote_code.prompts import Prompts
from remote_code.rpc.messages import RemoteError
from remote_code.rpc.peer import Lane, Method, Peer, Work, deferred, method
from remote_code.rpc.protocol import (
    PROTOCOL_VERSION,
    InitializeParams,
    MessageRewriteParams,
    NoParams,
    SystemRewriteParams,
    ToolCallParams,
    ToolCancelParams,
)
from remote_code.rpc.stdio import claim_stdio
from remote_code.shell.job import Cancel
from remote_code.tools.context import JSONObject, Limits
from remote_code.tools.registry import schemas

log = logging.getLogger(__name__)

END_S = 2.5
"""How long the end may take before the process goes without it."""

STATUS_POLL_S = 2.0
"""How often what is known of the link is compared with what the client was told; no I/O."""


class Server:
    """One engine and one client, joined by a wire. `run` returns when the client has gone."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO, *, environ: Mapping[str, str], home: Path) -> None:
        self._is_initialized = False
        self._told: Status | None = None
        self._ended = threading.Event()
        self._exec: ExecListener | None = None
        self._calls = _Calls()
        self._peer = Peer(reader, writer, methods=self._methods())
        self._engine = Engine(environ, home=home, on_status=self._tell_status)
        self._prompts = Prompts(self._engine, environ)

    def run(self) -> None:
        """Answer until the input ends. The connection begins once `initialize` is answered, or with the first call."""
        threading.Thread(target=self._watch_status, name="status", daemon=True).start()
        self._peer.serve()

    def close(self) -> None:
        """Cancel what runs, clean up on the remote, close the connections."""
        self._ended.set()
        if self._exec is not None:
            self._exec.close()
        self._calls.cancel_all()
        self._engine.close()
        self._peer.close()

    def _methods(self) -> dict[str, Method]:
        """Return the methods of the wire, each with the model of its params."""
        return {
            "initialize": method(InitializeParams, self._initialize, then=lambda: self._engine.start()),
            "tool/call": deferred(ToolCallParams, self._begin_call),
            "tool/cancel": method(ToolCancelParams, self._cancel, lane=Lane.INLINE),
            "status": method(NoParams, lambda params: self._engine.status().to_json(), lane=Lane.INLINE),
            "environment": method(NoParams, lambda params: self._prompts.environment(Cancel())),
            "message/rewrite": method(MessageRewriteParams, self._rewrite_message),
            "system/rewrite": method(SystemRewriteParams, self._rewrite_system),
            "shutdown": method(NoParams, self._shutdown),
        }

    def _initialize(self, params: InitializeParams) -> JSONObject:
        if params.protocol_version != PROTOCOL_VERSION:
            raise InvalidArguments(
                f"the plugin speaks version {params.protocol_version} of the protocol and this engine "
                f"version {PROTOCOL_VERSION}; run `remote-code install` again and restart OpenCode",
                tool="initialize",
                problems=["protocolVersion"],
            )
        self._engine.set_limits(Limits(params.limits.max_lines, params.limits.max_bytes))
        if params.exec_socket is not None:
            self._listen(Path(params.exec_socket))
        self._is_initialized = True
        self._tell_status(self._engine.status())
        known = self._engine.target
        target: JSONObject | None = None
        if known is not None:
            options = known.options
            target = {"host": options.host_name, "port": options.port, "user": options.user, "label": known.label}
        return {
            "protocolVersion": PROTOCOL_VERSION,
            "serverVersion": __version__,
            "target": target,
            "workdir": self._engine.status().workdir,
            "tools": schemas(),
        }

    def _listen(self, path: Path) -> None:
        """Serve `remote-code exec` at `path` alone; where that cannot be, exec makes connections of its own."""
        if self._exec is not None:
            self._exec.close()
            self._exec = None
        listener = ExecListener(path, self._engine)
        try:
            listener.start()
        except (OSError, ValueError) as exc:
            log.warning("event=exec_socket_failed path=%r error=%s", str(path), exc)
            return
        self._exec = listener

    def _begin_call(self, params: ToolCallParams) -> Work:
        """Note the call, so that it can be cancelled while it waits for its turn."""
        cancel = self._calls.begin(params.call_id)
        lane = Lane.LONG_CALL if params.name == "bash" else Lane.CALL
        return Work(lambda: self._call(params, cancel), lane)

    def _call(self, params: ToolCallParams, cancel: Cancel) -> JSONObject:
        try:
            result = self._engine.call(
                Call(
                    call_id=params.call_id,
                    name=params.name,
                    arguments=params.args,
                    session_id=params.session_id,
                    ask=_Question(self._peer, params.call_id, cancel),
                    progress=lambda title, metadata: self._progress(params.call_id, title, metadata),
                    cancel=cancel,
                )
            )
        finally:
            self._calls.end(params.call_id, cancel)
            self._tell_status(self._engine.status())
        answer: JSONObject = {"title": result.title, "output": result.output, "metadata": result.metadata}
        if result.attachments:
            answer["attachments"] = result.attachments
        return answer

    def _progress(self, call_id: str, title: str | None, metadata: JSONObject) -> None:
        params: JSONObject = {"callId": call_id, "metadata": metadata}
        if title is not None:
            params["title"] = title
        self._peer.notify("tool/progress", params)

    def _cancel(self, params: ToolCancelParams) -> None:
        self._calls.cancel(params.call_id)

    def _rewrite_message(self, params: MessageRewriteParams) -> JSONObject:
        return {
            "parts": self._prompts.rewrite_message(
                params.parts, directory=params.directory, session_id=params.session_id
            )
        }

    def _rewrite_system(self, params: SystemRewriteParams) -> JSONObject:
        system = self._prompts.rewrite_system(params.system, directory=params.directory, worktree=params.worktree)
        return {"system": system}

    def _shutdown(self, params: NoParams) -> JSONObject:
        self._calls.cancel_all()
        self._engine.close()
        return {}

    def _watch_status(self) -> None:
        """Tell of a round-trip time that a ping has measured: no call or change of the link goes with it."""
        while not self._ended.wait(STATUS_POLL_S):
            self._tell_status(self._engine.status())

    def _tell_status(self, status: Status) -> None:
        """Tell the client how things stand, unless it was told just that."""
        if self._is_initialized and status != self._told:
            self._told = status
            self._peer.notify("status/changed", status.to_json())


class _Question:
    """Puts the permission questions of one call to the client (protocol.md, `permission/ask`)."""

    def __init__(self, peer: Peer, call_id: str, cancel: Cancel) -> None:
        self._peer = peer
        self._call_id = call_id
        self._cancel = cancel

    def __call__(
        self, permission: str, *, patterns: Sequence[str], always: Sequence[str], metadata: Mapping[str, object]
    ) -> None:
        params: JSONObject = {
            "callId": self._call_id,
            "permission": permission,
            "patterns": list(patterns),
            "always": list(always),
            "metadata": dict(metadata),
        }
        try:
            granted = self._peer.call("permission/ask", params, interrupt=self._cancel)
        except RemoteError as exc:
            raise PermissionRejected(
                exc.message or f"the permission {permission} was rejected",
                permission=permission,
                patterns=list(patterns),
            ) from exc
        if not isinstance(granted, dict):
            # Only what docs/protocol.md calls a grant is one.
            raise PermissionRejected(
                f"the client's answer to the question for the permission {permission} is no grant; nothing was done",
                permission=permission,
                patterns=list(patterns),
            )


class _Calls:
    """The calls under way, by the client's id, each with its way to be cancelled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Guards `_cancels`; no listener is called under it.
        self._cancels: dict[str, list[Cancel]] = {}
        """A client that reuses an id while the first call runs has several calls of it."""

    def begin(self, call_id: str) -> Cancel:
        """Note a call that has arrived."""
        cancel = Cancel()
        with self._lock:
            self._cancels.setdefault(call_id, []).append(cancel)
        return cancel

    def end(self, call_id: str, cancel: Cancel) -> None:
        """Forget a call."""
        with self._lock:
            left = [other for other in self._cancels.pop(call_id, []) if other is not cancel]
            if left:
                self._cancels[call_id] = left

    def cancel(self, call_id: str) -> None:
        """Cancel every call of this id; an unknown one is harmless."""
        with self._lock:
            cancels = list(self._cancels.get(call_id, []))
        for cancel in cancels:
            cancel.set()

    def cancel_all(self) -> None:
        """Cancel every call."""
        with self._lock:
            cancels = [cancel for calls in self._cancels.values() for cancel in calls]
        for cancel in cancels:
            cancel.set()


def serve(environ: Mapping[str, str], *, home: Path) -> NoReturn:
    """Serve on standard input and output, then end this process.

    The end comes with the end of the input, SIGTERM, SIGINT or the parent's death, and takes `END_S` at most.
    """
    reader, writer = claim_stdio()
    server = Server(reader, writer, environ=environ, home=home)
    end_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        server.run()
    except _Interrupted:
        log.info("event=ended_by_signal")
    # A connection that hangs must not hold the process: the remote's own watchers clean up after a lost link.
    threading.Timer(END_S, os._exit, args=(0,)).start()
    server.close()
    logging.shutdown()
    os._exit(0)


class _Interrupted(BaseException):
    """Raised in the main thread by a signal, out of a blocking read."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise _Interrupted
