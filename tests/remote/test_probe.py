"""What the probe learns, under dash, bash and BusyBox ash."""

import os
import platform
import pwd
import subprocess
import time
from pathlib import Path

import pytest

from remote_code.remote.probe import probe
from remote_code.remote.state import Kind
from remote_code.shell.job import Flights
from tests.remote.conftest import ShellMachine


def test_the_probe_knows_the_machine_and_the_account(shell_machine: ShellMachine) -> None:
    host = shell_machine.host
    assert host.system == f"{platform.system()} {platform.release()} {platform.machine()}"
    assert (host.platform, host.uid, host.user) == ("linux", os.getuid(), pwd.getpwuid(os.getuid()).pw_name)
    assert (host.workdir, host.workdir_kind) == (host.home, Kind.DIRECTORY)
    assert host.charset == "utf-8"
    assert host.umask == os.umask(os.umask(0o022))
    assert host.shell == ("sh" if shell_machine.name == "ash" else "bash")
    assert abs(host.clock_offset_s) <= host.clock_uncertainty_s + 1
    assert host.clock_before_now_ns() <= time.time_ns()
    assert host.free_bytes is not None
    assert host.is_case_sensitive
    assert host.has_digests
    assert host.variants["flock"] == ("0" if shell_machine.name == "ash" else "1")
    assert (host.ripgrep is not None) == ("rg" in host.tools) == (shell_machine.name != "ash")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param(None, "", id="home"),
        pytest.param("~", "", id="tilde"),
        pytest.param("~/sub/", "/sub", id="in-home"),
        pytest.param("sub", "/sub", id="relative"),
        pytest.param("~/sub/../x\ny'", "/x\ny'", id="dots"),
        pytest.param("link/../none", "/none", id="link-and-dots"),
    ],
)
def test_the_workdir_is_found_as_the_person_wrote_it(
    shell_machine: ShellMachine, asked: str | None, found: str
) -> None:
    home = Path(shell_machine.host.home)
    (home / "sub").mkdir(exist_ok=True)
    (home / "x\ny'").mkdir(exist_ok=True)
    if not (home / "link").is_symlink():
        (home / "link").symlink_to("/usr/bin")
    host = probe(shell_machine.runner, asked, flights=Flights())
    assert host.workdir == f"{home}{found}"
    assert host.workdir_real == os.path.realpath(host.workdir)
    assert (host.workdir_kind is Kind.DIRECTORY) == Path(host.workdir).is_dir()


def test_a_missing_workdir_is_told_by_its_kind(shell_machine: ShellMachine) -> None:
    assert probe(shell_machine.runner, "/nowhere/at/all", flights=Flights()).workdir_kind is Kind.ABSENT_DIRECTORY
    assert probe(shell_machine.runner, "/bin/true", flights=Flights()).workdir_kind is Kind.FILE


def test_the_repository_and_its_branch_are_read_without_git(shell_machine: ShellMachine, place: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *words], cwd=place, check=True, capture_output=True)

    assert not probe(shell_machine.runner, str(place), flights=Flights()).is_git_repo
    git("init", "-q", "-b", "feature/x")
    (place / "deep" / "er").mkdir(parents=True)
    host = probe(shell_machine.runner, str(place / "deep" / "er"), flights=Flights())
    assert (host.is_git_repo, host.branch) == (True, "feature/x")
    git("commit", "-q", "--allow-empty", "-m", "x")
    git("worktree", "add", "-q", "-b", "other", "tree")
    host = probe(shell_machine.runner, str(place / "tree"), flights=Flights())
    assert (host.is_git_repo, host.branch) == (True, "other")
    git("checkout", "-q", "--detach")
    host = probe(shell_machine.runner, str(place), flights=Flights())
    assert (host.is_git_repo, host.branch) == (True, None)
