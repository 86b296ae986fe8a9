"""The pool over a real sshd: results, noise, limits of the server, and what is left behind."""

import contextlib
import functools
import os
import pwd
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from remote_code.errors import Cancelled, ConnectTimeout, NoSuchFile, ShellUnsupported
from remote_code.remote.scripts import library
from remote_code.shell.job import Cancel, Command, Flights, Outcome, Result, Script
from remote_code.shell.pool import LinkState, LinkStatus, PoolSettings, Shells
from tests.support.processes import ended_afterwards, find_processes, unique_sleep, wait_until
from tests.support.ssh_shells import all_at_once, killed_client, run, ssh_shells
from tests.support.sshd import SSHServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    """A server whose account has an empty home, so that logins are quick."""
    home = tmp_path_factory.mktemp("home")
    with SSHServer(tmp_path_factory.mktemp("sshd"), environment={"HOME": str(home)}) as server:
        yield server


@pytest.fixture(scope="module")
def shells(server: SSHServer) -> Iterator[Shells]:
    with ssh_shells(server.command(), library='greet() { echo hello "$1"; }\n') as shells:
        shells.wait_until_ready(timeout_s=20)
        yield shells


def done(exit_status: int | None = 0, *, signal: str | None = None, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    return Result(Outcome.DONE, exit_status, signal, stdout, stderr)


def test_status_and_streams_are_the_commands_own(shells: Shells) -> None:
    """BASH-1."""
    assert run(shells, "echo out; echo err >&2; exit 7") == done(7, stdout=b"out\n", stderr=b"err\n")


def test_signal_is_reported_by_its_name(shells: Shells) -> None:
    assert run(shells, "kill -SEGV $$") == done(None, signal="SEGV")


@pytest.mark.parametrize("size", [1_000, 30_000, 130_000, 1_000_000])
def test_command_of_any_size_arrives_whole(shells: Shells, size: int) -> None:
    assert run(shells, "exit 9 #" + "x" * size) == done(9)


def test_environment_is_that_of_a_plain_ssh_command(server: SSHServer, shells: Shells) -> None:
    """BASH-1: bash's own SHLVL and `_` apart."""
    plain = subprocess.run(
        [*server.command().split(), "env"], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    ).stdout
    ours = run(shells, "env", workdir=Path(pwd.getpwuid(os.getuid()).pw_dir)).stdout.decode()

    def comparable(text: str) -> set[str]:
        return {
            line
            for line in text.splitlines()
            if line.split("=")[0] not in ("SHLVL", "_", "SSH_CLIENT", "SSH_CONNECTION")
        }

    assert comparable(ours) == comparable(plain)


def test_long_output_comes_whole_and_streams(shells: Shells) -> None:
    seen: list[int] = []
    command = Command("head -c 20000000 /dev/zero | tr '\\0' x; echo end >&2", "/", 60)
    result = shells.run_command(command, flights=Flights(), on_output=lambda stream, data: seen.append(len(data)))
    assert (len(result.stdout), set(result.stdout), result.stderr) == (20_000_000, {ord("x")}, b"end\n")
    assert len(seen) > 2


def test_endless_output_is_bounded_by_time_and_memory(shells: Shells) -> None:
    result = shells.run_command(Command("yes", "/", 0.5, keep_bytes=1_000), flights=Flights())
    assert result.is_timed_out
    assert len(result.stdout) == 1_000
    assert result.dropped_bytes > 1_000_000


OUTPUT_BYTES = 10_000_000_000 if os.environ.get("REMOTE_CODE_TORTURE") else 300_000_000
GROWTH_KB = 150_000
"""What a client may grow by: the window of one channel, in which the output waits, and what is kept."""


@pytest.mark.timeout(900)
def test_output_of_any_size_takes_the_memory_of_what_is_kept(server: SSHServer, tmp_path: Path) -> None:
    """10 GB in the long run."""
    program = tmp_path / "client.py"
    program.write_text(
        "from pathlib import Path\n"
        "from remote_code.shell.job import Command, Flights\n"
        "from tests.support.ssh_shells import ssh_shells\n"
        "def peak_kb():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.partition('VmHWM:')[2].split()[0])\n"
        f"with ssh_shells({server.command()!r}) as shells:\n"
        "    shells.run_command(Command('true', '/', 60), flights=Flights())\n"
        "    before = peak_kb()\n"
        f"    command = Command('head -c {OUTPUT_BYTES} /dev/zero', '/', 800, keep_bytes=1_000)\n"
        "    result = shells.run_command(command, flights=Flights())\n"
        "    print(result.exit_status, len(result.stdout) + result.dropped_bytes, peak_kb() - before)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, env=environment, check=True)
    exit_status, n_bytes, growth_kb = map(int, done.stdout.split())
    assert (exit_status, n_bytes) == (0, OUTPUT_BYTES)
    assert growth_kb < GROWTH_KB


def test_missing_directory_is_named(shells: Shells) -> None:
    with pytest.raises(NoSuchFile, match='"/no/such/place"'):
        run(shells, "true", workdir="/no/such/place")


def test_timeout_ends_the_whole_group(shells: Shells) -> None:
    """BASH-3 and SSH-8."""
    mark = unique_sleep()
    result = run(shells, f"echo begun; sleep {mark} & (sleep {mark}; true); wait", timeout_s=1.0)
    assert (result.outcome, result.is_timed_out, result.signal) == (Outcome.DONE, True, "TERM")
    assert result.stdout == b"begun\n"
    wait_until(lambda: not find_processes(mark))


def test_cancel_ends_what_ignores_term(shells: Shells) -> None:
    """BASH-3: KILL after 3 s."""
    mark = unique_sleep()
    cancel = Cancel()
    text = f"trap '' TERM; echo begun; while :; do sleep {mark}; done"
    result = shells.run_command(
        Command(text, "/", 60), flights=Flights(), cancel=cancel, on_output=lambda stream, data: cancel.set()
    )
    assert (result.outcome, result.is_cancelled, result.signal) == (Outcome.DONE, True, "KILL")
    wait_until(lambda: not find_processes(mark))


def test_cancelled_call_starts_nothing(shells: Shells, tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        shells.run_command(Command(f"touch {tmp_path}/ran", "/", 5), flights=Flights(), cancel=cancel)
    assert not (tmp_path / "ran").exists()


def test_background_child_does_not_hold_the_call(shells: Shells) -> None:
    """BASH-4."""
    mark = unique_sleep()
    with ended_afterwards(mark):
        result = run(shells, f"sleep {mark} & echo started")
        assert (result.exit_status, result.stdout, result.holds_output) == (0, b"started\n", True)
        assert len(find_processes(mark)) == 1


def test_scripts_share_the_library_and_one_flight(shells: Shells) -> None:
    shells.run_script(Script("true"), flights=Flights())
    flights = Flights()
    result = shells.run_script(Script("greet you; exit 3"), flights=flights)
    assert (result, flights.count) == (done(3, stdout=b"hello you\n"), 1)


def test_noise_of_the_login_never_reaches_a_result(tmp_path: Path) -> None:
    """BASH-7: a `.bashrc` that prints to both streams, without a last newline, and traces."""
    home = tmp_path / "home"
    home.mkdir()
    noise = "echo welcome; echo motd >&2; sleep 0.3; printf 'no newline'; printf 'nor here' >&2; set -x\n"
    (home / ".bashrc").write_text(noise, encoding="utf-8")
    with (
        SSHServer(tmp_path / "sshd", environment={"HOME": str(home)}) as server,
        ssh_shells(server.command(), library=library()) as shells,
    ):
        assert run(shells, "echo out; echo err >&2") == done(stdout=b"out\n", stderr=b"err\n")
        script = Script("echo out; echo err >&2")
        assert shells.run_script(script, flights=Flights()) == done(stdout=b"out\n", stderr=b"err\n")


@pytest.mark.parametrize("max_sessions", [1, 2, 10])
def test_50_calls_at_once_all_succeed(tmp_path: Path, max_sessions: int) -> None:
    """SSH-5: none is refused whatever MaxSessions is; handshakes come one at a time."""
    config = [f"MaxSessions {max_sessions}", "MaxStartups 2:100:2"]
    with (
        SSHServer(tmp_path, config=config) as server,
        ssh_shells(server.command(), library=library()) as shells,
    ):

        def call(index: int) -> Result:
            if index % 5 == 4:
                return shells.run_script(Script(f"echo {index}"), flights=Flights())
            if index % 5 == 3:
                return shells.run_search(Command(f"echo {index}", "/", 30), flights=Flights())
            return run(shells, f"echo {index}", timeout_s=30)

        results = all_at_once([functools.partial(call, index) for index in range(50)])
        assert results == [done(stdout=b"%d\n" % index) for index in range(50)]
        assert "drop connection" not in server.log.read_text(encoding="utf-8")


def test_search_does_not_wait_for_builds(server: SSHServer, tmp_path: Path) -> None:
    """SSH-5: one more worker is opened when user commands hold all of the pool."""
    go = tmp_path / "go"
    settings = PoolSettings(command_size=2)
    with ssh_shells(server.command(), settings=settings) as shells:
        begun = threading.Semaphore(0)

        def build() -> Result:
            command = Command(f"echo begun; until [ -e {go} ]; do sleep 0.05; done", "/", 60)
            return shells.run_command(command, flights=Flights(), on_output=lambda stream, data: begun.release())

        def search() -> Result:
            try:
                assert begun.acquire(timeout=20)
                assert begun.acquire(timeout=20)
                return shells.run_search(Command("echo found", "/", 20), flights=Flights())
            finally:
                go.touch()

        *_, found = all_at_once([build, build, search])
        assert found == done(stdout=b"found\n")


def test_callers_are_served_in_the_order_in_which_they_came(server: SSHServer, tmp_path: Path) -> None:
    order = tmp_path / "order"
    with ssh_shells(server.command(), settings=PoolSettings(command_size=1)) as shells:
        shells.wait_until_ready(timeout_s=20)
        held, threads = threading.Event(), []
        first = Command(f"echo begun; until [ -e {tmp_path}/go ]; do sleep 0.05; done", "/", 60)
        threads.append(
            threading.Thread(
                target=lambda: shells.run_command(first, flights=Flights(), on_output=lambda stream, data: held.set())
            )
        )
        threads[0].start()
        assert held.wait(10)
        for index in range(6):
            threads.append(threading.Thread(target=run, args=(shells, f"echo {index} >>{order}")))
            threads[-1].start()
            wait_until(functools.partial(_has_waiting, shells, index + 1))
        (tmp_path / "go").touch()
        for thread in threads:
            thread.join(20)
    assert order.read_text(encoding="utf-8").split() == ["0", "1", "2", "3", "4", "5"]


def _has_waiting(shells: Shells, n: int) -> bool:
    return shells.n_waiting == n


def test_warm_calls_take_one_round_trip(server: SSHServer) -> None:
    """The times that this gives are in `benchmarks/bench_shell.py`."""
    with (
        DelayProxy("127.0.0.1", server.port, one_way_s=0.05) as proxy,
        ssh_shells(server.command(port=proxy.port)) as shells,
    ):
        shells.run_script(Script("true"), flights=Flights())
        wait_until(lambda: shells.n_idle >= 5, timeout_s=15)
        for_command, for_script = Flights(), Flights()
        shells.run_command(Command("true", "/", 10), flights=for_command)
        shells.run_script(Script("true"), flights=for_script)
    assert (for_command.count, for_script.count) == (1, 1)


def test_account_without_a_shell_is_told_to_every_caller(tmp_path: Path) -> None:
    config = ["ForceCommand echo only backups here; exit 3"]
    states: list[LinkStatus] = []
    with (
        SSHServer(tmp_path, config=config) as server,
        ssh_shells(server.command(), on_status=states.append) as shells,
    ):
        for _ in range(2):
            with pytest.raises(ShellUnsupported) as refused:
                run(shells, "true")
            assert refused.value.facts["said"] == "only backups here"
        with pytest.raises(ShellUnsupported):
            shells.wait_until_ready(timeout_s=5)
        wait_until(lambda: states[-1].state is LinkState.FAILED)


def test_account_for_sftp_alone_is_told_long_before_the_login_times_out(tmp_path: Path) -> None:
    begun = time.monotonic()
    with (
        SSHServer(tmp_path, config=["ForceCommand internal-sftp"]) as server,
        ssh_shells(server.command()) as shells,
        pytest.raises(ShellUnsupported, match="SFTP only"),
    ):
        run(shells, "true")
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    ("login_shell", "start_file", "found"),
    [
        # Two of them at once may have words about their files in a new home.
        pytest.param(
            "/bin/bash", "exec fish\n", "it waited for input of its own and said ", id="bashrc-that-execs-fish"
        ),
        pytest.param(
            "/usr/sbin/nologin",
            "",
            "it ended with status 1 and said 'This account is currently not available.'",
            id="nologin",
        ),
        pytest.param("/bin/false", "", "it ended with status 1 and said nothing", id="false"),
    ],
)
def test_account_that_starts_something_else_is_named(
    tmp_path: Path, login_shell: str, start_file: str, found: str
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".bashrc").write_text(start_file, encoding="utf-8")
    settings = PoolSettings(start_timeout_s=3.0)
    with (
        SSHServer(tmp_path / "sshd", environment={"HOME": str(home)}, login_shell=login_shell) as server,
        ssh_shells(server.command(), settings=settings) as shells,
        pytest.raises(ShellUnsupported) as refused,
    ):
        run(shells, "true")
    message = refused.value.message
    assert message.startswith(f"the remote account starts no POSIX shell for commands: {found}")
    assert message.endswith(
        "An account for SFTP only, a forced command, or a shell start file that starts another program has this effect"
    )


def test_login_that_takes_too_long_is_told_as_that_and_tried_again(tmp_path: Path) -> None:
    """A .bashrc that sleeps is no account without a shell: the next attempt may be quicker."""
    mark = unique_sleep()
    home = tmp_path / "home"
    home.mkdir()
    start_file = home / ".bashrc"
    start_file.write_text(f"sleep {mark}\n", encoding="utf-8")
    states: list[LinkStatus] = []
    settings = PoolSettings(start_timeout_s=2.0)
    with (
        SSHServer(tmp_path / "sshd", environment={"HOME": str(home)}) as server,
        ended_afterwards(mark),
        ssh_shells(server.command(), settings=settings, on_status=states.append) as shells,
    ):
        with pytest.raises(ConnectTimeout, match="the login of the remote account started no shell within 2 s") as late:
            run(shells, "true")
        # Each of the two shells that the pool starts first is late, with an error of its own.
        wait_until(lambda: LinkState.FAILED in [status.state for status in states])
        assert all(type(status.error) is ConnectTimeout for status in states if status.state is LinkState.FAILED)
        assert type(late.value) is ConnectTimeout
        start_file.unlink()

        def works() -> bool:
            with contextlib.suppress(ConnectTimeout):
                return run(shells, "echo at last").stdout == b"at last\n"
            return False

        wait_until(works, timeout_s=30)


def test_nothing_is_left_when_the_pool_is_closed(server: SSHServer) -> None:
    """SSH-8: orderly end, with a command running."""
    mark = unique_sleep()
    with ssh_shells(server.command()) as shells:
        begun = threading.Event()
        command = Command(f"echo begun; sleep {mark} & sleep {mark}", "/", 60)
        results: list[Result] = []
        thread = threading.Thread(
            target=lambda: results.append(
                shells.run_command(command, flights=Flights(), on_output=lambda stream, data: begun.set())
            )
        )
        thread.start()
        assert begun.wait(20)
    thread.join(5)
    assert [result.outcome for result in results] == [Outcome.UNKNOWN]
    wait_until(lambda: not find_processes(mark))


def test_nothing_is_left_after_kill_9_of_the_client(server: SSHServer, tmp_path: Path) -> None:
    """SSH-8: the lifeline needs nobody on this side."""
    mark = unique_sleep()
    with killed_client(server, tmp_path, f"echo begun; sleep {mark} & sleep {mark}"):
        wait_until(lambda: len(find_processes(mark)) >= 2)
    wait_until(lambda: not find_processes(mark))
