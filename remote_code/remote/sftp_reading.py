"""Whole files over SFTP: what they are and hold, many at once.

Two flights for files that are held, three for others: SFTP has no "open, if it is an ordinary file", and opening a FIFO
would stop the server, opening a device might do anything. So what was never looked at is looked at before it is opened.
"""

from collections.abc import Mapping, Sequence

from remote_code.errors import SFTPError
from remote_code.paths import RemotePath, encode_path
from remote_code.remote import refusals
from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_memory import ServerMemory
from remote_code.remote.sftp_resolve import MISSING, Lookup, Place
from remote_code.remote.sftp_session import SFTPSession
from remote_code.remote.sftp_state import Contents, Opened, present, read_files, stamp_of
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Status
from remote_code.remote.state import Absent, Kind, Observation, Wanted
from remote_code.shell.job import Flights

HANDLES = 100
"""How many files are open at once: OpenSSH's server has 1,024 descriptors, others fewer."""
_ATTEMPTS = 10
"""How often a file is read again that changed while it was read."""


class Reading:
    """One observation of many paths on one session."""

    def __init__(self, session: SFTPSession, *, memory: ServerMemory, flights: Flights, limit_bytes: int) -> None:
        self._session = session
        self._memory = memory
        self._flights = flights
        self._limit_bytes = limit_bytes

    def observe(self, wanted: Sequence[Wanted], roots: Sequence[RemotePath]) -> list[Observation]:
        """Return what each path is now; see `SFTPFiles.observe`."""
        found: dict[int, Observation] = {}
        torn: dict[int, Contents] = {}
        for attempt in range(_ATTEMPTS):
            indices = [index for index in range(len(wanted)) if index not in found]
            places, opened = self._look([wanted[index] for index in indices], roots)
            contents = self._read(places, opened)
            for index, place, read in zip(indices, places, contents, strict=True):
                data = None if read is None else read.data
                if read is not None and place.attributes is not None and _is_torn(place.attributes, read):
                    earlier, torn[index] = torn.get(index), read
                    data = read.grown_since(earlier, place.attributes) if attempt == _ATTEMPTS - 1 else None
                    if data is None:
                        continue
                found[index] = self._observation(wanted[index], place, data)
            if len(found) == len(wanted):
                return [found[index] for index in range(len(wanted))]
        raise refusals.keeps_changing(next(each.path for index, each in enumerate(wanted) if index not in found))

    def _look(self, wanted: Sequence[Wanted], roots: Sequence[RemotePath]) -> tuple[list[Place], dict[int, Handle]]:
        """Return where the paths lead, and handles of files that were opened on the way.

        What is held was an ordinary file at its real path, so that is opened in the same flight.
        """
        lookup = Lookup(self._session, flights=self._flights, known=self._memory.places)
        guesses = [(index, each.held.real_path) for index, each in enumerate(wanted) if each.held is not None][:HANDLES]
        lookup.guess([wire.open_file(encode_path(path), wire.READ) for _, path in guesses])
        places = lookup.resolve_within([each.path for each in wanted], roots)
        opened: dict[int, Handle] = {}
        for (index, path), reply in zip(guesses, lookup.answers, strict=True):
            if not isinstance(reply, Handle):
                continue
            if places[index].kind is Kind.FILE and places[index].real_path == path:
                opened[index] = reply
            else:
                self._session.post([wire.close(reply)])
        return places, opened

    def _read(self, places: Sequence[Place], opened: Mapping[int, Handle]) -> list[Contents | None]:
        """Read all files among `places` that are not too large; None for the rest, and for what may not be read."""
        found: list[Contents | None] = [None] * len(places)
        readable = {index for index, place in enumerate(places) if self._is_readable(place)}
        self._session.post([wire.close(handle) for index, handle in opened.items() if index not in readable])
        self._read_opened(places, {index: opened[index] for index in opened if index in readable}, found)
        others = sorted(readable - set(opened))
        for first in range(0, len(others), HANDLES):
            self._open_and_read(places, others[first : first + HANDLES], found)
        return found

    def _open_and_read(self, places: Sequence[Place], indices: Sequence[int], found: list[Contents | None]) -> None:
        """Read the files `indices` of `places` into `found`, with all of them open at once."""
        requests = [wire.open_file(encode_path(places[index].real_path), wire.READ) for index in indices]
        opened: dict[int, Handle] = {}
        for index, reply in zip(indices, self._session.flight(requests, flights=self._flights), strict=True):
            if isinstance(reply, Handle):
                opened[index] = reply
            elif not isinstance(reply, Status) or reply.code not in (Code.PERMISSION_DENIED, *MISSING):
                raise SFTPError(f'the SFTP server could not open "{places[index].real_path}": {reply}', status="open")
        self._read_opened(places, opened, found)

    def _read_opened(self, places: Sequence[Place], opened: Mapping[int, Handle], found: list[Contents | None]) -> None:
        """Read open files into their places of `found`, in one flight, and close them."""
        files = [
            Opened(handle, _size_of(places[index]), self._memory.clock.is_young(places[index].attributes))
            for index, handle in opened.items()
        ]
        try:
            contents = read_files(self._session, files, flights=self._flights)
        finally:
            if self._session.is_usable:
                self._session.post([wire.close(handle) for handle in opened.values()])
        for index, read in zip(opened, contents, strict=True):
            found[index] = read

    def _is_readable(self, place: Place) -> bool:
        return place.kind is Kind.FILE and _size_of(place) <= self._limit_bytes

    def _observation(self, wanted: Wanted, place: Place, contents: bytes | None) -> Observation:
        attributes = place.attributes
        if place.kind is not Kind.FILE or attributes is None:
            absent = Absent() if place.kind in (Kind.ABSENT, Kind.ABSENT_DIRECTORY) else None
            return Observation(wanted.path, place.kind, place.real_path, absent, None)
        if contents is None:
            is_too_large = not self._is_readable(place)
            return Observation(
                path=wanted.path,
                kind=place.kind,
                real_path=place.real_path,
                state=present(attributes, real_path=place.real_path, contents=None),
                contents=None,
                is_too_large=is_too_large,
                is_unreadable=not is_too_large,
            )
        state = present(attributes, real_path=place.real_path, contents=contents)
        is_as_held = wanted.held is not None and wanted.held.digest == state.digest
        return Observation(
            path=wanted.path,
            kind=place.kind,
            real_path=place.real_path,
            state=state,
            contents=None if is_as_held else contents,
            is_as_held=is_as_held,
        )


def _is_torn(look: Attributes, read: Contents) -> bool:
    """Tell whether the file changed between the look and the end of the reading."""
    return read.is_torn or stamp_of(read.before) != stamp_of(look)


def _size_of(place: Place) -> int:
    return (place.attributes.size_bytes if place.attributes is not None else None) or 0
