"""The file operations of each kind of shell, on this machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import Host, probe
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Change, Changed, FileState, Observation, Present, Wanted
from remote_code.shell.job import Flights
from remote_code.shell.pool import Shells
from tests.support.posix_shells import SHELLS, local_shells


@dataclass(frozen=True)
class Machine:
    """One kind of remote, and the calls that most tests make."""

    name: str
    shells: Shells
    host: Host
    files: ShellFiles

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


@pytest.fixture(scope="session", params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    name: str = request.param
    with local_shells(name, tmp_path_factory.mktemp(name)) as shells:
        host = probe(shells, None, flights=Flights())
        yield Machine(name, shells, host, ShellFiles(shells, host))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory on the "remote", real path, empty."""
    folder = tmp_path.resolve() / "place"
    folder.mkdir()
    return folder
