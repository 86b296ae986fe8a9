"""Large files over a stream of their own, in each kind of shell and over real sshd."""

import io
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from remote_code.errors import Cancelled, ConnectionLost, RemoteOperationFailed
from remote_code.remote.scripts import library
from remote_code.shell import pool, upload
from remote_code.shell.job import Cancel, Command, Flights
from remote_code.shell.pool import Shells
from tests.support.posix_shells import SHELLS, local_shells
from tests.support.processes import wait_until
from tests.support.ssh_shells import ssh_shells
from tests.support.sshd import SSHServer

CONTENTS = os.urandom(5_000_001)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    with SSHServer(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="module", params=[*SHELLS, "openssh"])
def shells(
    request: pytest.FixtureRequest, server: SSHServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shells]:
    if request.param == "openssh":
        with ssh_shells(server.command(), library=library()) as shells:
            yield shells
        return
    with local_shells(request.param, tmp_path_factory.mktemp(request.param)) as shells:
        yield shells


@pytest.mark.parametrize("size", [0, 1, 65_536, len(CONTENTS)])
def test_files_go_and_come_back_whole(shells: Shells, tmp_path: Path, size: int) -> None:
    path = tmp_path / "it's -n\n$x"
    shells.upload(str(path), io.BytesIO(CONTENTS), size, flights=Flights())
    assert path.read_bytes() == CONTENTS[:size]
    received = bytearray()
    assert shells.download(str(path), received.extend, flights=Flights()) == size
    assert bytes(received) == CONTENTS[:size]


class Source(io.BytesIO):
    """Contents that note which threads read them, and call back at one place."""

    def __init__(self, contents: bytes, *, at: int = 0, then: Callable[[], None] = lambda: None) -> None:
        super().__init__(contents)
        self.readers: set[int] = set()
        self._left = at
        self._then = then

    def read(self, size: int | None = -1, /) -> bytes:
        self.readers.add(threading.get_ident())
        data = super().read(size)
        if 0 < self._left <= len(data):
            self._then()
        self._left -= len(data)
        return data


