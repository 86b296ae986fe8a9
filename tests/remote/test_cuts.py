"""WRITE-1: a link that dies at any byte, or a worker that is killed at any moment, leaves each file old or new.

A share of the cut points is tried, chosen by a printed seed; `make torture` tries each.
"""

import hashlib
import os
import random
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.leftovers import Cleaned, Leftover
from remote_code.remote.runner import Runner
from remote_code.remote.scripts import library
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Change
from remote_code.shell import boot
from remote_code.shell.boot import RESIDENT, Place
from remote_code.shell.job import Cancel, Flights, Outcome, Result, Script
from remote_code.shell.job_text import library_job, script_job
from tests.remote.conftest import Machine, ShellMachine
from tests.support.figures import Figures
from tests.support.notes import Notes
from tests.support.posix_shells import shell_command

TORTURE = bool(os.environ.get("REMOTE_CODE_TORTURE"))
EVERY = int(os.environ.get("REMOTE_CODE_CUT_EVERY") or (1 if TORTURE else 70))
KILLS = int(os.environ.get("REMOTE_CODE_KILLS") or (300 if TORTURE else 12))
SEED = int(os.environ.get("REMOTE_CODE_SEED", random.randrange(10**6)))

OLD = {"replaced": b"old contents\n" * 9, "removed": b"old too\n", "linked": b"old in place\n" * 5}
NEW: dict[str, bytes | None] = {"replaced": b"new\0" * 50, "removed": None, "linked": b"new in place, longer\n" * 9}
NEW["created/new"] = b"created\n" * 20


