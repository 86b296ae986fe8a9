"""How commands end on real servers when they do not end by themselves: the tool `bash`, through the engine."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.dropbear import DropbearServer
from tests.support.engine import EngineClient, EngineError
from tests.support.sshd import SSHServer

SERVERS = ["openssh", "dropbear"] if os.getuid() == 0 else ["openssh"]


@pytest.fixture(scope="module", params=SERVERS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    folder = tmp_path_factory.mktemp("endings")
    with ExitStack() as stack:
        server: SSHServer | DropbearServer
        if request.param == "openssh":
            server = stack.enter_context(SSHServer(folder / "sshd"))
        else:
            server = stack.enter_context(DropbearServer(folder / "dropbear"))
        (folder / "work").mkdir()
        environ = {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(folder / "work")}
        yield stack.enter_context(EngineClient(environ, home=folder / "home"))


@pytest.fixture(scope="module")
def dropbear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    if os.getuid() != 0:
        pytest.skip("Dropbear needs root")
    folder = tmp_path_factory.mktemp("no-status")
    (folder / "work").mkdir()
    with DropbearServer(folder / "dropbear") as server:
        environ = {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(folder / "work")}
        with EngineClient(environ, home=folder / "home") as engine:
            yield engine


def refused(engine: EngineClient, command: str) -> EngineError:
    with pytest.raises(EngineError) as refusal:
        engine.call("bash", {"command": command})
    return refusal.value


def test_shell_killed_by_a_signal_is_an_error_that_names_it(engine: EngineClient) -> None:
    """BASH-2: with what it wrote before."""
    error = refused(engine, "echo out; echo err >&2; kill -9 $$")
    assert (error.kind, error.data["exit_status"], error.data["signal"]) == ("command_failed", None, "KILL")
    assert error.message.startswith("The command ended with signal KILL.\n\ncommand: echo out;")
    assert error.message.endswith("out\n\nstderr:\nerr\n")


# Dropbear knows twelve signals by name. When another one ends a command it closes the channel without a word.


def test_end_without_a_status_is_told_and_is_no_failure(dropbear: EngineClient) -> None:
    """BASH-2: the server closed the channel in order, on a link that lives."""
    result = dropbear.call("bash", {"command": "echo out; kill -BUS $$"})
    assert result.output.startswith("out\n")
    assert "The server reported no exit status." in result.output
    assert result.metadata["exit"] is None


def test_end_without_a_status_and_with_failure_on_stderr_is_an_error(dropbear: EngineClient) -> None:
    """BASH-2: clear words decide where there is no status."""
    error = refused(dropbear, "echo 'make: command not found' >&2; kill -BUS $$")
    assert (error.kind, error.data["exit_status"], error.data["signal"]) == ("command_failed", None, None)
    assert error.message.startswith("The command ended with no exit status and an error on stderr.")


def test_death_of_the_servers_own_process_leaves_the_outcome_unknown(engine: EngineClient, tmp_path: Path) -> None:
    """BASH-2 and SSH-6: a lost link is never taken for an end, and the next call just works."""
    counter = tmp_path / "counter"
    error = refused(engine, f"echo run >>{counter}; echo begun; kill -9 $PPID; sleep 1; echo over")
    assert (error.kind, error.data["outcome"]) == ("connection_lost", "unknown")
    assert engine.call("bash", {"command": "echo next"}).output == "next\n"
    assert counter.read_text(encoding="utf-8") == "run\n"
