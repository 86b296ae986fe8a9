"""Worker shells behind the login shells that accounts have, on sshd and on Dropbear."""

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_code.remote.scripts import library
from remote_code.shell.job import Cancel, Command, Flights, Outcome, Result, Script
from remote_code.shell.pool import Shells
from tests.support.dropbear import DropbearServer
from tests.support.posix_shells import shell_command
from tests.support.processes import ended_afterwards, find_processes, unique_sleep, wait_until
from tests.support.ssh_shells import all_at_once, run, ssh_shells
from tests.support.sshd import SSHServer

pytestmark = pytest.mark.root


def done(exit_status: int | None = 0, *, signal: str | None = None, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    return Result(Outcome.DONE, exit_status, signal, stdout, stderr)


def login_shell(name: str, folder: Path) -> str:
    if name == "ash":
        path = Path(shell_command("ash", folder)[0]).with_name("ash")
        return str(path)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="module", params=["bash", "dash", "ash", "zsh", "fish", "tcsh"])
def shells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    if os.getuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path_factory.mktemp("login")
    home = folder / "home"
    home.mkdir()
    shell = login_shell(request.param, folder)
    with (
        SSHServer(folder / "sshd", environment={"HOME": str(home)}, login_shell=shell) as server,
        ssh_shells(server.command(), library=library()) as shells,
    ):
        yield shells


def test_commands_are_run_by_bash_whatever_the_login_shell(shells: Shells) -> None:
    """BASH-1."""
    text = 'echo "$BASH_VERSION" | cut -c1; printf "%s\\n" \'a!b\' "c\'d"; echo err >&2; exit 7'
    assert run(shells, text) == done(7, stdout=b"5\na!b\nc'd\n", stderr=b"err\n")


def test_scripts_run(shells: Shells) -> None:
    assert shells.run_script(Script("echo out; exit 3"), flights=Flights()) == done(3, stdout=b"out\n")


def test_large_commands_arrive_whole(shells: Shells) -> None:
    assert run(shells, "exit 9 #" + "!'\"\\$`\n#" * 5_000) == done(9)


def test_timeout_ends_the_group(shells: Shells) -> None:
    mark = unique_sleep()
    result = run(shells, f"echo begun; sleep {mark} & sleep {mark}", timeout_s=0.5)
    assert (result.outcome, result.signal, result.stdout) == (Outcome.DONE, "TERM", b"begun\n")
    wait_until(lambda: not find_processes(mark))


@pytest.fixture(scope="module")
def dropbear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    if os.getuid() != 0:
        pytest.skip("needs root")
    with (
        DropbearServer(tmp_path_factory.mktemp("dropbear") / "server") as server,
        ssh_shells(server.command(), library=library()) as shells,
    ):
        yield shells


def test_dropbear_gives_status_signal_and_streams(dropbear: Shells) -> None:
    assert run(dropbear, "echo out; echo err >&2; exit 7") == done(7, stdout=b"out\n", stderr=b"err\n")
    assert run(dropbear, "kill -9 $$") == done(None, signal="KILL")
    assert dropbear.run_script(Script("echo out; exit 3"), flights=Flights()) == done(3, stdout=b"out\n")


def test_dropbear_takes_a_command_larger_than_its_window(dropbear: Shells) -> None:
    assert run(dropbear, "exit 9 #" + "x" * 120_000) == done(9)


def test_dropbear_timeout_and_cancel_leave_nothing(dropbear: Shells) -> None:
    """SSH-8."""
    mark = unique_sleep()
    result = run(dropbear, f"echo begun; sleep {mark} & sleep {mark}", timeout_s=0.5)
    assert (result.outcome, result.signal) == (Outcome.DONE, "TERM")
    cancel = Cancel()
    command = Command(f"trap '' TERM; echo begun; while :; do sleep {mark}; done", "/", 60)
    result = dropbear.run_command(
        command, flights=Flights(), cancel=cancel, on_output=lambda stream, data: cancel.set()
    )
    assert (result.outcome, result.signal) == (Outcome.DONE, "KILL")
    wait_until(lambda: not find_processes(mark))


def test_dropbear_background_child_does_not_hold_the_call(dropbear: Shells) -> None:
    """BASH-4."""
    mark = unique_sleep()
    with ended_afterwards(mark):
        result = run(dropbear, f"sleep {mark} & echo started")
        assert (result.exit_status, result.stdout) == (0, b"started\n")
        assert len(find_processes(mark)) == 1


def test_dropbear_serves_50_calls_at_once_on_few_connections(dropbear: Shells) -> None:
    """SSH-5: overlapping ends on one connection would lose it, so each worker has its own."""

    def call(index: int) -> Result:
        if index % 3 == 2:
            return dropbear.run_script(Script(f"echo {index}"), flights=Flights())
        return run(dropbear, f"echo {index}", timeout_s=30)

    results = all_at_once([functools.partial(call, index) for index in range(50)])
    assert results == [done(stdout=b"%d\n" % index) for index in range(50)]
