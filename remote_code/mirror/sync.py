"""Moves contents between the remote and its mirror: pull, push, undo. What to do is decided in `plan`."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from remote_code.errors import MirrorUnusable, RemoteChanged, RemoteCodeError, RemoteOperationFailed
from remote_code.mirror.contents import digest_of
from remote_code.mirror.history import Action, Draft, Entry, History
from remote_code.mirror.local import Held, LocalMirror, MirrorLimits
from remote_code.mirror.lock import PathLocks
from remote_code.mirror.mapper import PathMapper
from remote_code.mirror.outcome import PullReport, PushReport, perhaps_written
from remote_code.mirror.plan import Edited, Settled, draft, is_same, plan_push, plan_undo, settle
from remote_code.paths import RemotePath, Workspace
from remote_code.remote.files import Files
from remote_code.remote.state import Absent, Change, Changed, FileState, Observation, Present, Wanted
from remote_code.shell.job import Cancel, Flights

log = logging.getLogger(__name__)

BATCH = 2000
"""Paths per flight where everything is pulled; bounds the memory for what comes back."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull found at one path."""

    observation: Observation
    """Its state has the digest whenever contents are given."""
    contents: bytes | None
    """The bytes of a file, from the remote or, where it is as held, from the mirror. None when it is no file, too
    large, or not readable.
    """


