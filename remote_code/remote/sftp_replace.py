"""Writing, creating and removing files over SFTP: compare, write beside, rename."""

import hashlib
import posixpath
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from remote_code.errors import RemoteCodeError, SFTPError
from remote_code.paths import RemotePath, encode_path
from remote_code.remote import refusals
from remote_code.remote import sftp_wire as wire
from remote_code.remote.leftovers import Leftover, Notes
from remote_code.remote.probe import new_token
from remote_code.remote.sftp_resolve import Lookup, Place
from remote_code.remote.sftp_session import SFTPSession
from remote_code.remote.sftp_state import Contents, contents_of, present, read_files, stamp_of, whole_file, writes
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Reply, Request, Status, Type
from remote_code.remote.state import Absent, Change, Changed, Kind, Present
from remote_code.shell.job import Flights

LOCK_NAME = b".rc-lock"
LOCK_WAIT_S = 10.0
LOCK_POLL_S = 0.05
STALE_LOCK_S = 60.0
"""A lock that has been seen unchanged for so long has lost its owner: replacing takes seconds."""
PERMISSIONS = 0o7777
_OPEN_REASONS: dict[int, str] = {
    Code.PERMISSION_DENIED: "denied",
    Code.NO_SUCH_FILE: "mkdir",
    Code.NO_SUCH_PATH: "mkdir",
}


