"""The machine of the demo: an SSH server on loopback, or the host of REMOTE_SSH in a temporary folder of its own."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.story import REVIEW, Happening
from remote_code.opencode.install import engine_command
from tests.support.sshd import SSHD, SSHServer


class DemoError(Exception):
    """The demo cannot be played; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the story happens."""

    label: str
    workdir: str
    variables: Mapping[str, str]
    """REMOTE_SSH and its companions."""
    home: Path
    """The home of the person of the demo, on this machine."""
    server: SSHServer | None = None
    """The SSH server, where it is ours to stop and start."""

    def environment(self) -> dict[str, str]:
        """Return the environment of a command that the person of the demo types."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("REMOTE_")}
        return {**others, **self.variables, "HOME": str(self.home), "USERPROFILE": str(self.home)}

    def run(self, script: str, *, workdir: str | None = None) -> str:
        """Run a shell text on the target with `remote-code exec` and return its output.

        Raises:
            DemoError: it failed; the message holds what it said.
        """
        return self.remote_code("exec", "--", script, workdir=workdir)

    def remote_code(self, *words: str, workdir: str | None = None) -> str:
        """Run `remote-code` as the person would and return its output.

        Raises:
            DemoError: it failed; the message holds what it said.
        """
        environment = self.environment() | {"REMOTE_WORKDIR": workdir or self.workdir}
        command = [*engine_command(), *words]
        # A host of the person's own may have a question, about its key or a password: they must see it.
        errors = subprocess.PIPE if self.server else None
        ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
        if ended.returncode != 0:
            raise DemoError(f"remote-code {words[0]} for {self.label} failed:\n{ended.stdout}{ended.stderr or ''}")
        return ended.stdout

    def let_happen(self, what: Happening) -> str:
        """Do what happens between two prompts and return what to say about it."""
        if what is Happening.SOMEBODY_EDITS:
            self.run(f"echo '{REVIEW}' >> convert.sh")
            return f"Meanwhile somebody else adds a line to convert.sh: {REVIEW}"
        if what is Happening.UNDO:
            return self._undo_last_write()
        if self.server is None:
            raise AssertionError("only a server of ours can be stopped")
        if what is Happening.TARGET_GOES:
            self.server.stop()
            return "The SSH server goes down."
        self.server.start()
        return "The SSH server is up again."

    def _undo_last_write(self) -> str:
        newest = re.search(r"^\W*(\d+)\s", self.remote_code("history", "--limit", "1"), re.MULTILINE)
        if newest is None:
            raise DemoError("the history of writes is empty")
        return f"$ remote-code undo {newest[1]}\n{self.remote_code('undo', newest[1]).strip()}"


@contextlib.contextmanager
def loopback(folder: Path) -> Iterator[Target]:
    """Start an SSH server on a free port of 127.0.0.1 for as long as the context lasts.

    Raises:
        DemoError: there is no sshd and it cannot be installed.
    """
    _require_sshd()
    with SSHServer(folder / "sshd") as server:
        workdir = folder / "remote" / "convert"
        variables = {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(workdir)}
        workdir.mkdir(parents=True)
        yield Target(f"{server.user}@127.0.0.1:{server.port}", str(workdir), variables, folder / "home", server)


@contextlib.contextmanager
def own_host(folder: Path, environ: Mapping[str, str]) -> Iterator[Target]:
    """Use the host of REMOTE_SSH, in a temporary folder there that is removed at the end."""
    variables = {name: value for name, value in environ.items() if name.startswith("REMOTE_")}
    variables["REMOTE_MIRROR"] = str(folder / "mirrors")
    # The person's own ssh configuration and keys are found by their real home.
    target = Target(variables["REMOTE_SSH"], "~", variables, Path.home())
    workdir = target.run("mktemp -d", workdir="~").strip()
    try:
        yield Target(target.label, workdir, {**variables, "REMOTE_WORKDIR": workdir}, target.home)
    finally:
        target.run(f"rm -rf '{workdir}'", workdir="~")


def _require_sshd() -> None:
    if Path(SSHD).exists():
        return
    if os.getuid() == 0 and shutil.which("apt-get"):
        script = Path(__file__).parents[1] / "tests" / "support" / "system_packages.sh"
        subprocess.run(["sh", str(script)], check=True, stdout=sys.stderr)
        return
    raise DemoError(
        "there is no sshd on this machine; install it (Debian: apt-get install openssh-server) and try again"
    )
