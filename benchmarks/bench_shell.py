"""Round trips and times of worker shells: OpenSSH and Dropbear, at 0, 50 and 100 ms.

Round trips of a row = (its time at 100 ms minus its time at 0) / 100 ms; `extra_info` holds the flights that the pool
itself counted, which is what a tool call reports.
"""

import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.delay_proxy import DelayProxy
from remote_code.remote.scripts import library
from remote_code.shell.job import Command, Flights, Script
from remote_code.shell.pool import PoolSettings, Shells
from remote_code.ssh.connection import Connection, connect
from remote_code.ssh.options import Options, resolve
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from tests.support.dropbear import DropbearServer
from tests.support.ssh_shells import all_at_once
from tests.support.sshd import SSHServer


@dataclass
class Remote:
    """One server behind one delay, and the pool on it."""

    options: Options
    shells: Shells

    def settle(self) -> None:
        """Wait until the pool has refilled itself, so that no start of a shell is timed with what it is not part of."""
        deadline = time.monotonic() + 20
        n_idle, since = -1, time.monotonic()
        while time.monotonic() < deadline and (n_idle == 0 or time.monotonic() - since < 0.6):
            if n_idle != self.shells.n_idle:
                n_idle, since = self.shells.n_idle, time.monotonic()
            time.sleep(0.01)


@contextmanager
def server(name: str, folder: Path) -> Iterator[tuple[int, Callable[[int], str]]]:
    """Start a server; give its port and the command that reaches it through another port."""
    if name == "openssh":
        with SSHServer(folder) as openssh:
            yield openssh.port, lambda port: openssh.command(port=port)
        return
    if os.getuid() != 0:
        pytest.skip("Dropbear needs root")
    with DropbearServer(folder / "dropbear") as dropbear:
        alias = f"-o HostKeyAlias=[127.0.0.1]:{dropbear.port}"
        yield dropbear.port, lambda port: dropbear.command().replace(f"-p {dropbear.port}", f"-p {port} {alias}")


@pytest.fixture(
    scope="module",
    params=[(name, delay_ms) for name in ("openssh", "dropbear") for delay_ms in (0, 50, 100)],
    ids=lambda param: f"{param[0]}-{param[1]}ms",
)
def remote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    name, delay_ms = request.param
    with ExitStack() as stack:
        port, command = stack.enter_context(server(name, tmp_path_factory.mktemp(name)))
        proxy = stack.enter_context(DelayProxy("127.0.0.1", port, one_way_s=delay_ms / 2000))
        options = resolve(parse_command(command(proxy.port)), user_config=None, system_config=None)
        shells = Shells(functools.partial(dial, options), settings=PoolSettings(), library=library())
        stack.callback(shells.close)
        shells.start()
        shells.run_script(Script(":\n"), flights=Flights())
        yield Remote(options, shells)


def dial(options: Options) -> Connection:
    return connect(options, secrets=Secrets(), on_notice=lambda notice: None)


def timed(benchmark: BenchmarkFixture, operation: Callable[[Flights], object], *, ready: Callable[[], object]) -> None:
    """Time `operation` after `ready` has returned, each round anew, and note the flights of the last one."""
    flights = Flights()

    def once() -> None:
        flights.count = 0
        operation(flights)

    benchmark.pedantic(once, setup=ready, rounds=9, warmup_rounds=1)  # type: ignore[no-untyped-call] # It has no types.
    benchmark.extra_info["flights"] = flights.count


def test_warm_command(benchmark: BenchmarkFixture, remote: Remote) -> None:
    command = Command("true", "/", 20)
    timed(
        benchmark,
        lambda flights: remote.shells.run_command(command, flights=flights),
        ready=remote.settle,
    )


def test_command_of_30_kB(benchmark: BenchmarkFixture, remote: Remote) -> None:
    command = Command("true #" + "x" * 30_000, "/", 20)
    timed(
        benchmark,
        lambda flights: remote.shells.run_command(command, flights=flights),
        ready=remote.settle,
    )


def test_script(benchmark: BenchmarkFixture, remote: Remote) -> None:
    timed(benchmark, lambda flights: remote.shells.run_script(Script(":\n"), flights=flights), ready=lambda: None)


def test_200_scripts_in_sequence(benchmark: BenchmarkFixture, remote: Remote) -> None:
    def scripts() -> None:
        for _ in range(200):
            remote.shells.run_script(Script(":\n"), flights=Flights())

    benchmark.pedantic(scripts, rounds=1)  # type: ignore[no-untyped-call] # It has no types.


def test_8_scripts_at_once(benchmark: BenchmarkFixture, remote: Remote) -> None:
    def call(flights: Flights) -> None:
        all_at_once([lambda: remote.shells.run_script(Script(":\n"), flights=flights)] * 8)

    timed(benchmark, call, ready=lambda: None)


def test_8_commands_at_once_on_a_pool_of_3(benchmark: BenchmarkFixture, remote: Remote) -> None:
    """The first three take one flight each; the others wait for new shells. `extra_info` tells the two apart."""
    command = Command("true", "/", 20)
    ends_ms: list[list[float]] = []

    def call(flights: Flights) -> None:
        begun = time.monotonic()

        def one() -> float:
            remote.shells.run_command(command, flights=flights)
            return (time.monotonic() - begun) * 1000

        ends_ms.append(sorted(all_at_once([one] * 8)))

    timed(benchmark, call, ready=remote.settle)
    benchmark.extra_info["third_ms"] = statistics.median(ends[2] for ends in ends_ms)
    benchmark.extra_info["eighth_ms"] = statistics.median(ends[7] for ends in ends_ms)


def test_connect_to_first_result(benchmark: BenchmarkFixture, remote: Remote) -> None:
    def first_result() -> None:
        shells = Shells(functools.partial(dial, remote.options), settings=PoolSettings(), library="")
        shells.start()
        shells.run_command(Command("true", "/", 20), flights=Flights())
        closing.append(shells)

    def close() -> None:
        while closing:
            closing.pop().close()

    closing: list[Shells] = []
    benchmark.pedantic(first_result, setup=close, rounds=5)  # type: ignore[no-untyped-call] # It has no types.
    close()
