"""What to do when a file may have changed since a session saw it: pure decisions for whole writes and for edits."""

import enum
from dataclasses import dataclass

from remote_code.errors import RemoteChanged
from remote_code.mirror.plan import is_same
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, FileState, Present

MAX_ROUNDS = 3
"""How often a person is asked about one edit while the file keeps changing."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write the file, as long as the remote still has `expected`."""

    expected: FileState
    is_first_sight: bool = False
    """The session never saw the contents that it replaces: they are pulled, and the difference is shown first."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Write nothing: somebody else's work would be lost."""

    how: str
    """What happened to the file, for the message: "was changed", "was created" or "was removed"."""


def decide_write(seen: FileState | None, found: FileState, *, new_digest: str | None = None) -> Write | Refuse:
    """Decide whether a session may write a whole file.

    `seen` is what the session last saw there, None if it never did; `found` is what the remote has now. With
    `new_digest`, the digest of what is to be written, a file that has these contents already is no conflict: nothing
    of anybody is lost, and a write whose outcome never came back can be repeated.
    """
    if seen is None:
        return Write(found, is_first_sight=isinstance(found, Present))
    if is_same(seen, found):
        return Write(found)
    if isinstance(found, Present) and new_digest is not None and found.digest == new_digest:
        return Write(found)
    if isinstance(found, Absent):
        return Refuse("was removed")
    return Refuse("was created" if isinstance(seen, Absent) else "was changed")


def refusal(path: RemotePath, refuse: Refuse, *, diff: str = "") -> RemoteChanged:
    """Return the error for a refused write. `diff` leads from what the session saw to what is there now."""
    message = (
        f'cannot write "{path}": it {refuse.how} on the remote since this session last saw it. Nothing was written; '
        "read the file again and write what takes that into account"
    )
    if diff:
        message += f". The difference:\n{diff}"
    return RemoteChanged(message, path=path, diff=diff or None)


class EditStep(enum.Enum):
    """What an edit does next."""

    PUSH = "push"
    """The person has agreed to exactly this change: write it."""
    ASK = "ask"
    """Show the change and ask."""
    GIVE_UP = "give up"
    """The file kept changing; the person was asked often enough."""


def decide_edit(granted: str | None, preview: str, *, n_asked: int) -> EditStep:
    """Decide what follows once an edit was applied to the newest contents.

    `granted` is the preview that the person agreed to last, None at first; `preview` is that of the newest contents.
    The same change elsewhere in the file, moved by foreign lines, is a different preview: where it lands matters.
    """
    if granted == preview:
        return EditStep.PUSH
    return EditStep.ASK if n_asked < MAX_ROUNDS else EditStep.GIVE_UP


def exhausted(path: RemotePath) -> RemoteChanged:
    """Return the error of an edit that gave up."""
    return RemoteChanged(
        f'cannot edit "{path}": it changed on the remote {MAX_ROUNDS} times while the edit was being agreed on; '
        "nothing was written. Read it again when the other writer has finished",
        path=path,
    )
