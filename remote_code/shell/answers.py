"""Cuts what a shell writes into the answers to its jobs. Pure.

Both streams of an answer end with the job's end mark, standard output with the exit status behind it. Marks are fresh
and random, so that an answer may hold any bytes.
"""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

_STATUS = re.compile(rb" (\d+)\n")
_LONGEST_STATUS = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What one job wrote, and how it ended."""

    end: str
    exit_status: int
    stdout: bytes
    stderr: bytes


class Answers:
    """The answers of one shell, in the order in which their jobs were sent."""

    def __init__(self) -> None:
        self._awaited: deque[str] = deque()
        self._streams = {"stdout": _Stream(), "stderr": _Stream()}

    @property
    def is_awaiting(self) -> bool:
        """Whether a job that was sent has no answer yet."""
        return bool(self._awaited)

    def expect(self, ends: Iterable[str]) -> None:
        """Wait for the answers with these end marks, behind those that are awaited."""
        self._awaited.extend(ends)

    def add(self, stream: str, data: bytes) -> None:
        """Take bytes of "stdout" or "stderr"."""
        self._streams[stream].data += data

    def next(self) -> Answer | None:
        """Return the oldest awaited answer, once; None while it has not come whole."""
        if not self._awaited:
            return None
        end = self._awaited[0]
        stdout, stderr = self._streams["stdout"], self._streams["stderr"]
        at, error_at = stdout.find(end.encode()), stderr.find(end.encode() + b"\n")
        if at < 0 or error_at < 0:
            return None
        status = _STATUS.match(stdout.data, at + len(end), at + len(end) + _LONGEST_STATUS)
        if status is None:
            return None
        self._awaited.popleft()
        return Answer(
            end, int(status[1]), stdout.take(at, status.end()), stderr.take(error_at, error_at + len(end) + 1)
        )


class _Stream:
    """Bytes that came, and how far they have been looked through."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._seen = 0

    def find(self, mark: bytes) -> int:
        """Return where `mark` is, or -1; what was looked through before is not looked through again."""
        at = self.data.find(mark, max(0, self._seen - len(mark)))
        self._seen = len(self.data) if at < 0 else at
        return at

    def take(self, end: int, rest: int) -> bytes:
        """Remove everything before `rest` and return what is before `end`."""
        taken = bytes(self.data[:end])
        del self.data[:rest]
        self._seen = 0
        return taken