class Locks:
    """Remembers how long the locks of others have stood. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Guards the dictionary below.
        self._seen: dict[bytes, tuple[Attributes, float]] = {}

    def is_stale(self, path: bytes, found: Attributes) -> bool:
        """Note that the lock `path` stands as `found`, and tell whether it has for `STALE_LOCK_S`."""
        now = time.monotonic()
        with self._lock:
            known = self._seen.get(path)
            if known is None or known[0] != found:
                self._seen[path] = (found, now)
                return False
            return now - known[1] > STALE_LOCK_S


class Refused(Exception):
    """An item that cannot be carried out; nothing of the job is done then."""

    def __init__(self, reason: str, change: Change | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.change = change


@dataclass(slots=True)
class _Item:
    """One change on its way."""

    index: int
    change: Change
    place: Place
    temp: bytes
    """Where the new contents are laid down."""
    old: Handle | None = None
    new: Handle | None = None
    found: Contents | None = None
    """The old contents, as compared."""
    in_place: str | None = None

    @property
    def real(self) -> bytes:
        return encode_path(self.place.real_path)

    @property
    def folder(self) -> bytes:
        return posixpath.dirname(self.real)

    @property
    def is_write(self) -> bool:
        return self.change.contents is not None


class Replacement:
    """One job of changes on one session."""

    def __init__(
        self,
        session: SFTPSession,
        changes: Sequence[Change],
        *,
        locks: Locks,
        notes: Notes | None,
        flights: Flights,
    ) -> None:
        self._session = session
        self._changes = changes
        self._locks = locks
        self._notes = notes
        self._flights = flights
        self._token = new_token()
        self._items: list[_Item] = []
        self._held: list[bytes] = []
        """Lock files that are ours now."""

    def run(self, roots: Sequence[RemotePath]) -> list[Changed]:
        """Carry out all changes, or none; see `SFTPFiles.replace`."""
        lookup = Lookup(self._session, flights=self._flights)
        places = lookup.resolve_within([change.path for change in self._changes], roots)
        try:
            self._items = [
                self._plan(index, change, place)
                for index, (change, place) in enumerate(zip(self._changes, places, strict=True))
            ]
        except Refused as exc:
            raise refusals.replace_refused(exc.reason, exc.change, done=[]) from None
        leftovers = [self._leftover(item) for item in self._items]
        if self._notes is not None:
            self._notes.add(leftovers)
        results = self._run_noted()
        if self._notes is not None:
            self._notes.remove(leftovers)
        return results

    def _run_noted(self) -> list[Changed]:
        try:
            self._make_parents()
            self._open_all()
            self._transfer()
            return self._commit()
        except Refused as exc:
            self._discard()
            raise refusals.replace_refused(exc.reason, exc.change, done=[]) from None
        except RemoteCodeError:
            if self._session.is_usable:
                self._discard()
            raise

    def _check_server(self) -> None:
        if "posix-rename@openssh.com" not in self._session.extensions:
            raise SFTPError(
                "this SFTP server cannot rename over a file (posix-rename@openssh.com), so files cannot be replaced "
                "as a whole; nothing was written",
                status="unsupported",
            )

    def _plan(self, index: int, change: Change, place: Place) -> _Item:
        is_expected_absent = isinstance(change.expected, Absent)
        reason = {
            Kind.OUTSIDE: "outside",
            Kind.NO_ACCESS: "denied",
            Kind.DIRECTORY: "kind",
            Kind.OTHER: "kind",
            Kind.LINK_CYCLE: "kind",
        }.get(place.kind)
        if reason is None and place.kind is Kind.FILE and is_expected_absent:
            reason = "exists"
        if reason is None and place.kind is not Kind.FILE and not is_expected_absent:
            reason = "gone"
        mode = place.attributes.mode if place.attributes is not None else None
        if reason is None and mode is not None and not mode & 0o222:
            reason = "readonly"
        if reason is not None:
            raise Refused(reason, change)
        if place.kind is Kind.FILE and change.contents is not None:
            self._check_server()
        folder = posixpath.dirname(encode_path(place.real_path)).rstrip(b"/")
        return _Item(index, change, place, folder + f"/.rc-{self._token}-{index + 1}".encode())

    def _leftover(self, item: _Item) -> Leftover:
        expected, contents = item.change.expected, item.change.contents
        old_digest = None if isinstance(expected, Absent) else expected.digest
        new_digest = None if contents is None else hashlib.sha256(contents).hexdigest()
        return Leftover(self._token, item.index + 1, item.change.path, item.place.real_path, old_digest, new_digest)

    def _flight(self, requests: Sequence[Request]) -> list[Reply]:
        return self._session.flight(requests, flights=self._flights)

    def _make_parents(self) -> None:
        """Make missing directories of new files; whether that worked, opening the temporaries tells."""
        missing: list[bytes] = []
        for item in self._items:
            if item.place.kind is Kind.ABSENT_DIRECTORY and item.is_write:
                parents = [item.folder]
                while len(parents[0]) > 1 and len(parents) < 256:
                    parents.insert(0, posixpath.dirname(parents[0]))
                missing += [parent for parent in parents[1:] if parent not in missing]
        self._flight([wire.make_directory(path) for path in missing])

    def _open_all(self) -> None:
        """Lock the directories and open all files, in one flight unless somebody else has a lock."""
        deadline = time.monotonic() + LOCK_WAIT_S
        is_needed = [item for item in self._items if item.is_write or item.place.kind is Kind.FILE]
        folders = sorted({item.folder for item in is_needed})
        while True:
            requests = [self._exclusive(self._lock_of(folder), 0o600) for folder in folders]
            n_locks = len(requests)
            writing = [item for item in self._items if item.is_write]
            existing = [item for item in self._items if item.place.kind is Kind.FILE]
            # Closed to others until the mode of the old file is known; a new file has the server's umask.
            modes = [0o600 if item.place.kind is Kind.FILE else 0o666 for item in writing]
            requests += [self._exclusive(item.temp, mode) for item, mode in zip(writing, modes, strict=True)]
            requests += [wire.open_file(item.real, wire.READ | wire.WRITE) for item in existing]
            replies = self._flight(requests)
            handles = [reply for reply in replies if isinstance(reply, Handle)]
            for folder, reply in zip(folders, replies, strict=False):
                if isinstance(reply, Handle):
                    self._held.append(self._lock_of(folder))
            for item, reply in zip(writing, replies[n_locks:], strict=False):
                item.new = reply if isinstance(reply, Handle) else None
            for item, reply in zip(existing, replies[n_locks + len(writing) :], strict=True):
                item.old = reply if isinstance(reply, Handle) else None
            refused = self._refused_opens(writing, existing, replies[n_locks:])
            for folder, reply in zip(folders, replies, strict=False):
                if isinstance(reply, Status) and reply.code == Code.PERMISSION_DENIED:
                    refused = refused or Refused("denied", next(i.change for i in is_needed if i.folder == folder))
            if refused is not None:
                raise refused
            if len(self._held) == n_locks:
                self._flight_locks(handles[:n_locks])
                return
            self._give_back(folders, deadline)

    def _flight_locks(self, handles: Sequence[Handle]) -> None:
        """Write into the locks whose they are, for the cleaning after a cut."""
        for handle in handles:
            self._session.post([wire.write(handle, 0, self._token.encode()), wire.close(handle)])

    def _give_back(self, folders: Sequence[bytes], deadline: float) -> None:
        """Undo the opens while another engine holds a lock; wait a moment, and take away what nobody holds."""
        wanted = [self._lock_of(folder) for folder in folders if self._lock_of(folder) not in self._held]
        self._discard()
        if time.monotonic() > deadline:
            raise Refused("busy", None)
        looks = self._flight([wire.on_path(Type.LSTAT, path) for path in wanted])
        stale = [
            path
            for path, look in zip(wanted, looks, strict=True)
            if isinstance(look, Attributes) and self._locks.is_stale(path, look)
        ]
        self._flight([wire.on_path(Type.REMOVE, path) for path in stale])
        if not stale:
            time.sleep(LOCK_POLL_S)

    def _refused_opens(
        self, writing: Sequence[_Item], existing: Sequence[_Item], replies: Sequence[Reply]
    ) -> Refused | None:
        """Tell what an open was refused for; a busy file is opened once more, for reading alone."""
        for item, reply in zip(writing, replies, strict=False):
            if isinstance(reply, Status):
                return Refused(_OPEN_REASONS.get(reply.code, "space"), item.change)
        for item, reply in zip(existing, replies[len(writing) :], strict=True):
            if not isinstance(reply, Status):
                continue
            if reply.code in (Code.NO_SUCH_FILE, Code.NO_SUCH_PATH):
                return Refused("gone", item.change)
            if reply.code in (Code.PERMISSION_DENIED, Code.WRITE_PROTECTED):
                return Refused("readonly", item.change)
            # A program that runs (ETXTBSY): it cannot be opened for writing, yet it can be replaced.
            (again,) = self._flight([wire.open_file(item.real, wire.READ)])
            if not isinstance(again, Handle):
                return Refused("denied", item.change)
            item.old = again
        return None

    def _transfer(self) -> None:
        """Read the old contents and write the new ones beside them, in one flight; then compare."""
        parts: list[tuple[_Item, str, list[Request]]] = []
        for item in self._items:
            if item.old is not None and item.place.attributes is not None:
                parts.append((item, "old", whole_file(item.old, item.place.attributes.size_bytes or 0)))
            if item.new is not None and item.change.contents is not None:
                parts.append((item, "new", self._write_requests(item, item.new, item.change.contents)))
        replies = self._flight([request for _, _, requests in parts for request in requests])
        at = 0
        for item, what, requests in parts:
            own = replies[at : at + len(requests)]
            at += len(requests)
            if what == "old":
                item.found = contents_of(own)
                self._compare(item)
            else:
                self._check_written(item, own)

    def _write_requests(self, item: _Item, handle: Handle, contents: bytes) -> list[Request]:
        requests = writes(handle, contents)
        attributes = item.place.attributes
        if attributes is not None:
            # The owner first: changing it takes set-uid bits away.
            requests.append(wire.set_attributes(handle, Attributes(uid=attributes.uid, gid=attributes.gid)))
            mode = (attributes.mode or 0) & PERMISSIONS
            requests.append(wire.set_attributes(handle, Attributes(mode=mode)))
        elif item.change.mode is not None:
            requests.append(wire.set_attributes(handle, Attributes(mode=item.change.mode & PERMISSIONS)))
        return [*requests, wire.on_handle(Type.FSTAT, handle)]

    def _compare(self, item: _Item) -> None:
        expected, found = item.change.expected, item.found
        assert isinstance(expected, Present)
        assert found is not None
        if found.is_torn:
            raise Refused("changed", item.change)
        if expected.digest is None:
            is_same = stamp_of(found.before) == expected.stamp
        else:
            is_same = hashlib.sha256(found.data).hexdigest() == expected.digest
        if not is_same:
            raise Refused("changed", item.change)

    def _check_written(self, item: _Item, replies: Sequence[Reply]) -> None:
        contents, written = item.change.contents or b"", replies[-1]
        n_writes = len(writes(Handle(b""), contents))
        if any(not isinstance(reply, Status) or reply.code != Code.OK for reply in replies[:n_writes]):
            raise Refused("space", item.change)
        if not isinstance(written, Attributes) or written.size_bytes != len(contents):
            raise Refused("payload", item.change)
        attributes = item.place.attributes
        if attributes is None:
            return
        if (written.uid, written.gid) != (attributes.uid, attributes.gid):
            item.in_place = "owner"
        elif written.mode != attributes.mode:
            item.in_place = "mode"

    def _commit(self) -> list[Changed]:
        """Give the new contents their names, all in one flight but for those that are written in place."""
        for item in self._items:
            if item.in_place is not None:
                self._overwrite(item)
        # Removals last, so that a file under way to a new name has one at every moment.
        order = sorted(self._items, key=lambda item: not item.is_write)
        parts = [(item, self._commit_requests(item)) for item in order]
        unlock = [wire.on_path(Type.REMOVE, path) for path in self._held]
        replies = self._flight([*(request for _, requests in parts for request in requests), *unlock])
        self._held = []
        changed: dict[int, Changed] = {}
        at, refused = 0, None
        for item, requests in parts:
            own = replies[at : at + len(requests)]
            at += len(requests)
            first = own[0]
            try:
                if isinstance(first, Status) and first.code != Code.OK:
                    own = self._commit_otherwise(item, first)
                changed[item.index] = self._changed(item, own)
            except Refused as exc:
                refused = refused or exc
        done = [item.change.path for item in order if item.index in changed]
        if refused is not None:
            self._discard(done=set(changed))
            raise refusals.replace_refused(refused.reason, refused.change, done=done)
        self._session.post(
            [wire.close(handle) for item in self._items for handle in (item.old, item.new) if handle is not None]
        )
        return [changed[index] for index in range(len(self._items))]

    def _commit_otherwise(self, item: _Item, status: Status) -> list[Reply]:
        """Write in place what no rename can replace, such as a file that is a mount point; return the last look."""
        if item.old is None:
            raise Refused("exists", item.change)
        if not item.is_write or status.code == Code.PERMISSION_DENIED:
            raise Refused("denied", item.change)
        item.in_place = "mount"
        self._overwrite(item)
        return self._flight(self._commit_requests(item))

    def _commit_requests(self, item: _Item) -> list[Request]:
        look = wire.on_path(Type.LSTAT, item.real)
        if not item.is_write:
            requests = [wire.on_path(Type.REMOVE, item.real) if item.old is not None else look]
        elif item.in_place is not None:
            requests = [look, look]
        elif item.old is not None:
            requests = [wire.posix_rename(item.temp, item.real), look]
        else:
            # Fails when something has the name by now.
            requests = [wire.rename(item.temp, item.real), look]
        if item.old is not None:
            requests.append(wire.on_handle(Type.FSTAT, item.old))
        return requests

    def _changed(self, item: _Item, replies: Sequence[Reply]) -> Changed:
        late = None
        if item.old is not None and item.found is not None and item.in_place is None:
            look, before = replies[-1], item.found.after
            if isinstance(look, Attributes) and (look.size_bytes, look.mtime_s) != (before.size_bytes, before.mtime_s):
                (read,) = read_files(self._session, [(item.old, look.size_bytes or 0)], flights=self._flights)
                late = read.data if read.data != item.found.data else None
        if not item.is_write:
            return Changed(item.change.path, Absent(), None, late)
        look = replies[1]
        if not isinstance(look, Attributes):
            return Changed(item.change.path, Absent(), item.in_place, late)
        state = present(look, real_path=item.place.real_path, contents=item.change.contents)
        return Changed(item.change.path, state, item.in_place, late)

    def _overwrite(self, item: _Item) -> None:
        """Write the target in place, with complete copies of the old and the new contents beside it."""
        assert item.old is not None
        assert item.found is not None
        new, old = item.change.contents or b"", item.found.data
        copy = item.temp + b".old"
        (handle,) = self._flight([self._exclusive(copy, 0o600)])
        if not isinstance(handle, Handle):
            raise Refused("space", item.change)
        replies = self._flight([*writes(handle, old), wire.on_handle(Type.FSTAT, handle)])
        self._session.post([wire.close(handle)])
        if not isinstance(replies[-1], Attributes) or replies[-1].size_bytes != len(old):
            self._flight([wire.on_path(Type.REMOVE, copy)])
            raise Refused("space", item.change)
        if self._write_over(item.old, new):
            self._flight([wire.on_path(Type.REMOVE, copy), wire.on_path(Type.REMOVE, item.temp)])
            return
        if self._write_over(item.old, old):
            self._flight([wire.on_path(Type.REMOVE, copy)])
            raise Refused("space", item.change)
        item.temp = b""  # Both copies stay: they are all that is whole.
        raise Refused("broken", item.change)

    def _write_over(self, handle: Handle, contents: bytes) -> bool:
        size = wire.set_attributes(handle, Attributes(size_bytes=len(contents)))
        replies = self._flight([*writes(handle, contents), size, *whole_file(handle, len(contents))])
        read = contents_of(replies[len(writes(handle, contents)) + 1 :])
        return read.data == contents

    def _discard(self, *, done: set[int] | None = None) -> None:
        """Close and remove what this job has opened and made; its locks go last."""
        requests: list[Request] = []
        for item in self._items:
            requests += [wire.close(handle) for handle in (item.old, item.new) if handle is not None]
            is_renamed = done is not None and item.index in done and item.in_place is None
            if item.new is not None and item.temp and not is_renamed:
                requests.append(wire.on_path(Type.REMOVE, item.temp))
            item.old = item.new = None
        requests += [wire.on_path(Type.REMOVE, path) for path in self._held]
        self._held = []
        self._flight(requests)

    def _lock_of(self, folder: bytes) -> bytes:
        return folder.rstrip(b"/") + b"/" + LOCK_NAME

    def _exclusive(self, path: bytes, mode: int) -> Request:
        return wire.open_file(path, wire.READ | wire.WRITE | wire.CREATE | wire.EXCLUSIVE, mode=mode)
