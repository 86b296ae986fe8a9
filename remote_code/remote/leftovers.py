"""What a cut write may leave on the remote: noted before it is sent, removed at the next connection."""

import enum
from collections.abc import Sequence
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
