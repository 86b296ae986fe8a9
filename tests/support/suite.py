"""What the suites `e2e` and `extended` share: a target, an engine on it, and a hand that looks at the remote itself.

The target is what the environment or `.env.test` names. Without either, the whole test run (`make test`) uses loopback
servers of its own; a suite that is started alone stops at once, so that nobody takes it for a proof of his machine.
`REMOTE_CODE_TEST_TARGET=loopback` asks for the loopback servers there too.
"""

import base64
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.dropbear import DropbearServer
from tests.support.engine import ROOT, EngineClient, EngineError, Question
from tests.support.sshd import SSHServer

SUITES = ("tests/e2e", "tests/extended")
VARIABLES = ("REMOTE_SSH", "REMOTE_WORKDIR", "REMOTE_PASSWORD", "REMOTE_SUDO_PASSWORD", "REMOTE_ENTER")
NO_TARGET = (
    "no target for the suites e2e and extended: set REMOTE_SSH (and REMOTE_WORKDIR), or copy .env.test.example to "
    ".env.test and fill it in; `make test` runs them on loopback servers of its own"
)


@dataclass(frozen=True)
class Target:
    """A machine to run a suite on, as the environment variables that name it."""

    environ: Mapping[str, str]
    workdir: str
    has_ripgrep: bool | None = None
    """None where nobody knows beforehand."""


def named_target() -> Target | None:
    """Return the target that the environment or `.env.test` names."""
    environ = {name: value for name in VARIABLES if (value := os.environ.get(name))}
    file = ROOT / ".env.test"
    if "REMOTE_SSH" not in environ and file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.partition("=")
            if separator and name.strip() in VARIABLES:
                environ[name.strip()] = "".join(shlex.split(value)[:1])
    if "REMOTE_SSH" not in environ:
        return None
    return Target(environ, environ.get("REMOTE_WORKDIR", ""))


def stop_without_target(items: list[pytest.Item]) -> None:
    """End the run when only these suites were asked for and no machine was named."""
    is_alone = all(item.nodeid.startswith(SUITES) for item in items)
    wants_loopback = os.environ.get("REMOTE_CODE_TEST_TARGET") == "loopback"
    if items and is_alone and not wants_loopback and named_target() is None:
        pytest.exit(NO_TARGET, returncode=2)


LOOPBACK = ("openssh", "openssh-without-ripgrep", "dropbear-busybox")
"""The machines that this one can play."""


@contextmanager
def loopback_target(name: str, folder: Path) -> Iterator[Target]:
    """Start one of the `LOOPBACK` servers."""
    workdir = folder / "remote" / "app"
    workdir.mkdir(parents=True)
    with _server(name, folder) as server:
        environ = {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(workdir)}
        yield Target(environ, str(workdir), has_ripgrep=name == "openssh")


@contextmanager
def _server(name: str, folder: Path) -> Iterator[SSHServer | DropbearServer]:
    if name == "openssh":
        with SSHServer(folder / "sshd") as server:
            yield server
    elif name == "openssh-without-ripgrep":
        programs = folder / "bin"
        programs.mkdir()
        for directory in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for program in os.listdir(directory):
                if program != "rg" and not (programs / program).is_symlink():
                    (programs / program).symlink_to(f"{directory}/{program}")
        with SSHServer(folder / "sshd", environment={"PATH": str(programs)}) as server:
            yield server
    else:
        busybox = shutil.which("busybox")
        assert busybox, "the loopback target dropbear-busybox needs BusyBox"
        programs = folder / "bin"
        programs.mkdir()
        subprocess.run([busybox, "--install", "-s", str(programs)], check=True)
        mounts = {os.path.realpath("/bin/sh"): busybox}
        with DropbearServer(folder / "dropbear", path=str(programs), mounts=mounts) as dropbear:
            yield dropbear


class Hand:
    """Looks at the remote, and prepares it, through an engine of its own: the one under test sees none of it."""

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine

    def run(self, command: str) -> str:
        """Run a command and return its standard output."""
        return self._engine.call("bash", {"command": f"{{ {command}\n}} 2>&1"}).output

    def put(self, path: str, contents: bytes) -> None:
        """Write a small file, whatever its bytes, and its directory."""
        text = base64.b64encode(contents).decode("ascii")
        name, directory = shlex.quote(path), shlex.quote(os.path.dirname(path))
        self.run(f"mkdir -p -- {directory} && printf %s {text or chr(39) * 2} | base64 -d >{name}")

    def get(self, path: str) -> bytes:
        """Return the bytes of a small file."""
        return base64.b64decode(self.run(f"base64 <{shlex.quote(path)}"))

    def exists(self, path: str) -> bool:
        """Tell whether anything has this name."""
        return self.run(f"if [ -e {shlex.quote(path)} ]; then echo yes; else echo no; fi") == "yes\n"


@dataclass
class Bench:
    """One test's place: an engine that all tests share, and a directory of its own on the remote."""

    engine: EngineClient
    hand: Hand
    target: Target
    folder: str
    """Absolute, in the workspace."""
    workspace: str
    session: str
    first_question: int = field(default=0)

    @property
    def questions(self) -> list[Question]:
        """The permission questions of this test."""
        return self.engine.questions[self.first_question :]

    def asked(self, permission: str) -> list[Question]:
        """Return this test's questions of one kind."""
        return [question for question in self.questions if question.permission == permission]

    def call(self, tool: str, **args: object) -> str:
        """Call a tool and return its output."""
        return self.engine.call(tool, args, session=self.session).output

    def refused(self, tool: str, **args: object) -> EngineError:
        """Call a tool that must fail and return its error."""
        with pytest.raises(EngineError) as caught:
            self.engine.call(tool, args, session=self.session)
        return caught.value

    def path(self, name: str) -> str:
        """Return the absolute path of a name in this test's directory."""
        return f"{self.folder}/{name}"

    def put(self, name: str, contents: bytes) -> str:
        """Write a file in this test's directory, past the engine, and return its path."""
        self.hand.put(self.path(name), contents)
        return self.path(name)

    def get(self, name: str) -> bytes:
        """Return the bytes of a file in this test's directory."""
        return self.hand.get(self.path(name))

    def relative(self, name: str) -> str:
        """Return the path of a name as permission patterns show it."""
        return self.path(name).removeprefix(self.workspace + "/")
