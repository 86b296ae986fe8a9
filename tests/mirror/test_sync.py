"""SyncEngine: pull and push of named files, what is remembered, and what it costs."""

import shutil
import stat
from pathlib import Path

import pytest

from remote_code.errors import ConnectionLost, MirrorUnusable, RemoteChanged, RemoteOperationFailed
from remote_code.mirror.contents import digest_of
from remote_code.mirror.history import Action
from remote_code.mirror.local import MirrorLimits
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.state import Absent, Change, Kind, Present
from remote_code.shell.job import Flights
from tests.mirror.conftest import MakeSite, Site
from tests.support.local_files import LocalFiles


def append(path: RemotePath, contents: bytes) -> None:
    with Path(path).open("ab") as file:
        file.write(contents)


def test_only_the_files_that_were_touched_are_mirrored(site: Site) -> None:
    """SYNC-1."""
    path = site.write("src/a.py", b"one\n")
    site.write("src/b.py", b"two\n")
    pulled = site.pull(path)
    assert pulled.contents == b"one\n"
    assert site.local(path).read_bytes() == b"one\n"
    assert list(site.sync.local.root.rglob("*.py")) == [site.local(path)]


def test_copies_are_private(site: Site) -> None:
    """SYNC-4."""
    path = site.write("src/deep/a.py", b"one\n")
    site.pull(path)
    root = site.sync.local.root
    for found in [root, *root.rglob("*")]:
        assert stat.S_IMODE(found.stat().st_mode) == (0o700 if found.is_dir() else 0o600), found


def test_a_warm_pull_sends_what_is_held_and_gives_the_contents_from_the_mirror(site: Site) -> None:
    """SYNC-2."""
    path = site.write("a.py", b"one\n")
    first = site.pull(path)
    again = site.pull(path)
    assert site.files.observed[1][0].held == first.observation.state
    assert again.observation.is_as_held
    assert again.contents == b"one\n"
    assert again.observation.state == site.sync.seen("one", path)


def test_a_pull_of_many_files_is_one_flight(site: Site) -> None:
    """SYNC-2, SYNC-3."""
    paths = [site.write(f"f{index}", b"%d" % index) for index in range(30)]
    pulled = site.sync.pull([*paths, paths[0]], session_id="one", roots=ANYWHERE, flights=site.flights)
    assert [item.contents for item in pulled] == [b"%d" % index for index in [*range(30), 0]]
    assert site.flights.count == site.flights_by(shell=1, sftp=3)


def test_an_edit_after_a_read_is_one_flight(site: Site) -> None:
    """SYNC-3."""
    path = site.write("a.py", b"one\n")
    site.pull(path)
    before = site.flights.count
    held = site.sync.held(path)
    assert held is not None
    assert held.state == site.sync.seen("one", path)
    changed = site.push(path, held.contents + b"two\n", expected=held.state)
    assert site.flights.count - before == site.flights_by(shell=1, sftp=3)
    assert site.read("a.py") == b"one\ntwo\n"
    assert isinstance(changed.state, Present)
    assert changed.state == site.sync.seen("one", path)
    again = site.sync.held(path)
    assert again is not None
    assert (again.state, again.contents) == (changed.state, b"one\ntwo\n")


def test_a_new_file_whose_absence_was_seen_is_one_flight(site: Site) -> None:
    path = site.path("new/deep.txt")
    assert site.pull(path).observation.kind is Kind.ABSENT_DIRECTORY
    before = site.flights.count
    site.push(path, b"new\n", expected=site.sync.seen("one", path))
    assert site.flights.count - before == site.flights_by(shell=1, sftp=5)
    assert site.read("new/deep.txt") == b"new\n"


def test_what_one_session_saw_another_did_not(site: Site) -> None:
    """SYNC-2."""
    path = site.write("a.py", b"one\n")
    site.pull(path, session="one")
    assert site.sync.seen("two", path) is None
    assert site.sync.held(path) is not None


