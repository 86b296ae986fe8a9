"""Searches in standby shells of dash, bash and BusyBox ash, which serve on afterwards."""

import os
import random

import pytest

from remote_code.errors import ConnectionLost, NoSuchFile
from remote_code.shell.boot import new_token, script_text
from remote_code.shell.job import Cancel, Command, Outcome, Result
from remote_code.shell.job_text import search_job
from remote_code.shell.worker import StandbyShell
from tests.shell.conftest import Machine
from tests.support.processes import find_processes, unique_sleep, wait_until


def search(text: str, *, workdir: str = "/", timeout_s: float = 20.0) -> Command:
    return Command(text, workdir, timeout_s)


def ask(shell: StandbyShell, text: str) -> Result:
    return answers(shell, search(text))[0]


def answers(shell: StandbyShell, *commands: Command) -> list[Result]:
    """Run searches in one flight."""
    flight = {new_token(): command for command in commands}
    shell.ask(flight)
    return [shell.answer(end, command) for end, command in flight.items()]


def done(exit_status: int = 0, *, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    return Result(Outcome.DONE, exit_status, None, stdout, stderr)


def test_searches_in_one_flight_have_each_their_own_answer(machine: Machine) -> None:
    shell = machine.standby()
    data = random.Random(1).randbytes(300_000).replace(b"\0", b"")
    commands = [
        search("printf 'a\\0b'; echo err >&2; exit 7"),
        search(f"printf %s {len(data)}; cat; pwd", workdir="/tmp"),
        search("head -c 300000 /dev/zero"),
    ]
    assert answers(shell, *commands) == [
        done(7, stdout=b"a\0b", stderr=b"err\n"),
        done(stdout=b"%d/tmp\n" % len(data)),
        done(stdout=bytes(300_000)),
    ]
    shell.close()


def test_100_flights_one_right_after_the_other_lose_no_byte(machine: Machine) -> None:
    """The reader that watches the input never takes what is sent next."""
    shell = machine.standby()
    for number in range(100):
        assert ask(shell, f"echo {number}") == done(stdout=b"%d\n" % number)
    shell.close()


def test_command_after_searches_finds_what_it_finds_in_a_fresh_shell(machine: Machine) -> None:
    """BASH-1: environment, descriptors, and no child of somebody else."""
    text = (
        "env | grep -v '^_=' | sort; pwd; jobs; "
        "for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; done; cat; "
        "cat /proc/$$/task/$$/children"
    )
    fresh = machine.run(text)
    shell = machine.standby()
    ask(shell, "cd /tmp; echo one")
    ask(shell, "echo two")
    used = shell.run(search(text))

    def without_ids(result: Result) -> list[bytes]:
        return result.stdout.splitlines()[:-1]

    assert without_ids(used) == without_ids(fresh)
    # The command itself is the only child that may show: the watcher is nobody's child.
    assert len(used.stdout.splitlines()[-1].split()) == len(fresh.stdout.splitlines()[-1].split())
    shell.close()


def test_nothing_of_a_search_is_left_while_its_shell_waits(machine: Machine) -> None:
    shell = machine.standby()
    timeout_s = 500_000.0 + os.getpid()
    command = search("echo here", timeout_s=timeout_s)
    assert answers(shell, command) == [done(stdout=b"here\n")]
    wait_until(lambda: not find_processes(f"{timeout_s + 15:.0f}"))
    shell.close()


def test_search_that_was_cut_is_not_run(machine: Machine) -> None:
    target = f"/tmp/remote-code-test-search-{os.getpid()}"
    for n_missing in (1, 10, 40):
        shell = machine.standby()
        job = search_job({"0" * 16: search(f"touch {target}")}, shell.token, functions=script_text("search"))
        shell.channel.send(memoryview((job.lines + job.payload)[:-n_missing]), timeout_s=5)
        shell.channel.shutdown_write()
        machine.link.channels[-1].join()
        assert not os.path.exists(target)


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_cancel_and_timeout_end_whatever_runs(machine: Machine, how: str) -> None:
    """SSH-8: the shell ends with it, and the search behind it does not run."""
    mark, never = unique_sleep(), f"/tmp/remote-code-test-never-{os.getpid()}"
    shell = machine.standby()
    cancel = Cancel()
    command = search(f"sleep {mark} & sleep {mark}", timeout_s=20 if how == "cancel" else 0.3)
    shell.ask({"first": command, "second": search(f"touch {never}")})
    if how == "cancel":
        wait_until(lambda: find_processes(mark), timeout_s=20)
        cancel.set()
    result = shell.answer("first", command, cancel=cancel)
    assert (result.outcome, result.is_cancelled, result.is_timed_out) == (
        Outcome.DONE,
        how == "cancel",
        how == "timeout",
    )
    assert not shell.is_usable
    wait_until(lambda: not find_processes(mark), timeout_s=20)
    assert not os.path.exists(never)
    shell.close()


def test_end_of_the_engine_ends_a_running_search(machine: Machine) -> None:
    """SSH-8: the input is the lifeline."""
    mark = unique_sleep()
    shell = machine.standby()
    shell.ask({"first": search("true"), "second": search(f"sleep {mark}; true")})
    wait_until(lambda: find_processes(mark), timeout_s=20)
    shell.close()
    wait_until(lambda: not find_processes(mark), timeout_s=20)


def test_search_that_ends_its_own_group_is_lost(machine: Machine) -> None:
    shell = machine.standby()
    with pytest.raises(ConnectionLost) as lost:
        ask(shell, "kill -9 0")
    assert lost.value.facts == {"outcome": "unknown", "retry_safe": True}
    shell.close()


def test_missing_directory_is_named(machine: Machine) -> None:
    shell = machine.standby()
    command = search("echo never", workdir="/no/such/place")
    with pytest.raises(NoSuchFile, match='"/no/such/place"'):
        answers(shell, command)
    shell.close()
