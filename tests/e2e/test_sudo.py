"""sudo in commands: on the named machine when it has a sudo password, else on loopback accounts of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.engine import EngineClient, EngineError
from tests.support.sudo_host import PASSWORD, sudo_host
from tests.support.suite import named_target


@contextmanager
def engine_with_sudo(home: Path, *, needs_terminal: bool) -> Iterator[EngineClient]:
    named = named_target()
    if named is not None:
        if "REMOTE_SUDO_PASSWORD" not in named.environ:
            pytest.skip("the named machine has no REMOTE_SUDO_PASSWORD")
        with EngineClient(named.environ, home=home) as client:
            yield client
        return
    if os.getuid() != 0 or not shutil.which("sudo"):
        pytest.skip("a loopback account with sudo needs root and sudo here")
    with sudo_host(needs_terminal=needs_terminal) as host:
        environ = {"REMOTE_SSH": host.server.command(), "REMOTE_WORKDIR": str(host.home)}
        with EngineClient({**environ, "REMOTE_SUDO_PASSWORD": PASSWORD}, home=home) as client:
            yield client
        with EngineClient(environ, home=home) as client, pytest.raises(EngineError) as caught:
            client.call("bash", {"command": "sudo id -un"})
        assert caught.value.kind == "command_failed"


def test_sudo_gets_the_password(tmp_path: Path) -> None:
    """BASH-6: the command's text is not changed, its streams stay apart; without a password it is sudo's own error."""
    with engine_with_sudo(tmp_path, needs_terminal=False) as engine:
        result = engine.call("bash", {"command": "sudo id -un && echo err >&2"})
        assert result.output == "root\n\nstderr:\nerr\n"
        assert result.title == "sudo id -un && echo err >&2"


def test_sudo_that_wants_a_terminal_gets_one(tmp_path: Path) -> None:
    """BASH-6: `requiretty`, in a pipe, with the status of the command."""
    with engine_with_sudo(tmp_path, needs_terminal=True) as engine:
        assert engine.call("bash", {"command": "echo text | sudo tee /dev/null"}).output == "text\n"
        with pytest.raises(EngineError) as caught:
            engine.call("bash", {"command": "sudo sh -c 'exit 5'"})
        assert caught.value.data["exit_status"] == 5
