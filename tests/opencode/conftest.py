"""A person with OpenCode on this machine, and a project on a machine that is reached by SSH."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_code.opencode.install import engine_command
from remote_code.opencode.install import install as install_plugin
from tests.support.model import JSONObject, ScriptedModel
from tests.support.opencode import OpenCode, binary_in
from tests.support.opencode import install as install_opencode
from tests.support.sshd import SSHServer

BUILD = Path(__file__).parents[2] / "build" / "opencode"


@dataclass(frozen=True, slots=True)
class Person:
    """Makes the OpenCode of one person, who has run `remote-code install`."""

    program: Path
    folder: Path
    """Everything of this machine that belongs to the person; nothing of it may reach the model."""
    remote: Path
    """The workspace: a folder of the remote, which the tests look into directly."""
    target: Mapping[str, str]
    """REMOTE_SSH and REMOTE_WORKDIR."""

    def opencode(
        self,
        model: ScriptedModel,
        *,
        settings: JSONObject | None = None,
        environment: Mapping[str, str] | None = None,
        is_remote: bool = True,
    ) -> OpenCode:
        """Return an OpenCode that is ready to run; `environment` comes on top of the target's."""
        variables = {**(self.target if is_remote else {}), **(environment or {})}
        made = OpenCode(self.program, self.folder, model.base_url, environment=variables, settings=settings or {})
        made.prepare()
        install_plugin(made.config_dir, command=engine_command())
        return made


@pytest.fixture(scope="session")
def program() -> Path:
    """OpenCode's program, installed from npm on the first use."""
    if not binary_in(BUILD).exists() and shutil.which("npm") is None:
        pytest.skip("npm is missing, so OpenCode cannot be installed")
    return install_opencode(BUILD)


@pytest.fixture
def person(tmp_path: Path, program: Path, sshd: SSHServer) -> Person:
    """A person whose target is the shared SSH server, with an empty workspace there."""
    remote = tmp_path / "remote"
    remote.mkdir()
    target = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(remote)}
    return Person(program, tmp_path / "local", remote, target)