class SyncEngine:
    """The mirror at `root` and the remote behind `files`. All methods may be called from any thread.

    `root` may be an open mirror, for who needs its `notes` before there are `files`; it is closed with the engine.

    Raises:
        MirrorUnusable: the folder cannot be used at all. A damaged database is no such case: it is set aside.
    """

    def __init__(
        self,
        root: Path | LocalMirror,
        *,
        files: Files,
        workspace: Workspace,
        limits: MirrorLimits | None = None,
        on_notice: Callable[[str], None] = lambda notice: None,
    ) -> None:
        if not isinstance(root, LocalMirror):
            root = LocalMirror(root, workspace=workspace, limits=limits, on_notice=on_notice)
        self.local = root
        self._files = files
        self._workspace = workspace
        self._locks = PathLocks()

    @property
    def mapper(self) -> PathMapper:
        """Where local copies are."""
        return self.local.mapper

    @property
    def history(self) -> History:
        """What was on the remote before our writes."""
        return self.local.history

    def lock(self, paths: Sequence[RemotePath], *, cancel: Cancel | None = None) -> AbstractContextManager[None]:
        """Hold the locks of these files against other calls of this process; a thread may take them again.

        Raises:
            Cancelled: on entering, when `cancel` came while another call held one.
        """
        return self._locks.hold(paths, cancel=cancel)

    def held(self, path: RemotePath) -> Held | None:
        """Return the local copy of `path` if there is a sound one; no remote I/O, and it may be out of date."""
        return self.local.held(path)

    def seen(self, session_id: str, path: RemotePath) -> FileState | None:
        """Return what the session last read or wrote at `path`; None when it never did. No remote I/O."""
        return self.local.seen(session_id, path)

    def pull(
        self,
        paths: Sequence[RemotePath],
        *,
        session_id: str | None,
        roots: Sequence[RemotePath],
        flights: Flights,
        limit_bytes: int | None = None,
    ) -> list[Pulled]:
        """Return what the remote has at `paths`, in their order: one flight, in which only differences travel.

        The session has then seen these states; with None as `session_id` nobody has. `limit_bytes` bounds what
        travels of each file: contents of a larger one are given only where the mirror has them.

        Raises:
            ConnectionLost: nothing was learned.
        """
        unique = list(dict.fromkeys(paths))
        copies = {path: self.local.held(path) for path in unique}
        wanted = [Wanted(path, None if held is None else held.state) for path, held in copies.items()]
        limit = self.local.limits.contents_bytes if limit_bytes is None else limit_bytes
        observations = self._files.observe(wanted, roots=roots, flights=flights, limit_bytes=limit)
        settled = [settle(found, _state_of(copies[found.path])) for found in observations]
        self._take_over(settled, session_id=session_id)
        pulled = {item.observation.path: _pulled(item.observation, copies[item.observation.path]) for item in settled}
        return [pulled[path] for path in paths]

    def push(
        self,
        changes: Sequence[Change],
        *,
        session_id: str,
        call_id: str,
        roots: Sequence[RemotePath],
        flights: Flights,
    ) -> list[Changed]:
        """Write, create and remove files in one flight, each only if the remote still has what is `expected`.

        What is there now goes to the history first; it costs a flight more where the mirror does not have it. Then
        the local copies, and what the session has seen, are as written.

        Raises:
            RemoteChanged: a file is not as expected; nothing was written, or (fact `done`) only the first ones.
            RemoteOperationFailed: an old file is too large to be kept (`reason` "too_large"); nothing was written.
            MirrorUnusable: old contents cannot be kept; nothing was written.
            ConnectionLost: with outcome "unknown" the local copies are forgotten: pull before trying again.
        """
        if len({change.path for change in changes}) != len(changes):
            raise ValueError("one push may name a file once only")
        before = self._contents_before(changes, roots=roots, flights=flights)
        return self._push(changes, before, session_id=session_id, call_id=call_id, roots=roots, flights=flights)

    def undo(
        self,
        entries: Sequence[Entry],
        *,
        session_id: str,
        call_id: str,
        roots: Sequence[RemotePath],
        flights: Flights,
    ) -> list[Changed]:
        """Take files back to what they were before `entries` (of a call, a file or a session): all of them, or none.

        Raises:
            RemoteChanged: a file was changed by somebody else meanwhile; nothing was written.
            NotInHistory: old contents are no longer kept; nothing was written.
        """
        paths = list(dict.fromkeys(entry.path for entry in entries))
        pulled = self.pull(paths, session_id=None, roots=roots, flights=flights)
        found = {item.observation.path: _plain_state(item) for item in pulled}
        digests = {entry.before_digest for entry in entries if entry.before_digest is not None}
        contents = {digest: kept for digest in digests if (kept := self.history.contents(digest)) is not None}
        changes = plan_undo(entries, found, contents)
        changed = []
        if changes:
            changed = self.push(changes, session_id=session_id, call_id=call_id, roots=roots, flights=flights)
        undoable = {Action.CREATED, Action.CHANGED, Action.REMOVED}
        undone = [entry.entry_id for entry in entries if entry.action in undoable and entry.undone_by is None]
        self.history.mark_undone(undone, by=call_id)
        return changed

    def pull_all(self, *, flights: Flights, roots: Sequence[RemotePath] | None = None) -> PullReport:
        """Bring all local copies up to date: one flight for each `BATCH` files, in which only differences travel.

        Copies that were edited on this machine are left alone. No other engine pulls or pushes all meanwhile.
        """
        roots = roots or [self._workspace.root]
        report = PullReport()
        with self.local.exclusive():
            batch: list[Wanted] = []
            for item in self.local.tracked():
                digest = self.local.copy_digest(item.path)
                if digest not in {None, item.state.digest}:
                    report.edited.append(item.path)
                    continue
                batch.append(Wanted(item.path, None if digest is None else item.state))
                if len(batch) == BATCH:
                    self._pull_batch(batch, report, roots=roots, flights=flights)
                    batch = []
            if batch:
                self._pull_batch(batch, report, roots=roots, flights=flights)
        return report

    def push_all(
        self, *, session_id: str, call_id: str, flights: Flights, roots: Sequence[RemotePath] | None = None
    ) -> PushReport:
        """Write all local copies that were edited on this machine to the remote, where that still has their origin.

        A copy that is missing is no removal. No other engine pulls or pushes all meanwhile.
        """
        roots = roots or [self._workspace.root]
        with self.local.exclusive():
            edited = [
                Edited(item.path, item.state, contents)
                for item in self.local.tracked()
                if self.local.is_edited(item) and (contents := self.local.copy_contents(item.path)) is not None
            ]
            if not edited:
                return PushReport([], [])
            wanted = [Wanted(copy.path) for copy in edited]
            limit = self.local.limits.contents_bytes
            observed = self._files.observe(wanted, roots=roots, flights=flights, limit_bytes=limit)
            settled = {item.observation.path: item for item in (settle(found, None) for found in observed)}
            # What cannot be read cannot be kept in the history either, and is not written over.
            states = {
                path: None if item.observation.contents is None else item.observation.state
                for path, item in settled.items()
            }
            changes, conflicts = plan_push(edited, states)
            touched = {change.path for change in changes}.union(conflicts)
            self._take_over([item for path, item in settled.items() if path not in touched], session_id=None)
            before = {change.path: settled[change.path].observation.contents for change in changes}
            written = []
            if changes:
                written = self._push(
                    changes, before, session_id=session_id, call_id=call_id, roots=roots, flights=flights
                )
            return PushReport(written, conflicts)

    def export_manifest(self) -> Path:
        """Write `manifest.json` and return its path."""
        return self.local.export_manifest()

    def close(self) -> None:
        """Write the manifest and close the mirror; the engine's last act, which never fails."""
        try:
            self.export_manifest()
        except (OSError, MirrorUnusable) as exc:
            log.warning("event=manifest_not_written reason=%s", exc)
        self.local.close()

    def _take_over(self, settled: Sequence[Settled], *, session_id: str | None) -> None:
        """Keep what was found; a local disk that is full costs later pulls, and a question before a write."""
        try:
            self.local.keep(settled, session_id=session_id)
        except MirrorUnusable as exc:
            log.warning("event=pull_not_kept reason=%s", exc.message)

    def _push(
        self,
        changes: Sequence[Change],
        before: Mapping[RemotePath, bytes | None],
        *,
        session_id: str,
        call_id: str,
        roots: Sequence[RemotePath],
        flights: Flights,
    ) -> list[Changed]:
        drafts = [draft(change, before[change.path]) for change in changes]
        entries = self.history.begin(drafts, session_id=session_id, call_id=call_id)
        try:
            changed = self._files.replace(changes, roots=roots, flights=flights)
        except RemoteCodeError as exc:
            self._take_back(perhaps_written(exc, [change.path for change in changes]), changes, entries)
            raise
        by_path = {change.path: change for change in changes}
        written = [
            (done.path, _with_digest(done.state, by_path[done.path]), by_path[done.path].contents) for done in changed
        ]
        late = [
            Draft(done.path, Action.LATE, before=done.late_contents, after=by_path[done.path].contents)
            for done in changed
            if done.late_contents is not None
        ]
        in_place = {done.path: done.in_place for done in changed}
        certain = [(entry, in_place.get(change.path)) for entry, change in zip(entries, changes, strict=True)]
        try:
            self.local.keep_written(written, session_id=session_id, entries=certain, late=late, call_id=call_id)
        except MirrorUnusable as exc:
            # The remote has it: that is what the caller must hear. The history entry stays uncertain.
            log.warning("event=push_not_noted call=%s reason=%s", call_id, exc.message)
        states = {path: state for path, state, _ in written}
        return [
            Changed(done.path, states[done.path], in_place=done.in_place, late_contents=done.late_contents)
            for done in changed
        ]

    def _take_back(self, unsure: Sequence[RemotePath], changes: Sequence[Change], entries: Sequence[int]) -> None:
        """Remove the history entries of what was not written, and the copies of what perhaps was."""
        certain = [entry for entry, change in zip(entries, changes, strict=True) if change.path not in unsure]
        try:
            self.history.discard(certain)
            self.local.forget(unsure)
        except MirrorUnusable as exc:
            # Both are checked by state at their next use. The caller must hear why the write failed.
            log.warning("event=failed_push_not_noted reason=%s", exc.message)

    def _contents_before(
        self, changes: Sequence[Change], *, roots: Sequence[RemotePath], flights: Flights
    ) -> dict[RemotePath, bytes | None]:
        """Return what the files hold that are to be replaced or removed; asks the remote only for what is not here."""
        before: dict[RemotePath, bytes | None] = {}
        missing: dict[RemotePath, Present] = {}
        for change in changes:
            expected = change.expected
            if isinstance(expected, Absent):
                before[change.path] = None
                continue
            held = self.local.held(change.path)
            if held is not None and is_same(held.state, expected):
                before[change.path] = held.contents
            elif (kept := self.history.contents(expected.digest)) is not None:
                before[change.path] = kept
            else:
                missing[change.path] = expected
        if missing:
            pulled = self.pull(list(missing), session_id=None, roots=roots, flights=flights)
            for item in pulled:
                path = item.observation.path
                before[path] = self._require_contents(item, missing[path])
        return before

    def _require_contents(self, pulled: Pulled, expected: Present) -> bytes:
        path, state = pulled.observation.path, pulled.observation.state
        if state is None or not is_same(state, expected):
            raise RemoteChanged(
                f'cannot write "{path}": it is not what this session last saw; nothing was written. Read it again',
                path=path,
            )
        if pulled.contents is None:
            limit = self.local.limits.contents_bytes
            raise RemoteOperationFailed(
                f'cannot write "{path}": its {expected.size_bytes} bytes cannot be kept in the history '
                f"(at most {limit}, and readable); use a shell command",
                path=path,
                reason="too_large" if pulled.observation.is_too_large else "unreadable",
            )
        return pulled.contents

    def _pull_batch(
        self, batch: Sequence[Wanted], report: PullReport, *, roots: Sequence[RemotePath], flights: Flights
    ) -> None:
        limit = self.local.limits.contents_bytes
        held = {wanted.path: wanted.held for wanted in batch}
        observations = self._files.observe(batch, roots=roots, flights=flights, limit_bytes=limit)
        settled = [settle(found, held[found.path]) for found in observations]
        self.local.keep(settled, session_id=None)
        for item in settled:
            report.add(item)


def _state_of(held: Held | None) -> Present | None:
    return None if held is None else held.state


def _pulled(observation: Observation, held: Held | None) -> Pulled:
    if observation.is_as_held and held is not None:
        return Pulled(observation, held.contents)
    return Pulled(observation, observation.contents)


def _plain_state(pulled: Pulled) -> FileState | None:
    """Return the state of a file or an absent one, with digest; None for anything else."""
    state = pulled.observation.state
    if isinstance(state, Present) and pulled.contents is None:
        return None
    return state


def _with_digest(state: FileState, change: Change) -> FileState:
    """Return the state after a write, with the digest of what was written."""
    if isinstance(state, Absent) or change.contents is None:
        return state
    return replace(state, digest=digest_of(change.contents))
