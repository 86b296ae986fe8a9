"""The SQLite database of a mirror: one connection per engine, several engines per database, damage survived."""

import contextlib
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from remote_code.errors import MirrorUnusable
from remote_code.mirror.lock import FileLock
from remote_code.mirror.private import make_folder
from remote_code.mirror.schema import APPLICATION_ID, TABLES, VERSION

log = logging.getLogger(__name__)

Found = TypeVar("Found")
Work = Callable[[sqlite3.Connection], Found]
"""What is done with the connection; it may be done twice, when the first time met a damaged database."""

BUSY_S = 60.0
"""How long a transaction waits for one of another engine; ours take milliseconds."""

KEPT_ASIDE = 3
"""How many damaged databases are kept for a person to look at."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


class Database:
    """Transactions on `folder/state-N.sqlite3`. All methods may be called from any thread.

    What a damaged or foreign file held is lost to us, and it is never fatal: the file is set aside with all that lies
    beside it in `companions`, a notice says so, and an empty database takes its place. Nothing is flushed to the disk
    at each commit: the end of a process loses nothing, a power cut may lose the last transactions.
    """

    def __init__(self, folder: Path, *, companions: tuple[str, ...], on_notice: Callable[[str], None]) -> None:
        self._folder = folder
        self._path = folder / f"state-{VERSION}.sqlite3"
        self._companions = companions
        self._on_notice = on_notice
        # One thread at a time uses the connection, for a whole transaction. No network I/O while it is held.
        self._lock = threading.Lock()
        self._is_closed = False
        self._inode: int | None = None
        self._connection = self._open_or_replace()

    def read(self, work: Work[Found]) -> Found:
        """Return what `work` finds, in one consistent view.

        Raises:
            MirrorUnusable: the database cannot be used.
        """
        return self._run("BEGIN", work)

    def write(self, work: Work[Found]) -> Found:
        """Return what `work` finds; all of its changes are made, or none. No other engine writes meanwhile.

        Raises:
            MirrorUnusable: the database cannot be used; nothing was changed.
        """
        return self._run("BEGIN IMMEDIATE", work)

    def close(self) -> None:
        """Close the connection; a further use is refused, a further close does nothing."""
        with self._lock:
            self._is_closed = True
            self._connection.close()

    def _run(self, begin: str, work: Work[Found]) -> Found:
        with self._lock:
            if self._is_closed:
                raise MirrorUnusable("the mirror is closed", path=str(self._path))
            try:
                if self._inode != _inode_of(self._path):
                    # Another engine has set the file aside, or somebody has removed the mirror under us.
                    self._connection.close()
                    self._connection = self._open_or_replace()
                try:
                    return self._transact(begin, work)
                except sqlite3.DatabaseError as exc:
                    if not _is_damage(exc):
                        raise
                    self._connection.close()
                    self._connection = self._open_or_replace(damage=exc)
                    return self._transact(begin, work)
            except sqlite3.Error as exc:
                raise MirrorUnusable(
                    f'the database "{self._path}" cannot be used: {exc}', path=str(self._path)
                ) from exc

    def _transact(self, begin: str, work: Work[Found]) -> Found:
        self._connection.execute(begin)
        try:
            found = work(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # Some errors have ended the transaction already.
                self._connection.execute("ROLLBACK")
            raise
        return found

    def _open_or_replace(self, *, damage: sqlite3.DatabaseError | None = None) -> sqlite3.Connection:
        """Open the database, in the place of a damaged or foreign one where need be."""
        make_folder(self._folder)
        # One engine at a time: two that meet the same damage must not set aside each other's new database.
        with FileLock(self._folder / "open.lock"):
            try:
                connection = self._open()
                if damage is None or _is_sound(connection):
                    return connection
                connection.close()
                reason = str(damage)
            except sqlite3.DatabaseError as exc:
                if not _is_damage(exc):
                    shown = f'the database "{self._path}" cannot be opened: {exc}'
                    raise MirrorUnusable(shown, path=str(self._path)) from exc
                reason = str(exc)
            self._set_aside(reason)
            return self._open()

    def _open(self) -> sqlite3.Connection:
        """Open the database and make its tables if it has none.

        Raises:
            sqlite3.DatabaseError: it cannot be opened, is damaged, or is not ours.
        """
        # SQLite's side files take over this mode. A file that is there must not be opened here: closing it would drop
        # the POSIX locks that other engines of this process have on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if n_tables == 0:
                connection.executescript(
                    f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID};"
                    f"PRAGMA user_version = {VERSION}; COMMIT;"
                )
            marks = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
            if marks != [APPLICATION_ID, VERSION]:
                raise _Foreign("it was not made by this program")
            self._inode = _inode_of(self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, reason: str) -> None:
        aside = self._folder / "aside"
        place = aside / time.strftime("%Y%m%d-%H%M%S")
        while place.exists():
            place = place.with_name(place.name + "x")
        place.mkdir(mode=0o700, parents=True)
        side_files = (f"{self._path.name}-wal", f"{self._path.name}-shm", *self._companions)
        for name in (self._path.name, *side_files):
            with contextlib.suppress(FileNotFoundError):
                (self._folder / name).rename(place / name)
        for old in sorted(aside.iterdir())[:-KEPT_ASIDE]:
            shutil.rmtree(old, ignore_errors=True)
        log.warning("event=database_set_aside place=%s reason=%s", place, reason)
        self._on_notice(f'the mirror\'s database was unusable ({reason}); it was set aside as "{place}"')


class _Foreign(sqlite3.DatabaseError):
    """A sound database, but not one of ours."""


def _inode_of(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell whether the file itself is at fault: its bytes, or its tables."""
    if isinstance(error, _Foreign):
        return True
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _DAMAGED:
        return True
    # A table that is missing is a plain SQLITE_ERROR.
    return isinstance(error, sqlite3.OperationalError) and "no such" in str(error)


def _is_sound(connection: sqlite3.Connection) -> bool:
    """Tell whether SQLite finds nothing wrong, as after another engine has replaced the file already."""
    try:
        connection.execute("SELECT (SELECT count(*) FROM history), (SELECT count(*) FROM totals)").fetchone()
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False
