"""Round trips of the mirror's operations on a link of 50 ms: OpenSSH on loopback behind a proxy that delays.

`round_trips` in the results is the median time over the delay; REMOTE_CODE_DELAY_MS sets another one.
"""

import os
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
CONTENTS = b"# twenty bytes here\n" * 150


class Far:
    """An engine far from its remote, which lies in `root`."""

    def __init__(self, sync: SyncEngine, root: Path) -> None:
        self.sync = sync
        self.root = root

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
        DelayProxy("127.0.0.1", server.port, one_way_s=DELAY_MS / 2000) as proxy,
    ):
        options = resolve(parse_command(server.command(port=proxy.port)))

        def dial() -> Link:
            return connect(options, secrets=Secrets(None, None), on_notice=lambda text: None)

        shells = Shells(dial, settings=PoolSettings(command_size=1, file_size=2), library=library())
        shells.start()
        host = probe(shells, None, flights=Flights())
        workspace = Workspace(root=RemotePath(str(folder / "remote")), home=host.home)
        sync = SyncEngine(folder / "mirror", files=ShellFiles(shells, host), workspace=workspace)
        yield Far(sync, folder / "remote")
        sync.close()
        shells.close()


def measure(benchmark: BenchmarkFixture, work: Callable[[int], None], *, rounds: int = 8) -> None:
    """Time `work`, which is given the number of its run, and note how many round trips it took."""
    runs = iter(range(rounds))
    run: Callable[..., None] = benchmark.pedantic
    run(lambda: work(next(runs)), rounds=rounds)
    assert benchmark.stats is not None
    benchmark.extra_info["round_trips"] = round(benchmark.stats.stats.median * 1000 / DELAY_MS, 2)
    print(f"round_trips={benchmark.extra_info['round_trips']}")


def test_warm_read(benchmark: BenchmarkFixture, far: Far) -> None:
    path = far.write("warm.py", CONTENTS)
    far.pull(path)
    measure(benchmark, lambda run: far.pull(path))


def test_cold_read(benchmark: BenchmarkFixture, far: Far) -> None:
    paths = [far.write(f"cold{run}.py", CONTENTS) for run in range(8)]
    measure(benchmark, lambda run: far.pull(paths[run]))


def test_edit_after_read(benchmark: BenchmarkFixture, far: Far) -> None:
    path = far.write("edit.py", CONTENTS)
    far.pull(path)
    measure(benchmark, lambda run: far.edit(path))


def test_cold_edit(benchmark: BenchmarkFixture, far: Far) -> None:
    paths = [far.write(f"cold-edit{run}.py", CONTENTS) for run in range(8)]

    def work(run: int) -> None:
        far.pull(paths[run])
        far.edit(paths[run])

    measure(benchmark, work)


def test_new_file_whose_absence_is_known(benchmark: BenchmarkFixture, far: Far) -> None:
    measure(
        benchmark,
        lambda run: far.push(Change(RemotePath(f"{far.root}/new{run}"), expected=Absent(), contents=CONTENTS)),
    )


def test_patch_on_20_files(benchmark: BenchmarkFixture, far: Far) -> None:
    paths = [far.write(f"patch{index}.py", CONTENTS + b"%d" % index) for index in range(20)]

    def work(run: int) -> None:
        far.pull(*paths)
        copies = [(path, far.sync.held(path)) for path in paths]
        far.push(*(Change(path, copy.state, copy.contents + b"x") for path, copy in copies if copy is not None))

    measure(benchmark, work)


def test_pull_all_of_1000_files_where_10_changed(benchmark: BenchmarkFixture, far: Far) -> None:
    far.sync.local.clear()
    paths = [far.write(f"all{index}.py", CONTENTS + b"%d" % index) for index in range(1000)]
    far.pull(*paths)

    def work(run: int) -> None:
        for path in paths[run * 10 : run * 10 + 10]:
            Path(path).write_bytes(b"%d" % run)
        report = far.sync.pull_all(flights=Flights())
        assert (report.n_checked, len(report.fetched)) == (1000, 10)

    measure(benchmark, work)