def test_a_pull_without_a_session_marks_nothing_as_seen(site: Site) -> None:
    path = site.write("a.py", b"one\n")
    site.pull(path, session=None)
    assert site.sync.seen("one", path) is None


def test_a_push_refuses_when_the_remote_file_changed(site: Site) -> None:
    """SYNC-5."""
    path = site.write("a.py", b"one\n")
    seen = site.pull(path).observation.state
    site.write("a.py", b"theirs\n")
    with pytest.raises(RemoteChanged):
        site.push(path, b"mine\n", expected=seen)
    assert site.read("a.py") == b"theirs\n"
    assert site.sync.history.entries() == []
    assert site.sync.seen("one", path) == seen


def test_a_write_through_a_link_counts_as_seen_by_the_other_name(site: Site) -> None:
    target = site.write("real.txt", b"one\n")
    link = site.path("link.txt")
    Path(link).symlink_to(target)
    site.pull(target)
    site.pull(link)
    changed = site.push(link, b"two\n", expected=site.sync.seen("one", link))
    assert Path(link).is_symlink()
    assert site.sync.seen("one", target) == changed.state


def test_a_removal_takes_the_copy_along(site: Site) -> None:
    path = site.write("src/a.py", b"one\n")
    state = site.pull(path).observation.state
    changed = site.push(path, None, expected=state)
    assert changed.state == Absent()
    assert not Path(path).exists()
    assert not site.local(path).parent.exists()
    assert site.sync.held(path) is None
    assert site.sync.seen("one", path) == Absent()


def test_a_file_that_is_gone_loses_its_copy(site: Site) -> None:
    path = site.write("a.py", b"one\n")
    site.pull(path)
    Path(path).unlink()
    assert site.pull(path).observation.state == Absent()
    assert not site.local(path).exists()
    assert site.sync.seen("one", path) == Absent()


def test_a_file_that_became_a_directory_and_back(site: Site) -> None:
    file = site.write("thing", b"file\n")
    site.pull(file)
    Path(file).unlink()
    inner = site.write("thing/inner", b"inner\n")
    assert site.pull(inner).contents == b"inner\n"
    assert site.local(inner).read_bytes() == b"inner\n"
    assert site.sync.held(file) is None
    Path(inner).unlink()
    Path(file).rmdir()
    site.write("thing", b"file again\n")
    assert site.pull(file).contents == b"file again\n"
    assert site.local(file).read_bytes() == b"file again\n"
    assert site.sync.held(inner) is None


@pytest.mark.parametrize("damage", ["edited", "truncated", "missing", "link"])
def test_a_copy_that_is_not_as_the_manifest_says_is_not_trusted(site: Site, damage: str) -> None:
    """SYNC-4."""
    path = site.write("a.py", b"one\n")
    site.pull(path)
    local = site.local(path)
    local.unlink()
    if damage == "edited":
        local.write_bytes(b"ONE\n")
    elif damage == "truncated":
        local.touch()
    elif damage == "link":
        local.symlink_to("/etc/hostname")
    assert site.sync.held(path) is None
    assert site.pull(path).contents == b"one\n"
    assert local.read_bytes() == b"one\n"
    assert not local.is_symlink()


def test_a_local_edit_goes_to_the_history_before_a_pull_replaces_it(site: Site) -> None:
    """SYNC-6."""
    path = site.write("a.py", b"one\n")
    site.pull(path)
    site.local(path).write_bytes(b"mine, here\n")
    site.pull(path)
    (entry,) = site.sync.history.entries(path=path)
    assert entry.action is Action.LOCAL_EDIT
    assert site.sync.history.show(entry.entry_id).before == b"mine, here\n"