class Recorder:
    """A `Runner` that keeps a script instead of running it."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []

    def run_script(self, script: Script, *, flights: Flights, cancel: Cancel | None = None) -> Result:
        self.scripts.append(script)
        return Result(Outcome.UNKNOWN, None, None, b"", b"")


def sha256(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()


def set_up(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() else path.rmdir()
    for name, contents in OLD.items():
        (folder / name).write_bytes(contents)
    (folder / "other-name").hardlink_to(folder / "linked")


def change_all(shell_machine: ShellMachine, folder: Path, runner: Runner, notes: Notes) -> None:
    changes = [
        Change(RemotePath(f"{folder}/{name}"), shell_machine.state(folder / name), contents)
        for name, contents in NEW.items()
    ]
    files = ShellFiles(runner, shell_machine.host, notes=notes)
    with pytest.raises(Exception, match="connection was lost"):
        files.replace(changes, roots=ANYWHERE, flights=Flights())


def recorded_job(shell_machine: ShellMachine, folder: Path, token: str) -> tuple[bytes, Notes]:
    """Return the bytes of the job that makes all changes, as a worker would get them, and the notes taken before."""
    recorder, notes = Recorder(), Notes()
    change_all(shell_machine, folder, recorder, notes)
    job = script_job(recorder.scripts[0], token, boot.new_token())
    return job.lines + job.payload, notes


def start_worker(shell_machine: ShellMachine, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    shell, environment = shell_command(shell_machine.name, folder)
    begin = boot.start(RESIDENT, Place(shell=shell))
    worker = subprocess.Popen(
        ["/bin/sh", "-c", begin.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    assert worker.stdin
    load = library_job(library(), begin.token)
    worker.stdin.write(load.lines + load.payload)
    return worker, begin.token


def start_job(shell_machine: ShellMachine, folder: Path, home: Path) -> tuple[subprocess.Popen[bytes], Notes]:
    """Give a new worker the whole job on old files; return it and the notes taken before."""
    set_up(folder)
    worker, token = start_worker(shell_machine, home)
    job, notes = recorded_job(shell_machine, folder, token)
    assert worker.stdin
    worker.stdin.write(job)
    worker.stdin.flush()
    return worker, notes


def clean_up_and_check(shell_machine: ShellMachine, folder: Path, notes: Notes, *, context: str) -> dict[str, bytes]:
    """Remove what is left, as the next connection does; return what the files hold then."""
    shell_machine.files.clean(notes.kept, flights=Flights())
    found = {}
    for name, new in NEW.items():
        path = folder / name
        contents = path.read_bytes() if path.exists() else None
        assert contents in (OLD.get(name), new), context
        found[name] = contents or b""
    left = [path.name for path in folder.rglob("*") if path.is_file() and str(path.relative_to(folder)) not in NEW]
    assert left == ["other-name"], context
    staged = list(Path(f"/tmp/.remote-code-{os.getuid()}").glob(f".rc-{notes.kept[0].token}*"))
    assert staged == [], context
    return found


def test_a_job_that_is_cut_at_any_byte_changes_nothing(
    shell_machine: ShellMachine, place: Path, tmp_path: Path, figures: Figures
) -> None:
    """WRITE-1"""
    rng = random.Random(SEED)
    set_up(place)
    size = len(recorded_job(shell_machine, place, boot.new_token())[0])
    # bash starts the slowest: every second byte, so that the long run ends in time.
    every_byte = range(0, size, 2 if shell_machine.name == "bash" else 1)
    cuts = every_byte if EVERY == 1 else sorted([*rng.sample(range(size), size // EVERY), size - 1])
    print(f"seed {SEED}: {len(cuts)} of {size} cut points under {shell_machine.name}")
    for cut in cuts:
        worker, token = start_worker(shell_machine, tmp_path)
        job, notes = recorded_job(shell_machine, place, token)
        # A file's state is told in fewer bytes once it is old.
        worker.communicate(job[: min(cut, len(job) - 1)], timeout=20)
        found = clean_up_and_check(shell_machine, place, notes, context=f"seed {SEED}, cut at {cut} of {size}")
        assert found == {**OLD, "created/new": b""}, cut
        if (place / "created").exists():
            (place / "created").rmdir()
    figures.tell("cut points", len(cuts), f"of {size} under {shell_machine.name}: all old, nothing left")


def test_an_answer_that_is_cut_at_any_byte_leaves_all_changes_made(
    shell_machine: ShellMachine, place: Path, tmp_path: Path, figures: Figures
) -> None:
    """WRITE-1: a job that has come whole is carried out whole, whether or not anybody hears of it."""
    rng = random.Random(SEED)
    set_up(place)
    worker, token = start_worker(shell_machine, tmp_path)
    job, _ = recorded_job(shell_machine, place, token)
    # Numbers of inodes and the like are not always of one length; the last bytes frame the answer.
    size = len(worker.communicate(job, timeout=20)[0]) - 32
    cuts = range(0, size, 3) if EVERY == 1 else sorted(rng.sample(range(size), size // EVERY))
    print(f"seed {SEED}: {len(cuts)} of {size} cut points of the answer under {shell_machine.name}")
    for cut in cuts:
        worker, notes = start_job(shell_machine, place, tmp_path)
        assert worker.stdout
        worker.stdout.read(cut)
        worker.stdout.close()
        assert worker.stdin
        worker.stdin.close()
        worker.wait(20)
        found = clean_up_and_check(shell_machine, place, notes, context=f"seed {SEED}, answer cut at {cut} of {size}")
        assert found == {name: contents or b"" for name, contents in NEW.items()}, cut
    figures.tell("cut points", len(cuts), f"of {size} of the answer under {shell_machine.name}: all new, nothing left")


def test_a_worker_that_is_killed_leaves_each_file_old_or_new(
    shell_machine: ShellMachine, place: Path, tmp_path: Path, figures: Figures
) -> None:
    """WRITE-1"""
    rng, n_new = random.Random(SEED), 0
    print(f"seed {SEED}: {KILLS} kills under {shell_machine.name}")
    for n in range(KILLS):
        worker, notes = start_job(shell_machine, place, tmp_path)
        assert worker.stdout
        os.read(worker.stdout.fileno(), 1)  # The ready line: the worker has begun to read.
        threading.Event().wait(rng.random() * 0.12)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.communicate(timeout=20)
        found = clean_up_and_check(shell_machine, place, notes, context=f"seed {SEED}, kill {n}")
        n_new += sum(found[name] == (contents or b"") for name, contents in NEW.items())
    files = f"{n_new} of {KILLS * len(NEW)} files new, the others old"
    figures.tell("workers killed", KILLS, f"{shell_machine.name}: {files}, nothing left")


def test_a_whole_job_makes_all_changes(shell_machine: ShellMachine, place: Path, tmp_path: Path) -> None:
    """The counterpart of the cuts: with its last byte the same job does its work."""
    set_up(place)
    worker, token = start_worker(shell_machine, tmp_path)
    job, notes = recorded_job(shell_machine, place, token)
    worker.communicate(job, timeout=20)
    found = clean_up_and_check(shell_machine, place, notes, context="whole")
    assert found == {name: contents or b"" for name, contents in NEW.items()}
    assert (place / "other-name").read_bytes() == NEW["linked"]


@pytest.mark.parametrize(
    ("target", "cleaned", "after"),
    [
        pytest.param(b"new con", Cleaned.REPAIRED, b"old contents", id="half-new"),
        pytest.param(b"", Cleaned.REPAIRED, b"old contents", id="emptied"),
        pytest.param(b"old c", Cleaned.REPAIRED, b"old contents", id="half-restored"),
        pytest.param(b"old contents", Cleaned.REMOVED, b"old contents", id="old"),
        pytest.param(b"new contents", Cleaned.REMOVED, b"new contents", id="new"),
        pytest.param(b"somebody's", Cleaned.KEPT, b"somebody's", id="foreign"),
    ],
)
def test_a_file_half_written_in_place_is_made_whole(
    machine: Machine, place: Path, target: bytes, cleaned: Cleaned, after: bytes
) -> None:
    """WRITE-1"""
    old, new = b"old contents", b"new contents"
    file, temp = place / "file", place / ".rc-0011223344556677-1"
    noted = Leftover("0011223344556677", 1, RemotePath(str(file)), None, sha256(old), sha256(new))
    temp.write_bytes(new)
    (place / f"{temp.name}.old").write_bytes(old)
    file.write_bytes(target)
    assert machine.files.clean([noted], flights=Flights()) == [cleaned]
    assert file.read_bytes() == after
    left = {path.name for path in place.iterdir()}
    assert left == ({"file", temp.name, f"{temp.name}.old"} if cleaned is Cleaned.KEPT else {"file"})


def test_cleaning_touches_only_what_was_noted(machine: Machine, place: Path) -> None:
    foreign = place / ".rc-ffffffffffffffff-1"
    foreign.write_bytes(b"of another engine")
    noted = Leftover("0011223344556677", 1, RemotePath(f"{place}/file"), None, None, "0" * 64)
    assert machine.files.clean([noted], flights=Flights()) == [Cleaned.NONE]
    assert foreign.exists()


def test_an_answer_takes_the_notes_back(shell_machine: ShellMachine, place: Path) -> None:
    notes = Notes()
    files = ShellFiles(shell_machine.runner, shell_machine.host, notes=notes)
    change = Change(RemotePath(f"{place}/new"), shell_machine.state(place / "new"), b"x")
    files.replace([change], roots=ANYWHERE, flights=Flights())
    assert notes.kept == []
