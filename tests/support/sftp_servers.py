"""SFTP sessions with OpenSSH's own server, without SSH: a local process."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remote_code.remote.sftp_session import SFTPSessions
from remote_code.shell.channel import Channel
from tests.support.process_link import ProcessLink

SFTP_SERVER = "/usr/lib/openssh/sftp-server"


@contextmanager
def local_sftp(*, size: int = 2, uid: int | None = None, options: str = "") -> Iterator[SFTPSessions]:
    """Give sessions of `sftp-server` processes; with `uid` (as root only) they run as another user."""
    assert Path(SFTP_SERVER).exists(), "this test needs openssh-sftp-server"
    enter = "" if uid is None else f"{shutil.which('setpriv')} --reuid={uid} --regid={uid} --clear-groups "
    with ProcessLink(max_sessions=20) as link:

        def open_channel() -> Channel:
            return link.open_exec(f"exec {enter}{SFTP_SERVER} {options}", timeout_s=10)

        sessions = SFTPSessions(open_channel, size=size)
        try:
            yield sessions
        finally:
            sessions.close()
