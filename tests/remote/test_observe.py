"""What is seen of remote files, under dash, bash and BusyBox ash."""

import os
import random
import threading
import time
from pathlib import Path

import pytest

from remote_code.errors import RemoteOperationFailed
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import probe
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Absent, Kind, Present, Wanted
from remote_code.shell.job import Flights
from tests.remote.conftest import Machine
from tests.support.posix_shells import local_shells, programs_without


def test_observe_returns_contents_and_state_of_a_file(machine: Machine, place: Path) -> None:
    file = place / "a.txt"
    file.write_bytes(b"one\0two\n")
    found = machine.observe(file)
    assert (found.kind, found.contents, found.real_path) == (Kind.FILE, b"one\0two\n", str(file))
    assert isinstance(found.state, Present)
    stat = file.stat()
    state = found.state
    assert (state.size_bytes, state.mode, state.n_links) == (8, stat.st_mode, 1)
    assert (state.uid, state.gid) == (stat.st_uid, stat.st_gid)
    if machine.name == "sftp":
        assert state.mtime_ns == int(stat.st_mtime) * 10**9
    else:
        assert (state.inode, state.mtime_ns) == (stat.st_ino, stat.st_mtime_ns)


def test_observe_of_what_is_held_sends_no_contents(machine: Machine, place: Path) -> None:
    file = place / "a.txt"
    file.write_bytes(b"one\n")
    held = machine.present(file)
    found = machine.observe(file, held=held)
    assert (found.is_as_held, found.contents, found.state) == (True, None, held)


def test_an_old_file_is_held_by_its_state_alone(machine: Machine) -> None:
    """A file that changed long ago needs no digest; its own time would still tell of a change. Not so whole seconds."""
    state = machine.present("/bin/true")
    assert state.is_settled == (machine.name != "sftp")
    assert machine.observe("/bin/true", held=state).is_as_held


def test_a_file_just_written_is_not_settled(machine: Machine, place: Path) -> None:
    (place / "a").write_bytes(b"1")
    assert not machine.present(place / "a").is_settled


def test_a_change_back_in_time_is_seen(machine: Machine, place: Path) -> None:
    file = place / "a"
    file.write_bytes(b"one")
    held = machine.present(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(held.mtime_ns, held.mtime_ns))
    assert machine.observe(file, held=held).contents == b"two"


def test_observe_tells_an_absent_file_from_one_whose_directory_is_missing(machine: Machine, place: Path) -> None:
    assert machine.observe(place / "new").kind is Kind.ABSENT
    assert machine.observe(place / "no" / "new").kind is Kind.ABSENT_DIRECTORY
    assert machine.observe(place / "new").state == Absent()
    assert machine.observe("/bin/true/x").kind is Kind.ABSENT_DIRECTORY


def test_each_kind_of_thing_is_named(machine: Machine, place: Path) -> None:
    os.mkfifo(place / "fifo")
    (place / "dir").mkdir()
    (place / "cycle").symlink_to("cycle2")
    (place / "cycle2").symlink_to("cycle")
    (place / "dangling").symlink_to("nothing/there")
    names = ["fifo", "dir", "cycle", "cycle2", "dangling"]
    kinds = [Kind.OTHER, Kind.DIRECTORY, Kind.LINK_CYCLE, Kind.LINK_CYCLE, Kind.ABSENT_DIRECTORY]
    assert [machine.observe(place / name).kind for name in names] == kinds
    assert machine.observe(place / "dangling").real_path == str(place / "nothing" / "there")
    assert machine.observe("/").kind is Kind.DIRECTORY
    assert machine.observe("/dev/null").kind is Kind.OTHER


def test_a_file_above_the_limit_is_told_but_not_sent(machine: Machine, place: Path) -> None:
    (place / "big").write_bytes(b"x" * 1001)
    found = machine.observe(place / "big", limit_bytes=1000)
    assert (found.is_too_large, found.contents) == (True, None)
    assert isinstance(found.state, Present)
    assert found.state.size_bytes == 1001
    assert machine.observe(place / "big", limit_bytes=1001).contents == b"x" * 1001


def test_a_thousand_paths_take_few_flights(machine: Machine, place: Path) -> None:
    files = [place / f"{n}.txt" for n in range(1000)]
    for n, file in enumerate(files[:900]):
        file.write_bytes(b"%d\n" % n)
    wanted = [Wanted(RemotePath(str(file))) for file in files]
    flights = Flights()
    found = machine.files.observe(wanted, roots=ANYWHERE, flights=flights, limit_bytes=1000)
    expected = 1 if machine.name != "sftp" else 1 + 2 * 9
    assert flights.count == expected
    assert [each.contents for each in found] == [b"%d\n" % n for n in range(900)] + [None] * 100
    held = [Wanted(each.path, each.state if isinstance(each.state, Present) else None) for each in found]
    files[7].write_bytes(b"!")
    again = machine.files.observe(held, roots=ANYWHERE, flights=flights, limit_bytes=1000)
    # SFTP opens in its first flight what is held, up to its limit of open files.
    assert flights.count == (2 if machine.name != "sftp" else expected + 1 + 1 + 2 * 8)
    assert [index for index, each in enumerate(again) if each.contents is not None] == [7]


