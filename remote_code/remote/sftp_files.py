"""SSH-10's file operations: the same promises as by shell scripts, over SFTP alone."""

import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace

from remote_code.errors import SFTPError
from remote_code.paths import RemotePath, encode_path
from remote_code.remote import refusals
from remote_code.remote import sftp_wire as wire
from remote_code.remote.leftovers import Cleaned, Leftover, Notes, Pending
from remote_code.remote.sftp_clean import clean
from remote_code.remote.sftp_locks import Locks
from remote_code.remote.sftp_replace import Replacement
from remote_code.remote.sftp_resolve import MISSING, Lookup, Place
from remote_code.remote.sftp_session import SFTPSession, SFTPSessions
from remote_code.remote.sftp_state import Contents, joined, present, read_files, reads, stamp_of
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Names, Status, Type
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

_ATTEMPTS = 10
_SCAN_BYTES = 4 << 20
"""What is read at once when lines are counted on our side."""
HANDLES = 100
"""How many files are open at once: OpenSSH's server has 1,024 descriptors, others fewer."""
_READDIRS = 8
"""How many pieces of a directory are asked for at once."""


class SFTPFiles:
    """The `Files` of a machine that gives SFTP.

    Version 3 of the protocol has times in whole seconds and no inodes, so a file counts as unchanged by its contents
    only: a read of what is held fetches it all the same. Hard links cannot be seen, a file that has them loses them.
    """

    def __init__(self, sessions: SFTPSessions, *, notes: Notes | None = None) -> None:
        self._pending = Pending(notes)
        self._sessions = sessions
        self._locks = Locks()

    def observe(
        self, wanted: Sequence[Wanted], *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> list[Observation]:
        """Return what each path is now, with contents up to `limit_bytes` each where they differ from what is held.

        Three flights for up to 100 files, two where all are held, and two more for each link on a path.

        Raises:
            RemoteOperationFailed: a file was rewritten during every attempt.
        """
        self._clean_unanswered(flights)
        with self._sessions.lend() as session:
            found: dict[int, Observation] = {}
            for attempt in range(_ATTEMPTS):
                indices = [index for index in range(len(wanted)) if index not in found]
                if not indices:
                    break
                asked = [wanted[index] for index in indices]
                places, opened = _look(session, asked, roots, flights=flights)
                contents = _read_places(session, places, opened, limit_bytes=limit_bytes, flights=flights)
                for index, place, read in zip(indices, places, contents, strict=True):
                    is_last = attempt == _ATTEMPTS - 1
                    observation = _observation(wanted[index], place, read, limit_bytes=limit_bytes, is_last=is_last)
                    if observation is not None:
                        found[index] = observation
        return [found[index] for index in range(len(wanted))]

    def replace(self, changes: Sequence[Change], *, roots: Sequence[RemotePath], flights: Flights) -> list[Changed]:
        """Write, create and remove files; all are compared before the first is changed.

        Five flights: where the paths lead; temporaries; locks and the new contents; the old contents, to be compared;
        the renames. More than 100 files are done in parts, each compared as a whole.

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
                replacement = Replacement(session, part, locks=self._locks, pending=self._pending, flights=flights)
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
            names = _read_directory(session, handle, flights=flights)
            session.post([wire.close(handle)])
            return observation, _entries(session, place.real_path, names, flights=flights)

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


def _look(
    session: SFTPSession, wanted: Sequence[Wanted], roots: Sequence[RemotePath], *, flights: Flights
) -> tuple[list[Place], dict[int, Handle]]:
    """Return where the paths lead, and handles of files that were opened on the way.

    What is held was an ordinary file at its real path, so that is opened in the same flight. Others are not opened
    before it is known what they are: opening a FIFO would stop the server.
    """
    lookup = Lookup(session, flights=flights)
    guesses = [(index, each.held.real_path) for index, each in enumerate(wanted) if each.held is not None][:HANDLES]
    lookup.guess([wire.open_file(encode_path(path), wire.READ) for _, path in guesses])
    places = lookup.resolve_within([each.path for each in wanted], roots)
    opened: dict[int, Handle] = {}
    for (index, path), reply in zip(guesses, lookup.answers, strict=False):
        if not isinstance(reply, Handle):
            continue
        if places[index].kind is Kind.FILE and places[index].real_path == path:
            opened[index] = reply
        else:
            session.post([wire.close(reply)])
    return places, opened


def _read_places(
    session: SFTPSession,
    places: Sequence[Place],
    opened: Mapping[int, Handle],
    *,
    limit_bytes: int,
    flights: Flights,
) -> list[Contents | None]:
    """Read all files among `places` that are not too large; None for the rest, and for what may not be read."""
    found: list[Contents | None] = [None] * len(places)
    readable = {index for index, place in enumerate(places) if _is_readable_size(place, limit_bytes)}
    session.post([wire.close(handle) for index, handle in opened.items() if index not in readable])
    known = [(index, opened[index], _size_of(places[index])) for index in opened if index in readable]
    _read_opened(session, known, found, flights=flights)
    others = sorted(readable - set(opened))
    for first in range(0, len(others), HANDLES):
        _read_some(session, places, others[first : first + HANDLES], found, flights=flights)
    return found


def _read_some(
    session: SFTPSession,
    places: Sequence[Place],
    indices: Sequence[int],
    found: list[Contents | None],
    *,
    flights: Flights,
) -> None:
    """Read the files `indices` of `places` into `found`, with all of them open at once."""
    requests = [wire.open_file(encode_path(places[index].real_path), wire.READ) for index in indices]
    opened: list[tuple[int, Handle, int]] = []
    for index, reply in zip(indices, session.flight(requests, flights=flights), strict=True):
        if isinstance(reply, Handle):
            opened.append((index, reply, _size_of(places[index])))
        elif not isinstance(reply, Status) or reply.code not in (Code.PERMISSION_DENIED, *MISSING):
            raise SFTPError(f'the SFTP server could not open "{places[index].real_path}": {reply}', status="open")
    _read_opened(session, opened, found, flights=flights)


def _read_opened(
    session: SFTPSession, opened: Sequence[tuple[int, Handle, int]], found: list[Contents | None], *, flights: Flights
) -> None:
    """Read open files of known sizes into their places of `found`, in one flight, and close them."""
    try:
        contents = read_files(session, [(handle, size) for _, handle, size in opened], flights=flights)
    finally:
        if session.is_usable:
            session.post([wire.close(handle) for _, handle, _ in opened])
    for (index, _, _), read in zip(opened, contents, strict=True):
        found[index] = read


def _is_readable_size(place: Place, limit_bytes: int) -> bool:
    return place.kind is Kind.FILE and _size_of(place) <= limit_bytes


def _size_of(place: Place) -> int:
    return (place.attributes.size_bytes if place.attributes is not None else None) or 0


def _observation(
    wanted: Wanted, place: Place, read: Contents | None, *, limit_bytes: int, is_last: bool
) -> Observation | None:
    """Return what was found, or None when the file changed meanwhile and must be read again."""
    attributes = place.attributes
    if place.kind is not Kind.FILE or attributes is None:
        return Observation(wanted.path, place.kind, place.real_path, _absent(place.kind), None)
    if read is None:
        is_too_large = not _is_readable_size(place, limit_bytes)
        state = present(attributes, real_path=place.real_path, contents=None)
        return Observation(
            wanted.path, place.kind, place.real_path, state, None,
            is_too_large=is_too_large, is_unreadable=not is_too_large,
        )  # fmt: skip
    if read.is_torn or stamp_of(read.before) != stamp_of(attributes):
        if not is_last:
            return None
        if not read.has_only_grown_since(attributes):
            raise refusals.keeps_changing(wanted.path)
    contents = read.data[: attributes.size_bytes]
    state = present(attributes, real_path=place.real_path, contents=contents)
    is_as_held = wanted.held is not None and wanted.held.digest == state.digest
    return Observation(
        wanted.path, place.kind, place.real_path, state, None if is_as_held else contents, is_as_held=is_as_held
    )


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


def _read_directory(session: SFTPSession, handle: Handle, *, flights: Flights) -> list[tuple[bytes, Attributes]]:
    found: list[tuple[bytes, Attributes]] = []
    while True:
        replies = session.flight([wire.on_handle(Type.READDIR, handle)] * _READDIRS, flights=flights)
        for reply in replies:
            if isinstance(reply, Names):
                found += reply.entries
            elif isinstance(reply, Status) and reply.code == Code.EOF:
                return [
                    (name, attributes) for name, attributes in found if name not in (b".", b"..") and b"/" not in name
                ]
            else:
                raise SFTPError(f"the SFTP server could not list a directory: {reply}", status="readdir")


def _entries(
    session: SFTPSession, folder: RemotePath, names: Sequence[tuple[bytes, Attributes]], *, flights: Flights
) -> list[DirectoryEntry]:
    links = [name for name, attributes in names if stat.S_ISLNK(attributes.mode or 0)]
    prefix = encode_path(folder).rstrip(b"/") + b"/"
    replies = session.flight([wire.on_path(Type.STAT, prefix + name) for name in links], flights=flights)
    to_directory = {
        name
        for name, reply in zip(links, replies, strict=True)
        if isinstance(reply, Attributes) and stat.S_ISDIR(reply.mode or 0)
    }
    is_link = set(links)
    return [
        DirectoryEntry(
            name.decode("utf-8", "surrogateescape"),
            is_directory=stat.S_ISDIR(attributes.mode or 0) or name in to_directory,
            is_link=name in is_link,
        )
        for name, attributes in names
    ]


def _absent(kind: Kind) -> Absent | None:
    return Absent() if kind in (Kind.ABSENT, Kind.ABSENT_DIRECTORY) else None


def _state(place: Place) -> Present | None:
    if place.attributes is None:
        return None
    return present(place.attributes, real_path=place.real_path, contents=None)
