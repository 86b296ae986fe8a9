"""`remote-code` as a person types it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.engine import ROOT, EngineClient
from tests.support.sshd import SSHServer

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n", encoding="utf-8")
    return folder


@pytest.fixture
def run(sshd: SSHServer, tmp_path: Path, workdir: Path) -> Run:
    """Run remote-code with a HOME of its own and the shared server as its target."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("REMOTE_")}

    def run_it(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = {"HOME": str(tmp_path), "REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(workdir), **variables}
        return subprocess.run(
            [sys.executable, "-m", "remote_code.cli", *words],
            cwd=ROOT,
            env={**plain, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run_it


def test_call_prints_the_output_of_a_tool(run: Run, workdir: Path) -> None:
    done = run("call", "bash", '{"command": "pwd"}', "--yes")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{workdir}\n", "")


def test_call_prints_the_whole_result_as_json(run: Run) -> None:
    done = run("call", "glob", '{"pattern": "*.txt"}', "--yes", "--json")
    result = json.loads(done.stdout)
    assert result["metadata"]["count"] == 1
    assert result["metadata"]["remote"]["roundTrips"] >= 1


def test_call_fails_with_the_message_of_the_tool(run: Run, workdir: Path) -> None:
    done = run("call", "read", '{"filePath": "nope"}', "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"remote-code: File not found: {workdir}/nope\n"


@pytest.mark.parametrize("arguments", ["{", "[]", "3"])
def test_call_says_what_arguments_it_wants(arguments: str, run: Run) -> None:
    done = run("call", "read", arguments)
    assert done.returncode == 1
    assert "JSON" in done.stderr


def test_call_rejects_what_nobody_can_be_asked_about(run: Run, workdir: Path) -> None:
    done = run("call", "write", '{"filePath": "b.txt", "content": "x"}')
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert not (workdir / "b.txt").exists()


def test_exec_has_the_streams_and_the_exit_status_of_the_command(run: Run) -> None:
    done = run("exec", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_exec_ends_as_a_shell_would_when_the_command_was_killed(run: Run) -> None:
    assert run("exec", "kill -TERM $$").returncode == 128 + 15


def test_exec_goes_through_the_engine_that_listens(run: Run, sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """OC-3: `!cmd` runs on the remote, through the running engine."""
    socket = tmp_path / "engine.sock"
    params = {"protocolVersion": 1, "client": {"name": "t", "version": "1"}, "directory": "/", "worktree": "/"}
    environ = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(workdir)}
    with EngineClient(environ, home=tmp_path / "home") as engine:
        engine.request("initialize", {**params, "execSocket": str(socket)})
        assert socket.stat().st_mode & 0o777 == 0o600
        # A target that nothing answers at: only the engine can have run it.
        done = run("exec", "--socket", str(socket), "--tell-status", "pwd; exit 3", REMOTE_SSH="ssh -p 1 127.0.0.1")
        assert (done.returncode, done.stdout, done.stderr) == (3, f"{workdir}\n", "(exit status 3)\n")
    assert not socket.exists()
    assert run("exec", "--socket", str(socket), "echo own connection").stdout == "own connection\n"


def test_doctor_names_what_works_and_creates_a_missing_workdir(run: Run, workdir: Path) -> None:
    """CFG-4."""
    assert run("doctor").returncode == 0
    missing = str(workdir / "new" / "er")
    done = run("doctor", REMOTE_WORKDIR=missing)
    assert done.returncode == 1
    assert f'✗ the workspace "{missing}" (REMOTE_WORKDIR) does not exist' in done.stdout
    assert run("doctor", "--create-workdir", REMOTE_WORKDIR=missing).returncode == 0
    assert os.path.isdir(missing)


def test_config_prints_the_effective_options_without_connecting(run: Run) -> None:
    done = run("config", "--", "ssh", "-F", "none", "-p", "2022", "me@there")
    lines = done.stdout.splitlines()
    assert {"user me", "hostname there", "port 2022"} <= set(lines)
    explained = run("config", "--explain", "--", "ssh", "-F", "none", "-p", "2022", "me@there").stdout
    assert any(line.startswith("port 2022") and "command line" in line for line in explained.splitlines())


def test_a_write_is_listed_shown_and_undone(run: Run, workdir: Path) -> None:
    """SYNC-6: history, show, undo."""
    run("call", "write", '{"filePath": "a.txt", "content": "two\\n"}', "--yes")
    assert "changed" in run("history").stdout
    assert "-one\n+two\n" in run("show", "1").stdout
    assert run("show", "1", "--before").stdout == "one\n"
    assert run("undo", "1").stdout == f"restored {workdir}/a.txt\n"
    assert (workdir / "a.txt").read_text(encoding="utf-8") == "one\n"
    assert run("undo", "1").stdout == "nothing was left to undo\n"


def test_a_write_whose_contents_nobody_holds_any_more_is_not_shown_as_a_removal(run: Run, workdir: Path) -> None:
    """SYNC-6: the copy has been replaced by what somebody else wrote; the old contents are still there."""
    run("call", "write", '{"filePath": "a.txt", "content": "two\\n"}', "--yes")
    (workdir / "a.txt").write_text("three\n", encoding="utf-8")
    run("call", "read", '{"filePath": "a.txt"}', "--yes")
    done = run("show", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no longer held" in done.stderr
    assert run("show", "1", "--before").stdout == "one\n"


def test_an_undo_over_somebody_elses_change_is_refused(run: Run, workdir: Path) -> None:
    """SYNC-6: with the same conflict check."""
    run("call", "write", '{"filePath": "a.txt", "content": "two\\n"}', "--yes")
    (workdir / "a.txt").write_text("three\n", encoding="utf-8")
    done = run("undo", "1")
    assert done.returncode == 1
    assert f"{workdir}/a.txt" in done.stderr
    assert (workdir / "a.txt").read_text(encoding="utf-8") == "three\n"


def test_mirrors_are_listed_verified_exported_and_cleared(run: Run, tmp_path: Path) -> None:
    """SYNC-4: `remote-code mirror` lists, verifies and clears."""
    run("call", "read", '{"filePath": "a.txt"}', "--yes")
    assert run("mirror", "verify").stdout == "1 copies are as the manifest says\n"
    manifest = Path(run("mirror", "export").stdout.strip())
    assert [each["path"] for each in json.loads(manifest.read_text(encoding="utf-8"))["files"]] != []
    [copy] = list((tmp_path / ".opencode" / "mirrors").rglob("a.txt"))
    copy.write_text("edited here\n", encoding="utf-8")
    assert run("mirror", "verify").returncode == 1
    assert run("mirror", "clear").stdout == "removed 1 local copies\n"
    assert not copy.exists()
    assert run("mirror", "list").returncode == 0


def test_install_is_shown_done_once_and_taken_back(run: Run, tmp_path: Path) -> None:
    """OC-1: uninstall removes exactly what install added."""
    config = tmp_path / ".config" / "opencode" / "opencode.json"
    assert "remote_code/plugin/index.js" in run("install", "--dry-run").stdout
    assert not config.exists()
    assert run("install").returncode == 0
    once = config.read_text(encoding="utf-8")
    assert "already installed" in run("install").stdout
    assert config.read_text(encoding="utf-8") == once
    assert run("uninstall").returncode == 0
    assert not config.exists()


def test_tools_prints_the_schemas(run: Run) -> None:
    shown = json.loads(run("tools").stdout)
    assert [tool["name"] for tool in shown] == ["bash", "edit", "glob", "grep", "read", "write", "apply_patch"]
