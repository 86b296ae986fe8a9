"""Where paths really lead, found out over SFTP by looking at each part: REALPATH differs between servers."""

import posixpath
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from remote_code.errors import SFTPError
from remote_code.paths import RemotePath, decode_path, encode_path, is_within
from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_memory import KnownPlaces
from remote_code.remote.sftp_session import SFTPSession
from remote_code.remote.sftp_wire import Attributes, Code, Names, Reply, Request, Status, Type
from remote_code.remote.state import Kind
from remote_code.shell.job import Flights

_MAX_LINKS = 40
MISSING = (Code.NO_SUCH_FILE, Code.NO_SUCH_PATH)


@dataclass(frozen=True, slots=True)
class Place:
    """What a path leads to."""

    path: RemotePath
    """As asked."""
    kind: Kind
    real_path: RemotePath
    """For an absent file where a write would create it."""
    attributes: Attributes | None
    """Of the file or directory, when there is one."""


class Lookup:
    """Resolves paths in as few flights as their links allow: one when there is none."""

    def __init__(self, session: SFTPSession, *, flights: Flights, known: KnownPlaces | None = None) -> None:
        self._session = session
        self._flights = flights
        self._known = known
        self._found: dict[str, Attributes | Status] = {"/": Attributes(mode=stat.S_IFDIR)}
        self._links: dict[str, str] = {}
        self._guesses: list[Request] = []
        self.answers: list[Reply] = []
        """The replies to the guesses, once there was a flight."""

    def guess(self, requests: Sequence[Request]) -> None:
        """Have `requests` travel in the first flight, before its looks; `answers` holds their replies after it."""
        self._guesses = list(requests)

    def resolve(self, paths: Sequence[RemotePath]) -> list[Place]:
        """Return what each path leads to, and whether it may be entered is not asked."""
        while True:
            needs: dict[str, Type] = {}
            places = [self._walk(path, needs) for path in paths]
            if not needs and not self._guesses:
                return [place for place in places if place is not None]
            self._ask(needs)

    def resolve_within(self, paths: Sequence[RemotePath], roots: Sequence[RemotePath]) -> list[Place]:
        """Return what each path leads to; of kind OUTSIDE and without attributes where that is in none of `roots`."""
        places = self.resolve([*paths, *roots])
        if self._known is not None:
            kinds = (Kind.FILE, Kind.ABSENT, Kind.DIRECTORY)
            self._known.note((place.path, place.real_path if place.kind in kinds else None) for place in places)
        real_roots = [place.real_path for place in places[len(paths) :]]
        return [
            place
            if any(is_within(place.real_path, root) for root in real_roots) and "/../" not in f"{place.real_path}/"
            else Place(place.path, Kind.OUTSIDE, place.real_path, None)
            for place in places[: len(paths)]
        ]

    def _ask(self, needs: dict[str, Type]) -> None:
        requests = [wire.on_path(kind, encode_path(path)) for path, kind in needs.items()]
        guesses, self._guesses = self._guesses, []
        replies = self._session.flight([*guesses, *requests], flights=self._flights)
        if guesses:
            self.answers, replies = replies[: len(guesses)], replies[len(guesses) :]
        for (path, kind), reply in zip(needs.items(), replies, strict=True):
            match reply:
                case Names([(target, _)]) if kind is Type.READLINK:
                    self._links[path] = decode_path(target)
                case Attributes() | Status() if kind is Type.LSTAT:
                    self._found[path] = reply
                case Status():
                    self._found[path] = Status(Code.NO_SUCH_FILE)  # The link is gone.
                case _:
                    raise SFTPError("the SFTP server gave an answer of another kind", status="protocol", path=path)

    def _walk(self, path: RemotePath, needs: dict[str, Type]) -> Place | None:
        """Follow `path` as far as is known; note what must be asked, and return None then."""
        at, parts, n_links = "/", _parts(path), 0
        while parts:
            part, parts = parts[0], parts[1:]
            if part == "..":
                at = posixpath.dirname(at)
                continue
            here = posixpath.join(at, part)
            found = self._found.get(here)
            if found is None:
                # All further parts at once: most paths hold no link.
                self._need(here, parts, needs)
                return None
            rest = "/".join(["", *parts])
            if isinstance(found, Status):
                return Place(path, _kind_of(found, is_last=not parts), RemotePath(here + rest), None)
            if stat.S_ISLNK(found.mode or 0):
                n_links += 1
                if n_links > _MAX_LINKS:
                    return Place(path, Kind.LINK_CYCLE, RemotePath(here), None)
                target = self._links.get(here)
                if target is None:
                    needs[here] = Type.READLINK
                    return None
                at = "/" if target.startswith("/") else at
                parts = [*_parts(target), *parts]
                continue
            if parts and not stat.S_ISDIR(found.mode or 0):
                return Place(path, Kind.ABSENT_DIRECTORY, RemotePath(here + rest), None)
            at = here
        return self._arrived(path, at)

    def _need(self, here: str, parts: Sequence[str], needs: dict[str, Type]) -> None:
        needs[here] = Type.LSTAT
        for part in parts:
            here = posixpath.join(here, part)
            if part == ".." or here in self._found:
                return
            needs[here] = Type.LSTAT

    def _arrived(self, path: RemotePath, at: str) -> Place | None:
        found = self._found[at]
        assert isinstance(found, Attributes)
        mode = found.mode or 0
        kind = Kind.FILE if stat.S_ISREG(mode) else Kind.DIRECTORY if stat.S_ISDIR(mode) else Kind.OTHER
        return Place(path, kind, RemotePath(at), found)


def _kind_of(status: Status, *, is_last: bool) -> Kind:
    if status.code in MISSING:
        return Kind.ABSENT if is_last else Kind.ABSENT_DIRECTORY
    return Kind.NO_ACCESS


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
