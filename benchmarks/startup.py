"""How soon `remote-code serve` answers `initialize`, and which imports that time goes to.

`python -m benchmarks.startup` starts the engine ten times without a target to connect to, shows the median and the
processor time (which a busy machine does not change much), and then the modules that took the most time of their own:
the least of several starts with `-X importtime`, which slows the whole of it.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page import machine, write_section

ROOT = Path(__file__).parents[1]
REPEATS = 10
IMPORT_REPEATS = 5
SHOWN = 8
HELLO = {"protocolVersion": 1, "client": {"name": "startup", "version": "1"}, "directory": "/", "worktree": "/"}


@dataclass(frozen=True)
class Start:
    """One start of the engine."""

    answered_s: float
    processor_s: float
    """Time on the processor until the answer, of all threads."""
    log: str
    """What the engine wrote before it answered, to both of its outputs."""


@dataclass(frozen=True)
class Import:
    """One line of `-X importtime`."""

    module: str
    self_ms: float
    total_ms: float


def start_engine(home: Path, *, options: tuple[str, ...] = ()) -> Start:
    """Start the engine, wait for its answer to `initialize`, and end it by the end of its input."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REMOTE_")}
    # Nothing listens on port 1: the engine has a target, and no connection takes part in the time.
    environ |= {"HOME": str(home), "REMOTE_SSH": "ssh -F none -p 1 127.0.0.1"}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}).encode("ascii") + b"\n"
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *options, "-m", "remote_code.cli", "serve"],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        engine.stdin.write(line)
        engine.stdin.flush()
        log = []
        # One stream for both: what stands before the answer happened before it.
        while not (said := engine.stdout.readline()).startswith(b'{"jsonrpc":"2.0","id":1,'):
            log.append(said.decode("utf-8", "replace"))
            assert said, "the engine ended without an answer"
        answered_s = time.perf_counter() - started
        tasks = Path(f"/proc/{engine.pid}/task").glob("*/schedstat")
        processor_s = sum(int(task.read_text("ascii").split()[0]) for task in tasks) / 1e9
        engine.stdin.close()
        engine.stdout.read()
    return Start(answered_s, processor_s, "".join(log))


def imports(log: str) -> list[Import]:
    """Return what a log of `-X importtime` tells, in its order."""
    found = []
    for line in log.splitlines():
        head, _, rest = line.partition(":")
        columns = rest.split("|")
        if head == "import time" and len(columns) == 3 and columns[0].strip().isdigit():
            found.append(Import(columns[2].strip(), int(columns[0]) / 1000, int(columns[1]) / 1000))
    return found


def least(tables: list[list[Import]]) -> list[Import]:
    """Return each module once, with the least of its times."""
    found: dict[str, Import] = {}
    for each in itertools.chain(*tables):
        other = found.get(each.module, each)
        found[each.module] = Import(each.module, min(each.self_ms, other.self_ms), min(each.total_ms, other.total_ms))
    return list(found.values())


def main() -> None:
    """Measure and put the table into the page."""
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        home = Path(name)
        start_engine(home)  # The files are in the page cache from here on.
        starts = [start_engine(home) for _ in range(REPEATS)]
        logs = [start_engine(home, options=("-X", "importtime")).log for _ in range(IMPORT_REPEATS)]
    times_ms = [start.answered_s * 1000 for start in starts]
    processor_ms = statistics.median(start.processor_s * 1000 for start in starts)
    table = least([imports(log) for log in logs])
    largest = sorted(table, key=lambda each: -each.self_ms)[:SHOWN]
    write_section(
        "startup",
        [
            "## Start of the engine",
            "",
            f"{machine()}. From the start of `remote-code serve` to its answer to `initialize`: "
            f"{statistics.median(times_ms):.0f} ms (median of {REPEATS}, best {min(times_ms):.0f} ms), of which "
            f"{processor_ms:.0f} ms on the processor; {len(table)} modules are imported. By `python -m "
            "benchmarks.startup`, which other work on the machine slows.",
            "",
            "| the largest imports | ms of its own | ms with all below |",
            "|---|--:|--:|",
            *(f"| {each.module} | {each.self_ms:.1f} | {each.total_ms:.1f} |" for each in largest),
            "",
        ],
    )


if __name__ == "__main__":
    main()