def test_the_mirror_survives_a_restart_and_is_checked_by_state(make_site: MakeSite) -> None:
    """SYNC-4."""
    first = make_site()
    path = first.write("a.py", b"one\n")
    other = first.write("b.py", b"two\n")
    first.pull(path)
    first.pull(other)
    first.sync.close()
    first.write("b.py", b"changed\n")
    second = make_site()
    assert second.pull(path).observation.is_as_held
    assert second.pull(other).contents == b"changed\n"
    assert second.sync.seen("one", path) is not None


def test_a_mirror_that_is_removed_under_a_running_engine_begins_anew(site: Site) -> None:
    """SYNC-4."""
    path = site.write("a.py", b"one\n")
    site.pull(path)
    shutil.rmtree(site.sync.local.root)
    state = site.pull(path).observation.state
    site.push(path, b"two\n", expected=state)
    assert site.local(path).read_bytes() == b"two\n"
    assert [entry.path for entry in site.sync.history.entries()] == [path]
    assert site.sync.export_manifest().exists()


def test_a_file_beyond_the_limit_is_seen_but_not_copied(site: Site) -> None:
    """READ-3."""
    path = site.write("big", b"x" * 1000)
    (pulled,) = site.sync.pull([path], session_id="one", roots=ANYWHERE, flights=site.flights, limit_bytes=999)
    assert pulled.observation.is_too_large
    assert pulled.contents is None
    assert site.sync.held(path) is None
    assert site.sync.seen("one", path) == pulled.observation.state


def test_a_push_over_a_file_that_was_only_looked_at_fetches_what_it_replaces(site: Site) -> None:
    """SYNC-6."""
    path = site.write("big", b"x" * 1000)
    (pulled,) = site.sync.pull([path], session_id="one", roots=ANYWHERE, flights=site.flights, limit_bytes=10)
    site.push(path, b"small", expected=pulled.observation.state)
    (entry,) = site.sync.history.entries(path=path)
    assert site.sync.history.show(entry.entry_id).before == b"x" * 1000


def test_a_file_too_large_for_the_history_is_not_written_over(make_site: MakeSite) -> None:
    """SYNC-6."""
    site = make_site(limits=MirrorLimits(contents_bytes=100))
    path = site.write("big", b"x" * 101)
    state = site.pull(path).observation.state
    with pytest.raises(RemoteOperationFailed) as caught:
        site.push(path, b"small", expected=state)
    assert caught.value.reason == "too_large"
    assert site.read("big") == b"x" * 101


def test_nothing_is_written_when_old_contents_cannot_be_kept(site: Site) -> None:
    """SYNC-6."""
    path = site.write("a.py", b"one\n")
    state = site.pull(path).observation.state
    (site.sync.local.root / ".remote-code" / "contents").write_bytes(b"in the way")
    with pytest.raises(MirrorUnusable):
        site.push(path, b"two\n", expected=state)
    assert site.read("a.py") == b"one\n"


def test_a_lost_link_forgets_the_copies_and_leaves_an_uncertain_entry(site: Site) -> None:
    path = site.write("a.py", b"one\n")
    state = site.pull(path).observation.state
    site.files.lose("unknown")
    with pytest.raises(ConnectionLost):
        site.push(path, b"two\n", expected=state)
    assert site.sync.held(path) is None
    assert not site.local(path).exists()
    (entry,) = site.sync.history.entries(path=path)
    assert not entry.is_certain
    assert site.sync.history.show(entry.entry_id).before == b"one\n"
    assert site.pull(path).contents == b"two\n"
    assert site.sync.history.show(entry.entry_id).entry.is_certain


def test_a_write_that_never_started_leaves_everything_as_it_was(site: Site) -> None:
    path = site.write("a.py", b"one\n")
    state = site.pull(path).observation.state
    site.files.lose("not_started")
    with pytest.raises(ConnectionLost):
        site.push(path, b"two\n", expected=state)
    assert site.sync.held(path) is not None
    assert site.sync.history.entries() == []


