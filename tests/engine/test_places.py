"""The same engine at other places: no shell, files by SFTP, the ssh program, a place behind the login host."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import EngineClient, EngineError
from tests.support.sftp_servers import SFTP_SERVER
from tests.support.sshd import SSHServer


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n", encoding="utf-8")
    return folder


@pytest.fixture
def files_only(tmp_path: Path) -> Iterator[SSHServer]:
    with SSHServer(tmp_path / "sshd", config=["ForceCommand internal-sftp"]) as server:
        yield server


def environ(server: SSHServer, workdir: Path, **more: str) -> dict[str, str]:
    return {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(workdir), **more}


def work_on_files(engine: EngineClient, workdir: Path) -> None:
    """Read, edit, write, patch, and see each byte arrive."""
    assert "1: one\n" in engine.call("read", {"filePath": "a.txt"}).output
    engine.call("edit", {"filePath": "a.txt", "oldString": "one", "newString": "two"})
    assert (workdir / "a.txt").read_bytes() == b"two\n"
    engine.call("write", {"filePath": "new/b.txt", "content": "b\n"})
    assert (workdir / "new" / "b.txt").read_bytes() == b"b\n"
    patch = "*** Begin Patch\n*** Update File: a.txt\n@@\n-two\n+three\n*** Delete File: new/b.txt\n*** End Patch"
    engine.call("apply_patch", {"patchText": patch})
    assert (workdir / "a.txt").read_bytes() == b"three\n"
    assert not (workdir / "new" / "b.txt").exists()
    assert "a.txt\n" in engine.call("read", {"filePath": "."}).output
    assert [name for name in os.listdir(workdir) if name.startswith(".rc-")] == []


def test_an_account_for_sftp_only_has_the_file_tools(files_only: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """SSH-10: where there is no POSIX shell but SFTP; `bash` and `grep` say by name why they cannot."""
    with EngineClient(environ(files_only, workdir), home=tmp_path / "home") as engine:
        work_on_files(engine, workdir)
        for tool, args in (("bash", {"command": "true"}), ("grep", {"pattern": "x"})):
            with pytest.raises(EngineError) as caught:
                engine.call(tool, args)
            assert caught.value.kind == "shell_unsupported"
            assert "SFTP only" in caught.value.message
        status = engine.request("status", {})
    assert status["state"] == "ready"
    assert "SFTP" in status["notice"]


def test_files_go_by_sftp_where_it_is_asked_for(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """SSH-10: `REMOTE_FILES=sftp`; commands still run."""
    with EngineClient(environ(sshd, workdir, REMOTE_FILES="sftp"), home=tmp_path / "home") as engine:
        work_on_files(engine, workdir)
        assert engine.call("bash", {"command": "cat a.txt"}).output == "three\n"
        assert engine.call("read", {"filePath": "a.txt"}).round_trips == 2


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="a mount of its own needs root")
def test_an_sftp_server_that_shows_other_files_than_the_shell_is_named(workdir: Path, tmp_path: Path) -> None:
    """SSH-10: one in a chroot, say, or as here with another directory in the place of the workspace."""
    other, server_program = tmp_path / "other", tmp_path / "sftp"
    other.mkdir()
    os.utime(other, (1_600_000_000, 1_600_000_000))
    inner = f"mount --bind {other} {workdir} && exec {SFTP_SERVER}"
    server_program.write_text(f"#!/bin/sh\nexec unshare --mount -- sh -c '{inner}'\n", encoding="utf-8")
    server_program.chmod(0o755)
    with (
        SSHServer(tmp_path / "sshd", config=[f"Subsystem sftp {server_program}"]) as server,
        EngineClient(environ(server, workdir, REMOTE_FILES="sftp"), home=tmp_path / "home") as engine,
    ):
        with pytest.raises(EngineError) as caught:
            engine.call("read", {"filePath": "a.txt"})
        assert "does not show the files that the shell works on" in caught.value.message


def test_sftp_and_another_place_exclude_each_other(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """SSH-9: no SFTP behind REMOTE_ENTER."""
    variables = environ(sshd, workdir, REMOTE_FILES="sftp", REMOTE_ENTER="chroot /")
    with EngineClient(variables, home=tmp_path / "home") as engine:
        with pytest.raises(EngineError) as caught:
            engine.call("read", {"filePath": "a.txt"})
        assert caught.value.data["variable"] == "REMOTE_FILES"


def test_the_users_own_ssh_program_serves_all_tools(sshd: SSHServer, workdir: Path, tmp_path: Path) -> None:
    """SSH-4: same tools, same behaviour."""
    with EngineClient(environ(sshd, workdir, REMOTE_TRANSPORT="ssh"), home=tmp_path / "home") as engine:
        work_on_files(engine, workdir)
        with pytest.raises(EngineError) as caught:
            engine.call("bash", {"command": "echo out; exit 3"})
        assert caught.value.data["exit_status"] == 3
        assert engine.call("glob", {"pattern": "*.txt"}).output == f"{workdir}/a.txt"


@pytest.mark.root
def test_a_place_behind_the_login_host_is_where_all_tools_work(sshd: SSHServer, tmp_path: Path) -> None:
    """SSH-9: REMOTE_ENTER; the badge names the place."""
    root = tmp_path / "tree"
    for folder in ("bin", "proc", "tmp", "dev", "srv/app"):
        (root / folder).mkdir(parents=True)
    subprocess.run(["cp", "/bin/busybox", str(root / "bin")], check=True)
    subprocess.run(["chroot", str(root), "/bin/busybox", "--install", "-s", "/bin"], check=True)
    subprocess.run(["mknod", "-m", "666", str(root / "dev" / "null"), "c", "1", "3"], check=True)
    (root / "srv" / "app" / "a.txt").write_text("one\n", encoding="utf-8")
    variables = {
        "REMOTE_SSH": sshd.command(),
        "REMOTE_WORKDIR": "/srv/app",
        "REMOTE_ENTER": f"chroot {root} env PATH=/bin HOME=/tmp",
    }
    with EngineClient(variables, home=tmp_path / "home") as engine:
        assert engine.call("bash", {"command": "pwd; ls /"}).output.splitlines()[0] == "/srv/app"
        work_on_files(engine, root / "srv" / "app")
        assert engine.request("status", {})["host"].startswith("127.0.0.1 > ")
