"""The file operations of each kind of shell, on this machine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import Host, probe
from remote_code.remote.scripts import library
from remote_code.remote.sftp_files import SFTPFiles
from remote_code.remote.sftp_probe import probe_sftp
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Change, Changed, FileState, Observation, Present, Wanted
from remote_code.shell.job import Flights
from remote_code.shell.pool import Shells
from tests.support.posix_shells import SHELLS, local_shells
from tests.support.sftp_servers import local_sftp
from tests.support.ssh_shells import busybox_shells, ssh_shells
from tests.support.sshd import SSHServer


@dataclass(frozen=True)
class Machine:
    """One kind of remote, and the calls that most tests make."""

    name: str
    host: Host
    files: ShellFiles | SFTPFiles
    read_flights: int = 1
    replace_flights: int = 1

    def observe(self, path: object, *, held: Present | None = None, limit_bytes: int = 1 << 20) -> Observation:
        wanted = [Wanted(RemotePath(str(path)), held)]
        return self.files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=limit_bytes)[0]

    def state(self, path: object) -> FileState:
        state = self.observe(path).state
        assert state is not None
        return state

    def present(self, path: object) -> Present:
        state = self.state(path)
        assert isinstance(state, Present)
        return state

    def replace(
        self, path: object, contents: bytes | None, *, expected: FileState | None = None, mode: int | None = None
    ) -> Changed:
        change = Change(RemotePath(str(path)), expected or self.state(path), contents, mode)
        return self.files.replace([change], roots=ANYWHERE, flights=Flights())[0]


@dataclass(frozen=True)
class ShellMachine(Machine):
    """A remote with a POSIX shell."""

    shells: Shells | None = None

    @property
    def runner(self) -> Shells:
        assert self.shells is not None
        return self.shells


@pytest.fixture(scope="session", params=SHELLS)
def shell_machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShellMachine]:
    name: str = request.param
    with local_shells(name, tmp_path_factory.mktemp(name)) as shells:
        host = probe(shells, None, flights=Flights())
        yield ShellMachine(name, host, ShellFiles(shells, host), shells=shells)


@pytest.fixture(scope="session", params=[*SHELLS, "sftp"])
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sshd: SSHServer
) -> Iterator[Machine]:
    """Each maker of the file operations: scripts under three shells, and SFTP (SSH-10).

    A module may ask for "openssh" and "dropbear-busybox" too, for the scripts over these servers.
    """
    name: str = request.param
    if name == "sftp":
        with local_sftp() as sessions:
            host = probe_sftp(sessions, None, user="someone", flights=Flights())
            yield Machine(name, host, SFTPFiles(sessions), read_flights=3, replace_flights=3)
        return
    with _shells(name, tmp_path_factory.mktemp(name), sshd) as shells:
        host = probe(shells, None, flights=Flights())
        yield Machine(name, host, ShellFiles(shells, host))


def _shells(name: str, folder: Path, sshd: SSHServer) -> AbstractContextManager[Shells]:
    if name == "openssh":
        return ssh_shells(sshd.command(), library=library())
    if name == "dropbear-busybox":
        return busybox_shells(folder, library=library())
    return local_shells(name, folder)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory on the "remote", real path, empty."""
    folder = tmp_path.resolve() / "place"
    folder.mkdir()
    return folder
