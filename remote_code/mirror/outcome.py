"""How pulls and pushes ended: reports, and what may have been written when one failed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from remote_code.errors import (
    ChannelRefused,
    ConnectionFailed,
    ConnectionLost,
    IsADirectory,
    NoSpace,
    NoSuchFile,
    NotADirectory,
    OutsideWorkspace,
    PermissionDenied,
    PoolClosed,
    PoolTimeout,
    RemoteChanged,
    RemoteCodeError,
)
from remote_code.mirror.plan import Keeping, Settled
from remote_code.paths import RemotePath
from remote_code.remote.state import Changed

_NOTHING_WRITTEN = (
    ChannelRefused,
    ConnectionFailed,
    IsADirectory,
    NoSpace,
    NoSuchFile,
    NotADirectory,
    OutsideWorkspace,
    PermissionDenied,
    PoolClosed,
    PoolTimeout,
    RemoteChanged,
)
"""What `Files.replace` raises when it certainly changed nothing, unless a fact `done` says otherwise."""


@dataclass(slots=True)
class PullReport:
    """What `pull_all` did; lists of paths."""

    n_checked: int = 0
    fetched: list[RemotePath] = field(default_factory=list)
    dropped: list[RemotePath] = field(default_factory=list)
    """No longer files on the remote, or too large now."""
    edited: list[RemotePath] = field(default_factory=list)
    """Changed on this machine: left alone."""
    outside: list[RemotePath] = field(default_factory=list)
    """Not in the allowed roots, or not reachable: left alone."""

    def add(self, item: Settled) -> None:
        """Count one file."""
        path = item.observation.path
        self.n_checked += 1
        if item.keeping is Keeping.STORE:
            self.fetched.append(path)
        elif item.keeping is Keeping.DROP:
            self.dropped.append(path)
        elif item.keeping is Keeping.LEAVE:
            self.outside.append(path)


@dataclass(frozen=True, slots=True)
class PushReport:
    """What `push_all` did."""

    written: list[Changed]
    conflicts: list[RemotePath]
    """Changed on this machine and on the remote: neither was touched."""


def perhaps_written(error: RemoteCodeError, paths: Sequence[RemotePath]) -> list[RemotePath]:
    """Return which of the `paths` of a replace that failed may have been written all the same; in doubt, all."""
    done = error.facts.get("done")
    if isinstance(done, list):
        # The one that was being written in place, and could not be put back.
        broken = [error.facts.get("path")] if error.facts.get("reason") == "broken" else []
        return [path for path in paths if path in done or path in broken]
    if isinstance(error, ConnectionLost):
        return [] if error.facts.get("outcome") == "not_started" else list(paths)
    return [] if isinstance(error, _NOTHING_WRITTEN) else list(paths)
