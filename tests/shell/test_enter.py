"""SSH-9: worker shells somewhere else than on the login host."""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_code.errors import ShellUnsupported
from remote_code.remote.scripts import library
from remote_code.shell.boot import Place
from remote_code.shell.job import Flights, Outcome, Result, Script
from remote_code.shell.pool import PoolSettings, Shells
from tests.support.processes import find_processes, unique_sleep, wait_until
from tests.support.ssh_shells import all_at_once, run, ssh_shells
from tests.support.sshd import SSHServer


def busybox_tree(folder: Path) -> Path:
    """Make what a small container holds: BusyBox and /dev/null."""
    busybox = shutil.which("busybox")
    assert busybox
    for name in ("bin", "dev", "tmp", "srv"):
        (folder / name).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin" / "busybox")
    subprocess.run(["chroot", str(folder), "/bin/busybox", "--install", "-s", "/bin"], check=True)
    os.mknod(folder / "dev" / "null", 0o666 | 0o020000, os.makedev(1, 3))
    (folder / "dev" / "null").chmod(0o666)
    return folder


@pytest.fixture(scope="module", params=["ssh -T", "sudo", pytest.param("chroot", marks=pytest.mark.root)])
def shells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shells]:
    """A bastion that forwards nothing, and a place behind it."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path_factory.mktemp("enter")
    with (
        SSHServer(folder / "bastion", config=["AllowTcpForwarding no"]) as bastion,
        SSHServer(folder / "inner") as inner,
    ):
        enter = {
            "ssh -T": inner.command().replace("ssh ", "ssh -T ", 1),
            "sudo": "sudo -n -u nobody",
            "chroot": f"chroot {folder / 'tree'}",
        }[request.param]
        if request.param == "chroot":
            busybox_tree(folder / "tree")
        settings = PoolSettings(place=Place(enter=enter))
        with ssh_shells(bastion.command(), settings=settings, library=library()) as shells:
            yield shells


def done(exit_status: int | None = 0, *, signal: str | None = None, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    return Result(Outcome.DONE, exit_status, signal, stdout, stderr)


def test_commands_and_scripts_run_there(shells: Shells) -> None:
    assert run(shells, "echo out; echo err >&2; exit 7") == done(7, stdout=b"out\n", stderr=b"err\n")
    assert shells.run_script(Script("echo out; exit 3"), flights=Flights()) == done(3, stdout=b"out\n")


def test_large_commands_arrive_whole(shells: Shells) -> None:
    assert run(shells, "exit 9 #" + "x" * 100_000) == done(9)


def test_many_calls_at_once_succeed(shells: Shells) -> None:
    results = all_at_once([functools.partial(run, shells, f"echo {index}") for index in range(20)])
    assert results == [done(stdout=b"%d\n" % index) for index in range(20)]


def test_timeout_leaves_nothing(shells: Shells) -> None:
    mark = unique_sleep()
    result = run(shells, f"echo begun; sleep {mark} & sleep {mark}", timeout_s=0.5)
    assert (result.outcome, result.is_timed_out, result.stdout) == (Outcome.DONE, True, b"begun\n")
    wait_until(lambda: not find_processes(mark))


@pytest.mark.parametrize(
    ("enter", "said"),
    [
        pytest.param("sh -c 'echo no such container: web >&2; exit 1' --", "no such container: web", id="fails"),
        pytest.param("no-such-program exec web", "not found", id="missing"),
    ],
)
def test_command_that_fails_gives_its_own_words(sshd: SSHServer, enter: str, said: str) -> None:
    settings = PoolSettings(place=Place(enter=enter))
    with ssh_shells(sshd.command(), settings=settings) as shells, pytest.raises(ShellUnsupported, match=said) as failed:
        run(shells, "true")
    assert "REMOTE_ENTER" in failed.value.message
