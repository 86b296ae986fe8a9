"""The badge in the real terminal interface, under tmux."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.opencode.conftest import Person
from tests.support.model import PATIENCE_S, Call, ScriptedModel, Turn
from tests.support.opencode import OpenCode
from tests.support.processes import wait_until
from tests.support.sshd import free_port

pytestmark = [
    pytest.mark.opencode,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is missing"),
]


class Terminal:
    """One tmux server with one pane."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def tmux(self, *words: str) -> str:
        """Run a tmux command on the server."""
        command = ["tmux", "-S", self._socket, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def screen(self) -> str:
        """Return what the pane shows."""
        return self.tmux("capture-pane", "-p")

    def wait_for(self, *texts: str) -> str:
        """Block until the pane shows all `texts` at once, and return that screen."""
        screen = ""

        def has_all() -> bool:
            nonlocal screen
            screen = self.screen()
            return all(text in screen for text in texts)

        try:
            wait_until(has_all, timeout_s=PATIENCE_S)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{screen}") from exc
        return screen

    def type(self, text: str) -> None:
        """Type a line and press Enter once it is shown."""
        self.tmux("send-keys", "-l", text)
        self.wait_for(text)
        self.tmux("send-keys", "Enter")


@contextmanager
def terminal(opencode: OpenCode) -> Iterator[Terminal]:
    """Start the terminal interface of OpenCode in a pane of 150 columns."""
    made = Terminal(str(opencode.folder / "tmux"))
    words = shlex.join(["env", "-i", *(f"{k}={v}" for k, v in opencode.variables().items()), str(opencode.program)])
    made.tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "40", "-c", str(opencode.project), words)
    try:
        yield made
    finally:
        made.tmux("kill-server")


def test_the_badge_stands_on_home_and_session_screens(person: Person) -> None:
    """OC-4: host, path and round-trip time."""
    turns: list[Turn] = [[Call("bash", {"command": "echo from the remote"})], "Said."]
    environment = {"REMOTE_WORKDIR": "/usr/local"}
    with (
        ScriptedModel({"hello there": turns}) as model,
        terminal(person.opencode(model, environment=environment)) as pane,
    ):
        home = pane.wait_for("Ask anything", " ms")
        assert re.search(r"🌐 Remote: 127\.0\.0\.1 /usr/local (?:\d+|<1) ms", home)
        pane.type("hello there")
        pane.wait_for("from the remote", "Said.", "🌐 Remote: 127.0.0.1 /usr/local ")


def test_the_badge_tells_why_the_target_fails(person: Person) -> None:
    """OC-2, OC-4."""
    environment = {"REMOTE_SSH": f"ssh -p {free_port()} me@127.0.0.1", "REMOTE_WORKDIR": "/srv"}
    with ScriptedModel({}) as model, terminal(person.opencode(model, environment=environment)) as pane:
        pane.wait_for("🌐 Remote: 127.0.0.1 /srv ✗ cannot")


def test_the_badge_gives_the_room_of_a_long_path_to_the_reason(person: Person) -> None:
    """OC-4."""
    environment = {"REMOTE_SSH": f"ssh -p {free_port()} me@127.0.0.1", "REMOTE_WORKDIR": "/srv/www/applications"}
    with ScriptedModel({}) as model, terminal(person.opencode(model, environment=environment)) as pane:
        pane.wait_for("🌐 Remote: 127.0.0.1 ✗ cannot")


def test_without_a_target_there_is_no_badge(person: Person) -> None:
    """CFG-1."""
    with ScriptedModel({}) as model, terminal(person.opencode(model, is_remote=False)) as pane:
        assert "Remote:" not in pane.wait_for("Ask anything")
