"""What was on the remote before each write of ours: which file, whose call, and the old contents."""

import enum
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from remote_code.errors import MirrorUnusable, NotInHistory
from remote_code.mirror.contents import Contents, digest_of
from remote_code.mirror.database import Database
from remote_code.paths import RemotePath, decode_path, encode_path


class Action(enum.Enum):
    """What happened to a file."""

    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"
    LATE = "late"
    """Another writer wrote into the file in the moment of our own write; `before` is what it wrote."""
    LOCAL_EDIT = "local edit"
    """Somebody changed the local copy, and newer remote contents took its place; `before` is the edited copy."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A change that is about to be made."""

    path: RemotePath
    action: Action
    before: bytes | None
    """Contents of the file now; None when it does not exist."""
    after: bytes | None
    before_mode: int | None = None
    """Permission bits of the file now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of one file, as it is kept."""

    entry_id: int
    at_s: float
    """Unix time of this machine."""
    session_id: str
    call_id: str
    path: RemotePath
    action: Action
    is_certain: bool
    """False while the change is under way, and for good when its outcome never came back."""
    before_mode: int | None
    before_digest: str | None
    after_digest: str | None
    in_place: str | None
    """Why the file was written in place instead of replaced, if it was."""
    undone_by: str | None
    """The call that has undone this change."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry with contents: None where no file was there (the entry has no digest then), or nobody holds them."""

    entry: Entry
    before: bytes | None
    after: bytes | None

    @property
    def is_before_lost(self) -> bool:
        """Whether there were contents that nobody holds any more."""
        return self.before is None and self.entry.before_digest is not None

    @property
    def is_after_lost(self) -> bool:
        """Whether contents were written that nobody holds any more."""
        return self.after is None and self.entry.after_digest is not None


_COLUMNS = (
    "id, at_ns, session, call, path, action, status, before_mode, before_digest, after_digest, in_place, undone_by"
)


