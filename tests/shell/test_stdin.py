"""Commands with standard input, on dash, bash and BusyBox ash, over OpenSSH, Dropbear and the ssh program."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from remote_code.errors import InvalidArguments, RemoteOperationFailed
from remote_code.remote.scripts import library
from remote_code.shell.job import Cancel, Command, Flights, Outcome, Result
from remote_code.shell.job_text import command_job
from remote_code.shell.pool import Shells
from remote_code.shell.stdin import Input
from tests.shell.conftest import Machine
from tests.support.dropbear import DropbearServer
from tests.support.processes import find_processes, unique_sleep, wait_until
from tests.support.ssh_shells import killed_client, ssh_shells
from tests.support.sshd import SSHServer

STUCK_BYTES = 64 << 20
"""More than pipes, windows and servers hold for a command that does not read."""


def done(exit_status: int = 0, *, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    return Result(Outcome.DONE, exit_status, None, stdout, stderr)


def run(machine: Machine, text: str, stdin: bytes | Path, *, timeout_s: float = 20.0) -> Result:
    shell = machine.standby()
    try:
        return shell.run(Command(text, "/", timeout_s, stdin=stdin))
    finally:
        shell.close()


@pytest.mark.parametrize("data", [b"", b"x", b"\0\xff'\n\n", b"line\n" * 60_000, os.urandom(300_000)])
def test_command_reads_its_input_to_the_end(machine: Machine, data: bytes) -> None:
    assert run(machine, "cat; echo oops >&2; exit 3", data) == done(3, stdout=data, stderr=b"oops\n")


def test_input_may_be_a_local_file(machine: Machine, tmp_path: Path) -> None:
    data = os.urandom(1_000_000)
    (tmp_path / "input").write_bytes(data)
    assert run(machine, "cat", tmp_path / "input") == done(stdout=data)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(STUCK_BYTES)
    return path


def test_command_that_does_not_read_its_input_is_not_held_by_it(machine: Machine, large: Path) -> None:
    assert run(machine, "echo no", large) == done(stdout=b"no\n")
    assert run(machine, "head -c 3; exit 4", b"abc" * 1_000_000) == done(4, stdout=b"abc")
    assert run(machine, "exec <&-; echo closed; sleep 0.1; echo on", large) == done(stdout=b"closed\non\n")


@pytest.mark.parametrize("n_bytes", [5_000, 200_000])
def test_large_command_and_its_input_arrive_whole(machine: Machine, n_bytes: int) -> None:
    data = os.urandom(100_000)
    assert run(machine, f"cat; exit 9 #{'x' * n_bytes}", data) == done(9, stdout=data)


def test_death_by_signal_shows_as_shells_tell_it(machine: Machine) -> None:
    assert run(machine, "kill -9 $$", b"x") == done(137)


def test_command_without_input_reads_nothing(machine: Machine) -> None:
    assert machine.run("cat; echo end") == done(stdout=b"end\n")


def test_command_whose_input_is_cut_never_sees_its_end(machine: Machine, tmp_path: Path) -> None:
    mark = unique_sleep()
    text = f"sleep {mark} & echo begun; cat >{tmp_path}/part; touch {tmp_path}/whole"
    shell = machine.standby()
    job = command_job(Command(text, "/", 60), shell.token, input_bytes=1_000)
    shell.channel.send(memoryview(job.lines + job.payload + b"x" * 500), timeout_s=5)
    wait_until(lambda: shell.channel.receive() == b"begun\n")
    shell.close()
    wait_until(lambda: not find_processes(mark))
    assert not (tmp_path / "whole").exists()


def test_file_that_becomes_shorter_ends_the_command_before_it_could_go_on(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "shrinks"
    with path.open("wb") as stream:
        stream.truncate(STUCK_BYTES)
    shell = machine.standby()
    command = Command(f"head -c 1 >/dev/null; echo go; cat >/dev/null; touch {tmp_path}/whole", "/", 30, stdin=path)
    with pytest.raises(RemoteOperationFailed) as caught:
        shell.run(command, on_output=lambda stream, data: os.truncate(path, 10))
    shell.close()
    assert caught.value.message == f'the command was ended: its input "{path}" became shorter while it was sent'
    assert not (tmp_path / "whole").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent", "No such file or directory"), (".", "Is a directory"), ("device", "it is not a regular file")],
)
def test_input_that_is_no_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    path = tmp_path / name
    if name == "device":
        path.symlink_to("/dev/null")
    with pytest.raises(InvalidArguments) as caught:
        Input(path)
    assert caught.value.message == f'the input "{path}" cannot be used: {reason}'


@pytest.fixture(scope="module", params=["openssh", "dropbear", "ssh-program"])
def shells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    folder = tmp_path_factory.mktemp("stdin") / "server"
    if request.param == "dropbear":
        if os.getuid() != 0:
            pytest.skip("needs root")
        with DropbearServer(folder) as dropbear, ssh_shells(dropbear.command(), library=library()) as shells:
            yield shells
        return
    transport: Literal["paramiko", "ssh"] = "ssh" if request.param == "ssh-program" else "paramiko"
    with (
        SSHServer(folder) as server,
        ssh_shells(server.command(), library=library(), transport=transport) as shells,
    ):
        yield shells


def test_input_and_output_flow_at_the_same_time(shells: Shells, tmp_path: Path) -> None:
    """More of each than any window holds."""
    data = os.urandom(1 << 20) * 24
    (tmp_path / "input").write_bytes(data)
    command = Command("cat; exit 3", "/", 60, stdin=tmp_path / "input")
    result = shells.run_command(command, flights=Flights())
    assert (result.exit_status, result.stdout == data, result.stderr) == (3, True, b"")


def test_command_with_input_takes_one_flight(shells: Shells) -> None:
    def n_flights() -> int:
        flights = Flights()
        assert shells.run_command(Command("cat", "/", 20, stdin=b"in"), flights=flights) == done(stdout=b"in")
        return flights.count

    # More than one is the start of a shell, where none was ready.
    wait_until(lambda: n_flights() == 1, timeout_s=20)


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_command_that_does_not_read_can_be_stopped(
    request: pytest.FixtureRequest, shells: Shells, large: Path, is_cancelled: bool
) -> None:
    """SSH-8: its input is stuck, and the end of the lifeline behind it."""
    mark = unique_sleep()
    cancel = Cancel()
    command = Command(f"echo begun; sleep {mark}", "/", 60 if is_cancelled else 1, stdin=large)
    result = shells.run_command(
        command,
        flights=Flights(),
        cancel=cancel,
        on_output=lambda stream, data: cancel.set() if is_cancelled else None,
    )
    # The ssh program does not tell of signals.
    is_told = "ssh-program" not in request.node.name
    assert (result.outcome, result.signal) == ((Outcome.DONE, "TERM") if is_told else (Outcome.UNKNOWN, None))
    assert result.stdout == b"begun\n"
    assert (result.is_cancelled, result.is_timed_out) == (is_cancelled, not is_cancelled)
    wait_until(lambda: not find_processes(mark))


def test_nothing_is_left_when_the_client_is_killed_while_its_input_is_stuck(tmp_path: Path, large: Path) -> None:
    """SSH-8: the end of the server's process is seen by what watches the command."""
    mark = unique_sleep()
    with SSHServer(tmp_path / "sshd") as server:
        with killed_client(server, tmp_path, f"echo begun; sleep {mark}", stdin=large):
            pass
        wait_until(lambda: not find_processes(mark), timeout_s=20)
