"""What a cut write may leave on the remote: noted before it is sent, removed at the next connection."""

import enum
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from remote_code.paths import RemotePath


@dataclass(frozen=True, slots=True)
class Leftover:
    """One item of a replace that was sent: enough to find its temporaries, and to make its target whole.

    The temporaries are `.rc-TOKEN-INDEX`, and `.old` of it, in the target's real directory or the staging place.
    """

    token: str
    """Names the job; 16 hex digits."""
    index: int
    """Number of the item in its job, from 1."""
    path: RemotePath
    real_path: RemotePath | None
    """Where the file was, links followed, when that was known."""
    old_digest: str | None
    new_digest: str | None


class Cleaned(enum.Enum):
    """What was found of a leftover."""

    NONE = "none"
    """Nothing was left."""
    REMOVED = "removed"
    """Temporaries were removed; the target was whole, old or new."""
    REPAIRED = "repaired"
    """The target was half-written in place; the old contents were written back."""
    KEPT = "kept"
    """The target is neither old, new nor half of them, or cannot be written: the copies stay beside it."""


class Notes(Protocol):
    """Keeps the leftovers of writes that have been sent and not been answered; survives the end of the engine."""

    def add(self, leftovers: Sequence[Leftover]) -> None:
        """Keep `leftovers`, durably: called right before they can come into being."""

    def remove(self, leftovers: Sequence[Leftover]) -> None:
        """Forget `leftovers`: the answer has come, and nothing is left of them."""


class Pending:
    """Writes under way, and those whose answers never came. May be used from any thread."""

    def __init__(self, notes: Notes | None) -> None:
        self.notes = notes
        self._lock = threading.Lock()  # Guards the list below.
        self._unanswered: list[Leftover] = []

    @contextmanager
    def noted(self, leftovers: Sequence[Leftover]) -> Iterator[None]:
        """Keep `leftovers` noted during the body, and after it when it raises: then nobody knows what is left."""
        if self.notes is not None:
            self.notes.add(leftovers)
        try:
            yield
        except BaseException:
            with self._lock:
                self._unanswered += leftovers
            raise
        self._forget(leftovers)

    def clean_unanswered(self, clean: Callable[[Sequence[Leftover]], object]) -> None:
        """Have what earlier writes may have left cleaned by `clean`, now that the link is there again."""
        with self._lock:
            leftovers, self._unanswered = self._unanswered, []
        if not leftovers:
            return
        try:
            clean(leftovers)
        except BaseException:
            with self._lock:
                self._unanswered += leftovers
            raise
        self._forget(leftovers)

    def _forget(self, leftovers: Sequence[Leftover]) -> None:
        if self.notes is not None:
            self.notes.remove(leftovers)