class History:
    """Entries in the database, contents beside it; bounded in size, the oldest entries go first."""

    def __init__(
        self,
        database: Database,
        contents: Contents,
        *,
        copy_of: Callable[[RemotePath], bytes | None],
        limit_bytes: int,
        limit_entries: int,
    ) -> None:
        self._database = database
        self._contents = contents
        self._copy_of = copy_of
        self._limit_bytes = limit_bytes
        self._limit_entries = limit_entries

    def entries(
        self,
        *,
        call_id: str | None = None,
        path: RemotePath | None = None,
        session_id: str | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """Return the entries that fit all that is given, newest first."""
        wanted = {"call": call_id, "path": None if path is None else encode_path(path), "session": session_id}
        given = {column: value for column, value in wanted.items() if value is not None}
        condition = " AND ".join(f"{column} = ?" for column in given) or "1"
        query = f"SELECT {_COLUMNS} FROM history WHERE {condition} ORDER BY id DESC LIMIT ?"
        rows = self._database.read(lambda db: db.execute(query, [*given.values(), limit]).fetchall())
        return [_to_entry(row) for row in rows]

    def show(self, entry_id: int) -> Shown:
        """Return one entry with the contents before it, and after it where a later entry or the local copy has them.

        Raises:
            NotInHistory: there is no such entry.
        """
        query = f"SELECT {_COLUMNS} FROM history WHERE id = ?"
        row = self._database.read(lambda db: db.execute(query, [entry_id]).fetchone())
        if row is None:
            raise NotInHistory(f"the history holds no entry {entry_id}", entry=entry_id)
        entry = _to_entry(row)
        after = self.contents(entry.after_digest)
        if after is None and entry.after_digest is not None:
            copy = self._copy_of(entry.path)
            after = copy if copy is not None and digest_of(copy) == entry.after_digest else None
        return Shown(entry, self.contents(entry.before_digest), after)

    def contents(self, digest: str | None) -> bytes | None:
        """Return the contents with this digest while an entry still keeps them."""
        return None if digest is None else self._contents.get(digest)

    def clear(self) -> int:
        """Forget all entries and remove all contents; return the number of entries."""

        def forget(db: sqlite3.Connection) -> int:
            removed = db.execute("DELETE FROM history").rowcount
            db.execute("DELETE FROM contents")
            for digest in list(self._contents.digests()):
                self._contents.remove(digest)
            return removed

        return self._database.write(forget)

    def begin(self, drafts: Sequence[Draft], *, session_id: str, call_id: str) -> list[int]:
        """Keep what the remote has now, before it is changed, and return the new entries' ids.

        Raises:
            MirrorUnusable: it cannot be kept; then nothing may be written.
        """
        # Large contents are written before other engines are kept out; `add` then finds them there.
        for draft in drafts:
            self._put(draft.before)
        return self._database.write(
            lambda db: self.add(db, drafts, session_id=session_id, call_id=call_id, is_certain=False)
        )

    def add(
        self, db: sqlite3.Connection, drafts: Sequence[Draft], *, session_id: str, call_id: str, is_certain: bool = True
    ) -> list[int]:
        """Add entries within a transaction of the caller; make room for them."""
        ids = [self._insert(db, draft, session_id, call_id, is_certain=is_certain) for draft in drafts]
        if ids:
            self._shrink(db, before_id=ids[0])
        return ids

    def confirm(self, db: sqlite3.Connection, entry_id: int, *, in_place: str | None = None) -> None:
        """Note that the change of an entry was certainly made."""
        db.execute("UPDATE history SET status = 'done', in_place = ? WHERE id = ?", [in_place, entry_id])

    def recognise(self, db: sqlite3.Connection, path: RemotePath, digest: str | None) -> None:
        """Note that the remote has contents with this digest: a write of ours that left them was certainly made.

        Nothing follows from old contents: the write may still be under way.
        """
        db.execute(
            "UPDATE history SET status = 'done' WHERE path = ? AND status = 'unknown' AND after_digest IS ?",
            [encode_path(path), digest],
        )

    def discard(self, entry_ids: Iterable[int]) -> None:
        """Remove the entries of changes that were certainly not made."""
        ids = list(entry_ids)

        def remove(db: sqlite3.Connection) -> None:
            for entry_id in ids:
                self._remove(db, entry_id)

        self._database.write(remove)

    def mark_undone(self, entry_ids: Iterable[int], *, by: str) -> None:
        """Note which call has undone these entries."""
        rows = [(by, entry_id) for entry_id in entry_ids]
        self._database.write(lambda db: db.executemany("UPDATE history SET undone_by = ? WHERE id = ?", rows))

    def _insert(self, db: sqlite3.Connection, draft: Draft, session_id: str, call_id: str, *, is_certain: bool) -> int:
        before = self._put(draft.before)
        if draft.before is not None:
            db.execute(
                "INSERT INTO contents VALUES (?, ?, 1) ON CONFLICT (digest) DO UPDATE SET n_uses = n_uses + 1",
                [before, len(draft.before)],
            )
        values = (
            time.time_ns(),
            session_id,
            call_id,
            encode_path(draft.path),
            draft.action.value,
            "done" if is_certain else "unknown",
            draft.before_mode,
            before,
            None if draft.after is None else digest_of(draft.after),
        )
        added = db.execute(
            "INSERT INTO history (at_ns, session, call, path, action, status, before_mode, before_digest, after_digest)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        if added.lastrowid is None:
            raise AssertionError("an inserted row has an id")
        return added.lastrowid

    def _put(self, contents: bytes | None) -> str | None:
        if contents is None:
            return None
        try:
            return self._contents.put(contents)
        except OSError as exc:
            raise MirrorUnusable(
                f"the old contents of a file cannot be kept on this machine ({exc}); nothing was written",
                path=str(exc.filename or ""),
            ) from exc

    def _shrink(self, db: sqlite3.Connection, *, before_id: int) -> None:
        """Remove the oldest entries until the bounds hold; the ones from `before_id` on always stay."""
        too_old = db.execute("SELECT id FROM history WHERE id <= ?", [before_id - self._limit_entries])
        for (entry_id,) in too_old.fetchall():
            self._remove(db, entry_id)
        while _total_bytes(db) > self._limit_bytes:
            oldest = db.execute("SELECT id FROM history WHERE id < ? ORDER BY id LIMIT 64", [before_id]).fetchall()
            if not oldest:
                return
            for (entry_id,) in oldest:
                self._remove(db, entry_id)
                if _total_bytes(db) <= self._limit_bytes:
                    return

    def _remove(self, db: sqlite3.Connection, entry_id: int) -> None:
        row = db.execute("DELETE FROM history WHERE id = ? RETURNING before_digest", [entry_id]).fetchone()
        if row is None or row[0] is None:
            return
        left = db.execute(
            "UPDATE contents SET n_uses = n_uses - 1 WHERE digest = ? RETURNING n_uses", [row[0]]
        ).fetchone()
        if left is not None and left[0] <= 0:
            db.execute("DELETE FROM contents WHERE digest = ?", [row[0]])
            self._contents.remove(row[0])


def _total_bytes(db: sqlite3.Connection) -> int:
    total: int = db.execute("SELECT amount FROM totals WHERE name = 'contents'").fetchone()[0]
    return total


def _to_entry(row: tuple[object, ...]) -> Entry:
    entry_id, at_ns, session, call, path, action, status, mode, before, after, in_place, undone_by = row
    if not (isinstance(entry_id, int) and isinstance(at_ns, int) and isinstance(path, bytes)):
        raise AssertionError("the table's columns have these types")
    return Entry(
        entry_id=entry_id,
        at_s=at_ns / 1e9,
        session_id=str(session),
        call_id=str(call),
        path=decode_path(path),
        action=Action(action),
        is_certain=status == "done",
        before_mode=mode if isinstance(mode, int) else None,
        before_digest=before if isinstance(before, str) else None,
        after_digest=after if isinstance(after, str) else None,
        in_place=in_place if isinstance(in_place, str) else None,
        undone_by=undone_by if isinstance(undone_by, str) else None,
    )
