"""Writing, creating and removing files over SFTP: compare, write beside, rename.

Three flights where it is known where the paths lead: lock, open and look; send the new contents and read the old ones;
rename and unlock.
"""

import posixpath
from collections.abc import Sequence

from remote_code.errors import RemoteCodeError, SFTPError
from remote_code.paths import RemotePath, encode_path, is_within
from remote_code.remote import refusals
from remote_code.remote import sftp_wire as wire
from remote_code.remote.leftovers import Pending
from remote_code.remote.probe import new_token
from remote_code.remote.sftp_item import Item, Refused
from remote_code.remote.sftp_locks import FolderLocks
from remote_code.remote.sftp_memory import ServerMemory
from remote_code.remote.sftp_overwrite import overwrite
from remote_code.remote.sftp_resolve import Lookup, Place
from remote_code.remote.sftp_session import SFTPSession
from remote_code.remote.sftp_state import Opened, present, read_files
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Reply, Request, Status
from remote_code.remote.state import Absent, Change, Changed, Kind, Present
from remote_code.shell.job import Flights

_POSIX_RENAME = "posix-rename@openssh.com"
_OPEN_REASONS: dict[int, str] = {
    Code.PERMISSION_DENIED: "denied",
    Code.NO_SUCH_FILE: "mkdir",
    Code.NO_SUCH_PATH: "mkdir",
}
_KIND_REASONS = {
    Kind.OUTSIDE: "outside",
    Kind.NO_ACCESS: "denied",
    Kind.DIRECTORY: "kind",
    Kind.OTHER: "kind",
    Kind.LINK_CYCLE: "kind",
}


class _NothingLeft(Exception):
    """Carries an error after which all that was made has been removed."""

    def __init__(self, error: RemoteCodeError) -> None:
        super().__init__(str(error))
        self.error = error


class _Elsewhere(Exception):
    """A path leads to another place than was known; nothing has been changed there or here."""

    def __init__(self, reason: str, change: Change) -> None:
        super().__init__(reason)
        self.reason = reason
        self.change = change


