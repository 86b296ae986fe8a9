"""Answers the ssh program's prompts: a private socket, and a small program for SSH_ASKPASS that asks there.

The password travels over the socket only; it is in no file, no argument and no environment.
"""

import contextlib
import shlex
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_CLIENT = """\
import socket, sys
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(sys.argv[1])
    sock.sendall(sys.argv[2].encode("utf-8", "surrogateescape") + b"\\0")
    answer = b""
    while data := sock.recv(4096):
        answer += data
if not answer:
    sys.exit(1)
sys.stdout.buffer.write(answer)
"""
_PROMPT_LIMIT = 10_000


class AskpassServer:
    """Listens in a private folder until it is closed; `answer` is called in its own thread, one prompt at a time."""

    def __init__(self, folder: Path, answer: Callable[[str], str | None]) -> None:
        self._answer = answer
        path = folder / "ask"
        self.program = folder / "askpass"
        """What SSH_ASKPASS has to name."""
        self.program.write_text(
            f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S -c {shlex.quote(_CLIENT)} "
            f'{shlex.quote(str(path))} "$1"\n',
            encoding="utf-8",
        )
        self.program.chmod(0o700)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(4)
        self._thread = threading.Thread(target=self._serve, name="ssh-askpass", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock, contextlib.suppress(OSError):
                sock.settimeout(10)
                prompt = b""
                while not prompt.endswith(b"\0") and len(prompt) < _PROMPT_LIMIT and (data := sock.recv(4096)):
                    prompt += data
                answer = self._answer(prompt.rstrip(b"\0").decode("utf-8", "replace"))
                if answer is not None:
                    sock.sendall(answer.encode() + b"\n")
