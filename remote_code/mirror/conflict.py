"""What to do when a file may have changed since a session saw it: pure decisions for whole writes and for edits."""

import enum

from remote_code.mirror.plan import is_same
from remote_code.remote.state import FileState, Present

MAX_ROUNDS = 3
"""How often a person is asked about one edit while the file keeps changing."""

MAX_REFUSALS = 20
"""How often one edit is applied anew because the file had changed; only a file that is never at rest comes so far."""


class WriteStep(enum.Enum):
    """What a whole-file write does next, with the state that was found as the expected one."""

    WRITE = "write"
    SHOW_FIRST = "show first"
    """The session never saw the contents that it would replace: show the difference, then write."""
    REFUSE = "refuse"
    """Write nothing: somebody else's work would be lost."""


def decide_write(seen: FileState | None, found: FileState, *, new_digest: str | None = None) -> WriteStep:
    """Decide whether a session may write a whole file.

    `seen` is what the session last saw there, None if it never did; `found` is what the remote has now. With
    `new_digest`, the digest of what is to be written, a file that has these contents already is no conflict: nothing
    of anybody is lost, and a write whose outcome never came back can be repeated.
    """
    if seen is None:
        return WriteStep.SHOW_FIRST if isinstance(found, Present) else WriteStep.WRITE
    if is_same(seen, found):
        return WriteStep.WRITE
    if isinstance(found, Present) and new_digest is not None and found.digest == new_digest:
        return WriteStep.WRITE
    return WriteStep.REFUSE


class EditStep(enum.Enum):
    """What an edit does next, once it was applied to the newest contents that are known."""

    PUSH = "push"
    """The person has agreed to exactly this change: write it."""
    ASK = "ask"
    """Show the change and ask."""
    GIVE_UP = "give up"
    """The file keeps changing."""


def decide_edit(granted: str | None, preview: str, *, n_asked: int, n_refused: int) -> EditStep:
    """Decide what an edit does next.

    `granted` is the preview that the person agreed to last, None at first; `preview` is that of the newest contents.
    The same change elsewhere in the file, moved by foreign lines, is a different preview: where it lands matters.
    `n_refused` is how often the remote had something else than the edit was made from.
    """
    if n_refused >= MAX_REFUSALS:
        return EditStep.GIVE_UP
    if granted == preview:
        return EditStep.PUSH
    return EditStep.ASK if n_asked < MAX_ROUNDS else EditStep.GIVE_UP
