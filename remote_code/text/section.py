"""One file's part of a patch, whatever the patch's format."""

from dataclasses import dataclass
from typing import Literal

from remote_code.text.hunks import Hunk

Kind = Literal["add", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Section:
    """What a patch asks to be done with one file."""

    kind: Kind
    path: str
    move_to: str | None = None
    """New name of an updated file."""
    hunks: tuple[Hunk, ...] = ()
    """Of an update; of a deletion in a unified diff, what the file must hold."""
    content: str = ""
    """Of an addition: the whole text."""
    must_be_new: bool = False
    """Whether the addition of a file that exists is refused, as in unified diffs, or replaces it."""
    patch_line: int | None = None
    """1-based line of the patch where the section starts."""
