"""What the person runs themselves: `!cmd`, and `` !`cmd` `` in the templates of commands."""

import subprocess
import urllib.error
from pathlib import Path
from typing import cast

import pytest

from tests.opencode.conftest import Served
from tests.support.model import PATIENCE_S, Call, JSONObject
from tests.support.opencode_server import is_running
from tests.support.processes import wait_until

pytestmark = pytest.mark.opencode


def program_of(pid: int) -> str:
    """Return the name of the program that a process runs now."""
    return subprocess.run(
        ["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()


def test_a_command_of_the_person_runs_on_the_remote(served: Served) -> None:
    """OC-3: byte for byte, with its exit status told."""
    command = "pwd; x=5; echo '$(hostname)' \"$x\"; cat <<'E'\nline 'one'\n\\two\nE\nexit 3"
    output = served.server.shell(served.server.new_session(), command)
    assert output == f"{served.person.remote}\n$(hostname) 5\nline 'one'\n\\two\n(exit status 3)\n"


def test_a_command_of_the_person_needs_no_second_login(served: Served) -> None:
    """OC-2: it goes through the connection of the engine that runs, as tool bash does."""
    command = 'echo "${SSH_CONNECTION}"'
    served.model.teach({"which connection": [[Call("bash", {"command": command})], "That one."]})
    session = served.server.new_session()
    served.server.prompt(session, "which connection")
    [connection] = served.model.agent_requests_about("which connection")[-1].results
    assert served.server.shell(session, command) == connection != "\n"


def test_an_aborted_command_of_the_person_ends_on_the_remote(served: Served) -> None:
    """OC-5."""
    session = served.server.new_session()
    pid_file = served.person.remote / "pid"
    body: JSONObject = {"agent": "build", "command": "echo $$ > pid; sleep 300"}
    with served.server.in_background(f"/session/{session}/shell", body):
        wait_until(
            lambda: pid_file.exists() and pid_file.read_text(encoding="utf-8").endswith("\n"), timeout_s=PATIENCE_S
        )
        served.server.request(f"/session/{session}/abort", {})
        wait_until(lambda: not is_running(int(pid_file.read_text(encoding="utf-8"))), timeout_s=PATIENCE_S)


def test_a_template_takes_its_output_from_the_remote(served: Served) -> None:
    """OC-3."""
    (served.person.remote / "note.txt").write_text("a remote note\n", encoding="utf-8")
    served.model.teach({"look:": ["I see."]})
    body: JSONObject = {"command": "look", "arguments": "", "agent": "build"}
    served.server.request(f"/session/{served.server.new_session()}/command", body)
    [request] = served.model.agent_requests_about("look:")
    assert f"look: {served.person.remote}\na remote note" in request.prompt
    served.person.assert_unseen(request)


def test_a_terminal_of_the_person_keeps_their_shell(served: Served) -> None:
    """OC-3: it is a terminal of this machine, which the model does not see."""
    served.server.new_session()
    pid = int(str(cast("JSONObject", served.server.request("/pty", {}))["pid"]))
    shell = Path(served.opencode.variables()["SHELL"]).name
    wait_until(lambda: program_of(pid) == shell, timeout_s=PATIENCE_S)


def test_a_wrapper_that_is_gone_is_refused_and_nothing_runs_here(served: Served) -> None:
    """OC-3. The last one: the server has no way to run commands afterwards."""
    marker = served.person.folder / "ran-here"
    session = served.server.new_session()
    [wrapper] = (served.opencode.home / ".opencode" / "remote-code").glob("remote-code-shell-*")
    wrapper.unlink()
    with pytest.raises(urllib.error.HTTPError, match="500"):
        served.server.shell(session, f"touch '{marker}'")
    assert not marker.exists()
