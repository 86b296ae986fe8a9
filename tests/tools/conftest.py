"""The tools through `remote-code serve` on a loopback sshd, whose files these tests read and write directly."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.engine import EngineClient, EngineError, Question, Result
from tests.support.sshd import SSHServer

_numbers = itertools.count(1)


@dataclass
class Site:
    """One test's session, and its directory in the workspace."""

    engine: EngineClient
    workspace: Path
    folder: Path
    session: str
    first_question: int

    def call(self, tool: str, **args: object) -> Result:
        return self.engine.call(tool, args, session=self.session)

    def refused(self, tool: str, **args: object) -> EngineError:
        with pytest.raises(EngineError) as caught:
            self.engine.call(tool, args, session=self.session)
        return caught.value

    def put(self, name: str, contents: bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
        return str(path)

    def get(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def relative(self, name: str) -> str:
        return str((self.folder / name).relative_to(self.workspace))

    @property
    def questions(self) -> list[Question]:
        return self.engine.questions[self.first_question :]

    def asked(self, permission: str) -> list[Question]:
        return [question for question in self.questions if question.permission == permission]


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tools") / "app"


@pytest.fixture(scope="session")
def engine(sshd: SSHServer, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    workspace.mkdir()
    environ = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(workspace)}
    with EngineClient(environ, home=tmp_path_factory.mktemp("home")) as client:
        yield client


@pytest.fixture
def site(request: pytest.FixtureRequest, engine: EngineClient, workspace: Path) -> Iterator[Site]:
    name = re.sub(r"\W+", "-", request.node.name)[:60]
    session = f"{name}-{next(_numbers)}"
    folder = workspace / session
    folder.mkdir()
    engine.answer = lambda question: True
    yield Site(engine, workspace, folder, session, len(engine.questions))
    engine.answer = lambda question: True
