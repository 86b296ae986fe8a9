"""Changes local copies together with their entries, within a transaction of the caller: no engine sees one alone."""

import logging
import sqlite3
from pathlib import Path

from remote_code.errors import InvalidPath
from remote_code.mirror import store
from remote_code.mirror.copies import Copies
from remote_code.mirror.history import Action, Draft, History
from remote_code.mirror.mapper import PathMapper
from remote_code.mirror.plan import Keeping, Settled
from remote_code.paths import LocalPath, RemotePath
from remote_code.remote.state import Absent, Present

log = logging.getLogger(__name__)


class Keeper:
    """Puts copies into a mirror, takes them out, and never lets an edit of a person go without a trace."""

    def __init__(self, copies: Copies, mapper: PathMapper, history: History, *, limit_bytes: int) -> None:
        self._copies = copies
        self._mapper = mapper
        self._history = history
        self._limit_bytes = limit_bytes

    def settle(self, db: sqlite3.Connection, item: Settled, staged: Path | None, *, now_ns: int) -> None:
        """Take over what a pull found at one path; `staged` holds the contents that came, if any."""
        path, state = item.observation.path, item.observation.state
        match item.keeping:
            case Keeping.STORE if isinstance(state, Present):
                self.store(db, path, state, staged, now_ns=now_ns)
            case Keeping.CONFIRM if isinstance(state, Present):
                # Another session may have put newer contents here since we read the copy.
                held = store.held_state(db, path)
                if held == state:
                    store.touch(db, path, now_ns=now_ns)
                elif held is not None and held.digest == state.digest:
                    store.hold(db, path, state, now_ns=now_ns)
            case Keeping.DROP:
                self.drop(db, path)
            case _:
                pass
        if isinstance(state, Absent):
            self._history.recognise(db, path, None)
        elif state is not None and state.digest is not None:
            self._history.recognise(db, path, state.digest)

    def store(
        self, db: sqlite3.Connection, path: RemotePath, state: Present, staged: Path | None, *, now_ns: int
    ) -> None:
        """Put a staged file in the place of a local copy, with its entry; without one, drop the copy."""
        if staged is None:
            self.drop(db, path)
            return
        local = self._mapper.to_local(path)
        self._keep_local_edit(db, path, but=state.digest)
        self._clear_way(db, path)
        try:
            self._copies.place(staged, local)
        except OSError as exc:
            log.warning("event=copy_not_kept path=%s reason=%s", local, exc)
            store.let_go(db, path)
            return
        store.hold(db, path, state, now_ns=now_ns)

    def drop(self, db: sqlite3.Connection, path: RemotePath) -> None:
        """Remove a local copy and its entry."""
        self._keep_local_edit(db, path)
        store.let_go(db, path)
        self._copies.remove(self._mapper.to_local(path))

    def _keep_local_edit(self, db: sqlite3.Connection, path: RemotePath, *, but: str | None = None) -> None:
        """Put a copy that somebody changed on this machine into the history, before it goes.

        `but` is the digest of what takes its place: nothing is lost of a copy that is equal to it.
        """
        state = store.held_state(db, path)
        local = self._mapper.to_local(path)
        if state is None or self._copies.digest(local) in {None, state.digest, but}:
            return
        contents = self._copies.read(local)
        if contents is not None:
            draft = Draft(path, Action.LOCAL_EDIT, before=contents, after=None)
            self._history.add(db, [draft], session_id="", call_id="")

    def _clear_way(self, db: sqlite3.Connection, path: RemotePath) -> None:
        """Drop the copies that are of another shape than the remote now has: a file that became a folder, or back."""
        local = self._mapper.to_local(path)
        while local.is_dir() and (below := store.tracked_after(db, None, below=path)):
            for item in below:
                self.drop(db, item.path)
        for parent in local.parents:
            if parent == self._mapper.root:
                return
            if parent.is_file():
                try:
                    self.drop(db, self._mapper.to_remote(LocalPath(parent)))
                except InvalidPath:
                    parent.unlink()

    def shrink(self, db: sqlite3.Connection) -> None:
        """Drop the least recently used copies until the rest fits, with some room for the next ones."""
        if store.held_bytes(db) <= self._limit_bytes:
            return
        for path in store.least_used(db):
            self.drop(db, path)
            if store.held_bytes(db) <= self._limit_bytes * 9 // 10:
                return
