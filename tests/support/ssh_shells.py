"""A pool of worker shells over a real SSH server."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from remote_code.shell.boot import Place
from remote_code.shell.job import Command, Flights, Result
from remote_code.shell.pool import LinkStatus, PoolSettings, Shells
from remote_code.ssh.connection import Connection
from remote_code.ssh.link import open_link
from remote_code.ssh.options import resolve
from remote_code.ssh.program import ProgramLink
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from tests.support.dropbear import DropbearServer
from tests.support.posix_shells import shell_command
from tests.support.sshd import SSHServer

T = TypeVar("T")


@contextmanager
def ssh_shells(
    command: str,
    *,
    settings: PoolSettings | None = None,
    library: str = "",
    on_status: Callable[[LinkStatus], None] = lambda status: None,
    transport: Literal["paramiko", "ssh"] = "paramiko",
) -> Iterator[Shells]:
    """Run a pool over the connection that `command` (as in REMOTE_SSH) describes; started, not waited for."""
    options = resolve(parse_command(command), user_config=None, system_config=None)

    def dial() -> Connection | ProgramLink:
        return open_link(options, secrets=Secrets(), on_notice=lambda notice: None, transport=transport)

    shells = Shells(dial, settings=settings or PoolSettings(), library=library, on_status=on_status)
    shells.start()
    try:
        yield shells
    finally:
        shells.close()


@contextmanager
def busybox_shells(folder: Path, *, library: str) -> Iterator[Shells]:
    """Run a pool over a Dropbear without SFTP (as root only), on a machine that has BusyBox alone."""
    shell, environment = shell_command("ash", folder)
    wrapper = folder / "busybox-sh"
    wrapper.write_text(f'#!{shell}\nPATH={environment["PATH"]}\nexec {shell} "$@"\n', encoding="ascii")
    wrapper.chmod(0o755)
    settings = PoolSettings(place=Place(shell=str(wrapper)))
    with (
        DropbearServer(folder / "server") as server,
        ssh_shells(server.command(), settings=settings, library=library) as shells,
    ):
        yield shells


@contextmanager
def killed_client(server: SSHServer, folder: Path, text: str, *, stdin: Path | None = None) -> Iterator[None]:
    """Have a process of its own run a command that first prints `begun`; killed with -9 at the end of the block."""
    program = folder / "client.py"
    given = "" if stdin is None else f", stdin=Path({str(stdin)!r})"
    program.write_text(
        "from pathlib import Path\n"
        "from remote_code.shell.job import Command, Flights\n"
        "from tests.support.ssh_shells import ssh_shells\n"
        f"with ssh_shells({server.command()!r}) as shells:\n"
        f"    command = Command({text!r}, '/', 600{given})\n"
        "    on_output = lambda stream, data: print('begun', flush=True)\n"
        "    shells.run_command(command, flights=Flights(), on_output=on_output)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, env=environment) as client:
        assert client.stdout
        try:
            assert client.stdout.readline() == b"begun\n"
            yield
        finally:
            client.kill()


def run(shells: Shells, text: str, *, workdir: object = "/", timeout_s: float = 20.0) -> Result:
    """Run one command."""
    return shells.run_command(Command(text, str(workdir), timeout_s), flights=Flights())


def all_at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all calls at the same moment, each in a thread of its own, and return what they return."""
    barrier = threading.Barrier(len(calls))

    def call(index: int) -> T:
        barrier.wait(10)
        return calls[index]()

    with ThreadPoolExecutor(len(calls)) as executor:
        return list(executor.map(call, range(len(calls))))
