"""What an answer of `rc_observe` means: a state and contents, or a file that changed while it was read. Pure."""

import hashlib
from dataclasses import replace

from remote_code.remote.parse import Seen
from remote_code.remote.stamp import inode_of, read_present, size_of
from remote_code.remote.state import Absent, Kind, Observation, Wanted


def observation(wanted: Wanted, seen: Seen, *, now_ns: int) -> Observation:
    """Return what was found of `wanted`; `now_ns` as for `read_present`."""
    if seen.kind is not Kind.FILE or seen.stamp is None:
        return Observation(wanted.path, seen.kind, seen.real_path, absent(seen.kind), None)
    is_as_held = seen.verdict in ("=", "~")
    contents = seen.contents if seen.verdict == "+" else None
    if contents is not None:
        digest: str | None = hashlib.sha256(contents).hexdigest()
    else:
        digest = wanted.held.digest if is_as_held and wanted.held is not None else seen.digest
    return Observation(
        path=wanted.path,
        kind=seen.kind,
        real_path=seen.real_path,
        state=read_present(seen.stamp, real_path=seen.real_path, digest=digest, now_ns=now_ns),
        contents=contents,
        is_as_held=is_as_held,
        is_too_large=seen.verdict == ">",
        is_unreadable=seen.verdict == "!",
    )


def absent(kind: Kind) -> Absent | None:
    """Return the state of something that is no file: absent, or none at all."""
    return Absent() if kind in (Kind.ABSENT, Kind.ABSENT_DIRECTORY) else None


def grown(first: Seen | None, second: Seen) -> Seen | None:
    """Return what a file held when the second of two torn readings began, if growth is all that happened meanwhile.

    The first reading must have found the same bytes in the part that it knew, so that nothing there is rewritten.
    """
    if first is None or first.stamp is None or second.stamp is None or second.after is None:
        return None
    if first.contents is None or second.contents is None or inode_of(first.stamp) != inode_of(second.stamp):
        return None
    known_bytes, size_bytes = size_of(first.stamp), size_of(second.stamp)
    is_growing = known_bytes < size_bytes <= len(second.contents) and has_only_grown(second.stamp, second.after)
    if not is_growing or first.contents[:known_bytes] != second.contents[:known_bytes]:
        return None
    return replace(second, contents=second.contents[:size_bytes], after=second.stamp, is_torn=False)


def has_only_grown(before: str, after: str) -> bool:
    """Tell by two stamps whether nothing but growth can have happened to a file."""
    return before == after or (inode_of(before) == inode_of(after) and size_of(before) < size_of(after))
