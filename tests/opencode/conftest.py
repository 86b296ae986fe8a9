"""A person with OpenCode on this machine, and a project on a machine that is reached by SSH."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_code.opencode.install import PLUGIN_DIR, engine_command
from remote_code.opencode.install import install as install_plugin
from tests.support.model import PATIENCE_S, JSONObject, Request, ScriptedModel
from tests.support.opencode import OpenCode, binary_in
from tests.support.opencode import install as install_opencode
from tests.support.opencode_server import OpenCodeServer
from tests.support.sshd import SSHServer

BUILD = Path(__file__).parents[2] / "build" / "opencode"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what drives a real client time on a busy machine: a start of OpenCode alone is two seconds of processor."""
    for item in items:
        if item.get_closest_marker("opencode"):
            item.add_marker(pytest.mark.timeout(2 * PATIENCE_S))


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

    def assert_unseen(self, request: Request) -> None:
        """Assert that a request tells nothing of this machine."""
        for secret in (str(self.folder), str(PLUGIN_DIR), "Local rules"):
            assert secret not in request.text

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


@dataclass(frozen=True, slots=True)
class Served:
    """A person whose `opencode serve` runs for all tests of a module, each with a session of its own."""

    person: Person
    opencode: OpenCode
    model: ScriptedModel
    server: OpenCodeServer


COMMAND = {"look": {"template": "look: !`pwd; cat note.txt`", "description": "shows a note"}}
"""A command of the person, with a shell command in its template."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, program: Path, sshd: SSHServer) -> Iterator[Served]:
    """A running server that is shared by a module; its local project has instructions of its own."""
    folder = tmp_path_factory.mktemp("served")
    person = _person(folder, program, sshd)
    with ScriptedModel() as model:
        opencode = person.opencode(model, settings={"command": COMMAND})
        (opencode.project / "AGENTS.md").write_text("Local rules.\n", encoding="utf-8")
        with OpenCodeServer(opencode) as server:
            yield Served(person, opencode, model, server)


@pytest.fixture
def person(tmp_path: Path, program: Path, sshd: SSHServer) -> Person:
    """A person whose target is the shared SSH server, with an empty workspace there."""
    return _person(tmp_path, program, sshd)


def _person(folder: Path, program: Path, sshd: SSHServer) -> Person:
    remote = folder / "remote"
    remote.mkdir()
    target = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(remote)}
    return Person(program, folder / "local", remote, target)
