"""An engine that is killed at a random moment: the remote, the mirror and the history still agree.

`REMOTE_CODE_TORTURE` makes it 200 kills, `REMOTE_CODE_KILLS` any number; `REMOTE_CODE_SEED` repeats a run.
"""

import contextlib
import os
import random
import subprocess
import sys
from pathlib import Path

from remote_code.mirror.history import Action
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.shell.job import Flights
from tests.support.figures import Figures
from tests.support.racing import open_engine

N_KILLS = int(os.environ.get("REMOTE_CODE_KILLS") or (200 if os.environ.get("REMOTE_CODE_TORTURE") else 8))
SEED = os.environ.get("REMOTE_CODE_SEED") or str(random.randrange(10**6))


def test_a_killed_engine_leaves_mirror_and_history_in_agreement_with_the_remote(
    tmp_path: Path, figures: Figures
) -> None:
    """SYNC-4, SYNC-6."""
    remote, mirror = tmp_path / "remote", tmp_path / "mirror"
    remote.mkdir()
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    n_written = n_uncertain = 0
    for number in range(N_KILLS):
        _run_and_kill(mirror, remote, f"run{number}", after_s=dice.random() * 0.15)
        sync = open_engine(mirror, remote)
        paths = [RemotePath(str(path)) for path in sorted(remote.glob("f*"))]
        pulled = sync.pull(paths, session_id="check", roots=ANYWHERE, flights=Flights())
        found = {item.observation.path: item.contents or b"" for item in pulled}
        assert {path: Path(path).read_bytes() for path in paths} == found
        entries = [entry for entry in sync.history.entries(limit=10**6) if entry.action is not Action.LOCAL_EDIT]
        for entry in entries:
            is_there = entry.call_id.encode() in found.get(entry.path, b"").splitlines()
            assert entry.is_certain == is_there, (SEED, number, entry)
            assert entry.before_digest is None or sync.history.contents(entry.before_digest) is not None
        verified = sync.local.verify()
        assert (verified.missing, verified.edited, verified.strays) == ([], [], [])
        n_written += len([entry for entry in entries if entry.is_certain])
        n_uncertain += len([entry for entry in entries if not entry.is_certain])
        sync.history.clear()
        for path in paths:
            Path(path).write_bytes(b"")
        sync.close()
    outcome = f"{n_written} writes made, {n_uncertain} not; remote, mirror and history agree"
    figures.tell("engines killed", N_KILLS, f"seed {SEED}: {outcome}")


def _run_and_kill(mirror: Path, remote: Path, name: str, *, after_s: float) -> None:
    command = [sys.executable, "-m", "tests.support.racing", str(mirror), str(remote), name, SEED + name, "10000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begins\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
        process.kill()
