"""Measures calls made at once, and how soon a command's output is seen, through the whole engine on a slow link.

`python -m benchmarks.bursts` works as `benchmarks/round_trips.py` does: (median at D - median at 0) / D.
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.delay_proxy import DelayProxy
from benchmarks.page import machine, write_section
from tests.support.engine import JSON, EngineClient
from tests.support.sshd import SSHServer

DELAYS_S = (0.0, 0.05, 0.1)
REPEATS = 7
LARGE = 10
"""Size of the pools that a server with MaxSessions 10 can fill with one connection each."""


@dataclass
class Row:
    """One operation, and what was measured: seconds by delay."""

    name: str
    goal: str
    run: Callable[[EngineClient], float]
    times_s: dict[float, float] = field(default_factory=dict)


def main() -> None:
    """Measure everything and put the table into the page."""
    rows = [
        Row("20 reads and greps at once: the last answer", "3", _reads_and_greps),
        Row("first output of a chatty command", "1.2", _first_output),
        Row("8 commands at once on 3 workers: the third", "1.1", lambda engine: _together(engine, _COMMANDS)[2]),
        Row("8 commands at once on 3 workers: the eighth", "", lambda engine: _together(engine, _COMMANDS)[-1]),
    ]
    large = [Row(f"20 reads and greps at once, pools of {LARGE}: the last answer", "3", _reads_and_greps)]
    _measure(rows, {})
    cold = Row("20 reads and greps at once, the first calls of an engine: the last answer", "3", _reads_and_greps)
    _measure_cold(cold)
    rows.insert(1, cold)
    _measure(large, {"REMOTE_POOL_COMMAND_SIZE": str(LARGE), "REMOTE_POOL_FILE_SIZE": str(LARGE)})
    rows += large
    delays = " | ".join(f"at {delay_s * 1000:.0f} ms" for delay_s in DELAYS_S[1:])
    table = [f"| | {delays} | goal | ms at 0 |", "|---|" + "--:|" * (len(DELAYS_S) + 1)]
    for row in rows:
        figures = " | ".join(f"{(row.times_s[each] - row.times_s[0.0]) / each:.2f}" for each in DELAYS_S[1:])
        table.append(f"| {row.name} | {figures} | {row.goal} | {row.times_s[0.0] * 1000:.1f} |")
    write_section(
        "bursts",
        [
            "## Calls at once, and the first output",
            "",
            f"{machine()}. Round trips through `remote-code serve` over OpenSSH with MaxSessions 10 and an account "
            f"without start files, behind a proxy that delays both ways: (median of {REPEATS} at the delay, minus that "
            "without) / the delay, by "
            "`python -m benchmarks.bursts`. Commands beyond the pool wait for a new shell: channel, login, job.",
            "",
            *table,
            "",
        ],
    )


_READS_AND_GREPS: list[tuple[str, JSON]] = [
    call
    for number in range(10)
    for call in (("read", {"filePath": f"{number}.txt"}), ("grep", {"pattern": f"line {number}$"}))
]
_COMMANDS: list[tuple[str, JSON]] = [("bash", {"command": "true"})] * 8


def _measure(rows: list[Row], variables: Mapping[str, str]) -> None:
    with _engine(variables) as (engine, proxy):
        for delay_s in DELAYS_S:
            proxy.one_way_s = delay_s / 2
            for row in rows:
                row.times_s[delay_s] = statistics.median(_settled(engine, row.run) for _ in range(REPEATS))


def _measure_cold(row: Row) -> None:
    """Measure with an engine for each time, that has just looked around on the remote and has read nothing yet."""
    for delay_s in DELAYS_S:
        times_s = []
        for _ in range(REPEATS):
            with _engine({}) as (engine, proxy):
                proxy.one_way_s = delay_s / 2
                # OpenCode asks for it before the model can make a call.
                engine.request("environment", {})
                times_s.append(row.run(engine))
        row.times_s[delay_s] = statistics.median(times_s)


@contextmanager
def _engine(variables: Mapping[str, str]) -> Iterator[tuple[EngineClient, DelayProxy]]:
    with tempfile.TemporaryDirectory(prefix="bursts-") as name:
        folder = Path(name)
        work = folder / "remote"
        work.mkdir()
        for number in range(10):
            (work / f"{number}.txt").write_text(f"line {number}\n" * 50, encoding="utf-8")
        with (
            SSHServer(folder / "sshd", config=["MaxSessions 10"]) as server,
            DelayProxy("127.0.0.1", server.port) as proxy,
            EngineClient(
                {"REMOTE_SSH": server.command(port=proxy.port), "REMOTE_WORKDIR": str(work), **variables},
                home=folder / "home",
            ) as engine,
        ):
            yield engine, proxy


def _settled(engine: EngineClient, run: Callable[[EngineClient], float]) -> float:
    """Measure once the pool has refilled, which it does in the background."""
    engine.call("bash", {"command": "true"})
    time.sleep(1.0)
    return run(engine)


def _together(engine: EngineClient, calls: list[tuple[str, JSON]]) -> list[float]:
    """Make calls at once and return when each was answered, in the order of the answers."""
    answered_s: list[float] = []

    def see(message: JSON) -> bool:
        if "method" not in message:
            answered_s.append(time.monotonic())
        return False

    engine.intercept = see
    started_s = time.monotonic()
    for pending in [engine.start_call(tool, args) for tool, args in calls]:
        pending.result()
    engine.intercept = lambda message: False
    return [each - started_s for each in answered_s]


def _reads_and_greps(engine: EngineClient) -> float:
    return _together(engine, _READS_AND_GREPS)[-1]


def _first_output(engine: EngineClient) -> float:
    seen = threading.Event()

    def see(message: JSON) -> bool:
        if message.get("method") == "tool/progress" and message["params"]["metadata"].get("output"):
            seen.set()
        return False

    engine.intercept = see
    started_s = time.monotonic()
    pending = engine.start_call("bash", {"command": "seq 20000"})
    seen.wait(30)
    took_s = time.monotonic() - started_s
    pending.result()
    engine.intercept = lambda message: False
    return took_s


if __name__ == "__main__":
    main()
