"""Which temporaries our writes may have left on the remote: noted before they are sent, across engines."""

import json
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from remote_code.mirror.database import Database
from remote_code.mirror.lock import FileLock
from remote_code.mirror.private import make_folder
from remote_code.remote.leftovers import Leftover


class LeftoverNotes:
    """The `Notes` of `remote.leftovers`, kept in the mirror.

    Each engine holds a lock file while it lives, so that what another engine is still writing is told apart from what
    one that was killed has left.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        make_folder(folder)
        self._database = database
        self._folder = folder
        self._engine = uuid.uuid4().hex
        self._alive = FileLock(self._lock_path(self._engine))
        self._alive.try_acquire()

    def add(self, leftovers: Sequence[Leftover]) -> None:
        """Keep `leftovers`, also if this process is killed now."""
        rows = [(item.token, item.index, json.dumps(asdict(item)), self._engine) for item in leftovers]
        self._database.write(lambda db: db.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)", rows))

    def remove(self, leftovers: Sequence[Leftover]) -> None:
        """Forget `leftovers`: nothing is left of them."""
        rows = [(item.token, item.index) for item in leftovers]
        self._database.write(lambda db: db.executemany("DELETE FROM notes WHERE token = ? AND item = ?", rows))

    def left(self) -> list[Leftover]:
        """Return what engines that have ended left; what this one leaves it knows itself."""
        rows = self._database.read(
            lambda db: db.execute("SELECT engine, leftover FROM notes ORDER BY token, item").fetchall()
        )
        ended = {engine for engine in {row[0] for row in rows} if engine != self._engine and self._has_ended(engine)}
        return [Leftover(**json.loads(text)) for engine, text in rows if engine in ended]

    def close(self) -> None:
        """Leave what is still noted to the next engine, and remove the lock files that nobody needs any more."""
        self._alive.release()
        needed = {engine for (engine,) in self._database.read(_engines)}
        for path in self._folder.glob("*.lock"):
            if path.stem not in needed:
                with _held_if_free(path) as is_ours:
                    if is_ours:
                        path.unlink(missing_ok=True)

    def _has_ended(self, engine: str) -> bool:
        path = self._lock_path(engine)
        if not path.exists():
            return True
        with _held_if_free(path) as is_ours:
            return is_ours

    def _lock_path(self, engine: str) -> Path:
        return self._folder / f"{engine}.lock"


def _engines(db: sqlite3.Connection) -> list[tuple[str]]:
    rows: list[tuple[str]] = db.execute("SELECT DISTINCT engine FROM notes").fetchall()
    return rows


@contextmanager
def _held_if_free(path: Path) -> Iterator[bool]:
    lock = FileLock(path)
    is_ours = lock.try_acquire()
    try:
        yield is_ours
    finally:
        lock.release()
