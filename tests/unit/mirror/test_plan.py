"""Pure plans: what an observation means, what an undo must write, what a failed write may have done."""

from dataclasses import replace

import pytest

from remote_code.errors import (
    Cancelled,
    ConnectionLost,
    NotInHistory,
    PermissionDenied,
    PoolTimeout,
    RemoteChanged,
    RemoteCodeError,
    RemoteOperationFailed,
)
from remote_code.mirror.contents import digest_of
from remote_code.mirror.history import Action, Entry
from remote_code.mirror.outcome import perhaps_written
from remote_code.mirror.plan import Edited, Keeping, plan_push, plan_undo, settle
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, Change, FileState, Kind, Observation, Present

PATH = RemotePath("/srv/a")
OLD = Present(PATH, "81a4 4 1 0 0 7 1 1.0|1.0", "held", 4, 0o644, 1, 0, 0, 7, 10**9)
MOVED = replace(OLD, stamp="81a4 4 1 0 0 7 1 2.0|2.0", digest=None)


def observation(kind: Kind, state: FileState | None = None, **more: object) -> Observation:
    found = Observation(PATH, kind, PATH, state, None)
    return replace(found, **more)  # type: ignore[arg-type]  # The rows below give fields of the right type.


@pytest.mark.parametrize(
    ("found", "held", "keeping", "state"),
    [
        pytest.param(
            observation(Kind.FILE, MOVED, contents=b"new"),
            OLD,
            Keeping.STORE,
            replace(MOVED, digest=digest_of(b"new")),
            id="contents came",
        ),
        pytest.param(
            observation(Kind.FILE, MOVED, is_as_held=True),
            OLD,
            Keeping.CONFIRM,
            replace(MOVED, digest="held"),
            id="as held, touched",
        ),
        pytest.param(observation(Kind.FILE, MOVED, is_too_large=True), OLD, Keeping.DROP, MOVED, id="too large"),
        pytest.param(observation(Kind.FILE, MOVED, is_unreadable=True), None, Keeping.DROP, MOVED, id="unreadable"),
        pytest.param(observation(Kind.ABSENT, Absent()), OLD, Keeping.DROP, Absent(), id="absent"),
        pytest.param(observation(Kind.DIRECTORY), OLD, Keeping.DROP, None, id="a directory now"),
        pytest.param(observation(Kind.OTHER), OLD, Keeping.DROP, None, id="a device now"),
        pytest.param(observation(Kind.OUTSIDE), OLD, Keeping.LEAVE, None, id="outside"),
        pytest.param(observation(Kind.NO_ACCESS), OLD, Keeping.LEAVE, None, id="no access"),
    ],
)
def test_what_an_observation_means(
    found: Observation, held: Present | None, keeping: Keeping, state: FileState | None
) -> None:
    settled = settle(found, held)
    assert (settled.keeping, settled.observation.state) == (keeping, state)


def entry(number: int, before: str | None, after: str | None, **more: object) -> Entry:
    action = Action.CREATED if before is None else Action.REMOVED if after is None else Action.CHANGED
    made = Entry(number, 0.0, "session", f"call {number}", PATH, action, True, 0o755, before, after, None, None)
    return replace(made, **more)  # type: ignore[arg-type]  # The rows below give fields of the right type.


def present(digest: str) -> Present:
    return replace(OLD, digest=digest)


CONTENTS = {"A": b"a", "B": b"b", "C": b"c"}


