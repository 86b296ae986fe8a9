"""One command of the person, through the running engine: a Unix socket of the user's own, and both of its ends.

JSON-RPC 2.0 by lines: `exec {command, sessionId?, timeoutS?}` is answered by `exec/output` notifications
(`{stream, data}` with base64) and the result `{exitStatus, signal}`. Closing the socket cancels the command.
"""

import base64
import contextlib
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from remote_code.app import Engine
from remote_code.rpc.messages import JSONObject
from remote_code.rpc.peer import Lane, Peer, method
from remote_code.rpc.protocol import ExecOutputParams, ExecParams, ExecResult
from remote_code.shell.job import Cancel, Outcome, Result

NO_TIMEOUT_S = 30 * 24 * 3600.0
"""What stands for "no timeout": the person ends the command."""


class ExecListener:
    """Listens on a socket of mode 0600 and runs commands on the engine's remote until it is closed."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self._path = path
        self._engine = engine
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def start(self) -> None:
        """Make the socket, in place of one that a dead engine left, and serve it in a thread of its own.

        Raises:
            OSError, ValueError: the socket cannot be made there; there is none then.
        """
        try:
            if not self._path.is_absolute() or "\0" in str(self._path):
                raise ValueError("the path of the socket must be absolute and without NUL")
            if self._path.exists() and stat.S_ISSOCK(self._path.stat().st_mode):
                self._path.unlink()
            mask = os.umask(0o177)
            try:
                self._listener.bind(str(self._path))
            finally:
                os.umask(mask)
            self._listener.listen(8)
        except (OSError, ValueError):
            self._listener.close()
            raise
        threading.Thread(target=self._accept, name="exec-socket", daemon=True).start()

    def close(self) -> None:
        """Take no further command and remove the socket; commands under way end with their engine."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # Wakes `_accept`; to close alone does not.
        self._listener.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # Closed by `close`.
            threading.Thread(target=self._serve, args=(connection,), name="exec", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        cancel = Cancel()
        with connection, connection.makefile("rb") as reader, connection.makefile("wb") as writer:

            def run(params: ExecParams) -> JSONObject:
                def on_output(stream: str, data: bytes) -> None:
                    peer.notify("exec/output", {"stream": stream, "data": base64.b64encode(data).decode("ascii")})

                timeout_s = params.timeout_s or NO_TIMEOUT_S
                result = self._engine.run_command(
                    params.command, timeout_s=timeout_s, cancel=cancel, on_output=on_output
                )
                return {"exitStatus": result.exit_status, "signal": result.signal}

            peer = Peer(reader, writer, methods={"exec": method(ExecParams, run, lane=Lane.LONG_CALL)})
            peer.serve()
            cancel.set()
            peer.close()


def run_through(path: Path, params: ExecParams, *, on_output: Callable[[str, bytes], None]) -> Result | None:
    """Run a command on the engine that listens at `path`; None when none does, and then nothing was sent.

    Raises:
        RemoteError: the engine answered with an error.
        Cancelled: the engine went away; the command may have run.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None

    def show(output: ExecOutputParams) -> None:
        on_output(output.stream, base64.b64decode(output.data))

    with connection, connection.makefile("rb") as reader, connection.makefile("wb") as writer:
        peer = Peer(reader, writer, methods={"exec/output": method(ExecOutputParams, show, lane=Lane.INLINE)})
        reading = threading.Thread(target=peer.serve, name="exec-answers", daemon=True)
        reading.start()
        try:
            answer = peer.call("exec", params.model_dump(by_alias=True), interrupt=Cancel())
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            reading.join()
            peer.close()
    end = ExecResult.model_validate(answer)
    return Result(Outcome.DONE, end.exit_status, end.signal, b"", b"")
