"""SSH-10's file operations: the same promises as by shell scripts, over SFTP alone."""

from collections.abc import Sequence
from dataclasses import replace

from remote_code.paths import RemotePath, encode_path
from remote_code.remote import refusals
from remote_code.remote import sftp_wire as wire
from remote_code.remote.leftovers import Cleaned, Leftover, Notes, Pending
from remote_code.remote.sftp_clean import clean
from remote_code.remote.sftp_listing import entries, read_directory
from remote_code.remote.sftp_memory import ServerMemory
from remote_code.remote.sftp_reading import HANDLES, Reading
from remote_code.remote.sftp_replace import Replacement
from remote_code.remote.sftp_resolve import Lookup, Place
from remote_code.remote.sftp_session import SFTPSession, SFTPSessions
from remote_code.remote.sftp_state import joined, present, reads
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Status, Type
from remote_code.remote.state import (
    Absent,
    Change,
    Changed,
    DirectoryEntry,
    FileRange,
    Kind,
    Observation,
    Present,
    Wanted,
)
from remote_code.shell.job import Flights

_SCAN_BYTES = 4 << 20
"""What is read at once when lines are counted on our side."""


class SFTPFiles:
    """The `Files` of a machine that gives SFTP.

    Version 3 of the protocol has times in whole seconds and no inodes, so a file counts as unchanged by its contents
    only: a read of what is held fetches it all the same. Hard links cannot be seen, a file that has them loses them.
    """

    def __init__(
        self, sessions: SFTPSessions, *, notes: Notes | None = None, memory: ServerMemory | None = None
    ) -> None:
        self._pending = Pending(notes)
        self._sessions = sessions
        self._memory = memory or ServerMemory()

    def observe(
        self, wanted: Sequence[Wanted], *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> list[Observation]:
        """Return what each path is now, with contents up to `limit_bytes` each where they differ from what is held.

        Three flights for up to 100 files, two where all are held, and two more for each link on a path. What changed
        just now is read twice, as a further change within the second would leave no sign.

        Raises:
            RemoteOperationFailed: a file was rewritten during every attempt.
        """
        self._clean_unanswered(flights)
        with self._sessions.lend() as session:
            reading = Reading(session, memory=self._memory, flights=flights, limit_bytes=limit_bytes)
            return reading.observe(wanted, roots)

    def replace(self, changes: Sequence[Change], *, roots: Sequence[RemotePath], flights: Flights) -> list[Changed]:
        """Write, create and remove files; all are compared before the first is changed.

        Three flights where the paths were looked at before: locks, temporaries and a look; the new contents, and the
        old ones to be compared; the renames. One more where they were not. More than 100 files are done in parts, each
        compared as a whole.

        Raises:
            RemoteChanged: a file is no longer as expected. Nothing was written, or (`done`) only the files named there.
            PermissionDenied, NoSpace, IsADirectory, OutsideWorkspace, RemoteOperationFailed: likewise.
            ConnectionLost: with outcome "unknown" some may be written; observe before trying again.
        """
        self._clean_unanswered(flights)
        changed: list[Changed] = []
        for first in range(0, len(changes), HANDLES):
            part = changes[first : first + HANDLES]
            with self._sessions.lend() as session:
                replacement = Replacement(session, part, memory=self._memory, pending=self._pending, flights=flights)
                changed += replacement.run(roots)
        return changed

    def list_directory(
        self, path: RemotePath, *, roots: Sequence[RemotePath], flights: Flights
    ) -> tuple[Observation, list[DirectoryEntry]]:
        """Return the kind of `path` and, when it is a directory, its entries in no particular order.

        Raises:
            PermissionDenied: the directory may not be read.
        """
        with self._sessions.lend() as session:
            (place,) = Lookup(session, flights=flights).resolve_within([path], roots)
            observation = Observation(path, place.kind, place.real_path, _absent(place.kind), None)
            if place.kind is not Kind.DIRECTORY:
                return observation, []
            (handle,) = session.flight([wire.on_path(Type.OPENDIR, encode_path(place.real_path))], flights=flights)
            if not isinstance(handle, Handle):
                raise refusals.unreadable(path, action="list")
            names = read_directory(session, handle, flights=flights)
            session.post([wire.close(handle)])
            return observation, entries(session, place.real_path, names, flights=flights)

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
        """Return whole lines `first` (from 1) to `first + limit - 1` of a file, cut at `limit_bytes`.

        All that lies before them travels too: the server cannot count lines. Memory stays bounded.

        Raises:
            PermissionDenied: the file may not be read.
        """
        with self._sessions.lend() as session:
            place, handle = _open_for_reading(session, path, roots, flights=flights)
            if handle is None:
                return FileRange(place.kind, place.real_path, _absent(place.kind), b"")
            at, n_skip, kept = 0, first - 1, b""
            while True:
                data = joined(session.flight(reads(handle, offset=at, length=_SCAN_BYTES), flights=flights))
                at += len(data)
                is_end = len(data) < _SCAN_BYTES
                n_ends = data.count(b"\n")
                kept += data[_after_lines(data, n_skip) :] if n_ends >= n_skip else b""
                n_skip = max(0, n_skip - n_ends)
                lines = kept.split(b"\n", limit)
                if is_end or len(lines) > limit or len(kept) >= limit_bytes:
                    break
            session.post([wire.close(handle)])
            if len(lines) > limit:
                kept = kept[: len(kept) - len(lines[limit])]
            return FileRange(Kind.FILE, place.real_path, _state(place), kept[:limit_bytes])

    def read_bytes(
        self, path: RemotePath, *, offset: int, limit: int, roots: Sequence[RemotePath], flights: Flights
    ) -> FileRange:
        """Return up to `limit` bytes from `offset` of a file.

        Raises:
            PermissionDenied: the file may not be read.
        """
        with self._sessions.lend() as session:
            place, handle = _open_for_reading(session, path, roots, flights=flights)
            if handle is None:
                return FileRange(place.kind, place.real_path, _absent(place.kind), b"")
            data = joined(session.flight(reads(handle, offset=offset, length=limit), flights=flights))
            session.post([wire.close(handle)])
            return FileRange(Kind.FILE, place.real_path, _state(place), data)

    def resolve(self, paths: Sequence[RemotePath], *, flights: Flights) -> list[tuple[Kind, RemotePath]]:
        """Return the kind and the real path of each path, whatever it leads to; no contents."""
        with self._sessions.lend() as session:
            places = Lookup(session, flights=flights).resolve(paths)
        return [(place.kind, place.real_path) for place in places]

    def make_dirs(self, path: RemotePath, *, roots: Sequence[RemotePath], flights: Flights) -> RemotePath:
        """Make a directory and its parents where they are missing; return its real path.

        Raises:
            PermissionDenied, OutsideWorkspace, RemoteOperationFailed: it was not made.
        """
        with self._sessions.lend() as session:
            (place,) = Lookup(session, flights=flights).resolve_within([path], roots)
            if place.kind in (Kind.ABSENT, Kind.ABSENT_DIRECTORY):
                missing = [RemotePath(place.real_path)]
                while (parent := RemotePath(missing[0].rpartition("/")[0])) and len(missing) < 256:
                    missing.insert(0, parent)
                session.flight([wire.make_directory(encode_path(each)) for each in missing], flights=flights)
                (place,) = Lookup(session, flights=flights).resolve_within([path], roots)
                if place.kind in (Kind.ABSENT, Kind.ABSENT_DIRECTORY):
                    raise refusals.cannot_make_directory(path, None)
            if place.kind is not Kind.DIRECTORY:
                raise refusals.cannot_make_directory(path, place.kind)
            return place.real_path

    def move(
        self,
        source: RemotePath,
        expected: Present,
        target: RemotePath,
        *,
        roots: Sequence[RemotePath],
        flights: Flights,
    ) -> Present:
        """Give a file another name, never over something that has it; return its new state.

        Raises:
            RemoteChanged: the file is no longer `expected`, or the new name is taken.
            NoSuchFile: the new directory does not exist.
            PermissionDenied, OutsideWorkspace, RemoteOperationFailed: nothing was moved.
        """
        (found,) = self.observe([Wanted(source, expected)], roots=roots, flights=flights, limit_bytes=1 << 40)
        if not isinstance(found.state, Present) or found.state.digest != expected.digest:
            raise refusals.move_refused("changed", source, target, is_target=False)
        with self._sessions.lend() as session:
            (place,) = Lookup(session, flights=flights).resolve_within([target], roots)
            reasons = {Kind.OUTSIDE: "outside", Kind.ABSENT_DIRECTORY: "directory", Kind.NO_ACCESS: "denied"}
            if place.kind is not Kind.ABSENT:
                raise refusals.move_refused(reasons.get(place.kind, "exists"), source, target, is_target=True)
            new = encode_path(place.real_path)
            moved, look = session.flight(
                [wire.rename(encode_path(found.real_path), new), wire.on_path(Type.LSTAT, new)], flights=flights
            )
            if not isinstance(moved, Status) or moved.code != Code.OK or not isinstance(look, Attributes):
                raise refusals.move_refused("denied", source, target, is_target=True)
            return replace(present(look, real_path=place.real_path, contents=None), digest=expected.digest)

    def _clean_unanswered(self, flights: Flights) -> None:
        self._pending.clean_unanswered(lambda leftovers: self.clean(leftovers, flights=flights))

    def clean(self, leftovers: Sequence[Leftover], *, flights: Flights) -> list[Cleaned]:
        """Remove what cut writes have left, and make whole what was half-written in place; touch nothing else."""
        if not leftovers:
            return []
        with self._sessions.lend() as session:
            return [clean(session, each, flights=flights) for each in leftovers]


def _open_for_reading(
    session: SFTPSession, path: RemotePath, roots: Sequence[RemotePath], *, flights: Flights
) -> tuple[Place, Handle | None]:
    """Return where `path` leads and, when that is a file within the roots, a handle of it."""
    (place,) = Lookup(session, flights=flights).resolve_within([path], roots)
    if place.kind is not Kind.FILE:
        return place, None
    (handle,) = session.flight([wire.open_file(encode_path(place.real_path), wire.READ)], flights=flights)
    if not isinstance(handle, Handle):
        raise refusals.unreadable(path, action="read")
    return place, handle


def _after_lines(data: bytes, count: int) -> int:
    """Return the offset behind the first `count` line ends of `data`, which holds so many."""
    at = 0
    for _ in range(count):
        at = data.index(b"\n", at) + 1
    return at


def _absent(kind: Kind) -> Absent | None:
    return Absent() if kind in (Kind.ABSENT, Kind.ABSENT_DIRECTORY) else None


def _state(place: Place) -> Present | None:
    if place.attributes is None:
        return None
    return present(place.attributes, real_path=place.real_path, contents=None)
