"""A small remote and mirrors of it, over makers of `Files`: local disk, our scripts on real servers, and SFTP."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_code.mirror.local import MirrorLimits
from remote_code.mirror.sync import Pulled, SyncEngine
from remote_code.paths import RemotePath, Workspace
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import probe
from remote_code.remote.scripts import library
from remote_code.remote.sftp_files import SFTPFiles
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Change, Changed, FileState
from remote_code.shell.channel import Link
from remote_code.shell.job import Flights
from remote_code.shell.pool import PoolSettings, Shells
from remote_code.ssh.connection import connect
from remote_code.ssh.options import resolve
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from tests.support.local_files import LocalFiles
from tests.support.sftp_servers import local_sftp
from tests.support.ssh_shells import busybox_shells
from tests.support.sshd import SSHServer
from tests.support.watched_files import WatchedFiles


@dataclass
class Site:
    """One engine on one remote, with what its tests say often in short."""

    sync: SyncEngine
    files: WatchedFiles
    root: Path
    """The workspace on the remote."""
    flights: Flights
    maker: str

    def flights_by(self, *, shell: int, sftp: int) -> int:
        """Return how many flights this maker of `Files` takes for something."""
        return sftp if self.maker == "sftp" else shell

    def path(self, name: str) -> RemotePath:
        return RemotePath(str(self.root / name))

    def write(self, name: str, contents: bytes) -> RemotePath:
        """Write a file on the remote, as somebody else would."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(contents)
        return RemotePath(str(target))

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def pull(self, path: RemotePath, session: str | None = "one") -> Pulled:
        return self.sync.pull([path], session_id=session, roots=ANYWHERE, flights=self.flights)[0]

    def push(
        self,
        path: RemotePath,
        contents: bytes | None,
        *,
        expected: FileState | None,
        session: str = "one",
        call: str = "call",
    ) -> Changed:
        assert expected is not None
        change = Change(path, expected=expected, contents=contents)
        pushed = self.sync.push([change], session_id=session, call_id=call, roots=ANYWHERE, flights=self.flights)
        return pushed[0]

    def local(self, path: RemotePath) -> Path:
        return self.sync.mapper.to_local(path)


MakeSite = Callable[..., Site]


@pytest.fixture(scope="session")
def shell_files(sshd: SSHServer) -> Iterator[ShellFiles]:
    """The file operations of the engine itself, over one connection for all tests."""
    options = resolve(parse_command(sshd.command()))

    def dial() -> Link:
        return connect(options, secrets=Secrets(None, None), on_notice=lambda text: None)

    shells = Shells(dial, settings=PoolSettings(command_size=1, file_size=2), library=library())
    shells.start()
    yield ShellFiles(shells, probe(shells, None, flights=Flights()))
    shells.close()


@pytest.fixture(scope="session")
def dropbear_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShellFiles]:
    """The same over Dropbear without SFTP, on a machine that has BusyBox alone."""
    if os.getuid() != 0:
        pytest.skip("needs root")
    with busybox_shells(tmp_path_factory.mktemp("dropbear"), library=library()) as shells:
        yield ShellFiles(shells, probe(shells, None, flights=Flights()))


@pytest.fixture(scope="session")
def sftp_files() -> Iterator[SFTPFiles]:
    """SSH-10's file operations, over OpenSSH's own SFTP server."""
    with local_sftp() as sessions:
        yield SFTPFiles(sessions)


@pytest.fixture(params=["disk", "sshd", pytest.param("dropbear", marks=pytest.mark.root), "sftp"])
def maker(request: pytest.FixtureRequest) -> str:
    """Which maker of `Files` a test runs over; a test that needs one of them is parametrised with it."""
    name: str = request.param
    return name


@pytest.fixture
def make_site(maker: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeSite]:
    """Makes engines; all on one remote and one mirror unless `mirror` names another one."""
    made: list[Site] = []

    def make(*, mirror: str = "mirror", limits: MirrorLimits | None = None) -> Site:
        root = tmp_path.resolve() / "remote"
        root.mkdir(exist_ok=True)
        fixture = {"sshd": "shell_files", "dropbear": "dropbear_files", "sftp": "sftp_files"}.get(maker)
        files = WatchedFiles(LocalFiles() if fixture is None else request.getfixturevalue(fixture))
        sync = SyncEngine(
            tmp_path / mirror,
            files=files,
            workspace=Workspace(root=RemotePath(str(root)), home=RemotePath(str(tmp_path))),
            limits=limits,
        )
        made.append(Site(sync, files, root, Flights(), maker))
        return made[-1]

    yield make
    for site in made:
        site.sync.close()


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()
