"""Round trips of the mirror's operations: OpenSSH on loopback behind a proxy that delays.

Each operation runs at no delay and at one of 50 ms (REMOTE_CODE_DELAY_MS sets another one), in turns, so that other
work on the machine slows both alike; `round_trips` in the results is the difference of the best times over the delay.
The times of the results are those with the delay.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.delay_proxy import DelayProxy
from remote_code.mirror.sync import SyncEngine
from remote_code.paths import RemotePath, Workspace
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import probe
from remote_code.remote.scripts import library
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Absent, Change
from remote_code.shell.channel import Link
from remote_code.shell.job import Flights
from remote_code.shell.pool import PoolSettings, Shells
from remote_code.ssh.connection import connect
from remote_code.ssh.options import resolve
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from tests.support.sshd import SSHServer

DELAY_MS = float(os.environ.get("REMOTE_CODE_DELAY_MS", "50"))
ROUNDS = 8
CONTENTS = b"# twenty bytes here\n" * 150


class Far:
    """An engine far from its remote, which lies in `root`."""

    def __init__(self, sync: SyncEngine, root: Path, proxy: DelayProxy) -> None:
        self.sync = sync
        self.root = root
        self.proxy = proxy

    def write(self, name: str, contents: bytes) -> RemotePath:
        (self.root / name).write_bytes(contents)
        return RemotePath(f"{self.root}/{name}")

    def pull(self, *paths: RemotePath) -> None:
        self.sync.pull(paths, session_id="one", roots=ANYWHERE, flights=Flights())

    def push(self, *changes: Change) -> None:
        self.sync.push(changes, session_id="one", call_id="c", roots=ANYWHERE, flights=Flights())

    def edit(self, path: RemotePath) -> None:
        held = self.sync.held(path)
        assert held is not None
        assert held.state == self.sync.seen("one", path)
        self.push(Change(path, expected=held.state, contents=held.contents[1:] + held.contents[:1]))


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("far").resolve()
    (folder / "remote").mkdir()
    with (
        SSHServer(folder / "sshd") as server,
        DelayProxy("127.0.0.1", server.port) as proxy,
    ):
        options = resolve(parse_command(server.command(port=proxy.port)))

        def dial() -> Link:
            return connect(options, secrets=Secrets(None, None), on_notice=lambda text: None)

        shells = Shells(dial, settings=PoolSettings(command_size=1, file_size=2), library=library())
        shells.start()
        host = probe(shells, None, flights=Flights())
        workspace = Workspace(root=RemotePath(str(folder / "remote")), home=host.home)
        sync = SyncEngine(folder / "mirror", files=ShellFiles(shells, host), workspace=workspace)
        yield Far(sync, folder / "remote", proxy)
        sync.close()
        shells.close()


def measure(benchmark: BenchmarkFixture, far: Far, work: Callable[[int], None]) -> None:
    """Time `work`, which is given the number of its run, and note how many round trips it took."""
    near_s = []
    runs = iter(range(2 * ROUNDS))

    def go_near() -> None:
        far.proxy.one_way_s = 0.0
        started_s = time.perf_counter()
        work(next(runs))
        near_s.append(time.perf_counter() - started_s)
        far.proxy.one_way_s = DELAY_MS / 2000

    run: Callable[..., None] = benchmark.pedantic
    run(lambda: work(next(runs)), setup=go_near, rounds=ROUNDS)
    far.proxy.one_way_s = 0.0
    assert benchmark.stats is not None
    more_s = benchmark.stats.stats.min - min(near_s)
    benchmark.extra_info["round_trips"] = round(more_s * 1000 / DELAY_MS, 2)
    benchmark.extra_info["ms_at_0"] = round(min(near_s) * 1000, 1)
    print(f"round_trips={benchmark.extra_info['round_trips']} ms_at_0={benchmark.extra_info['ms_at_0']}")


def test_warm_read(benchmark: BenchmarkFixture, far: Far) -> None:
    path = far.write("warm.py", CONTENTS)
    far.pull(path)
    measure(benchmark, far, lambda run: far.pull(path))


def test_cold_read(benchmark: BenchmarkFixture, far: Far) -> None:
    paths = [far.write(f"cold{run}.py", CONTENTS) for run in range(2 * ROUNDS)]
    measure(benchmark, far, lambda run: far.pull(paths[run]))


def test_edit_after_read(benchmark: BenchmarkFixture, far: Far) -> None:
    path = far.write("edit.py", CONTENTS)
    far.pull(path)
    measure(benchmark, far, lambda run: far.edit(path))


def test_cold_edit(benchmark: BenchmarkFixture, far: Far) -> None:
    paths = [far.write(f"cold-edit{run}.py", CONTENTS) for run in range(2 * ROUNDS)]

    def work(run: int) -> None:
        far.pull(paths[run])
        far.edit(paths[run])

    measure(benchmark, far, work)


def test_new_file_whose_absence_is_known(benchmark: BenchmarkFixture, far: Far) -> None:
    measure(
        benchmark,
        far,
        lambda run: far.push(Change(RemotePath(f"{far.root}/new{run}"), expected=Absent(), contents=CONTENTS)),
    )


def test_patch_on_20_files(benchmark: BenchmarkFixture, far: Far) -> None:
    paths = [far.write(f"patch{index}.py", CONTENTS + b"%d" % index) for index in range(20)]

    def work(run: int) -> None:
        far.pull(*paths)
        copies = [(path, far.sync.held(path)) for path in paths]
        far.push(*(Change(path, copy.state, copy.contents + b"x") for path, copy in copies if copy is not None))

    measure(benchmark, far, work)


def test_pull_all_of_1000_files_where_10_changed(benchmark: BenchmarkFixture, far: Far) -> None:
    far.sync.local.clear()
    paths = [far.write(f"all{index}.py", CONTENTS + b"%d" % index) for index in range(1000)]
    far.pull(*paths)

    def work(run: int) -> None:
        for path in paths[run * 10 : run * 10 + 10]:
            Path(path).write_bytes(b"%d" % run)
        report = far.sync.pull_all(flights=Flights())
        assert (report.n_checked, len(report.fetched)) == (1000, 10)

    measure(benchmark, far, work)
