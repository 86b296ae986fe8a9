"""Commands in standby shells of dash, bash and BusyBox ash."""

import threading
from pathlib import Path

import pytest

from remote_code.errors import ConnectionLost, ConnectTimeout, NoSuchFile, NotADirectory, ShellUnsupported
from remote_code.shell.boot import Place
from remote_code.shell.job import Cancel, Command, Outcome, Result
from remote_code.shell.job_text import ARGUMENT_BYTES, QUOTED_COMMAND_BYTES, command_job
from remote_code.shell.opening import open_standby
from tests.shell.conftest import Machine
from tests.support.process_link import ProcessLink
from tests.support.processes import ended_afterwards, find_processes, unique_sleep, wait_until


def done(exit_status: int | None = 0, *, signal: str | None = None, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    return Result(Outcome.DONE, exit_status, signal, stdout, stderr)


def test_status_and_streams_are_the_commands_own(machine: Machine) -> None:
    assert machine.run("echo out; echo err >&2; exit 7") == done(7, stdout=b"out\n", stderr=b"err\n")


def test_signal_is_reported_by_its_name(machine: Machine) -> None:
    assert machine.run("kill -9 $$") == done(None, signal="KILL")


def test_standard_input_is_empty_and_only_three_descriptors_are_open(machine: Machine) -> None:
    """BASH-1: standard input is empty."""
    listing = machine.run("cat; for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; done; true")
    assert listing == done(stdout=b"0\n1\n2\n")


@pytest.mark.parametrize(
    "size",
    [10, QUOTED_COMMAND_BYTES, QUOTED_COMMAND_BYTES + 1, ARGUMENT_BYTES, ARGUMENT_BYTES + 1, 1_000_000],
)
def test_command_of_any_size_arrives_whole(machine: Machine, size: int) -> None:
    text = "exit 9 #"
    assert machine.run(text + "x" * (size - len(text))) == done(9)


@pytest.mark.parametrize("filler", [0, 2_000, 140_000])
def test_every_byte_but_nul_comes_through(machine: Machine, filler: int) -> None:
    raw = bytes(byte for byte in range(1, 256) if byte != ord("'")).decode("utf-8", "surrogateescape")
    result = machine.run(f": {'x' * filler}\nLC_ALL=C printf %s 'it'\\''s{raw}'")
    assert result == done(stdout=b"it's" + raw.encode("utf-8", "surrogateescape"))


def test_working_directory_may_have_any_name(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "it's -n $HOME\n*"
    folder.mkdir()
    assert machine.run('printf %s "$PWD"; printf %s "${OLDPWD-}"', workdir=folder) == done(stdout=bytes(folder))


def test_missing_directory_is_named_and_nothing_runs(machine: Machine, tmp_path: Path) -> None:
    path = str(tmp_path / "absent")
    with pytest.raises(NoSuchFile) as refused:
        machine.run("echo ran", workdir=path)
    assert refused.value.facts == {"path": path}
    assert path in refused.value.message


def test_file_as_directory_is_named(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectory):
        machine.run("echo ran", workdir=tmp_path / "file")


def test_status_125_of_a_command_is_its_own(machine: Machine) -> None:
    assert machine.run("echo cd missing >&2; exit 125") == done(125, stderr=b"cd missing\n")


@pytest.mark.parametrize("cut", ["before the token line", "in the token line", "in the command"])
def test_command_that_was_cut_is_not_run(machine: Machine, tmp_path: Path, cut: str) -> None:
    target = tmp_path / "ran"
    shell = machine.standby()
    job = command_job(Command(f"touch {target} # {'x' * 3000}", "/", 20), shell.token)
    whole = job.lines + job.payload
    n_bytes = {"before the token line": len(job.lines) - 17, "in the token line": len(job.lines) - 2}.get(cut, -20)
    shell.channel.send(memoryview(whole[:n_bytes]), timeout_s=5)
    shell.channel.shutdown_write()
    machine.link.channels[-1].join()
    assert not target.exists()


def test_timeout_ends_the_whole_group(machine: Machine) -> None:
    """BASH-3: children end too, and the output so far is there."""
    mark = unique_sleep()
    result = machine.run(f"echo begun; sleep {mark} & (sleep {mark}; true); wait", timeout_s=0.5)
    assert (result.is_timed_out, result.signal, result.stdout) == (True, "TERM", b"begun\n")
    wait_until(lambda: not find_processes(mark))


def test_timeout_may_be_longer_than_any_machine_lives(machine: Machine) -> None:
    assert machine.run("echo done", timeout_s=1e13) == done(stdout=b"done\n")


def test_cancel_ends_a_command_that_ignores_term(machine: Machine) -> None:
    mark = unique_sleep()
    cancel = Cancel()
    begun = threading.Event()
    results: list[Result] = []

    def run() -> None:
        text = f"trap '' TERM; sleep {mark} & echo begun; while :; do sleep {mark}; done"
        results.append(machine.run(text, cancel=cancel, on_output=lambda stream, data: begun.set()))

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(5)
    cancel.set()
    thread.join(10)
    assert [(result.outcome, result.is_cancelled, result.signal) for result in results] == [
        (Outcome.DONE, True, "KILL")
    ]
    wait_until(lambda: not find_processes(mark))


def test_background_child_does_not_hold_the_call(machine: Machine) -> None:
    """BASH-4."""
    mark = unique_sleep()
    with ended_afterwards(mark):
        result = machine.run(f"sleep {mark} & echo started")
        assert (result.exit_status, result.stdout, result.holds_output) == (0, b"started\n", True)
        assert len(find_processes(mark)) == 1


def test_child_that_keeps_writing_does_not_hold_the_call(machine: Machine) -> None:
    mark = unique_sleep()
    with ended_afterwards(mark):
        text = f"while :; do echo x; sleep 0.05; done & echo $! >&2; sleep {mark} >/dev/null 2>&1 & true"
        result = machine.run(text)
        assert result.holds_output
        machine.run(f"kill {result.stderr.decode()}")


def test_nothing_is_left_when_the_link_goes(machine: Machine) -> None:
    """SSH-8: the lifeline ends command and watcher."""
    mark = unique_sleep()
    begun = threading.Event()
    results: list[Result] = []

    def run() -> None:
        text = f"echo begun; nohup sleep {mark} >/dev/null & sleep {mark}"
        results.append(machine.run(text, on_output=lambda stream, data: begun.set()))

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(5)
    machine.link.lose()
    thread.join(5)
    assert [result.outcome for result in results] == [Outcome.UNKNOWN]
    wait_until(lambda: not find_processes(mark))


def test_watcher_leaves_with_its_command(machine: Machine) -> None:
    deadline_s = 4242
    shell = machine.standby()
    assert shell.run(Command("true", "/", deadline_s - 15)).exit_status == 0
    shell.close()
    wait_until(lambda: not find_processes(str(deadline_s)))


def test_job_for_a_shell_that_has_ended_is_not_started(machine: Machine) -> None:
    shell = machine.standby()
    shell.channel.shutdown_write()
    machine.link.channels[-1].join()
    with pytest.raises(ConnectionLost) as lost:
        shell.run(Command("true", "/", 5))
    assert lost.value.facts == {"outcome": "not_started", "retry_safe": True}


def test_long_output_keeps_its_first_and_last_half(machine: Machine) -> None:
    seen = bytearray()
    result = machine.run(
        "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done",
        keep_bytes=1_000,
        on_output=lambda stream, data: seen.extend(data),
    )
    whole = b"".join(b"%d\n" % i for i in range(1, 20_001))
    assert bytes(seen) == whole
    assert result.stdout == whole[:500] + whole[-500:]
    assert result.dropped_bytes == len(whole) - 1_000


def test_noise_of_the_login_is_dropped_on_both_streams(tmp_path: Path) -> None:
    """BASH-7: what start files print never reaches a result, tracing included."""
    rc = tmp_path / "rc"
    rc.write_text("echo welcome; echo motd >&2; printf 'no newline'; set -x\n", encoding="utf-8")
    with ProcessLink(environment={"PATH": "/usr/bin:/bin", "BASH_ENV": str(rc)}, login_shell="/bin/bash") as link:
        shell = open_standby(link, Place())
        result = shell.run(Command("unset BASH_ENV; sh -c 'echo out; echo err >&2'", "/", 5))
        assert result.stdout.endswith(b"out\n")
        assert b"no newline" not in shell.channel.receive()
        shell.close()


NO_SHELL = "the remote account starts no POSIX shell for commands:"
CAUSES = "An account for SFTP only, a forced command, or a shell start file that starts another program has this effect"


def login_program(folder: Path, text: str) -> str:
    """Make a login shell that runs `text` in place of its command."""
    shell = folder / "login"
    shell.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    shell.chmod(0o755)
    return str(shell)


@pytest.mark.parametrize(
    ("login", "said", "found"),
    [
        pytest.param(
            "echo This account is currently not available.; exit 1",
            "This account is currently not available.",
            "it ended with status 1 and said 'This account is currently not available.'",
            id="nologin",
        ),
        pytest.param(
            "echo no shell here >&2; exit 0",
            "no shell here",
            "it ended with status 0 and said 'no shell here'",
            id="forced command",
        ),
        pytest.param("cat >/dev/null", "", "it waited for input of its own and said nothing", id="silent"),
    ],
)
def test_account_without_a_shell_is_named_with_what_it_said(tmp_path: Path, login: str, said: str, found: str) -> None:
    program = login_program(tmp_path, login)
    with ProcessLink(login_shell=program) as link, pytest.raises(ShellUnsupported) as refused:
        open_standby(link, Place(), timeout_s=1.0)
    assert refused.value.facts["said"] == said
    assert refused.value.message == f"{NO_SHELL} {found}. {CAUSES}"


def test_login_that_takes_too_long_is_no_account_without_a_shell(tmp_path: Path) -> None:
    """A .bashrc that sleeps: what was waited for, for how long, and what would help."""
    mark = unique_sleep()
    program = login_program(tmp_path, f'echo loading modules; sleep {mark}; exec /bin/sh "$@"')
    with ProcessLink(login_shell=program) as link, ended_afterwards(mark), pytest.raises(ConnectTimeout) as late:
        open_standby(link, Place(), timeout_s=1.0)
    assert late.value.facts == {"timeout_s": 1.0, "said": "loading modules"}
    assert late.value.message == (
        "the login of the remote account started no shell within 1 s: it is still at work and said 'loading modules'."
        " A start file (.bashrc, .cshrc, config.fish) that takes long, a home directory that does not answer or a"
        " forced command that does not end has this effect; `time ssh HOST true` shows it, and a start file may return"
        " early without a terminal"
    )