def test_more_paths_than_one_job_takes_are_asked_in_several(machine: Machine, place: Path) -> None:
    (place / "a").write_bytes(b"1")
    wanted = [Wanted(RemotePath(str(place / "a")))] * 1001
    flights = Flights()
    found = machine.files.observe(wanted, roots=ANYWHERE, flights=flights, limit_bytes=10)
    assert (flights.count, [each.contents for each in found]) == (
        2 if machine.name != "sftp" else 1 + 2 * 11,
        [b"1"] * 1001,
    )


class TimedFlights(Flights):
    """Knows when the last flight began."""

    last_s = 0.0

    def add(self, n: int = 1) -> None:
        super().add(n)
        self.last_s = time.monotonic()


class Rewriter:
    """Rewrites a file in place, in one step each time, and knows when."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.versions = [bytes([65 + n]) * 200_000 for n in range(20)]
        self._n_written = 0
        self._spans: list[tuple[float, float]] = []
        file.write_bytes(self.versions[0])

    def rewrite(self, pauses_s: list[float]) -> None:
        for pause_s in pauses_s:
            time.sleep(pause_s)
            self._n_written += 1
            with self._file.open("r+b", buffering=0) as stream:
                began_s = time.monotonic()
                stream.write(self.versions[self._n_written % 20])
                self._spans.append((began_s, time.monotonic()))

    def was_suspended(self, first_s: float, last_s: float) -> bool:
        """Tell whether a writing was suspended half-way meanwhile: then the file itself was half old, half new."""
        return any(
            began_s <= last_s and first_s <= ended_s and ended_s - began_s > 0.001 for began_s, ended_s in self._spans
        )


def test_a_file_that_is_rewritten_meanwhile_is_never_mixed(machine: Machine, place: Path) -> None:
    """Contents and state belong together, whatever a writer does beside.

    Each writing spoils two attempts at most, so four of them leave a quiet one.
    """
    rewriter, wanted = Rewriter(place / "a"), [Wanted(RemotePath(f"{place}/a"))]
    dice = random.Random(7)
    for _ in range(20):
        writer = threading.Thread(target=rewriter.rewrite, args=[[dice.random() * 0.004 for _ in range(4)]])
        writer.start()
        flights = TimedFlights()
        (found,) = machine.files.observe(wanted, roots=ANYWHERE, flights=flights, limit_bytes=1 << 30)
        returned_s = time.monotonic()
        writer.join()
        assert found.contents in rewriter.versions or rewriter.was_suspended(flights.last_s, returned_s)


@pytest.mark.parametrize("name", ["dash", "bash"])
def test_a_change_within_one_tick_of_the_clock_is_seen(name: str, tmp_path: Path, place: Path) -> None:
    """On a file system with whole seconds, the file is rewritten in the middle of the reading: stamps stay equal."""
    file = place / "a"
    own = {
        "stat": "#!/bin/sh\n/usr/bin/stat \"$@\" | sed 's/[.][0-9]*//g'\n",
        "cat": f"#!/bin/sh\nhead -c 5 {file}; [ -e {place}/done ] || printf 2222222222 1<>{file}; : >{place}/done\n"
        f"tail -c 5 {file}\n",
    }
    path = programs_without([], tmp_path / "programs", own=own)
    with local_shells(name, tmp_path, path=path) as shells:
        files = ShellFiles(shells, probe(shells, None, flights=Flights()))
        for _ in range(3):
            (place / "done").unlink(missing_ok=True)
            file.write_bytes(b"1111111111")
            flights = Flights()
            (found,) = files.observe([Wanted(RemotePath(str(file)))], roots=ANYWHERE, flights=flights, limit_bytes=100)
            assert (found.contents, flights.count) == (b"2222222222", 2)


def test_a_file_that_is_always_rewritten_is_refused_in_plain_words(tmp_path: Path, place: Path) -> None:
    """Also where its size stays the same: that is no log that grows."""
    file = place / "a"
    file.write_bytes(b"1111111111")
    cat = f"#!/bin/sh\nhead -c 5 {file}; tail -c 5 {file} | tr 12 21 1<>{file}; tail -c 5 {file}\n"
    path = programs_without([], tmp_path / "programs", own={"cat": cat})
    with local_shells("dash", tmp_path, path=path) as shells:
        files = ShellFiles(shells, probe(shells, None, flights=Flights()))
        with pytest.raises(RemoteOperationFailed, match="was being rewritten"):
            files.observe([Wanted(RemotePath(str(file)))], roots=ANYWHERE, flights=Flights(), limit_bytes=100)


def test_a_log_that_only_grows_is_read_as_it_was_at_first(machine: Machine, place: Path) -> None:
    log, stop = place / "log", threading.Event()
    line = b"one line of the log\n"
    log.write_bytes(line * 100)

    def grow() -> None:
        with log.open("ab", buffering=0) as stream:
            while not stop.wait(0.0002):
                stream.write(line * 3)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for _ in range(3):
            found = machine.observe(log, limit_bytes=1 << 30)
            assert found.contents is not None
            assert len(found.contents) % len(line) == 0
            assert found.contents.startswith(line * 100)
            part = machine.files.read_lines(
                RemotePath(str(log)), first=2, limit=3, limit_bytes=1000, roots=ANYWHERE, flights=Flights()
            )
            assert part.contents == line * 3
    finally:
        stop.set()
        writer.join()
