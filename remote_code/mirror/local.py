"""The local half of a mirror: copies, what is known of them, and the history. Works without a connection."""

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from remote_code.errors import MirrorUnusable
from remote_code.mirror import store
from remote_code.mirror.contents import Contents, digest_of
from remote_code.mirror.copies import Copies
from remote_code.mirror.database import Database
from remote_code.mirror.history import Draft, History
from remote_code.mirror.keeper import Keeper
from remote_code.mirror.lock import FileLock
from remote_code.mirror.manifest import write_manifest
from remote_code.mirror.mapper import PathMapper
from remote_code.mirror.naming import MANIFEST_NAME, OWN_FOLDER, LocalNames
from remote_code.mirror.notes import LeftoverNotes
from remote_code.mirror.plan import Keeping, Settled
from remote_code.mirror.private import make_folder
from remote_code.mirror.store import Summary, Tracked
from remote_code.paths import LocalPath, RemotePath, Workspace
from remote_code.remote.state import FileState, Present

log = logging.getLogger(__name__)

_DAY_NS = 86_400 * 10**9
_STALE_S = 86_400.0


@dataclass(frozen=True, slots=True)
class MirrorLimits:
    """How much a mirror may hold."""

    copies_bytes: int = 1 << 30
    """Local copies together; the least recently used go first."""
    contents_bytes: int = 64 << 20
    """One file: a larger one gets no local copy, and no tool writes over it."""
    history_bytes: int = 512 << 20
    """Old contents together; the oldest entries go first."""
    history_entries: int = 100_000
    seen_days: int = 30
    """How long a session's memory of a file is kept."""


