"""Worker shells of each kind of POSIX shell on this machine, without SSH."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_code.shell.boot import Place
from remote_code.shell.job import Cancel, Command, OnOutput, Result
from remote_code.shell.opening import open_resident, open_standby
from remote_code.shell.worker import ResidentShell, StandbyShell
from tests.support.posix_shells import SHELLS, shell_command
from tests.support.process_link import ProcessLink


@dataclass(frozen=True)
class Machine:
    """One kind of remote and what it starts."""

    name: str
    link: ProcessLink
    place: Place

    def standby(self) -> StandbyShell:
        return open_standby(self.link, self.place)

    def resident(self, library: str = "") -> ResidentShell:
        return open_resident(self.link, self.place, library=library)

    def run(
        self,
        text: str,
        *,
        workdir: object = "/",
        timeout_s: float = 20.0,
        keep_bytes: int = 1 << 20,
        cancel: Cancel | None = None,
        on_output: OnOutput | None = None,
    ) -> Result:
        shell = self.standby()
        try:
            command = Command(text, str(workdir), timeout_s, keep_bytes)
            return shell.run(command, cancel=cancel, on_output=on_output)
        finally:
            shell.close()


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    name: str = request.param
    path, environment = shell_command(name, tmp_path)
    with ProcessLink(environment=environment, max_sessions=50) as link:
        yield Machine(name, link, Place(shell=path))
