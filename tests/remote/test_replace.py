"""WRITE-1: how remote files are written, under dash, bash and BusyBox ash with their own tools."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from remote_code.errors import (
    IsADirectory,
    NoSpace,
    OutsideWorkspace,
    PermissionDenied,
    RemoteChanged,
)
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.state import Absent, Change, Changed, Present
from remote_code.shell.job import Flights
from tests.remote.conftest import Machine

is_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_replace_gives_a_file_new_contents_in_one_flight(machine: Machine, place: Path) -> None:
    """WRITE-1"""
    file = place / "a.txt"
    file.write_bytes(b"old\n")
    expected, flights = machine.present(file), Flights()
    change = Change(RemotePath(str(file)), expected, b"new\0\xff\n")
    (changed,) = machine.files.replace([change], roots=ANYWHERE, flights=flights)
    assert file.read_bytes() == b"new\0\xff\n"
    assert changed == Changed(RemotePath(str(file)), machine.state(file))
    assert (flights.count, names_in(place)) == (machine.replace_flights, ["a.txt"])


def test_the_state_after_a_replace_serves_for_the_next(machine: Machine, place: Path) -> None:
    file = place / "a.txt"
    file.write_bytes(b"0\n")
    state = machine.state(file)
    for n in range(5):
        state = machine.replace(file, b"%d\n" % n, expected=state).state
    assert file.read_bytes() == b"4\n"


@pytest.mark.parametrize("size", [0, 1, 511, 65_535, 65_536, 65_537, 300_000, 1_500_000])
def test_contents_of_every_size_arrive_whole(machine: Machine, place: Path, size: int) -> None:
    """WRITE-1"""
    contents = os.urandom(size)
    machine.replace(place / "new", contents)
    assert (place / "new").read_bytes() == contents
    assert machine.observe(place / "new", limit_bytes=2_000_000).contents == contents
    machine.replace(place / "new", contents[::-1])
    assert (place / "new").read_bytes() == contents[::-1]


def test_parent_directories_of_a_new_file_are_made(machine: Machine, place: Path) -> None:
    """WRITE-1"""
    target = place / "a b" / "c'd" / "new.txt"
    machine.replace(target, b"x")
    assert target.read_bytes() == b"x"
    assert mode_of(target) == 0o666 & ~machine.host.umask
    assert mode_of(target.parent) == 0o777 & ~machine.host.umask


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o4755, 0o2750, 0o1644, 0o200, 0o777])
def test_an_existing_file_keeps_its_mode(machine: Machine, place: Path, mode: int) -> None:
    """WRITE-1"""
    file = place / "tool"
    file.write_bytes(b"old")
    file.chmod(mode)
    changed = machine.replace(file, b"new")
    assert (file.read_bytes(), mode_of(file), changed.in_place) == (b"new", mode, None)


def test_a_new_file_gets_the_mode_that_was_asked_for(machine: Machine, place: Path) -> None:
    machine.replace(place / "run.sh", b"#!/bin/sh\n", mode=0o755)
    assert mode_of(place / "run.sh") == 0o755


def test_a_link_is_followed_and_stays_a_link(machine: Machine, place: Path) -> None:
    """WRITE-1"""
    (place / "real").mkdir()
    file, link = place / "real" / "file", place / "link"
    file.write_bytes(b"old")
    link.symlink_to("real/file")
    changed = machine.replace(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert isinstance(changed.state, Present)
    assert changed.state.real_path == str(file)
    assert names_in(place) == ["link", "real"]


def test_a_dangling_link_gets_its_target(machine: Machine, place: Path) -> None:
    (place / "link").symlink_to("sub/new")
    machine.replace(place / "link", b"x")
    assert (place / "sub" / "new").read_bytes() == b"x"
    assert (place / "link").is_symlink()


def test_a_file_with_hard_links_is_written_in_place(machine: Machine, place: Path) -> None:
    """WRITE-1"""
    if machine.name == "sftp":
        pytest.skip("SFTP does not tell how many links a file has")
    file, other = place / "a", place / "b"
    file.write_bytes(b"old and longer")
    other.hardlink_to(file)
    changed = machine.replace(file, b"new")
    assert (changed.in_place, other.read_bytes(), file.stat().st_nlink) == ("links", b"new", 2)
    assert names_in(place) == ["a", "b"]
    assert changed.state == machine.state(file)


def test_a_file_without_write_permission_is_refused(machine: Machine, place: Path) -> None:
    """WRITE-1: also to its owner, and to root."""
    file = place / "ro"
    file.write_bytes(b"old")
    file.chmod(0o444)
    with pytest.raises(PermissionDenied) as caught:
        machine.replace(file, b"new")
    assert caught.value.facts["reason"] == "readonly"
    with pytest.raises(PermissionDenied):
        machine.replace(file, None)
    assert (file.read_bytes(), names_in(place)) == (b"old", ["ro"])


def test_a_file_is_removed_when_it_is_as_expected(machine: Machine, place: Path) -> None:
    file = place / "a"
    file.write_bytes(b"old")
    expected = machine.state(file)
    file.write_bytes(b"changed")
    with pytest.raises(RemoteChanged):
        machine.replace(file, None, expected=expected)
    assert file.read_bytes() == b"changed"
    assert machine.replace(file, None).state == Absent()
    assert names_in(place) == []


def test_a_changed_file_is_not_overwritten(machine: Machine, place: Path) -> None:
    """WRITE-2"""
    file = place / "a"
    file.write_bytes(b"seen")
    expected = machine.state(file)
    file.write_bytes(b"SEEN")  # Same size, and perhaps the same tick of the clock.
    with pytest.raises(RemoteChanged) as caught:
        machine.replace(file, b"new", expected=expected)
    assert (caught.value.facts["path"], caught.value.facts["done"]) == (str(file), [])
    assert (file.read_bytes(), names_in(place)) == (b"SEEN", ["a"])


def test_same_size_and_mtime_is_not_unchanged(machine: Machine, place: Path) -> None:
    file = place / "a"
    file.write_bytes(b"seen")
    os.utime(file, ns=(10**18, 10**18))
    expected = machine.present(file)
    file.write_bytes(b"SEEN")
    os.utime(file, ns=(10**18, 10**18))
    found = machine.observe(file, held=expected)
    assert (found.is_as_held, found.contents) == (False, b"SEEN")
    with pytest.raises(RemoteChanged):
        machine.replace(file, b"new", expected=expected)


def test_a_touched_file_with_the_same_contents_is_still_as_expected(machine: Machine, place: Path) -> None:
    file = place / "a"
    file.write_bytes(b"seen")
    expected = machine.present(file)
    os.utime(file, ns=(10**18, 10**18))
    assert machine.observe(file, held=expected).is_as_held
    machine.replace(file, b"new", expected=expected)
    assert file.read_bytes() == b"new"


def test_a_new_file_never_overwrites_another(machine: Machine, place: Path) -> None:
    for name in ("file", "dangling"):
        (place / "file").write_bytes(b"theirs")
        if not (place / "dangling").is_symlink():
            (place / "dangling").symlink_to("nowhere")
        target = place / name
        if name == "file":
            with pytest.raises(RemoteChanged):
                machine.replace(target, b"ours", expected=Absent())
    assert (place / "file").read_bytes() == b"theirs"


def test_an_expected_file_that_is_gone_is_not_made_again(machine: Machine, place: Path) -> None:
    file = place / "a"
    file.write_bytes(b"seen")
    expected = machine.state(file)
    file.unlink()
    with pytest.raises(RemoteChanged) as caught:
        machine.replace(file, b"new", expected=expected)
    assert (caught.value.facts["reason"], names_in(place)) == ("gone", [])


def test_a_directory_that_vanishes_is_made_again_for_new_files_only(machine: Machine, place: Path) -> None:
    folder = place / "d"
    folder.mkdir()
    (folder / "a").write_bytes(b"seen")
    seen, absent = machine.state(folder / "a"), machine.state(folder / "new")
    shutil.rmtree(folder)
    with pytest.raises(RemoteChanged):
        machine.replace(folder / "a", b"new", expected=seen)
    assert names_in(place) == []
    machine.replace(folder / "new", b"new", expected=absent)
    assert (names_in(folder), (folder / "new").read_bytes()) == (["new"], b"new")


def test_a_directory_is_not_written(machine: Machine, place: Path) -> None:
    (place / "d").mkdir()
    with pytest.raises(IsADirectory):
        machine.replace(place / "d", b"new", expected=Absent())


def test_a_fifo_is_neither_read_nor_written(machine: Machine, place: Path) -> None:
    os.mkfifo(place / "pipe")
    assert machine.observe(place / "pipe").contents is None
    with pytest.raises(IsADirectory):
        machine.replace(place / "pipe", b"new", expected=Absent())


def test_a_parent_that_is_a_file_is_refused(machine: Machine, place: Path) -> None:
    (place / "file").write_bytes(b"x")
    with pytest.raises(PermissionDenied) as caught:
        machine.replace(place / "file" / "new", b"new", expected=Absent())
    assert caught.value.facts["reason"] == "mkdir"


def test_many_files_are_compared_before_the_first_is_changed(machine: Machine, place: Path) -> None:
    files = [place / f"{n}.txt" for n in range(10)]
    for file in files:
        file.write_bytes(b"old")
    expected = [machine.state(file) for file in files]
    files[7].write_bytes(b"changed")
    changes = [Change(RemotePath(str(f)), e, b"new") for f, e in zip(files, expected, strict=True)]
    with pytest.raises(RemoteChanged) as caught:
        machine.files.replace(changes, roots=ANYWHERE, flights=Flights())
    assert caught.value.facts["path"] == str(files[7])
    assert [file.read_bytes() for file in files] == [b"old"] * 7 + [b"changed"] + [b"old"] * 2
    assert len(names_in(place)) == 10


def test_writes_creations_and_removals_go_together(machine: Machine, place: Path) -> None:
    (place / "gone").write_bytes(b"1")
    (place / "kept").write_bytes(b"2")
    (place / "sub").mkdir()
    (place / "sub" / "deep").write_bytes(b"3")
    plan: list[tuple[Path, bytes | None]] = [
        (place / "gone", None),
        (place / "moved", b"1"),
        (place / "kept", b"two"),
        (place / "sub" / "deep", b"three"),
        (place / "more" / "new", b""),
    ]
    changes = [Change(RemotePath(str(path)), machine.state(path), contents) for path, contents in plan]
    flights = Flights()
    changed = machine.files.replace(changes, roots=ANYWHERE, flights=flights)
    assert [each.path for each in changed] == [change.path for change in changes]
    assert [each.state for each in changed] == [machine.state(path) for path, _ in plan]
    assert flights.count == (5 if machine.name == "sftp" else 1)
    assert names_in(place) == ["kept", "more", "moved", "sub"]
    assert (place / "kept").read_bytes() == b"two"


def test_a_worker_serves_on_after_every_refusal(machine: Machine, place: Path) -> None:
    """The payload of a refused write must be taken all the same, or it would be read as the next job."""
    (place / "d").mkdir()
    for size in (10, 70_000, 1_000_000):
        with pytest.raises(IsADirectory):
            machine.replace(place / "d", b"echo canary >&2\n" * (size // 16), expected=Absent())
        assert machine.observe(place / "d").kind.name == "DIRECTORY"


def test_a_file_outside_of_the_roots_is_not_touched(machine: Machine, place: Path) -> None:
    """PATH-1"""
    inside, outside = place / "in", place / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "file").write_bytes(b"theirs")
    (inside / "link").symlink_to("../out/file")
    (inside / "dir").symlink_to("../out")
    (inside / "climb").symlink_to("missing/../../out/new")
    state = machine.state(outside / "file")
    for path, expected in [
        (inside / "link", state),
        (inside / "dir" / "new", Absent()),
        (inside / "dir" / "sub" / "new", Absent()),
        (inside / "climb", Absent()),
        (place / "in2" / "new", Absent()),
    ]:
        change = Change(RemotePath(str(path)), expected, b"ours")
        with pytest.raises(OutsideWorkspace):
            machine.files.replace([change], roots=[RemotePath(str(inside))], flights=Flights())
    assert (outside / "file").read_bytes() == b"theirs"
    assert (names_in(outside), names_in(inside), names_in(place)) == (
        ["file"],
        ["climb", "dir", "link"],
        ["in", "out"],
    )


@is_root
@pytest.mark.root
def test_an_existing_file_keeps_its_owner(machine: Machine, place: Path) -> None:
    """WRITE-1"""
    file = place / "a"
    file.write_bytes(b"old")
    os.chown(file, 1234, 2345)
    file.chmod(0o6755)
    assert machine.replace(file, b"new").in_place is None
    found = file.stat()
    assert (found.st_uid, found.st_gid, mode_of(file)) == (1234, 2345, 0o6755)


@is_root
@pytest.mark.root
def test_a_full_disk_leaves_the_old_file_and_nothing_else(machine: Machine, place: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)], check=True)
    try:
        file = place / "a"
        file.write_bytes(b"old")
        for size in (130_000, 200_000, 3_000_000):
            with pytest.raises(NoSpace):
                machine.replace(file, os.urandom(size))
            with pytest.raises(NoSpace):
                machine.replace(place / "new", os.urandom(size))
            assert (file.read_bytes(), names_in(place)) == (b"old", ["a"])
        machine.replace(file, b"small")
        assert file.read_bytes() == b"small"
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@is_root
@pytest.mark.root
def test_a_bind_mounted_file_is_written_in_place(machine: Machine, place: Path) -> None:
    """WRITE-1"""
    source, file = place / "source", place / "file"
    source.write_bytes(b"old")
    file.write_bytes(b"")
    subprocess.run(["mount", "--bind", str(source), str(file)], check=True)
    try:
        changed = machine.replace(file, b"new")
        assert (changed.in_place, source.read_bytes()) == ("mount", b"new")
        assert names_in(place) == ["file", "source"]
    finally:
        subprocess.run(["umount", "-l", str(file)], check=True)


@pytest.mark.skipif(not os.path.exists("/usr/bin/setfacl"), reason="needs setfacl")
def test_an_acl_is_kept_where_the_tools_can(machine: Machine, place: Path) -> None:
    """WRITE-1"""
    if machine.name in ("ash", "sftp"):
        pytest.skip("BusyBox has no tools for ACLs, SFTP no requests")
    file = place / "a"
    file.write_bytes(b"old")
    subprocess.run(["setfacl", "-m", "u:1234:rw", str(file)], check=True)
    before = subprocess.run(["getfacl", "-c", str(file)], check=True, capture_output=True).stdout
    machine.replace(file, b"new")
    assert subprocess.run(["getfacl", "-c", str(file)], check=True, capture_output=True).stdout == before


def test_an_extended_attribute_is_kept_where_the_tools_can(machine: Machine, place: Path) -> None:
    """WRITE-1"""
    if machine.name in ("ash", "sftp"):
        pytest.skip("BusyBox has no tools for extended attributes, SFTP no requests")
    file = place / "a"
    file.write_bytes(b"old")
    os.setxattr(file, "user.note", b"kept")
    machine.replace(file, b"new")
    assert os.getxattr(file, "user.note") == b"kept"


def test_a_name_of_255_bytes_is_written(machine: Machine, place: Path) -> None:
    file = place / ("n" * 255)
    machine.replace(file, b"1")
    machine.replace(file, b"2")
    assert file.read_bytes() == b"2"


def test_a_path_through_a_link_cycle_is_refused(machine: Machine, place: Path) -> None:
    (place / "loop").symlink_to("loop")
    for path in (place / "loop", place / "loop" / "x"):
        with pytest.raises((IsADirectory, PermissionDenied)):
            machine.replace(path, b"1", expected=Absent())
    assert names_in(place) == ["loop"]