class Replacement:
    """One job of changes on one session."""

    def __init__(
        self,
        session: SFTPSession,
        changes: Sequence[Change],
        *,
        memory: ServerMemory,
        pending: Pending,
        flights: Flights,
    ) -> None:
        self._session = session
        self._changes = changes
        self._memory = memory
        self._pending = pending
        self._flights = flights
        self._items: list[Item] = []
        self._locks = FolderLocks([], token="", stale=memory.locks, can_replace=True)

    def run(self, roots: Sequence[RemotePath]) -> list[Changed]:
        """Carry out all changes, or none; see `SFTPFiles.replace`."""
        targets = self._known_targets(roots)
        if targets is not None:
            changed = self._attempt(targets, roots)
            if not isinstance(changed, _Elsewhere):
                return changed
        lookup = Lookup(self._session, flights=self._flights, known=self._memory.places)
        places = lookup.resolve_within([change.path for change in self._changes], roots)
        try:
            for change, place in zip(self._changes, places, strict=True):
                self._check_place(change, place)
        except Refused as exc:
            raise refusals.replace_refused(exc.reason, exc.change, done=[]) from None
        self._make_parents(places)
        changed = self._attempt([place.real_path for place in places], roots)
        if isinstance(changed, _Elsewhere):
            raise refusals.replace_refused(changed.reason, changed.change, done=[])
        return changed

    def _known_targets(self, roots: Sequence[RemotePath]) -> list[RemotePath] | None:
        """Return where the paths led at the last look; None unless all were within the roots then.

        A lock and an empty temporary may so be made, and removed again, where a file was when it was looked at; nothing
        else is done before the look of the same flight has said the same.
        """
        real_roots = [root for each in roots if (root := self._memory.places.real_path(each)) is not None]
        targets = []
        for change in self._changes:
            target = self._memory.places.real_path(change.path)
            if target is None and isinstance(change.expected, Present):
                target = change.expected.real_path
            if target is None or "/../" in f"{target}/" or not any(is_within(target, root) for root in real_roots):
                return None
            targets.append(target)
        return targets

    def _attempt(self, targets: Sequence[RemotePath], roots: Sequence[RemotePath]) -> list[Changed] | _Elsewhere:
        """Carry out the changes at `targets`, or change nothing when one of the paths leads elsewhere."""
        token = new_token()
        self._items = [
            Item(index, change, target, token)
            for index, (change, target) in enumerate(zip(self._changes, targets, strict=True))
        ]
        folders = [item.folder for item in self._items if item.is_write or item.is_there]
        can_replace = _POSIX_RENAME in self._session.extensions
        self._locks = FolderLocks(folders, token=token, stale=self._memory.locks, can_replace=can_replace)
        with self._pending.noted([item.leftover() for item in self._items]):
            try:
                return self._run_noted(roots)
            except _Elsewhere as exc:
                self._discard()
                return exc
            except _NothingLeft as exc:
                refused = exc.error
        raise refused

    def _run_noted(self, roots: Sequence[RemotePath]) -> list[Changed]:
        try:
            self._lock_and_open(roots)
            self._send_and_compare()
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

    def _check_place(self, change: Change, place: Place) -> None:
        is_expected_absent = isinstance(change.expected, Absent)
        reason = _KIND_REASONS.get(place.kind)
        if reason is None and place.kind is Kind.FILE and is_expected_absent:
            reason = "exists"
        if reason is None and place.kind is not Kind.FILE and not is_expected_absent:
            reason = "gone"
        mode = place.attributes.mode if place.attributes is not None else None
        if reason is None and mode is not None and not mode & 0o222:
            reason = "readonly"
        if reason is not None:
            raise Refused(reason, change)
        if place.kind is Kind.FILE and change.contents is not None and _POSIX_RENAME not in self._session.extensions:
            raise SFTPError(
                f"this SFTP server cannot rename over a file ({_POSIX_RENAME}), so files cannot be replaced "
                "as a whole; nothing was written",
                status="unsupported",
            )

    def _flight(self, requests: Sequence[Request]) -> list[Reply]:
        return self._session.flight(requests, flights=self._flights)

    def _make_parents(self, places: Sequence[Place]) -> None:
        """Make missing directories of new files; whether that worked, opening the temporaries tells."""
        missing: list[bytes] = []
        for change, place in zip(self._changes, places, strict=True):
            if place.kind is Kind.ABSENT_DIRECTORY and change.contents is not None:
                parents = [posixpath.dirname(encode_path(place.real_path))]
                while len(parents[0]) > 1 and len(parents) < 256:
                    parents.insert(0, posixpath.dirname(parents[0]))
                missing += [parent for parent in parents[1:] if parent not in missing]
        self._flight([wire.make_directory(path) for path in missing])

    def _lock_and_open(self, roots: Sequence[RemotePath]) -> None:
        """Take all locks, and behind them open the old files and the temporaries and look at the paths, in one flight.

        Only what is opened after its lock was taken is sure to be what other engines of ours have left.
        """
        existing = [item for item in self._items if item.is_there]
        while True:
            locks = self._locks.take()
            opens = [wire.open_file(item.real, wire.READ | wire.WRITE) for item in existing]
            writing = [item for item in self._items if item.is_write and item.new is None]
            lookup = Lookup(self._session, flights=self._flights, known=self._memory.places)
            lookup.guess([*locks, *opens, *(item.make_temp() for item in writing)])
            places = lookup.resolve_within([change.path for change in self._changes], roots)
            self._locks.note(lookup.answers[: len(locks)])
            opened = lookup.answers[len(locks) : len(locks) + len(opens)]
            made = lookup.answers[len(locks) + len(opens) :]
            for item, reply in zip(existing, opened, strict=True):
                item.old = reply if isinstance(reply, Handle) else None
            for item, reply in zip(writing, made, strict=True):
                item.new = reply if isinstance(reply, Handle) else None
            self._check_places(places)
            self._check_made(writing, made)
            if self._locks.are_ours:
                self._check_opened(existing, opened)
                return
            closes = [wire.close(item.old) for item in existing if item.old is not None]
            for item in existing:
                item.old = None
            if not self._locks.wait(self._flight, closes=closes):
                raise Refused("busy", None)

    def _check_places(self, places: Sequence[Place]) -> None:
        """Note what the targets are, if the paths lead to them."""
        for item, place in zip(self._items, places, strict=True):
            self._check_place(item.change, place)
            if place.real_path != item.target:
                raise _Elsewhere("changed", item.change)
            if place.kind is Kind.ABSENT_DIRECTORY and item.is_write:
                raise _Elsewhere("mkdir", item.change)
            item.attributes = place.attributes

    def _check_made(self, writing: Sequence[Item], made: Sequence[Reply]) -> None:
        for item, reply in zip(writing, made, strict=True):
            if isinstance(reply, Status):
                raise Refused(_OPEN_REASONS.get(reply.code, "space"), item.change)
        for lock in self._locks.locks:
            if lock.refusal is not None:
                first = next(item for item in self._items if item.folder == lock.folder)
                raise Refused(_OPEN_REASONS.get(lock.refusal.code, "space"), first.change)

    def _check_opened(self, existing: Sequence[Item], replies: Sequence[Reply]) -> None:
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

    def _send_and_compare(self) -> None:
        """Send the new contents and read the old ones, in one flight, and compare these.

        The new ones go first: a server that waits for us to take what it sends would not take what we send.
        """
        sends = [(item, item.send()) for item in self._items if item.new is not None]
        reads = [(item, item.read_old()) for item in self._items if item.old is not None]
        replies = self._flight([request for _, requests in [*sends, *reads] for request in requests])
        at = 0
        for item, requests in sends:
            self._memory.clock.note(item.check_sent(replies[at : at + len(requests)]))
            at += len(requests)
        for item, requests in reads:
            item.compare(replies[at : at + len(requests)])
            at += len(requests)

    def _commit(self) -> list[Changed]:
        """Give the new contents their names, all in one flight but for those that are written in place."""
        for item in self._items:
            if item.in_place is not None:
                self._overwrite(item)
        # Removals last, so that a file under way to a new name has one at every moment.
        order = sorted(self._items, key=lambda item: not item.is_write)
        parts = [(item, item.commit()) for item in order]
        replies = self._flight([*(request for _, requests in parts for request in requests), *self._locks.release()])
        self._locks.locks = []
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

    def _commit_otherwise(self, item: Item, status: Status) -> list[Reply]:
        """Write in place what no rename can replace, such as a file that is a mount point; return the last look."""
        if item.old is None:
            raise Refused("exists", item.change)
        if not item.is_write or status.code == Code.PERMISSION_DENIED:
            raise Refused("denied", item.change)
        item.in_place = "mount"
        self._overwrite(item)
        return self._flight(item.commit())

    def _overwrite(self, item: Item) -> None:
        assert item.old is not None
        assert item.found is not None
        try:
            overwrite(self._flight, item.change, item.old, item.found.data, temp=item.temp)
        except Refused as exc:
            item.is_broken = exc.reason == "broken"
            raise

    def _changed(self, item: Item, replies: Sequence[Reply]) -> Changed:
        late = None
        if item.old is not None and item.found is not None and item.in_place is None:
            look, before = replies[-1], item.found.after
            if isinstance(look, Attributes) and (look.size_bytes, look.mtime_s) != (before.size_bytes, before.mtime_s):
                (read,) = read_files(self._session, [Opened(item.old, look.size_bytes or 0)], flights=self._flights)
                late = read.data if read.data != item.found.data else None
        if not item.is_write:
            return Changed(item.change.path, Absent(), None, late)
        look = replies[1]
        if not isinstance(look, Attributes):
            return Changed(item.change.path, Absent(), item.in_place, late)
        state = present(look, real_path=item.target, contents=item.change.contents)
        return Changed(item.change.path, state, item.in_place, late)

    def _discard(self, *, done: set[int] | None = None) -> None:
        """Close and remove what this job has opened and made; its locks go last."""
        requests: list[Request] = []
        for item in self._items:
            is_renamed = done is not None and item.index in done and item.in_place is None
            requests += item.discard(is_renamed=is_renamed)
        requests += self._locks.release()
        self._locks.locks = []
        self._flight(requests)
