"""What one file operation costs: the scripts under each kind of shell, and the whole way on a link of 50 ms.

The pure cost of the scripts is that of a row minus its `bare_job`.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.delay_proxy import DelayProxy
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import probe
from remote_code.remote.scripts import library
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Absent, Change, Present, Wanted
from remote_code.shell.channel import Link
from remote_code.shell.job import Flights, Script
from remote_code.shell.pool import PoolSettings, Shells
from remote_code.ssh.connection import connect
from remote_code.ssh.options import resolve
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from tests.support.posix_shells import SHELLS, local_shells
from tests.support.sshd import SSHServer

CONTENTS = b"# twenty bytes here\n" * 150


@dataclass(frozen=True)
class Remote:
    shells: Shells
    files: ShellFiles
    folder: Path

    def put(self, name: str, contents: bytes = CONTENTS) -> RemotePath:
        path = self.folder / name
        path.write_bytes(contents)
        return RemotePath(str(path))

    def look(self, wanted: list[Wanted]) -> list[Present]:
        found = self.files.observe(wanted, roots=[RemotePath(str(self.folder))], flights=Flights(), limit_bytes=1 << 20)
        return [each.state for each in found if isinstance(each.state, Present)]


@pytest.fixture(scope="module", params=[*SHELLS, "openssh-50ms"])
def remote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder = tmp_path_factory.mktemp("remote").resolve()
    (folder / "work").mkdir()
    if request.param in SHELLS:
        with local_shells(request.param, folder) as shells:
            yield Remote(shells, ShellFiles(shells, probe(shells, None, flights=Flights())), folder / "work")
        return
    with (
        SSHServer(folder / "sshd") as server,
        DelayProxy("127.0.0.1", server.port, one_way_s=0.025) as proxy,
    ):
        options = resolve(parse_command(server.command(port=proxy.port)))

        def dial() -> Link:
            return connect(options, secrets=Secrets(None, None), on_notice=lambda text: None)

        shells = Shells(dial, settings=PoolSettings(command_size=1, file_size=1), library=library())
        shells.start()
        try:
            yield Remote(shells, ShellFiles(shells, probe(shells, None, flights=Flights())), folder / "work")
        finally:
            shells.close()


def timed(benchmark: BenchmarkFixture, operation: Callable[[], object], *, rounds: int = 40) -> None:
    benchmark.pedantic(operation, rounds=rounds, warmup_rounds=1)  # type: ignore[no-untyped-call] # It has no types.


def test_bare_job(benchmark: BenchmarkFixture, remote: Remote) -> None:
    timed(benchmark, lambda: remote.shells.run_script(Script(":\n"), flights=Flights()))


def test_cold_read(benchmark: BenchmarkFixture, remote: Remote) -> None:
    path = remote.put("cold")
    timed(benchmark, lambda: remote.look([Wanted(path)]))


def test_warm_read(benchmark: BenchmarkFixture, remote: Remote) -> None:
    path = remote.put("warm")
    deadline = time.monotonic() + 10
    while not (held := remote.look([Wanted(path)])[0]).is_settled and time.monotonic() < deadline:
        time.sleep(0.2)  # Until the remote's clock has moved on from the write.
    assert held.is_settled
    timed(benchmark, lambda: remote.look([Wanted(path, held)]))


def test_edit(benchmark: BenchmarkFixture, remote: Remote) -> None:
    states = remote.look([Wanted(remote.put("edited"))])

    def edit() -> None:
        change = Change(states[0].real_path, states[0], os.urandom(3000))
        (changed,) = remote.files.replace([change], roots=ANYWHERE, flights=Flights())
        assert isinstance(changed.state, Present)
        states[0] = changed.state

    timed(benchmark, edit)


def test_new_file(benchmark: BenchmarkFixture, remote: Remote) -> None:
    numbers = itertools.count()

    def create() -> None:
        path = RemotePath(f"{remote.folder}/new{next(numbers)}")
        remote.files.replace([Change(path, Absent(), CONTENTS)], roots=ANYWHERE, flights=Flights())

    timed(benchmark, create)


def test_patch_of_20_files(benchmark: BenchmarkFixture, remote: Remote) -> None:
    states = remote.look([Wanted(remote.put(f"patched{n}")) for n in range(20)])

    def patch() -> None:
        changes = [Change(state.real_path, state, os.urandom(3000)) for state in states]
        changed = remote.files.replace(changes, roots=ANYWHERE, flights=Flights())
        states[:] = [each.state for each in changed if isinstance(each.state, Present)]

    timed(benchmark, patch, rounds=5)


def test_observe_1000_files(benchmark: BenchmarkFixture, remote: Remote) -> None:
    wanted = [Wanted(remote.put(f"many{n}", b"%d\n" % n)) for n in range(1000)]
    timed(benchmark, lambda: remote.look(wanted), rounds=5)


@pytest.mark.parametrize("size", [256 << 10, 8 << 20], ids=["256KiB", "8MiB"])
def test_write_of(benchmark: BenchmarkFixture, remote: Remote, size: int) -> None:
    contents, numbers = os.urandom(size), itertools.count()

    def create() -> None:
        path = RemotePath(f"{remote.folder}/large{size}-{next(numbers)}")
        remote.files.replace([Change(path, Absent(), contents)], roots=ANYWHERE, flights=Flights())

    timed(benchmark, create, rounds=3)


@pytest.mark.parametrize("size", [256 << 10, 8 << 20], ids=["256KiB", "8MiB"])
def test_read_of(benchmark: BenchmarkFixture, remote: Remote, size: int) -> None:
    wanted = [Wanted(remote.put("large", os.urandom(size)))]

    def read() -> None:
        (found,) = remote.files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=1 << 30)
        assert found.contents is not None

    timed(benchmark, read, rounds=3)
