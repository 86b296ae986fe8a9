"""History and undo: what was there before each write, and the way back."""

from pathlib import Path

import pytest

from remote_code.errors import NotInHistory, RemoteChanged
from remote_code.mirror.contents import digest_of
from remote_code.mirror.history import Action, Entry
from remote_code.mirror.local import MirrorLimits
from remote_code.remote.files import ANYWHERE
from remote_code.remote.state import Absent, Change
from tests.mirror.conftest import MakeSite, Site


def undo(site: Site, entries: list[Entry], *, call: str = "undo") -> list[str]:
    changed = site.sync.undo(entries, session_id="one", call_id=call, roots=ANYWHERE, flights=site.flights)
    return [Path(done.path).name for done in changed]


def edit(site: Site, name: str, contents: bytes | None, *, call: str, session: str = "one") -> None:
    path = site.path(name)
    expected = site.sync.seen(session, path) or site.pull(path, session).observation.state
    site.push(path, contents, expected=expected, call=call, session=session)


def test_entries_are_found_by_call_by_file_and_by_session(site: Site) -> None:
    """SYNC-6."""
    for name in ("a", "b"):
        site.write(name, b"old")
    edit(site, "a", b"1", call="first")
    edit(site, "b", b"2", call="second")
    edit(site, "a", b"3", call="third", session="two")
    history = site.sync.history
    assert [entry.call_id for entry in history.entries()] == ["third", "second", "first"]
    assert [entry.call_id for entry in history.entries(path=site.path("a"))] == ["third", "first"]
    assert [entry.call_id for entry in history.entries(session_id="one")] == ["second", "first"]
    assert [entry.call_id for entry in history.entries(session_id="one", path=site.path("a"))] == ["first"]
    assert [entry.call_id for entry in history.entries(limit=1)] == ["third"]
    shown = history.show(history.entries(call_id="third")[0].entry_id)
    assert (shown.before, shown.after) == (b"1", b"3")
    shown = history.show(history.entries(call_id="first")[0].entry_id)
    assert (shown.before, shown.after) == (b"old", b"1")


def test_what_nobody_holds_any_more_is_not_shown(site: Site) -> None:
    """SYNC-6."""
    site.write("a", b"old")
    edit(site, "a", b"new", call="call")
    site.pull(site.write("a", b"theirs"))
    (entry,) = site.sync.history.entries()
    shown = site.sync.history.show(entry.entry_id)
    assert (shown.before, shown.after, entry.after_digest) == (b"old", None, digest_of(b"new"))


def test_an_unknown_entry_is_a_named_error(site: Site) -> None:
    with pytest.raises(NotInHistory):
        site.sync.history.show(77)


def test_undo_of_a_call_takes_back_files_made_changed_moved_and_deleted(site: Site) -> None:
    """SYNC-6."""
    changed, moved, deleted = (site.write(name, name.encode()) for name in ("changed", "moved", "deleted"))
    Path(deleted).chmod(0o750)
    made, target = site.path("made"), site.path("new/place")
    paths = [changed, moved, deleted, made, target]
    states = {path: site.pull(path).observation.state or Absent() for path in paths}
    new = {changed: b"CHANGED", moved: None, deleted: None, made: b"made", target: b"moved and edited"}
    changes = [Change(path, expected=states[path], contents=new[path]) for path in paths]
    site.sync.push(changes, session_id="one", call_id="patch", roots=ANYWHERE, flights=site.flights)
    assert not Path(moved).exists()

    flights = site.flights.count
    assert sorted(undo(site, site.sync.history.entries(call_id="patch"))) == sorted(Path(path).name for path in paths)
    assert site.flights.count - flights == site.flights_by(shell=2, sftp=5)
    assert [site.read(name) for name in ("changed", "moved", "deleted")] == [b"changed", b"moved", b"deleted"]
    assert Path(deleted).stat().st_mode & 0o777 == 0o750
    assert not Path(made).exists()
    assert not Path(target).exists()
    assert {entry.undone_by for entry in site.sync.history.entries(call_id="patch")} == {"undo"}


