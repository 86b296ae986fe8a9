"""What the mirror itself costs a call, with few and with many tracked files; the remote is the local disk.

`REMOTE_CODE_TRACKED` lists the numbers of tracked files to compare.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from remote_code.mirror import store
from remote_code.mirror.sync import SyncEngine
from remote_code.paths import RemotePath, Workspace
from remote_code.remote.files import ANYWHERE
from remote_code.remote.state import Change, Present
from remote_code.shell.job import Flights
from tests.support.local_files import LocalFiles

TRACKED = [int(number) for number in os.environ.get("REMOTE_CODE_TRACKED", "10,100000").split(",")]
CONTENTS = b"# twenty bytes here\n" * 150


def engine(tmp_path: Path, n_tracked: int) -> Iterator[tuple[SyncEngine, RemotePath]]:
    """Open a mirror whose manifest, seen-state and history have `n_tracked` entries each."""
    remote = tmp_path / "remote"
    remote.mkdir()
    (remote / "a.py").write_bytes(CONTENTS)
    workspace = Workspace(root=RemotePath(str(remote)), home=RemotePath("/root"))
    sync = SyncEngine(tmp_path / "mirror", files=LocalFiles(), workspace=workspace)
    path = RemotePath(f"{remote}/a.py")
    (pulled,) = sync.pull([path], session_id="one", roots=ANYWHERE, flights=Flights())
    state = pulled.observation.state
    assert isinstance(state, Present)
    fill(sync, state, n_tracked)
    yield sync, path
    sync.local.close()


def fill(sync: SyncEngine, state: Present, n_tracked: int) -> None:
    paths = [RemotePath(f"/srv/app/package{number % 100}/module{number}.py") for number in range(n_tracked)]
    now_ns = time.time_ns()
    states = [(path, replace(state, real_path=path)) for path in paths]
    rows = [(f"call {number}", path.encode()) for number, path in enumerate(paths)]

    def insert(db: sqlite3.Connection) -> None:
        for path, own in states:
            store.hold(db, path, own, now_ns=now_ns)
        store.see(db, "one", states, now_ns=now_ns)
        columns = "at_ns, session, call, path, action, status"
        db.executemany(f"INSERT INTO history ({columns}) VALUES (1, 'one', ?, ?, 'changed', 'done')", rows)

    sync.local._database.write(insert)


@pytest.fixture(params=TRACKED, ids=lambda number: f"{number}-tracked")
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SyncEngine, RemotePath]]:
    yield from engine(tmp_path, request.param)


def test_warm_pull(benchmark: BenchmarkFixture, site: tuple[SyncEngine, RemotePath]) -> None:
    sync, path = site
    benchmark(sync.pull, [path], session_id="one", roots=ANYWHERE, flights=Flights())


def test_edit_after_read(benchmark: BenchmarkFixture, site: tuple[SyncEngine, RemotePath]) -> None:
    sync, path = site

    def edit() -> None:
        held = sync.held(path)
        assert held is not None
        assert held.state == sync.seen("one", path)
        contents = held.contents[1:] + held.contents[:1]
        change = Change(path, expected=held.state, contents=contents)
        sync.push([change], session_id="one", call_id="c", roots=ANYWHERE, flights=Flights())

    benchmark(edit)


def test_manifest(benchmark: BenchmarkFixture, site: tuple[SyncEngine, RemotePath]) -> None:
    sync, _ = site
    benchmark(sync.export_manifest)