@pytest.fixture
def streams(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have uploads take several streams on any link, for files of some MB; one, where that is the parameter."""
    n_streams = getattr(request, "param", 3)
    monkeypatch.setattr(pool, "LONG_RTT_S", 0.0 if n_streams > 1 else 1.0)
    monkeypatch.setattr(upload, "SMALLEST_PART_BYTES", 1 << 20)


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize("size", [3 << 20, (3 << 20) + 1, len(CONTENTS)])
def test_a_file_over_several_streams_arrives_whole(shells: Shells, tmp_path: Path, size: int) -> None:
    path = tmp_path / "it's -n\n$x"
    source = Source(b"before" + CONTENTS[:size])
    source.seek(6)
    shells.upload(str(path), source, size, flights=Flights())
    assert path.read_bytes() == CONTENTS[:size]
    assert len(source.readers) > 1


@pytest.mark.usefixtures("streams")
def test_a_file_of_more_parts_than_streams_arrives_whole(
    shells: Shells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "LARGEST_PART_BYTES", 1 << 20)
    path = tmp_path / "file"
    shells.upload(str(path), Source(CONTENTS), len(CONTENTS), flights=Flights())
    assert path.read_bytes() == CONTENTS


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize("at", [1, 2_000_000, 4_000_000, len(CONTENTS)])
def test_an_upload_over_several_streams_that_is_cut_leaves_no_file(server: SSHServer, tmp_path: Path, at: int) -> None:
    path = tmp_path / "cut"
    with (
        DelayProxy("127.0.0.1", server.port) as proxy,
        ssh_shells(server.command(port=proxy.port)) as shells,
    ):
        source = Source(CONTENTS, at=at, then=proxy.cut)
        with pytest.raises(ConnectionLost):
            shells.upload(str(path), source, len(CONTENTS), flights=Flights())
        wait_until(lambda: not path.exists(), timeout_s=20)


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize("at", [1, 2_000_000, 4_000_000])
def test_an_upload_over_several_streams_that_is_cancelled_leaves_no_file(
    shells: Shells, tmp_path: Path, at: int
) -> None:
    path = tmp_path / "cancelled"
    cancel = Cancel()
    source = Source(CONTENTS, at=at, then=cancel.set)
    with pytest.raises(Cancelled):
        shells.upload(str(path), source, len(CONTENTS), flights=Flights(), cancel=cancel)
    wait_until(lambda: not path.exists(), timeout_s=20)


@pytest.mark.usefixtures("streams")
def test_a_source_that_has_become_shorter_leaves_no_file(shells: Shells, tmp_path: Path) -> None:
    path = tmp_path / "short"
    with pytest.raises(RemoteOperationFailed, match="shorter"):
        shells.upload(str(path), Source(CONTENTS[:-1]), len(CONTENTS), flights=Flights())
    wait_until(lambda: not path.exists(), timeout_s=20)


@pytest.mark.parametrize("streams", [1, 3], indirect=True)
@pytest.mark.usefixtures("streams")
def test_existing_file_is_not_written_over(shells: Shells, tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_bytes(b"precious")
    with pytest.raises(RemoteOperationFailed):
        shells.upload(str(path), io.BytesIO(CONTENTS), len(CONTENTS), flights=Flights())
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["absent", "directory", "fifo"])
def test_what_is_not_a_regular_file_is_not_read(shells: Shells, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "path"
    if kind == "directory":
        path.mkdir()
    if kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(RemoteOperationFailed, match="not a regular file"):
        shells.download(str(path), lambda data: None, flights=Flights())


def test_upload_that_is_cut_leaves_no_file(server: SSHServer, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    with (
        DelayProxy("127.0.0.1", server.port) as proxy,
        ssh_shells(server.command(port=proxy.port)) as shells,
    ):

        class Source(io.RawIOBase):
            n_read = 0

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: object) -> int:
                view = memoryview(buffer)  # type: ignore[arg-type] # typeshed has no name for a writable buffer here
                self.n_read += len(view)
                if self.n_read > 20_000_000:
                    proxy.cut()
                view[:] = bytes(len(view))
                return len(view)

        with pytest.raises(ConnectionLost) as lost:
            shells.upload(str(path), io.BufferedReader(Source()), 200_000_000, flights=Flights())
        assert lost.value.facts["outcome"] == "unknown"
        wait_until(lambda: not path.exists())


def test_download_can_be_cancelled_and_commands_do_not_wait_for_it(server: SSHServer, tmp_path: Path) -> None:
    """SSH-5: a small job does not wait behind a transfer."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with ssh_shells(server.command(), library=library()) as shells:
        cancel, begun = Cancel(), threading.Event()
        errors: list[Cancelled] = []

        def download() -> None:
            with pytest.raises(Cancelled) as stopped:
                shells.download(str(path), lambda data: begun.set(), flights=Flights(), cancel=cancel)
            errors.append(stopped.value)

        thread = threading.Thread(target=download)
        thread.start()
        assert begun.wait(20)
        command = Command("echo small", "/", 20)
        assert shells.run_command(command, flights=Flights()).stdout == b"small\n"
        cancel.set()
        thread.join(10)
        assert len(errors) == 1


@pytest.mark.root
@pytest.mark.parametrize("streams", [1, 3], indirect=True)
@pytest.mark.usefixtures("streams")
def test_a_full_disk_is_named_and_nothing_is_left(shells: Shells, tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    try:
        with pytest.raises(RemoteOperationFailed, match="no space is left"):
            shells.upload(str(place / "file"), io.BytesIO(CONTENTS), len(CONTENTS), flights=Flights())
        wait_until(lambda: not list(place.iterdir()), timeout_s=20)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