@pytest.mark.parametrize("maker", ["disk"])
def test_what_a_foreign_writer_put_in_at_the_last_moment_is_in_the_history(site: Site) -> None:
    """SYNC-5, SYNC-6."""
    path = site.write("a.py", b"one\n")
    state = site.pull(path).observation.state
    assert isinstance(site.files.files, LocalFiles)
    site.files.files.before_rename = lambda name: append(name, b"theirs\n")
    site.push(path, b"two\n", expected=state)
    late, changed = site.sync.history.entries(path=path)
    assert (changed.action, late.action) == (Action.CHANGED, Action.LATE)
    assert site.sync.history.show(late.entry_id).before == b"one\ntheirs\n"


def test_a_push_of_several_files_is_all_or_nothing_and_one_flight(site: Site) -> None:
    """PATCH-1."""
    kept, gone = site.write("kept", b"1\n"), site.write("gone", b"2\n")
    made = site.path("made")
    states = [site.pull(path).observation.state for path in (kept, gone, made)]
    before = site.flights.count
    changes = [
        Change(path, expected=state, contents=contents)
        for path, state, contents in zip((kept, gone, made), states, (b"11\n", None, b"3\n"), strict=True)
        if state is not None
    ]
    site.sync.push(changes, session_id="one", call_id="patch", roots=ANYWHERE, flights=site.flights)
    assert site.flights.count - before == site.flights_by(shell=1, sftp=3)
    entries = site.sync.history.entries(call_id="patch")
    assert [entry.action for entry in reversed(entries)] == [Action.CHANGED, Action.REMOVED, Action.CREATED]
    site.write("kept", b"theirs\n")
    with pytest.raises(RemoteChanged):
        site.sync.push(
            [
                Change(made, expected=site.sync.seen("one", made) or Absent(), contents=b"33\n"),
                Change(kept, expected=site.sync.seen("one", kept) or Absent(), contents=b"111\n"),
            ],
            session_id="one",
            call_id="patch 2",
            roots=ANYWHERE,
            flights=site.flights,
        )
    assert site.read("made") == b"3\n"


def test_the_least_recently_used_copies_go_first(make_site: MakeSite) -> None:
    """SYNC-4."""
    site = make_site(limits=MirrorLimits(copies_bytes=1000))
    paths = [site.write(f"f{index}", bytes([65 + index]) * 200) for index in range(5)]
    for path in paths:
        site.pull(path)
    site.pull(paths[0])
    site.pull(site.write("g", b"g" * 200))
    held = [site.sync.held(path) is not None for path in paths]
    assert held == [True, False, False, True, True]
    assert not site.local(paths[1]).exists()
    assert sum(found.stat().st_size for found in site.root.iterdir()) == 1200


def test_names_with_any_bytes_are_kept(site: Site) -> None:
    """SYNC-1."""
    names = [b"\xb2\xe2 x.txt", b"a\nb", b"'$(id)", b"-n", b"%41", b"n" * 255, "e\u0301".encode(), b"nul"]
    for name in names:
        (Path(str(site.root).encode().decode()) / name.decode("utf-8", "surrogateescape")).write_bytes(name)
    for name in names:
        path = site.path(name.decode("utf-8", "surrogateescape"))
        assert site.pull(path).contents == name
        held = site.sync.held(path)
        assert held is not None
        assert held.contents == name
        assert site.sync.mapper.to_remote(site.sync.mapper.to_local(path)) == path


def test_a_path_too_long_for_a_local_copy_tree_is_kept_too(site: Site) -> None:
    """SYNC-1."""
    path = site.write("d" * 5 + "/" + "/".join(["e" * 100] * 3) + "/a", b"deep\n")
    assert site.pull(path).contents == b"deep\n"
    assert digest_of(site.local(path).read_bytes()) == digest_of(b"deep\n")


def test_one_push_names_a_file_once(site: Site) -> None:
    change = Change(RemotePath("/x"), expected=Absent(), contents=b"")
    with pytest.raises(ValueError, match="once"):
        site.sync.push([change, change], session_id="one", call_id="c", roots=ANYWHERE, flights=Flights())
