"""The operations on remote files, as one Protocol; `shell_files` carries them out with POSIX scripts."""

from collections.abc import Sequence
from typing import Protocol

from remote_code.paths import RemotePath
from remote_code.remote.state import Change, Changed, DirectoryEntry, FileRange, Observation, Wanted
from remote_code.shell.job import Flights

ANYWHERE = (RemotePath("/"),)
"""Allowed roots that exclude nothing: the person has agreed, or the path is ours."""


class Files(Protocol):
    """File operations, one flight each however many paths. All raise `ConnectionLost` when the link breaks.

    `roots`: directories that the real path must lie in; outside of them nothing is read or written.
    `flights`: counts the flights that the caller waits for.
    """

    def observe(
        self, wanted: Sequence[Wanted], *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> list[Observation]:
        """Return what each path is now, with contents up to `limit_bytes` each where they differ from what is held.

        Contents and state belong together: a file that was rewritten meanwhile is asked for again.
        """

    def replace(self, changes: Sequence[Change], *, roots: Sequence[RemotePath], flights: Flights) -> list[Changed]:
        """Write, create and remove files, all of them checked against `expected` before the first is changed.

        A reader sees the old bytes or the new ones of each file. Parent directories of new files are made.

        Raises:
            RemoteChanged: a file is no longer as expected; nothing was written, or (facts `done`) only the first ones.
            PermissionDenied, NoSpace, IsADirectory, OutsideWorkspace, RemoteOperationFailed: nothing was written.
            ConnectionLost: with outcome "unknown" when the job may have run; observe before trying again.
        """

    def list_directory(
        self, path: RemotePath, *, roots: Sequence[RemotePath], flights: Flights
    ) -> tuple[Observation, list[DirectoryEntry]]:
        """Return the kind of `path` and, when it is a directory, its entries in no particular order."""

    def read_lines(
        self,
        path: RemotePath,
        *,
        first: int,
        limit: int,
        limit_bytes: int,
        roots: Sequence[RemotePath],
        flights: Flights,
    ) -> FileRange:
        """Return whole lines `first` (from 1) to `first + limit - 1` of a file, cut at `limit_bytes`."""

    def read_bytes(
        self, path: RemotePath, *, offset: int, limit: int, roots: Sequence[RemotePath], flights: Flights
    ) -> FileRange:
        """Return up to `limit` bytes from `offset` of a file."""
