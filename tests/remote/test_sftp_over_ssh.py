"""SSH-10: files of an account that gives SFTP and nothing else, by a real OpenSSH server."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remote_code.errors import ChannelRefused, ConnectionLost, RemoteChanged, SFTPError
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.sftp_files import SFTPFiles
from remote_code.remote.sftp_link import SFTPLink
from remote_code.remote.sftp_probe import probe_sftp
from remote_code.remote.sftp_session import SFTPSessions
from remote_code.remote.state import Absent, Change, Kind, Present, Wanted
from remote_code.shell.job import Flights
from remote_code.ssh.connection import Connection, connect
from remote_code.ssh.options import resolve
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from tests.support.dropbear import DropbearServer
from tests.support.sftp_servers import SFTP_SERVER
from tests.support.sshd import SSHServer


@contextmanager
def sessions_on(server: SSHServer | DropbearServer) -> Iterator[SFTPSessions]:
    options = resolve(parse_command(server.command()), user_config=None, system_config=None)

    def dial() -> Connection:
        return connect(options, secrets=Secrets(), on_notice=lambda notice: None)

    link = SFTPLink(dial)
    sessions = SFTPSessions(link.open_channel)
    try:
        yield sessions
    finally:
        sessions.close()
        link.close()


@pytest.fixture
def chroot() -> Iterator[Path]:
    """A directory that sshd accepts as a root: root's own, all the way up."""
    folder = Path(tempfile.mkdtemp(prefix="remote-code-chroot-", dir="/var")).resolve()
    folder.chmod(0o755)
    (folder / "files").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="a chroot needs root")
def test_a_chrooted_account_for_sftp_only_is_worked_on(tmp_path: Path, chroot: Path) -> None:
    """SSH-10"""
    config = [f"ChrootDirectory {chroot}", "ForceCommand internal-sftp"]
    with SSHServer(tmp_path, config=config) as server, sessions_on(server) as sessions:
        host = probe_sftp(sessions, "/files", user="me", flights=Flights())
        assert (host.workdir, host.workdir_kind) == ("/files", Kind.DIRECTORY)
        files, path = SFTPFiles(sessions), RemotePath("/files/new dir/a.txt")
        flights = Flights()
        (changed,) = files.replace([Change(path, Absent(), b"one\n")], roots=[host.workdir], flights=flights)
        assert (chroot / "files" / "new dir" / "a.txt").read_bytes() == b"one\n"
        assert isinstance(changed.state, Present)
        (found,) = files.observe([Wanted(path, changed.state)], roots=ANYWHERE, flights=Flights(), limit_bytes=100)
        assert (found.is_as_held, found.contents) == (True, None)
        files.replace([Change(path, changed.state, b"two\n")], roots=ANYWHERE, flights=Flights())
        with pytest.raises(RemoteChanged):
            files.replace([Change(path, changed.state, b"three\n")], roots=ANYWHERE, flights=Flights())
        assert {entry.name for entry in (chroot / "files" / "new dir").iterdir()} == {"a.txt"}
        large = os.urandom(3_000_000)
        files.replace([Change(RemotePath("/files/large"), Absent(), large)], roots=ANYWHERE, flights=Flights())
        (found,) = files.observe(
            [Wanted(RemotePath("/files/large"))], roots=ANYWHERE, flights=Flights(), limit_bytes=1 << 30
        )
        assert found.contents == large


def test_a_connection_that_breaks_is_made_again(tmp_path: Path, place: Path) -> None:
    """SSH-10: and what the broken write left is cleaned up before the next call."""
    (place / "a").write_bytes(b"one\n")
    with SSHServer(tmp_path / "sshd") as server, sessions_on(server) as sessions:
        files, wanted = SFTPFiles(sessions), [Wanted(RemotePath(f"{place}/a"))]
        (found,) = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=100)
        assert found.state is not None
        server.drop_sessions()
        for _ in range(3):
            try:
                files.replace([Change(found.path, found.state, b"two\n")], roots=ANYWHERE, flights=Flights())
                break
            except (ConnectionLost, ChannelRefused):  # Until the loss has been noticed.
                continue
        (found,) = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=100)
        assert found.contents == b"two\n"
    assert [entry.name for entry in place.iterdir()] == ["a"]


def test_a_server_without_sftp_refuses_by_name(tmp_path: Path) -> None:
    """SSH-10"""
    with (
        SSHServer(tmp_path, config=["Subsystem sftp /nonexistent/program"]) as server,
        sessions_on(server) as sessions,
        pytest.raises(SFTPError),
    ):
        probe_sftp(sessions, None, user="me", flights=Flights())


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="Dropbear needs root")
def test_a_dropbear_without_sftp_refuses_by_name(tmp_path: Path) -> None:
    """SSH-10"""
    nothing = {SFTP_SERVER: "/bin/false"}
    with DropbearServer(tmp_path, mounts=nothing) as server, sessions_on(server) as sessions, pytest.raises(SFTPError):
        probe_sftp(sessions, None, user="me", flights=Flights())
