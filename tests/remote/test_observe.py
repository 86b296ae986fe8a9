"""What is seen of remote files, under dash, bash and BusyBox ash."""

from pathlib import Path

from remote_code.remote.state import Absent, Kind, Present
from tests.remote.conftest import Machine


def test_observe_returns_contents_and_state_of_a_file(machine: Machine, place: Path) -> None:
    file = place / "a.txt"
    file.write_bytes(b"one\0two\n")
    found = machine.observe(file)
    assert (found.kind, found.contents, found.real_path) == (Kind.FILE, b"one\0two\n", str(file))
    assert isinstance(found.state, Present)
    stat = file.stat()
    state = found.state
    assert (state.size_bytes, state.mode, state.n_links) == (8, stat.st_mode, 1)
    assert (state.uid, state.gid, state.inode) == (stat.st_uid, stat.st_gid, stat.st_ino)
    assert state.mtime_ns == stat.st_mtime_ns


def test_observe_of_what_is_held_sends_no_contents(machine: Machine, place: Path) -> None:
    file = place / "a.txt"
    file.write_bytes(b"one\n")
    held = machine.present(file)
    found = machine.observe(file, held=held)
    assert (found.is_as_held, found.contents) == (True, None)


def test_observe_tells_an_absent_file_from_one_whose_directory_is_missing(machine: Machine, place: Path) -> None:
    assert machine.observe(place / "new").kind is Kind.ABSENT
    assert machine.observe(place / "no" / "new").kind is Kind.ABSENT_DIRECTORY
    assert machine.observe(place / "new").state == Absent()
