"""Any `Files`, watched: what was asked is noted, and the next write can be made to lose its link."""

from collections.abc import Sequence

from remote_code.errors import ConnectionLost
from remote_code.paths import RemotePath
from remote_code.remote.files import Files
from remote_code.remote.state import Change, Changed, DirectoryEntry, FileRange, Observation, Wanted
from remote_code.shell.job import Flights


class WatchedFiles:
    """Passes everything on to `files`."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.observed: list[list[Wanted]] = []
        """What was asked for, call by call."""
        self._lost_as: str | None = None

    def lose(self, outcome: str) -> None:
        """Have the next `replace` lose its link: "not_started", or "unknown" after it has run."""
        self._lost_as = outcome

    def observe(
        self, wanted: Sequence[Wanted], *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> list[Observation]:
        self.observed.append(list(wanted))
        return self.files.observe(wanted, roots=roots, flights=flights, limit_bytes=limit_bytes)

    def replace(self, changes: Sequence[Change], *, roots: Sequence[RemotePath], flights: Flights) -> list[Changed]:
        lost_as, self._lost_as = self._lost_as, None
        changed = [] if lost_as == "not_started" else self.files.replace(changes, roots=roots, flights=flights)
        if lost_as is not None:
            raise ConnectionLost("the link broke", outcome=lost_as, retry_safe=lost_as == "not_started")
        return changed

    def list_directory(
        self, path: RemotePath, *, roots: Sequence[RemotePath], flights: Flights
    ) -> tuple[Observation, list[DirectoryEntry]]:
        return self.files.list_directory(path, roots=roots, flights=flights)

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
        return self.files.read_lines(
            path, first=first, limit=limit, limit_bytes=limit_bytes, roots=roots, flights=flights
        )

    def read_bytes(
        self, path: RemotePath, *, offset: int, limit: int, roots: Sequence[RemotePath], flights: Flights
    ) -> FileRange:
        return self.files.read_bytes(path, offset=offset, limit=limit, roots=roots, flights=flights)
