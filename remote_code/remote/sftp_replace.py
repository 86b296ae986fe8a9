"""Writing, creating and removing files over SFTP: compare, write beside, rename."""

import hashlib
import posixpath
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from remote_code.errors import RemoteCodeError, SFTPError
from remote_code.paths import RemotePath, encode_path
from remote_code.remote import refusals
from remote_code.remote import sftp_wire as wire
from remote_code.remote.leftovers import Leftover, Pending
from remote_code.remote.probe import new_token
from remote_code.remote.sftp_locks import Lock, Locks
from remote_code.remote.sftp_resolve import Lookup, Place
from remote_code.remote.sftp_session import SFTPSession
from remote_code.remote.sftp_state import Contents, contents_of, present, read_files, stamp_of, whole_file, writes
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Reply, Request, Status, Type
from remote_code.remote.state import Absent, Change, Changed, Kind, Present
from remote_code.shell.job import Flights

LOCK_WAIT_S = 10.0
LOCK_POLL_S = 0.05
PERMISSIONS = 0o7777
_OPEN_REASONS: dict[int, str] = {
    Code.PERMISSION_DENIED: "denied",
    Code.NO_SUCH_FILE: "mkdir",
    Code.NO_SUCH_PATH: "mkdir",
}


class Refused(Exception):
    """An item that cannot be carried out; nothing of the job is done then."""

    def __init__(self, reason: str, change: Change | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.change = change


class _NothingLeft(Exception):
    """Carries an error after which all that was made has been removed."""

    def __init__(self, error: RemoteCodeError) -> None:
        super().__init__(str(error))
        self.error = error


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
        pending: Pending,
        flights: Flights,
    ) -> None:
        self._session = session
        self._changes = changes
        self._locks = locks
        self._pending = pending
        self._flights = flights
        self._token = new_token()
        self._items: list[_Item] = []
        self._locks_to_take: list[Lock] = []

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
        refused = None
        with self._pending.noted(leftovers):
            try:
                return self._run_noted()
            except _NothingLeft as exc:
                refused = exc.error
        raise refused

    def _run_noted(self) -> list[Changed]:
        try:
            self._make_parents()
            self._open_temps()
            self._lock_and_send()
            self._compare_all()
            return self._commit()
        except Refused as exc:
            self._discard()
            error = refusals.replace_refused(exc.reason, exc.change, done=[])
            if exc.reason == "broken":
                raise error from None
            raise _NothingLeft(error) from None
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

    def _open_temps(self) -> None:
        """Make the temporaries and the files that shall become locks; nobody else sees them by name."""
        folders = sorted({item.folder for item in self._items if item.is_write or item.place.kind is Kind.FILE})
        self._locks_to_take = [Lock(folder, self._token) for folder in folders]
        writing = [item for item in self._items if item.is_write]
        # Closed to others until the mode of the old file is known; a new file has the server's umask.
        modes = [0o600 if item.place.kind is Kind.FILE else 0o666 for item in writing]
        requests = [_exclusive(lock.temp, 0o600) for lock in self._locks_to_take]
        requests += [_exclusive(item.temp, mode) for item, mode in zip(writing, modes, strict=True)]
        replies = self._flight(requests)
        n_locks = len(self._locks_to_take)
        for lock, reply in zip(self._locks_to_take, replies, strict=False):
            lock.handle = reply if isinstance(reply, Handle) else None
        for item, reply in zip(writing, replies[n_locks:], strict=True):
            item.new = reply if isinstance(reply, Handle) else None
        for item, reply in zip(writing, replies[n_locks:], strict=True):
            if isinstance(reply, Status):
                raise Refused(_OPEN_REASONS.get(reply.code, "space"), item.change)
        for lock, reply in zip(self._locks_to_take, replies, strict=False):
            if isinstance(reply, Status):
                first = next(item for item in self._items if item.folder == lock.folder)
                raise Refused(_OPEN_REASONS.get(reply.code, "space"), first.change)

    def _lock_and_send(self) -> None:
        """Take all locks, open the old files behind them, and send the new contents, in one flight.

        Only what is opened after its lock was taken is sure to be what other engines of ours have left.
        """
        deadline = time.monotonic() + LOCK_WAIT_S
        writing = [item for item in self._items if item.new is not None]
        sends = [self._write_requests(item) for item in writing]
        sent: list[Reply] | None = None
        while True:
            locks = [request for lock in self._locks_to_take for request in lock.take(self._token)]
            existing = [item for item in self._items if item.place.kind is Kind.FILE]
            opens = [wire.open_file(item.real, wire.READ | wire.WRITE) for item in existing]
            payload = [request for requests in sends for request in requests] if sent is None else []
            replies = self._flight([*locks, *opens, *payload])
            sent = replies[len(locks) + len(opens) :] if sent is None else sent
            opened = replies[len(locks) : len(locks) + len(opens)]
            for item, reply in zip(existing, opened, strict=True):
                item.old = reply if isinstance(reply, Handle) else None
            if self._note_locks(replies[: len(locks)]):
                break
            self._step_back(deadline)
        self._check_opened(existing, opened)
        at = 0
        for item, requests in zip(writing, sends, strict=True):
            self._check_written(item, sent[at : at + len(requests)])
            at += len(requests)

    def _note_locks(self, replies: Sequence[Reply]) -> bool:
        """Note which locks are ours now; whether all are."""
        at = 0
        for lock in self._locks_to_take:
            at += len(lock.take(self._token))
            reply = replies[at - 1]
            lock.handle = None
            lock.is_ours = isinstance(reply, Status) and reply.code == Code.OK
        return all(lock.is_ours for lock in self._locks_to_take)

    def _step_back(self, deadline: float) -> None:
        """Give back what we have while another engine holds a lock; wait a moment, take away what nobody holds."""
        closes = [wire.close(item.old) for item in self._items if item.old is not None]
        taken = [lock for lock in self._locks_to_take if lock.is_ours]
        others = [lock for lock in self._locks_to_take if not lock.is_ours]
        for item in self._items:
            item.old = None
        self._flight([*closes, *(wire.rename(lock.path, lock.temp) for lock in taken)])
        for lock in taken:
            lock.is_ours = False
        if time.monotonic() > deadline:
            raise Refused("busy", None)
        looks = self._flight([wire.on_path(Type.LSTAT, lock.path) for lock in others])
        stale = [
            lock.path
            for lock, look in zip(others, looks, strict=True)
            if isinstance(look, Attributes) and self._locks.is_stale(lock.path, look)
        ]
        self._flight([wire.on_path(Type.REMOVE, path) for path in stale])
        if not stale:
            # Of random length, or two engines that want the same two locks would meet again and again.
            time.sleep(LOCK_POLL_S * (0.5 + random.random()))

    def _check_opened(self, existing: Sequence[_Item], replies: Sequence[Reply]) -> None:
        """Refuse what could not be opened; a file that is busy is opened once more, for reading alone."""
        for item, reply in zip(existing, replies, strict=True):
            if not isinstance(reply, Status):
                continue
            if reply.code in (Code.NO_SUCH_FILE, Code.NO_SUCH_PATH):
                raise Refused("gone", item.change)
            if reply.code in (Code.PERMISSION_DENIED, Code.WRITE_PROTECTED):
                raise Refused("readonly", item.change)
            # A program that runs (ETXTBSY): it cannot be opened for writing, yet it can be replaced.
            (again,) = self._flight([wire.open_file(item.real, wire.READ)])
            if not isinstance(again, Handle):
                raise Refused("denied", item.change)
            item.old = again

    def _compare_all(self) -> None:
        """Read the old contents, in one flight, and compare them."""
        existing = [item for item in self._items if item.old is not None]
        parts = [
            whole_file(item.old, item.place.attributes.size_bytes or 0)
            for item in existing
            if item.old is not None and item.place.attributes is not None
        ]
        replies = self._flight([request for requests in parts for request in requests])
        at = 0
        for item, requests in zip(existing, parts, strict=True):
            item.found = contents_of(replies[at : at + len(requests)])
            at += len(requests)
            self._compare(item)

    def _write_requests(self, item: _Item) -> list[Request]:
        handle = item.new
        assert handle is not None
        requests = writes(handle, item.change.contents or b"")
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
        unlock = [wire.on_path(Type.REMOVE, lock.path) for lock in self._locks_to_take]
        replies = self._flight([*(request for _, requests in parts for request in requests), *unlock])
        self._locks_to_take = []
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
        (handle,) = self._flight([_exclusive(copy, 0o600)])
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
        for lock in self._locks_to_take:
            requests += [wire.close(lock.handle)] if lock.handle is not None else []
            requests.append(wire.on_path(Type.REMOVE, lock.path if lock.is_ours else lock.temp))
        self._locks_to_take = []
        self._flight(requests)


def _exclusive(path: bytes, mode: int) -> Request:
    return wire.open_file(path, wire.READ | wire.WRITE | wire.CREATE | wire.EXCLUSIVE, mode=mode)
