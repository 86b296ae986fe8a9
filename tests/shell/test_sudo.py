"""BASH-6: sudo gets the configured password, on a real sshd and for an account that needs one."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from remote_code.errors import NoSuchFile
from remote_code.shell.job import Cancel, Command, Flights, Outcome, Result
from remote_code.shell.pool import PoolSettings, Shells
from remote_code.shell.sudo import END_OF_INPUT, Questions, SudoPassword
from tests.support.processes import ended_afterwards, find_processes, unique_sleep, wait_until
from tests.support.ssh_shells import all_at_once, run, ssh_shells
from tests.support.sshd import SSHServer

PASSWORD = 'it\'s $ecret \\ "word"'
ACCOUNT = "rc-tester"


@pytest.fixture(scope="module")
def server() -> Iterator[SSHServer]:
    with sudo_server() as server:
        yield server


@contextmanager
def sudo_server(*config: str) -> Iterator[SSHServer]:
    """A server whose account may use sudo with its password, and only from a terminal; `use_pty` as Debian has it."""
    if os.getuid() != 0 or not shutil.which("sudo"):
        pytest.skip("needs root and sudo")
    folder = Path(tempfile.mkdtemp(prefix="remote-code-sudo-"))
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    os.chown(home, 64321, 64321)
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
    ).stdout.strip()
    files = {
        "/etc/passwd": f"{ACCOUNT}:x:64321:64321::{home}:/bin/bash\n",
        "/etc/group": f"{ACCOUNT}:x:64321:\n",
        "/etc/shadow": f"{ACCOUNT}:{hashed}:19000:0:99999:7:::\n",
    }
    mounts = {}
    for target, line in files.items():
        source = folder / Path(target).name
        source.write_text(Path(target).read_text(encoding="utf-8") + line, encoding="utf-8")
        source.chmod(0o640 if target.endswith("shadow") else 0o644)
        mounts[target] = source
    sudoers = folder / "sudoers"
    sudoers.write_text(f"Defaults use_pty,requiretty,timestamp_timeout=0\n{ACCOUNT} ALL=(ALL) ALL\n", encoding="utf-8")
    sudoers.chmod(0o440)
    mounts["/etc/sudoers"] = sudoers
    with SSHServer(folder / "sshd", config=config, mounts=mounts, user=ACCOUNT) as server:
        for path in (folder / "sshd").iterdir():
            path.chmod(0o644 if path.name == "authorized_keys" else 0o600)
        yield server
    shutil.rmtree(folder)


def settings_with(password: str | None) -> PoolSettings:
    return PoolSettings(sudo_password=SecretStr(password) if password is not None else None)


@pytest.fixture(scope="module")
def shells(server: SSHServer) -> Iterator[Shells]:
    with ssh_shells(server.command(), settings=settings_with(PASSWORD)) as shells:
        yield shells


def done(exit_status: int | None = 0, *, signal: str | None = None, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    return Result(Outcome.DONE, exit_status, signal, stdout, stderr)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("sudo id -u", done(stdout=b"0\n"), id="plain"),
        pytest.param("echo a | sudo cat; echo err >&2", done(stdout=b"a\n", stderr=b"err\n"), id="pipe"),
        pytest.param("sudo -k; sudo id -u && sudo -k && sudo id -u", done(stdout=b"0\n0\n"), id="asked twice"),
        pytest.param("(sudo sh -c 'echo in; exit 9')", done(9, stdout=b"in\n"), id="status"),
        pytest.param("sudo true; kill -9 $$", done(None, signal="KILL"), id="signal"),
        pytest.param("echo no sudo at all; [ -t 0 ] || echo empty", done(stdout=b"no sudo at all\nempty\n"), id="none"),
        pytest.param("cat; sudo cat; echo end", done(stdout=b"end\n"), id="standard input is empty"),
    ],
)
def test_sudo_gets_its_password(shells: Shells, text: str, expected: Result) -> None:
    assert run(shells, text) == expected


def test_large_command_and_output_come_whole(shells: Shells) -> None:
    result = run(shells, f"sudo head -c 3000000 /dev/zero | tr '\\0' x #{'y' * 100_000}", timeout_s=60)
    assert (result.exit_status, len(result.stdout), result.stderr) == (0, 3_000_000, b"")


def test_missing_directory_is_named(shells: Shells) -> None:
    with pytest.raises(NoSuchFile):
        run(shells, "sudo true", workdir="/no/such/place")


def test_password_is_nowhere_to_be_seen(shells: Shells) -> None:
    text = "sudo true; ps -eo args=; env; cat /proc/$$/environ | tr '\\0' '\\n'"
    result = run(shells, text)
    assert result.exit_status == 0
    assert PASSWORD.encode() not in result.stdout + result.stderr


def test_timeout_ends_what_root_runs(shells: Shells) -> None:
    """SSH-8: TERM from another group is passed on by sudo."""
    mark = unique_sleep()
    result = run(shells, f"echo begun; sudo sleep {mark}", timeout_s=3.0)
    assert (result.outcome, result.is_timed_out, result.stdout) == (Outcome.DONE, True, b"begun\n")
    wait_until(lambda: not find_processes(mark), timeout_s=8)


def test_cancel_ends_what_root_runs_and_ignores_term(shells: Shells) -> None:
    mark = unique_sleep()
    cancel = Cancel()
    with ended_afterwards(mark):
        text = f"sudo sh -c 'trap \"\" TERM INT HUP; echo begun; while :; do sleep {mark}; done'"
        result = shells.run_command(
            Command(text, "/", 60), flights=Flights(), cancel=cancel, on_output=lambda stream, data: cancel.set()
        )
        assert (result.is_cancelled, result.stdout) == (True, b"begun\n")
        wait_until(lambda: not find_processes(mark), timeout_s=8)


def test_background_child_does_not_hold_the_call(shells: Shells) -> None:
    mark = unique_sleep()
    with ended_afterwards(mark):
        result = run(shells, f"sudo true; sleep {mark} & echo started")
        assert (result.exit_status, result.stdout) == (0, b"started\n")
        assert find_processes(mark)


def test_wrong_password_is_offered_once_and_sudo_has_the_last_word(server: SSHServer) -> None:
    with ssh_shells(server.command(), settings=settings_with("wrong")) as shells:
        first = run(shells, "sudo id; echo goes on")
        assert (first.exit_status, first.stdout) == (0, b"goes on\n")
        assert b"1 incorrect password attempt" in first.stderr
        begun = time.monotonic()
        second = run(shells, "sudo id")
        assert second.exit_status == 1
        assert b"a password is required" in second.stderr
        assert time.monotonic() - begun < 5


def test_the_two_halves_may_be_on_two_connections() -> None:
    with (
        sudo_server("MaxSessions 1") as server,
        ssh_shells(server.command(), settings=settings_with(PASSWORD)) as shells,
    ):
        assert all_at_once([lambda: run(shells, "sudo id -u")] * 4) == [done(stdout=b"0\n")] * 4


def test_without_a_password_sudo_fails_at_once(server: SSHServer) -> None:
    with ssh_shells(server.command(), settings=settings_with(None)) as shells:
        result = run(shells, "sudo id")
        assert result.exit_status == 1
        assert result.stderr


def test_question_that_is_not_sudos_own_is_ended(shells: Shells) -> None:
    result = run(shells, "sudo -p 'PW? ' id")
    assert result.exit_status == 1


def test_questions_are_told_from_other_text() -> None:
    password = SudoPassword(SecretStr("secret"))
    questions = Questions(password)
    assert questions.hear("We trust you have received the usual lecture.\r\n") == b""
    assert questions.hear("[sudo] pass") == b""
    assert questions.is_open
    assert questions.hear("word for me: ") == b"secret\n"
    assert questions.hear("\r\n[sudo] password for me: ") == b"secret\n"
    assert questions.hear("\r\nSorry, try again.\r\n[sudo] password for me: ") == END_OF_INPUT
    assert password.is_refused
    assert questions.hear("\r\n[sudo] password for me: ") == END_OF_INPUT
    assert questions.hear("Continue? ") == b""
    assert questions.pause() == END_OF_INPUT
    assert not questions.is_open