@dataclass(frozen=True, slots=True)
class Held:
    """A local copy that is as the manifest says."""

    state: Present
    """The remote state that the copy was taken from; its digest is known."""
    contents: bytes


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found."""

    n_sound: int
    missing: list[RemotePath]
    """Tracked, and no local copy is there."""
    edited: list[RemotePath]
    """The local copy was changed on this machine, or damaged."""
    strays: list[Path]
    """Files in the mirror that no manifest entry names."""


def find_mirrors(base: Path) -> list[Path]:
    """Return the folders of all mirrors below `~/.opencode/mirrors` or what stands for it, in order of names."""
    return sorted(own.parent for own in base.glob(f"*/*/{OWN_FOLDER}"))


class LocalMirror:
    """The mirror in the folder `root`; made when it is not there. All methods may be called from any thread.

    Several engines may have one mirror open. A copy and its entry change together, while no other engine writes.
    Without a `workspace` it is the one that the mirror was made for, as for looking at it later.

    Raises:
        MirrorUnusable: the folder cannot be used, or is no mirror and no `workspace` was given.
    """

    def __init__(
        self,
        root: Path,
        *,
        workspace: Workspace | None = None,
        limits: MirrorLimits | None = None,
        on_notice: Callable[[str], None] = lambda notice: None,
    ) -> None:
        self.root = LocalPath(root.absolute())
        self.limits = limits or MirrorLimits()
        own = self.root / OWN_FOLDER
        if workspace is None and not own.is_dir():
            raise MirrorUnusable(f'"{self.root}" is not a mirror', path=str(self.root))
        staging = own / "tmp"
        try:
            for folder in (self.root, own, staging):
                make_folder(folder)
                folder.chmod(0o700)
            _remove_stale(staging)
            names = LocalNames(folds_case=_folds_case(staging))
            self._database = Database(own, companions=("contents",), on_notice=on_notice)
        except OSError as exc:
            raise MirrorUnusable(f'the mirror "{self.root}" cannot be used: {exc}', path=str(self.root)) from exc
        self._own = own
        self.workspace = self._remember(workspace)
        self.mapper = PathMapper(self.root, self.workspace, names=names)
        self.notes = LeftoverNotes(self._database, own / "engines")
        self._copies = Copies(self.root, staging)
        self.history = History(
            self._database,
            Contents(own / "contents"),
            copy_of=self.copy_contents,
            limit_bytes=self.limits.history_bytes,
            limit_entries=self.limits.history_entries,
        )
        self._keeper = Keeper(self._copies, self.mapper, self.history, limit_bytes=self.limits.copies_bytes)
        oldest_ns = time.time_ns() - self.limits.seen_days * _DAY_NS
        self._database.write(lambda db: store.forget_old_sessions(db, before_ns=oldest_ns))

    def exclusive(self) -> FileLock:
        """Return the lock that keeps the other engines' `pull_all` and `push_all` out, to be used with `with`."""
        return FileLock(self._own / "mirror.lock")

    def held(self, path: RemotePath) -> Held | None:
        """Return the local copy of `path`; None when there is none, or when it is not what the manifest says."""
        state = self._database.read(lambda db: store.held_state(db, path))
        if state is None:
            return None
        contents = self._copies.read(self.mapper.to_local(path))
        # A copy that another engine is replacing differs too; that costs a pull and nothing else.
        if contents is None or digest_of(contents) != state.digest:
            return None
        return Held(state, contents)

    def seen(self, session_id: str, path: RemotePath) -> FileState | None:
        """Return what the session last read or wrote at `path`; None when it never did."""
        return self._database.read(lambda db: store.seen_state(db, session_id, path))

    def keep(self, settled: Sequence[Settled], *, session_id: str | None) -> None:
        """Take over what a pull found. What `session_id` names has now seen it; None: nobody has.

        A local disk that takes no copies costs later pulls only; it is logged.
        """
        now_ns = time.time_ns()
        staged = {
            item.observation.path: self._stage(item.observation.contents)
            for item in settled
            if item.keeping is Keeping.STORE and item.observation.contents is not None
        }

        def take_over(db: sqlite3.Connection) -> None:
            for item in settled:
                self._keeper.settle(db, item, staged.get(item.observation.path), now_ns=now_ns)
            if session_id is not None:
                found = [(item.observation.path, item.observation.state) for item in settled]
                known = [(path, state) for path, state in found if state is not None]
                store.see(db, session_id, known, now_ns=now_ns)
            self._keeper.shrink(db)

        try:
            self._database.write(take_over)
        finally:
            _discard(staged)

    def keep_written(
        self,
        written: Sequence[tuple[RemotePath, FileState, bytes | None]],
        *,
        session_id: str,
        entries: Sequence[tuple[int, str | None]],
        late: Sequence[Draft],
        call_id: str,
    ) -> None:
        """Take over what a push has written: copies, states, what the session has seen, and the history.

        `entries` are history entries that are certain now, each with the reason for writing in place, if any.
        """
        now_ns = time.time_ns()
        staged = {path: self._stage(contents) for path, _, contents in written if contents is not None}

        def take_over(db: sqlite3.Connection) -> None:
            for path, state, _ in written:
                if isinstance(state, Present):
                    self._keeper.store(db, path, state, staged.get(path), now_ns=now_ns)
                    store.see_by_all_names(db, session_id, state)
                else:
                    self._keeper.drop(db, path)
            store.see(db, session_id, [(path, state) for path, state, _ in written], now_ns=now_ns)
            for entry_id, in_place in entries:
                self.history.confirm(db, entry_id, in_place=in_place)
            self.history.add(db, late, session_id=session_id, call_id=call_id)
            self._keeper.shrink(db)

        try:
            self._database.write(take_over)
        finally:
            _discard(staged)

    def forget(self, paths: Sequence[RemotePath]) -> None:
        """Remove the local copies of `paths`: what the remote has there is not known any more."""

        def drop(db: sqlite3.Connection) -> None:
            for path in paths:
                self._keeper.drop(db, path)

        self._database.write(drop)

    def tracked(self, *, below: RemotePath | None = None) -> Iterator[Tracked]:
        """Yield all files that have a local copy, by byte order of their paths; many, a batch at a time."""
        last: RemotePath | None = None
        while batch := self._next_tracked(last, below):
            yield from batch
            last = batch[-1].path

    def is_edited(self, tracked: Tracked) -> bool:
        """Tell whether the local copy is there and was changed on this machine, or damaged."""
        return self.copy_digest(tracked.path) not in {None, tracked.state.digest}

    def copy_digest(self, path: RemotePath) -> str | None:
        """Return the digest of the local copy as it is on the disk; None when there is none."""
        return self._copies.digest(self.mapper.to_local(path))

    def copy_contents(self, path: RemotePath) -> bytes | None:
        """Return the local copy as it is on the disk, edited or not; None when there is none."""
        return self._copies.read(self.mapper.to_local(path))

    def verify(self) -> Verification:
        """Compare all local copies with the manifest."""
        n_sound = 0
        missing: list[RemotePath] = []
        edited: list[RemotePath] = []
        known: set[Path] = set()
        for item in self.tracked():
            known.add(self.mapper.to_local(item.path))
            digest = self.copy_digest(item.path)
            if digest == item.state.digest:
                n_sound += 1
            else:
                (missing if digest is None else edited).append(item.path)
        return Verification(n_sound, missing, edited, sorted(set(self._files()) - known))

    def clear(self) -> int:
        """Remove all local copies and return their number; edited ones go to the history, which stays."""
        paths = [item.path for item in self.tracked()]
        self.forget(paths)
        for path in list(self.root.iterdir()):
            if path.name not in {OWN_FOLDER, MANIFEST_NAME}:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        return len(paths)

    def summary(self) -> Summary:
        """Return how much the mirror holds, without going through it."""
        return self._database.read(store.summary)

    def export_manifest(self) -> Path:
        """Write `manifest.json` and return its path."""
        return write_manifest(
            self.root / MANIFEST_NAME,
            workspace=self.workspace,
            tracked=self.tracked(),
            to_local=self.mapper.to_local,
            staging=self._own / "tmp",
        )

    def close(self) -> None:
        """Give the database and the engine's lock back; a further close does nothing."""
        try:
            self.notes.close()
        except MirrorUnusable as exc:
            log.info("event=notes_not_closed reason=%s", exc.message)
        self._database.close()

    def _remember(self, workspace: Workspace | None) -> Workspace:
        if workspace is not None:
            self._database.write(lambda db: store.remember_workspace(db, workspace))
            return workspace
        known = self._database.read(store.known_workspace)
        if known is None:
            self._database.close()
            raise MirrorUnusable(f'the mirror "{self.root}" does not say of what it is', path=str(self.root))
        return known

    def _next_tracked(self, last: RemotePath | None, below: RemotePath | None) -> list[Tracked]:
        return self._database.read(lambda db: store.tracked_after(db, last, below=below))

    def _stage(self, contents: bytes) -> Path | None:
        try:
            return self._copies.stage(contents)
        except OSError as exc:
            log.warning("event=copy_not_kept reason=%s", exc)
            return None

    def _files(self) -> Iterator[Path]:
        """Yield all files of the mirror but our own."""
        for folder, folders, files in os.walk(self.root):
            here = Path(folder)
            if here == self.root:
                folders[:] = [name for name in folders if name != OWN_FOLDER]
                files = [name for name in files if name != MANIFEST_NAME]
            yield from (here / name for name in files)
        long = self._own / "long"
        if long.is_dir():
            yield from long.iterdir()


def _discard(staged: Mapping[RemotePath, Path | None]) -> None:
    for path in staged.values():
        if path is not None:
            path.unlink(missing_ok=True)


def _remove_stale(staging: Path) -> None:
    """Remove what a killed engine has left in the staging folder; others may be writing there now."""
    oldest_s = time.time() - _STALE_S
    for path in staging.iterdir():
        try:
            if path.stat().st_mtime < oldest_s:
                path.unlink()
        except FileNotFoundError:
            continue


def _folds_case(folder: Path) -> bool:
    """Tell whether the file system takes two names that differ in case for one."""
    probe = folder / f"case-{os.getpid()}-{time.time_ns()}.tmp"
    probe.touch(mode=0o600)
    try:
        return probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink()
