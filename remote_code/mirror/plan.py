"""What a pull, a push of everything and an undo must do; pure decisions, carried out by `sync`."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from remote_code.errors import NotInHistory, RemoteChanged
from remote_code.mirror.contents import digest_of
from remote_code.mirror.history import Action, Draft, Entry
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, Change, FileState, Kind, Observation, Present


def is_same(one: FileState, other: FileState) -> bool:
    """Tell whether two states are of the same file contents, as far as they say.

    Equal digests are proof whatever else has moved. Without both, the whole line of the remote's `stat` must be equal:
    size and modification time alone prove nothing.
    """
    if isinstance(one, Absent) or isinstance(other, Absent):
        return isinstance(one, Absent) and isinstance(other, Absent)
    if one.digest is not None and other.digest is not None:
        return one.digest == other.digest
    return one.stamp == other.stamp


class Keeping(enum.Enum):
    """What an observation means for the local copy."""

    STORE = "store"
    """Take the contents that came."""
    CONFIRM = "confirm"
    """The copy is right; note its state and use."""
    DROP = "drop"
    """The copy is not what the remote has any more."""
    LEAVE = "leave"
    """Nothing was learned."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An observation with its state made whole, and what follows for the local copy."""

    observation: Observation
    keeping: Keeping


def settle(observation: Observation, held: Present | None) -> Settled:
    """Decide what one observation means for a local copy whose state is `held`.

    The state of the result always has the digest when contents came, or are known to be as held.
    """
    state = observation.state
    if observation.kind in {Kind.OUTSIDE, Kind.NO_ACCESS, Kind.LINK_CYCLE}:
        return Settled(observation, Keeping.LEAVE)
    if observation.kind is not Kind.FILE or not isinstance(state, Present):
        return Settled(observation, Keeping.DROP)
    if observation.is_as_held and held is not None:
        return Settled(replace(observation, state=replace(state, digest=held.digest)), Keeping.CONFIRM)
    if observation.contents is not None:
        state = replace(state, digest=digest_of(observation.contents))
        return Settled(replace(observation, state=state), Keeping.STORE)
    return Settled(observation, Keeping.DROP)


def draft(change: Change, before: bytes | None) -> Draft:
    """Return what the history keeps of a change before it is made."""
    if change.contents is None:
        action = Action.REMOVED
    else:
        action = Action.CREATED if isinstance(change.expected, Absent) else Action.CHANGED
    mode = change.expected.mode & 0o7777 if isinstance(change.expected, Present) else None
    return Draft(change.path, action, before=before, after=change.contents, before_mode=mode)


@dataclass(frozen=True, slots=True)
class Edited:
    """A local copy that somebody changed on this machine."""

    path: RemotePath
    base: Present
    """The remote state that the copy was taken from."""
    contents: bytes


def plan_push(
    edited: Sequence[Edited], found: Mapping[RemotePath, FileState | None]
) -> tuple[list[Change], list[RemotePath]]:
    """Return what to write for the edited copies, and the paths that changed on the remote too and stay as they are.

    A copy that equals what the remote has is neither: an engine that was killed while it took over contents leaves
    such a copy.
    """
    changes, conflicts = [], []
    for copy in edited:
        state = found.get(copy.path)
        if state is not None and is_same(state, copy.base):
            changes.append(Change(copy.path, expected=state, contents=copy.contents))
        elif not isinstance(state, Present) or state.digest != digest_of(copy.contents):
            conflicts.append(copy.path)
    return changes, conflicts


def plan_undo(
    entries: Iterable[Entry], found: Mapping[RemotePath, FileState | None], contents: Mapping[str, bytes]
) -> list[Change]:
    """Return the changes that take files back to what they were before `entries`, the oldest of each file.

    `found` is what the remote has now, with digests; `contents` are old contents by digest. Entries of one file must
    follow on each other, and the newest must have left what the remote has now: what somebody else wrote in between or
    afterwards is never taken away. A file that is as it was already needs no change.

    Raises:
        RemoteChanged: somebody else has changed a file. Facts: `path`.
        NotInHistory: old contents are no longer kept. Facts: `entry`, `path`.
    """
    chains: dict[RemotePath, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.entry_id, reverse=True):
        if entry.action in {Action.CREATED, Action.CHANGED, Action.REMOVED} and entry.undone_by is None:
            chains.setdefault(entry.path, []).append(entry)
    changes = (_undo_file(chain, found.get(path), contents) for path, chain in chains.items())
    return [change for change in changes if change is not None]


def _undo_file(chain: list[Entry], found: FileState | None, contents: Mapping[str, bytes]) -> Change | None:
    """Return the change that undoes a chain of entries of one file, newest first; None when nothing is to do."""
    path = chain[0].path
    if found is None:
        raise RemoteChanged(f'cannot undo the change of "{path}": there is no plain file any more', path=path)
    now = found.digest if isinstance(found, Present) else None
    digest, mode = now, None
    for entry in chain:
        if not entry.is_certain and digest == entry.before_digest:
            continue  # Its outcome never came back, and it was not made.
        if digest != entry.after_digest:
            raise RemoteChanged(
                f'cannot undo the change of "{path}" by call {entry.call_id}: the file was changed afterwards by '
                "somebody else; nothing was written",
                path=path,
            )
        digest, mode = entry.before_digest, entry.before_mode
    if digest == now:
        return None
    if digest is None:
        return Change(path, expected=found, contents=None)
    if digest not in contents:
        entry_id = chain[-1].entry_id
        raise NotInHistory(f'the old contents of "{path}" are no longer kept', entry=entry_id, path=path)
    return Change(path, expected=found, contents=contents[digest], mode=mode)
