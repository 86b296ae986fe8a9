"""Round trips of a login: ours, up to the first output of a command, and OpenSSH's own, at 0, 50 and 100 ms.

Round trips of a row = (its time at 100 ms minus its time at 0) / 100 ms. That of the TCP handshake is not in it: the
proxy accepts at once.
"""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.delay_proxy import DelayProxy
from remote_code.ssh.connection import Connection, connect
from remote_code.ssh.options import resolve
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from tests.support.sshd import SSHServer

ROUNDS = 7


@dataclass
class Target:
    """A server behind a delay: what REMOTE_SSH would hold, and how to connect."""

    command: str

    def connect(self) -> Connection:
        """Log in by key."""
        options = resolve(parse_command(self.command))
        return connect(options, secrets=Secrets(), on_notice=lambda notice: None)


@pytest.fixture(scope="module", params=[0, 50, 100], ids=lambda delay_ms: f"{delay_ms}ms")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with (
        SSHServer(tmp_path_factory.mktemp("openssh")) as server,
        DelayProxy("127.0.0.1", server.port, one_way_s=request.param / 2000) as proxy,
    ):
        yield Target(server.command(port=proxy.port))


def timed(benchmark: BenchmarkFixture, operation: Callable[[list[Connection]], object]) -> None:
    """Time `operation`; what it opens is closed outside of the time."""
    opened: list[Connection] = []
    benchmark.pedantic(operation, args=(opened,), rounds=ROUNDS, warmup_rounds=1)  # type: ignore[no-untyped-call] # of the plugin
    for connection in opened:
        connection.close()


def test_login_by_key(benchmark: BenchmarkFixture, target: Target) -> None:
    timed(benchmark, lambda opened: opened.append(target.connect()))


def test_login_and_first_output(benchmark: BenchmarkFixture, target: Target) -> None:
    def operation(opened: list[Connection]) -> None:
        opened.append(target.connect())
        channel = opened[-1].open_exec("echo up", timeout_s=20)
        while not channel.receive():
            channel.wake.wait(1)
            channel.wake.clear()

    timed(benchmark, operation)


def test_openssh_login_and_command(benchmark: BenchmarkFixture, target: Target) -> None:
    words = [*shlex.split(target.command), "echo up"]
    timed(benchmark, lambda opened: subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL))