@pytest.mark.parametrize(
    ("entries", "found", "change"),
    [
        pytest.param([entry(1, "A", "B")], present("B"), Change(PATH, present("B"), b"a", 0o755), id="changed"),
        pytest.param([entry(1, None, "B")], present("B"), Change(PATH, present("B"), None), id="created"),
        pytest.param([entry(1, "A", None)], Absent(), Change(PATH, Absent(), b"a", 0o755), id="removed"),
        pytest.param(
            [entry(1, "A", "B"), entry(2, "B", "C")], present("C"), Change(PATH, present("C"), b"a", 0o755), id="chain"
        ),
        pytest.param(
            [entry(1, None, "B"), entry(2, "B", None)], Absent(), None, id="created and removed: nothing to do"
        ),
        pytest.param(
            [entry(1, "A", "B"), entry(2, "B", "C", is_certain=False)],
            present("B"),
            Change(PATH, present("B"), b"a", 0o755),
            id="the last one never came about",
        ),
        pytest.param(
            [entry(1, "A", "B", is_certain=False)],
            present("B"),
            Change(PATH, present("B"), b"a", 0o755),
            id="uncertain, and made",
        ),
        pytest.param([entry(1, "A", "B", undone_by="x")], present("B"), None, id="undone before"),
        pytest.param([entry(1, "A", "B", action=Action.LATE)], present("B"), None, id="a foreign write is kept"),
    ],
)
def test_undo(entries: list[Entry], found: FileState, change: Change | None) -> None:
    """SYNC-6."""
    assert plan_undo(entries, {PATH: found}, CONTENTS) == ([] if change is None else [change])


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        pytest.param([entry(1, "A", "B")], present("C"), id="changed afterwards"),
        pytest.param([entry(1, "A", "B")], Absent(), id="removed afterwards"),
        pytest.param([entry(1, "A", None)], present("C"), id="made again by somebody else"),
        pytest.param([entry(1, "A", "B"), entry(2, "C", "D")], present("D"), id="foreign write in between"),
        pytest.param([entry(1, "A", "B")], None, id="a directory now"),
        pytest.param([entry(1, "A", "B", is_certain=False)], present("C"), id="uncertain, and neither"),
    ],
)
def test_undo_never_takes_somebody_elses_work(entries: list[Entry], found: FileState | None) -> None:
    """SYNC-6."""
    with pytest.raises(RemoteChanged):
        plan_undo(entries, {PATH: found}, CONTENTS)


def test_undo_needs_the_old_contents() -> None:
    """SYNC-6."""
    with pytest.raises(NotInHistory):
        plan_undo([entry(1, "Z", "B")], {PATH: present("B")}, CONTENTS)


def test_edited_copies_are_pushed_where_the_remote_has_their_origin() -> None:
    """SYNC-2."""
    other, equal = RemotePath("/srv/b"), RemotePath("/srv/c")
    edited = [Edited(path, present("A"), b"mine") for path in (PATH, other, equal)]
    found = {PATH: replace(MOVED, digest="A"), other: present("B"), equal: present(digest_of(b"mine"))}
    assert plan_push(edited, found) == ([Change(PATH, found[PATH], b"mine")], [other])


@pytest.mark.parametrize(
    ("error", "unsure"),
    [
        pytest.param(ConnectionLost("", outcome="unknown"), ["/a", "/b", "/c"], id="unknown"),
        pytest.param(ConnectionLost("", outcome="not_started"), [], id="not started"),
        pytest.param(RemoteChanged("", path="/b"), [], id="conflict"),
        pytest.param(RemoteChanged("", path="/b", done=[]), [], id="conflict, nothing written"),
        pytest.param(RemoteChanged("", path="/c", done=["/b"]), ["/b"], id="conflict after the first"),
        pytest.param(RemoteOperationFailed("", path="/a", reason="busy", done=[]), [], id="busy"),
        pytest.param(
            RemoteOperationFailed("", path="/a", reason="broken", done=["/b"]), ["/a", "/b"], id="half-written in place"
        ),
        pytest.param(RemoteOperationFailed("", reason="shell"), ["/a", "/b", "/c"], id="the script failed"),
        pytest.param(PermissionDenied("", path="/a"), [], id="denied"),
        pytest.param(PoolTimeout(""), [], id="no worker"),
        pytest.param(Cancelled(""), ["/a", "/b", "/c"], id="cancelled somewhere"),
    ],
)
def test_what_a_failed_write_may_have_done(error: RemoteCodeError, unsure: list[str]) -> None:
    assert perhaps_written(error, [RemotePath("/a"), RemotePath("/b"), RemotePath("/c")]) == unsure
