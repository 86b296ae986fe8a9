"""READ-1, READ-3: directories and parts of large files, moves, and real paths."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_code.errors import NoSuchFile, OutsideWorkspace, RemoteChanged
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.state import DirectoryEntry, FileRange, Kind, Present
from remote_code.shell.job import Flights
from tests.remote.conftest import Machine


def lines(machine: Machine, path: Path, *, first: int, limit: int, limit_bytes: int = 10_000) -> FileRange:
    return machine.files.read_lines(
        RemotePath(str(path)), first=first, limit=limit, limit_bytes=limit_bytes, roots=ANYWHERE, flights=Flights()
    )


def part(machine: Machine, path: Path, *, offset: int, limit: int) -> bytes:
    return machine.files.read_bytes(
        RemotePath(str(path)), offset=offset, limit=limit, roots=ANYWHERE, flights=Flights()
    ).contents


def test_lines_of_a_file_are_read_from_any_line(machine: Machine, place: Path) -> None:
    """READ-3"""
    file = place / "log"
    file.write_bytes(b"".join(b"line %d\n" % n for n in range(1, 1001)) + b"no end")
    assert lines(machine, file, first=1, limit=2).contents == b"line 1\nline 2\n"
    assert lines(machine, file, first=999, limit=10).contents == b"line 999\nline 1000\nno end"
    assert lines(machine, file, first=1002, limit=10).contents == b""
    assert lines(machine, file, first=2, limit=1000, limit_bytes=10).contents == b"line 2\nlin"
    found = lines(machine, file, first=1, limit=1)
    assert (found.kind, found.real_path) == (Kind.FILE, str(file))
    assert isinstance(found.state, Present)
    assert found.state.stamp == machine.present(file).stamp


def test_bytes_of_a_file_are_read_at_any_offset(machine: Machine, place: Path) -> None:
    """READ-3"""
    file, data = place / "data", os.urandom(200_000)
    file.write_bytes(data)
    for offset, limit in [(0, 10), (1, 1), (4095, 2), (65_535, 70_000), (199_999, 100), (200_000, 5), (300_000, 5)]:
        assert part(machine, file, offset=offset, limit=limit) == data[offset : offset + limit]


def test_a_sparse_file_of_10_gb_is_read_at_its_end(machine: Machine, place: Path) -> None:
    """READ-3"""
    file = place / "huge"
    with file.open("wb") as stream:
        stream.seek(10 << 30)
        stream.write(b"the end")
    assert part(machine, file, offset=(10 << 30) - 1, limit=100) == b"\0the end"


def test_a_range_of_something_else_names_its_kind(machine: Machine, place: Path) -> None:
    assert lines(machine, place, first=1, limit=1).kind is Kind.DIRECTORY
    assert lines(machine, place / "none", first=1, limit=1).kind is Kind.ABSENT


def test_a_directory_is_listed_with_kinds(machine: Machine, place: Path) -> None:
    """READ-1"""
    (place / "file").write_bytes(b"")
    (place / "dir").mkdir()
    (place / "dir" / "deep").write_bytes(b"")
    (place / "to-dir").symlink_to("dir")
    (place / "to-file").symlink_to("file")
    (place / "dangling").symlink_to("none")
    (place / ".hidden").write_bytes(b"")
    observation, entries = machine.files.list_directory(RemotePath(str(place)), roots=ANYWHERE, flights=Flights())
    assert (observation.kind, observation.real_path) == (Kind.DIRECTORY, str(place))
    assert sorted(entries, key=lambda entry: entry.name) == [
        DirectoryEntry(".hidden", is_directory=False, is_link=False),
        DirectoryEntry("dangling", is_directory=False, is_link=True),
        DirectoryEntry("dir", is_directory=True, is_link=False),
        DirectoryEntry("file", is_directory=False, is_link=False),
        DirectoryEntry("to-dir", is_directory=True, is_link=True),
        DirectoryEntry("to-file", is_directory=False, is_link=True),
    ]


def test_an_empty_directory_has_no_entries_and_a_file_is_told(machine: Machine, place: Path) -> None:
    _, entries = machine.files.list_directory(RemotePath(str(place)), roots=ANYWHERE, flights=Flights())
    assert entries == []
    (place / "f").write_bytes(b"")
    observation, entries = machine.files.list_directory(RemotePath(f"{place}/f"), roots=ANYWHERE, flights=Flights())
    assert (observation.kind, entries) == (Kind.FILE, [])


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with 50,000 files."""
    folder = tmp_path_factory.mktemp("crowd").resolve()
    for n in range(50_000):
        os.mknod(folder / f"{n}.txt")
    yield folder
    shutil.rmtree(folder)


def test_50_000_files_in_a_directory_are_listed_and_stand_in_nobodys_way(machine: Machine, crowd: Path) -> None:
    _, entries = machine.files.list_directory(RemotePath(str(crowd)), roots=ANYWHERE, flights=Flights())
    assert {entry.name for entry in entries} == {f"{n}.txt" for n in range(50_000)}
    machine.replace(crowd / "7.txt", machine.name.encode())
    machine.replace(crowd / "new", b"new")
    assert machine.observe(crowd / "7.txt").contents == machine.name.encode()
    machine.replace(crowd / "new", None)
    assert not (crowd / "new").exists()


def test_a_file_is_moved_but_never_over_another(machine: Machine, place: Path) -> None:
    old, new = place / "old", place / "new"
    old.write_bytes(b"x")
    state = machine.present(old)
    (place / "taken").write_bytes(b"theirs")

    def move(target: Path) -> None:
        moved = machine.files.move(
            RemotePath(str(old)), state, RemotePath(str(target)), roots=[RemotePath(str(place))], flights=Flights()
        )
        assert moved.digest == state.digest

    with pytest.raises(RemoteChanged):
        move(place / "taken")
    with pytest.raises(NoSuchFile):
        move(place / "none" / "new")
    with pytest.raises(OutsideWorkspace):
        move(place.parent / "new")
    move(new)
    assert sorted(each.name for each in place.iterdir()) == ["new", "taken"]
    with pytest.raises(RemoteChanged):
        move(place / "newer")
    assert (new.read_bytes(), (place / "taken").read_bytes()) == (b"x", b"theirs")


def test_real_paths_are_told_in_one_flight(machine: Machine, place: Path) -> None:
    (place / "dir").mkdir()
    (place / "link").symlink_to("dir")
    flights = Flights()
    paths = [RemotePath(f"{place}/link/new"), RemotePath(f"{place}/link"), RemotePath("/")]
    assert machine.files.resolve(paths, flights=flights) == [
        (Kind.ABSENT, f"{place}/dir/new"),
        (Kind.DIRECTORY, f"{place}/dir"),
        (Kind.DIRECTORY, "/"),
    ]
    assert flights.count == (3 if machine.name == "sftp" else 1)  # A link costs two more.
