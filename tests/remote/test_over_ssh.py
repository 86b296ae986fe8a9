"""The file operations over real SSH servers."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_code.errors import ConnectionLost
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import probe
from remote_code.remote.scripts import library
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Absent, Change, Present, Wanted
from remote_code.shell.job import Flights
from remote_code.shell.pool import Shells
from tests.support.ssh_shells import busybox_shells, ssh_shells
from tests.support.sshd import SSHServer


@pytest.fixture(scope="module", params=["openssh", pytest.param("dropbear-busybox", marks=pytest.mark.root)])
def shells(
    request: pytest.FixtureRequest, sshd: SSHServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shells]:
    """Worker shells on OpenSSH with this machine's tools, and on Dropbear, without SFTP, with BusyBox alone."""
    if request.param == "openssh":
        with ssh_shells(sshd.command(), library=library()) as shells:
            yield shells
        return
    if os.getuid() != 0:
        pytest.skip("needs root")
    with busybox_shells(tmp_path_factory.mktemp("dropbear"), library=library()) as shells:
        yield shells


@pytest.fixture(scope="module")
def files(shells: Shells) -> ShellFiles:
    return ShellFiles(shells, probe(shells, None, flights=Flights()))


@pytest.mark.parametrize("size", [0, 1, 4_096, 262_144, 5_000_000])
def test_contents_go_and_come_back_whole(files: ShellFiles, place: Path, size: int) -> None:
    """WRITE-1, READ-1"""
    contents = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    path, flights = RemotePath(f"{place}/new"), Flights()
    files.replace([Change(path, Absent(), contents)], roots=ANYWHERE, flights=flights)
    (found,) = files.observe([Wanted(path)], roots=ANYWHERE, flights=flights, limit_bytes=10_000_000)
    assert found.contents == contents
    if size <= 4_096:  # More may fill the server's receive window (24 kB on Dropbear), and wait for it.
        assert flights.count == 2


def test_many_threads_share_the_workers(files: ShellFiles, place: Path) -> None:
    def work(n: int) -> None:
        path = RemotePath(f"{place}/{n}")
        (changed,) = files.replace([Change(path, Absent(), b"%d" % n)], roots=ANYWHERE, flights=Flights())
        assert isinstance(changed.state, Present)
        (found,) = files.observe([Wanted(path, changed.state)], roots=ANYWHERE, flights=Flights(), limit_bytes=100)
        assert found.is_as_held

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.name: entry.read_text(encoding="ascii") for entry in place.iterdir()} == {
        str(n): str(n) for n in range(12)
    }


def test_a_link_that_dies_in_a_write_leaves_nothing(tmp_path: Path, place: Path) -> None:
    """WRITE-1: the outcome is called unknown, the file is old or new, and the next call removes what was left."""
    old, new = b"old\n", b"new\n" * 500_000
    file = RemotePath(f"{place}/file")
    with SSHServer(tmp_path / "sshd") as server, ssh_shells(server.command(), library=library()) as shells:
        files = ShellFiles(shells, probe(shells, None, flights=Flights()))
        for delay_s in (0.0, 0.01, 0.02, 0.04, 0.08):
            Path(file).write_bytes(old)
            (found,) = files.observe([Wanted(file)], roots=ANYWHERE, flights=Flights(), limit_bytes=1 << 30)
            assert found.state is not None
            cut = threading.Timer(delay_s, server.drop_sessions)
            cut.start()
            try:
                files.replace([Change(file, found.state, new)], roots=ANYWHERE, flights=Flights())
                outcome = "done"
            except ConnectionLost as exc:
                outcome = str(exc.facts["outcome"])
            cut.join()
            (found,) = files.observe([Wanted(file)], roots=ANYWHERE, flights=Flights(), limit_bytes=1 << 30)
            expected = {"done": [new], "not_started": [old], "unknown": [old, new]}[outcome]
            assert found.contents in expected
            assert [entry.name for entry in place.iterdir()] == ["file"]
