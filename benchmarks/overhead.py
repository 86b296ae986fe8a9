"""Measures what the engine adds to the bare job of each call, on loopback, and how often a running command is told of.

`python -m benchmarks.overhead` makes each call through `remote-code serve`, and in turns with it the same job on a pool
of worker shells of its own in this process: the difference is validation, the wire, permissions, text and mirror.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page import machine, write_section
from remote_code.paths import RemotePath
from remote_code.remote.probe import probe
from remote_code.remote.scripts import library
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Wanted
from remote_code.search import glob, grep
from remote_code.shell.job import Command, Flights
from tests.support.engine import EngineClient
from tests.support.ssh_shells import ssh_shells
from tests.support.sshd import SSHServer

REPEATS = 25
GOAL_MS = 5
PER_SECOND = 20


@dataclass(frozen=True)
class Row:
    """One call, and its bare job."""

    name: str
    call: Callable[[], object]
    job: Callable[[], object]


def main() -> None:
    """Measure everything and put the table into the page."""
    with _rows() as (rows, engine):
        table = ["| ms | through the engine | the bare job | more | goal |", "|---|--:|--:|--:|--:|"]
        for row in rows:
            call_ms, job_ms, more_ms = _medians_ms(row)
            table.append(f"| {row.name} | {call_ms:.1f} | {job_ms:.1f} | {more_ms:.1f} | {GOAL_MS} |")
        rate = _notifications_per_second(engine)
    write_section(
        "overhead",
        [
            "## The engine's own work",
            "",
            f"{machine()}. On loopback, where the link costs nothing: medians of {REPEATS} calls through "
            "`remote-code serve`, every permission granted at once, and of the same jobs on worker shells alone, in "
            "turns, by `python -m benchmarks.overhead`. `more` is the median of the differences. Commands end their "
            "shell, whose successor starts in the background: calls are 0.2 s apart.",
            "",
            *table,
            "",
            f"A command that writes all the time is told of {rate:.1f} times a second (at most {PER_SECOND}).",
            "",
        ],
    )


@contextmanager
def _rows() -> Iterator[tuple[list[Row], EngineClient]]:
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder = Path(name)
        (folder / "remote").mkdir()
        work = RemotePath(str(folder / "remote"))
        file = RemotePath(f"{work}/a.txt")
        Path(file).write_text("one\ntwo\nthree\n" * 20, encoding="utf-8")
        with SSHServer(folder / "sshd") as server:
            environ = {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": work}
            with (
                EngineClient(environ, home=folder / "home") as engine,
                ssh_shells(server.command(), library=library()) as shells,
            ):
                files = ShellFiles(shells, probe(shells, work, flights=Flights()))
                found = grep.ripgrep_command("two", None, place=work, roots=[work])
                listed = glob.ripgrep_command("*.txt", place=work, roots=[work])
                rows = [
                    Row(
                        "bash true",
                        lambda: engine.call("bash", {"command": "true"}),
                        lambda: shells.run_command(Command("true", work, 20), flights=Flights()),
                    ),
                    Row(
                        "read",
                        lambda: engine.call("read", {"filePath": file}),
                        lambda: files.observe([Wanted(file)], roots=[work], flights=Flights(), limit_bytes=1 << 20),
                    ),
                    Row(
                        "grep",
                        lambda: engine.call("grep", {"pattern": "two"}),
                        lambda: shells.run_search(found, flights=Flights()),
                    ),
                    Row(
                        "glob",
                        lambda: engine.call("glob", {"pattern": "*.txt"}),
                        lambda: shells.run_search(listed, flights=Flights()),
                    ),
                ]
                yield rows, engine


def _medians_ms(row: Row) -> tuple[float, float, float]:
    """Return the medians of the calls, of the jobs, and of what each call took more than the job before it."""
    calls, jobs = [], []
    row.job()
    row.call()
    for _ in range(REPEATS):
        jobs.append(_took_ms(row.job))
        calls.append(_took_ms(row.call))
    differences = [call - job for call, job in zip(calls, jobs, strict=True)]
    return statistics.median(calls), statistics.median(jobs), statistics.median(differences)


def _took_ms(operation: Callable[[], object]) -> float:
    time.sleep(0.2)
    started = time.perf_counter()
    operation()
    return (time.perf_counter() - started) * 1000


def _notifications_per_second(engine: EngineClient) -> float:
    call = engine.start_call("bash", {"command": "timeout 5 sh -c 'while :; do echo x; sleep 0.005; done'; true"})
    result = call.result()
    seconds: float = result.metadata["remote"]["tookMs"] / 1000
    # The first one only says that the command has begun.
    return (len(call.progress) - 1) / seconds


if __name__ == "__main__":
    main()
