"""Counts the round trips of each tool through the whole engine, as a client on a slow link feels them.

`python -m benchmarks.round_trips` starts a loopback sshd behind a proxy that delays both ways, makes each call at no
delay and at several, and prints (median at D - median at 0) / D beside the flights that the engine itself counted.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.delay_proxy import DelayProxy
from benchmarks.page import machine, write_section
from tests.support.engine import EngineClient
from tests.support.sshd import SSHServer

DELAYS_S = (0.0, 0.05, 0.1)
"""Round trips that the proxy adds."""
REPEATS = 9


@dataclass
class Row:
    """One operation: what the issue of speed promises, and what was measured."""

    name: str
    goal: float
    prepare: Callable[[EngineClient, int], None]
    run: Callable[[EngineClient, int], int]
    """Makes the call number n and returns the flights that the engine counted."""
    times_s: dict[float, float] = field(default_factory=dict)
    flights: list[int] = field(default_factory=list)

    def round_trips(self, delay_s: float) -> float:
        """Return the figure at one delay."""
        return (self.times_s[delay_s] - self.times_s[0.0]) / delay_s


def main() -> None:
    """Measure everything and put the table into the page."""
    rows = _rows()
    with _engine() as (engine, proxy):
        for delay_s in DELAYS_S:
            proxy.one_way_s = delay_s / 2
            for row in rows:
                row.times_s[delay_s] = _median_s(engine, row)
    delays = " | ".join(f"at {delay_s * 1000:.0f} ms" for delay_s in DELAYS_S[1:])
    table = [f"| call | flights | {delays} | goal | ms at 0 |", "|---|--:|" + "--:|" * (len(DELAYS_S) + 1)]
    for row in rows:
        figures = " | ".join(f"{row.round_trips(delay_s):.2f}" for delay_s in DELAYS_S[1:])
        flights = f"{statistics.median(row.flights):.0f}"
        table.append(f"| {row.name} | {flights} | {figures} | {row.goal} | {row.times_s[0.0] * 1000:.1f} |")
    write_section(
        "round trips",
        [
            "## Round trips of the tools",
            "",
            f"{machine()}. Through `remote-code serve`, every permission granted at once, over OpenSSH behind a proxy "
            f"that delays both ways: (median of {REPEATS} calls at the delay, minus that without) / the delay, by "
            "`python -m benchmarks.round_trips`. Flights are what the engine itself counted.",
            "",
            *table,
            "",
        ],
    )


@contextmanager
def _engine() -> Iterator[tuple[EngineClient, DelayProxy]]:
    with tempfile.TemporaryDirectory(prefix="round-trips-") as name:
        folder = Path(name)
        workdir = folder / "remote"
        workdir.mkdir()
        for number in range(40):
            (workdir / f"cold-{number}.txt").write_text(f"cold {number}\n" * 50, encoding="utf-8")
        (workdir / "warm.txt").write_text("one\ntwo\nthree\n" * 20, encoding="utf-8")
        with SSHServer(folder / "sshd") as server, DelayProxy("127.0.0.1", server.port) as proxy:
            environ = {"REMOTE_SSH": server.command(port=proxy.port), "REMOTE_WORKDIR": str(workdir)}
            with EngineClient(environ, home=folder / "home") as engine:
                engine.call("bash", {"command": "true"})
                yield engine, proxy


def _rows() -> list[Row]:
    numbers = iter(range(10_000))
    return [
        Row("bash true", 1.15, _nothing, lambda engine, n: _flights(engine, "bash", command="true")),
        Row("glob", 1.15, _nothing, lambda engine, n: _flights(engine, "glob", pattern="*.txt")),
        Row("grep", 1.15, _nothing, lambda engine, n: _flights(engine, "grep", pattern="two")),
        Row("read, warm", 1.1, _read_warm, lambda engine, n: _flights(engine, "read", filePath="warm.txt")),
        Row("read, cold", 1.1, _make_cold, lambda engine, n: _flights(engine, "read", filePath="cold.txt")),
        Row("edit after read", 1.1, _write_warm, _edit_warm),
        Row("edit, cold", 2.1, _make_cold, _edit_cold),
        Row("write, new file", 2.1, _nothing, lambda engine, n: _write_new(engine, next(numbers))),
        Row("apply_patch, 20 files", 2.1, _make_many, _patch_many),
    ]


def _median_s(engine: EngineClient, row: Row) -> float:
    times = []
    for number in range(REPEATS):
        row.prepare(engine, number)
        # The pool refills in the background: a shell for the measured call is there before it begins.
        engine.call("bash", {"command": "sleep 0.3"})
        started = time.monotonic()
        row.flights.append(row.run(engine, number))
        times.append(time.monotonic() - started)
    return statistics.median(times)


def _flights(engine: EngineClient, tool: str, **args: object) -> int:
    return engine.call(tool, args).round_trips


def _nothing(engine: EngineClient, number: int) -> None:
    return None


def _read_warm(engine: EngineClient, number: int) -> None:
    engine.call("read", {"filePath": "warm.txt"})


def _make_cold(engine: EngineClient, number: int) -> None:
    engine.call("bash", {"command": f"date +%N >>cold-{number}.txt; cp cold-{number}.txt cold.txt; rm -f many-*"})


def _make_many(engine: EngineClient, number: int) -> None:
    engine.call("bash", {"command": "for n in $(seq 20); do echo old >many-$n.txt; done"})


def _patch_many(engine: EngineClient, number: int) -> int:
    parts = [f"*** Update File: many-{n}.txt\n@@\n-old\n+new {number}\n" for n in range(1, 21)]
    return _flights(engine, "apply_patch", patchText="*** Begin Patch\n" + "".join(parts) + "*** End Patch")


def _write_warm(engine: EngineClient, number: int) -> None:
    engine.call("write", {"filePath": "warm.txt", "content": "a number\n" + "one\ntwo\nthree\n" * 20})
    engine.call("read", {"filePath": "warm.txt"})


def _edit_warm(engine: EngineClient, number: int) -> int:
    return _flights(engine, "edit", filePath="warm.txt", oldString="a number", newString=f"number {number}")


def _edit_cold(engine: EngineClient, number: int) -> int:
    return _flights(engine, "edit", filePath="cold.txt", oldString=f"cold {number}\n", newString="x\n", replaceAll=True)


def _write_new(engine: EngineClient, number: int) -> int:
    return _flights(engine, "write", filePath=f"new-{number}.txt", content="new\n")


if __name__ == "__main__":
    main()
