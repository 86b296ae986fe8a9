"""What a person at a terminal is asked: unknown hosts, permissions, passwords."""

import os
import pty
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.engine import ROOT
from tests.support.sshd import SSHServer

WAIT_S = 20.0


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.shown = ""

    def wait_for(self, text: str) -> None:
        """Read until the program has shown `text`."""
        deadline = time.monotonic() + WAIT_S
        while text not in self.shown:
            if not select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{text!r} was not shown: {self.shown!r}")
            more = self._read()
            if not more:
                raise AssertionError(f"{text!r} was not shown before the end: {self.shown!r}")
            self.shown += more

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode() + b"\n")

    def rest(self) -> str:
        """Read to the end of the program."""
        while more := self._read():
            self.shown += more
        return self.shown

    def _read(self) -> str:
        try:
            return os.read(self._descriptor, 4096).decode("utf-8", "replace")
        except OSError:  # The other end has gone.
            return ""


@contextmanager
def remote_code(*words: str, environ: dict[str, str]) -> Iterator[Terminal]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("REMOTE_", "SSH_"))}
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, "-m", "remote_code.cli", *words], {**plain, **environ})
    try:
        yield Terminal(descriptor)
    finally:
        os.close(descriptor)
        os.waitpid(pid, 0)


@pytest.fixture
def environ(sshd: SSHServer, tmp_path: Path) -> dict[str, str]:
    """A target whose key nobody knows yet; `opencode` is a program that only says that it runs."""
    known_hosts = tmp_path / "known_hosts"
    program = tmp_path / "bin" / "opencode"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "opencode runs: $*"\n', encoding="utf-8")
    program.chmod(0o755)
    command = sshd.command().replace(str(sshd.known_hosts), str(known_hosts))
    path = f"{program.parent}:{os.environ['PATH']}"
    return {"HOME": str(tmp_path), "PATH": path, "REMOTE_SSH": command, "REMOTE_WORKDIR": str(tmp_path)}


def test_an_unknown_host_is_asked_about_once(environ: dict[str, str], tmp_path: Path) -> None:
    """SSH-1: `ask` asks the person on a terminal (`call`), and the key is then recorded."""
    words = ("call", "bash", '{"command": "echo done"}', "--yes")
    with remote_code(*words, environ=environ) as terminal:
        terminal.wait_for("is not known")
        terminal.wait_for("?")
        terminal.type("yes")
        assert terminal.rest().replace("\r", "").endswith("\ndone\n")
    assert (tmp_path / "known_hosts").read_text(encoding="utf-8").startswith("[127.0.0.1]:")
    with remote_code(*words, environ=environ) as terminal:
        assert terminal.rest() == "done\r\n"


def test_a_host_that_is_not_trusted_is_not_logged_in_to(environ: dict[str, str], tmp_path: Path) -> None:
    """SSH-1."""
    with remote_code("call", "bash", '{"command": "echo done"}', "--yes", environ=environ) as terminal:
        terminal.wait_for("?")
        terminal.type("no")
        shown = terminal.rest()
    assert "it was not accepted" in shown
    assert not (tmp_path / "known_hosts").exists()


def test_launch_asks_about_an_unknown_host_before_opencode_starts(environ: dict[str, str]) -> None:
    """SSH-1, CFG-7: `launch` asks while it still has the terminal; all arguments are passed on."""
    with remote_code("launch", "--continue", "-x", environ=environ) as terminal:
        terminal.wait_for("is not known")
        assert "opencode runs" not in terminal.shown
        terminal.type("yes")
        terminal.wait_for("opencode runs: --continue -x")
    with remote_code("launch", environ=environ) as terminal:
        assert terminal.rest() == "opencode runs: \r\n"


def test_launch_ends_when_the_host_is_not_trusted(environ: dict[str, str]) -> None:
    """SSH-1."""
    with remote_code("launch", environ=environ) as terminal:
        terminal.wait_for("?")
        terminal.type("no")
        shown = terminal.rest()
    assert "opencode runs" not in shown
    assert "it was not accepted" in shown


def test_a_permission_is_asked_on_the_terminal(environ: dict[str, str], tmp_path: Path) -> None:
    environ["REMOTE_SSH"] = environ["REMOTE_SSH"].replace("ssh ", "ssh -o StrictHostKeyChecking=accept-new ", 1)
    (tmp_path / "a.txt").write_text("one\n", encoding="utf-8")
    words = ("call", "write", '{"filePath": "a.txt", "content": "two\\n"}')
    with remote_code(*words, environ=environ) as terminal:
        terminal.wait_for("allow edit: a.txt? [y/N]")
        assert "-one\r\n+two\r\n" in terminal.shown
        terminal.type("n")
        assert "you rejected edit: a.txt" in terminal.rest()
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "one\n"
    with remote_code(*words, environ=environ) as terminal:
        terminal.wait_for("allow edit: a.txt? [y/N]")
        terminal.type("y")
        terminal.rest()
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "two\n"


def test_a_password_is_asked_for_on_the_terminal_and_not_shown(tmp_path: Path) -> None:
    """CFG-5: a prompt that nothing else answers goes to the terminal of `call`."""
    with SSHServer(tmp_path / "sshd", config=["PasswordAuthentication yes", "PubkeyAuthentication no"]) as server:
        environ = {"HOME": str(tmp_path), "REMOTE_SSH": server.command("-o", "NumberOfPasswordPrompts=1")}
        with remote_code("call", "bash", '{"command": "true"}', "--yes", environ=environ) as terminal:
            terminal.wait_for("assword")
            terminal.type("hunter2-typed")
            shown = terminal.rest()
    assert "hunter2" not in shown
    assert "password" in shown
