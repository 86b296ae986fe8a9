"""Nobody's work is lost: sessions and engines that edit the same files at once.

`REMOTE_CODE_TORTURE` makes it 10,000 edits, `REMOTE_CODE_RACES` any number; `REMOTE_CODE_SEED` repeats a run.
"""

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from remote_code.mirror.history import Action
from remote_code.paths import RemotePath
from remote_code.remote.shell_files import ShellFiles
from remote_code.shell.job import Flights
from tests.support.figures import Figures
from tests.support.racing import N_FILES, Told, open_engine, write_many

N_EDITS = int(os.environ.get("REMOTE_CODE_RACES") or (10_000 if os.environ.get("REMOTE_CODE_TORTURE") else 600))
SEED = os.environ.get("REMOTE_CODE_SEED") or str(random.randrange(10**6))


def lines(remote: Path) -> Counter[tuple[str, str]]:
    return Counter((str(path), line) for path in remote.iterdir() for line in path.read_text("utf-8").splitlines())


def test_sessions_and_engines_lose_no_edit_of_each_other(tmp_path: Path, figures: Figures) -> None:
    """SYNC-5, EDIT-2, WRITE-2: two sessions in one engine, two engines on one mirror, two mirrors, two processes."""
    remote = tmp_path / "remote"
    remote.mkdir()
    engines = [open_engine(tmp_path / mirror, remote) for mirror in ("mirror", "mirror", "other")]
    writers = [("a", engines[0]), ("b", engines[0]), ("c", engines[1]), ("d", engines[2])]
    share = N_EDITS // (len(writers) + 2)
    told: dict[str, Told] = {}

    def work(name: str, index: int) -> None:
        sync = writers[index][1]
        told[name] = write_many(sync, RemotePath(str(remote)), name=name, seed=SEED + name, n_edits=share)

    threads = [threading.Thread(target=work, args=[name, index]) for index, (name, _) in enumerate(writers)]
    command = [sys.executable, "-m", "tests.support.racing"]
    processes = [
        subprocess.Popen(
            [*command, str(tmp_path / mirror), str(remote), name, SEED + name, str(share)], stdout=subprocess.PIPE
        )
        for name, mirror in (("e", "mirror"), ("f", "far away"))
    ]
    for thread in threads:
        thread.start()
    for process, name in zip(processes, "ef", strict=True):
        said = json.loads(process.communicate(timeout=900)[0].splitlines()[1])
        told[name] = Told([(path, token) for path, token in said["accepted"]], said["refused"], said["tries"])
    for thread in threads:
        thread.join()

    accepted = Counter(pair for each in told.values() for pair in each.accepted)
    refused = sum(len(each.refused) for each in told.values())
    tries = sum(each.tries for each in told.values())
    found = lines(remote)
    lost = (accepted - found).total()
    print(f"seed={SEED} edits={share * 6} accepted={len(accepted)} refused={refused} pushes={tries} lost={lost}")
    assert sorted(told) == list("abcdef")
    assert len(accepted) + refused == share * 6
    assert found == accepted

    # Each mirror agrees with the remote, and its history with what its writers were told.
    for mirror, names in (("mirror", "abce"), ("other", "d"), ("far away", "f")):
        sync = open_engine(tmp_path / mirror, remote)
        assert sync.pull_all(flights=Flights()).edited == []
        held = {path: sync.held(RemotePath(str(path))) for path in remote.iterdir()}
        assert all(copy is None or copy.contents == path.read_bytes() for path, copy in held.items())
        entries = sync.history.entries(limit=10**6)
        writes = Counter((entry.path, entry.call_id) for entry in entries if entry.action is not Action.LOCAL_EDIT)
        assert writes == Counter(pair for name in names for pair in told[name].accepted)
        assert [entry for entry in entries if not entry.is_certain] == []
        assert [entry for entry in entries if entry.action is Action.LOCAL_EDIT] == []
        sync.close()
    for engine in engines:
        engine.close()
    assert len(list(remote.iterdir())) == N_FILES
    outcome = (
        f"{len(accepted)} written, {refused} refused, {tries - len(accepted)} tries repeated or refused, none lost"
    )
    figures.tell("edits", share * 6, f"6 writers on 3 mirrors: {outcome}")


def test_engines_over_a_real_server_lose_no_edit_of_each_other(
    shell_files: ShellFiles, tmp_path: Path, figures: Figures
) -> None:
    """SYNC-5: two sessions in one engine, and another machine."""
    remote = tmp_path.resolve() / "remote"
    remote.mkdir()
    engines = [open_engine(tmp_path / mirror, remote, shell_files) for mirror in ("mirror", "other")]
    writers = {"a": engines[0], "b": engines[0], "c": engines[1]}
    share = max(N_EDITS // 30, 1)
    told: dict[str, Told] = {}

    def work(name: str) -> None:
        told[name] = write_many(writers[name], RemotePath(str(remote)), name=name, seed=SEED + name, n_edits=share)

    threads = [threading.Thread(target=work, args=[name]) for name in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.close()
    accepted = Counter(pair for each in told.values() for pair in each.accepted)
    refused = sum(len(each.refused) for each in told.values())
    print(f"seed={SEED} edits={share * 3} accepted={len(accepted)} refused={refused}")
    assert len(accepted) + refused == share * 3
    assert lines(remote) == accepted
    figures.tell("edits", share * 3, f"3 writers over sshd: {len(accepted)} written, {refused} refused, none lost")