def test_an_undo_can_be_undone(site: Site) -> None:
    """SYNC-6."""
    site.write("a", b"old")
    edit(site, "a", b"new", call="edit")
    undo(site, site.sync.history.entries(call_id="edit"), call="undo 1")
    assert site.read("a") == b"old"
    undo(site, site.sync.history.entries(call_id="undo 1"), call="undo 2")
    assert site.read("a") == b"new"
    assert undo(site, site.sync.history.entries(call_id="edit")) == []


def test_undo_of_a_session_goes_back_through_all_its_edits(site: Site) -> None:
    """SYNC-6."""
    site.write("a", b"0")
    for number in range(1, 5):
        edit(site, "a", b"%d" % number, call=f"call {number}")
    undo(site, site.sync.history.entries(session_id="one"))
    assert site.read("a") == b"0"


@pytest.mark.parametrize("theirs", [b"theirs", None])
def test_undo_refuses_all_when_one_file_was_changed_afterwards(site: Site, theirs: bytes | None) -> None:
    """SYNC-6."""
    for name in ("a", "b"):
        site.write(name, b"old")
        edit(site, name, b"new", call="call")
    if theirs is None:
        Path(site.path("b")).unlink()
    else:
        site.write("b", theirs)
    with pytest.raises(RemoteChanged) as caught:
        undo(site, site.sync.history.entries(call_id="call"))
    assert caught.value.path == site.path("b")
    assert site.read("a") == b"new"
    assert {entry.undone_by for entry in site.sync.history.entries(call_id="call")} == {None}


def test_undo_of_an_older_edit_alone_is_refused_while_a_newer_one_stands(site: Site) -> None:
    """SYNC-6."""
    site.write("a", b"0")
    edit(site, "a", b"1", call="older")
    edit(site, "a", b"2", call="newer")
    with pytest.raises(RemoteChanged):
        undo(site, site.sync.history.entries(call_id="older"))
    undo(site, site.sync.history.entries(call_id="newer"))
    undo(site, site.sync.history.entries(call_id="older"))
    assert site.read("a") == b"0"


def test_the_same_contents_are_stored_once(site: Site) -> None:
    """SYNC-6."""
    for name in ("a", "b", "c"):
        site.write(name, b"x" * 1000)
        edit(site, name, name.encode(), call=name)
    stored = [path for path in (site.sync.local.root / ".remote-code/contents").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in stored] == [b"x" * 1000]


def test_the_history_is_bounded_and_the_oldest_goes_first(make_site: MakeSite) -> None:
    """SYNC-6."""
    site = make_site(limits=MirrorLimits(history_bytes=2500))
    site.write("a", b"0" * 1000)
    for number in range(1, 6):
        edit(site, "a", b"%d" % number * 1000, call=f"call {number}")
    assert [entry.call_id for entry in site.sync.history.entries()] == ["call 5", "call 4"]
    stored = [path for path in (site.sync.local.root / ".remote-code/contents").rglob("*") if path.is_file()]
    assert len(stored) == 2


def test_the_number_of_entries_is_bounded(make_site: MakeSite) -> None:
    """SYNC-6."""
    site = make_site(limits=MirrorLimits(history_entries=3))
    for number in range(6):
        edit(site, "a", b"%d" % number, call=f"call {number}")
    assert [entry.call_id for entry in site.sync.history.entries()] == ["call 5", "call 4", "call 3"]


def test_old_contents_that_were_damaged_on_this_machine_are_not_written_back(site: Site) -> None:
    """SYNC-6."""
    site.write("a", b"old")
    edit(site, "a", b"new", call="call")
    (stored,) = [path for path in (site.sync.local.root / ".remote-code/contents").rglob("*") if path.is_file()]
    stored.write_bytes(b"bad")
    with pytest.raises(NotInHistory):
        undo(site, site.sync.history.entries(call_id="call"))
    assert site.read("a") == b"new"


def test_the_history_can_be_cleared(site: Site) -> None:
    site.write("a", b"old")
    edit(site, "a", b"new", call="call")
    entry = site.sync.history.entries()[0]
    assert entry.action is Action.CHANGED
    assert site.sync.history.clear() == 1
    assert site.sync.history.entries() == []
    assert site.sync.history.contents(entry.before_digest) is None
    edit(site, "a", b"newer", call="again")
    undo(site, site.sync.history.entries(call_id="again"))
    assert site.read("a") == b"new"
