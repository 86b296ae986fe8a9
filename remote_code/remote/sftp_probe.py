"""What can be known of a machine that gives SFTP and no shell."""

import posixpath
import stat
import time

from remote_code.errors import SFTPError
from remote_code.paths import RemotePath, decode_path, encode_path, resolve
from remote_code.quoting import quote
from remote_code.remote import sftp_wire as wire
from remote_code.remote.probe import Host
from remote_code.remote.runner import Runner, run
from remote_code.remote.sftp_resolve import Lookup
from remote_code.remote.sftp_session import SFTPSessions
from remote_code.remote.sftp_wire import Attributes, Names, Type
from remote_code.remote.stamp import is_stamp, read_present
from remote_code.shell.job import Flights, Script


def probe_sftp(sessions: SFTPSessions, workdir: str | None, *, user: str, flights: Flights) -> Host:
    """Ask an SFTP server what a `Host` needs; `user` is the login name, which SFTP does not tell.

    The clock, the programs and the branch stay unknown.

    Raises:
        InvalidPath: `workdir` holds a NUL.
        ConnectionLost, ChannelRefused, SFTPError: the server did not answer.
    """
    with sessions.lend() as session:
        (reply,) = session.flight([wire.on_path(Type.REALPATH, b".")], flights=flights)
        if not isinstance(reply, Names) or not reply.entries or not reply.entries[0][0].startswith(b"/"):
            raise SFTPError("the SFTP server does not tell the home directory", status="realpath")
        home = decode_path(reply.entries[0][0])
        asked = resolve(workdir or "~", base=home, home=home)
        (place,) = Lookup(session, flights=flights).resolve([asked])
        folders = [place.real_path]
        while folders[-1] != "/":
            folders.append(RemotePath(posixpath.dirname(folders[-1])))
        marks = [wire.on_path(Type.LSTAT, encode_path(posixpath.join(folder, ".git"))) for folder in folders]
        look, *found = session.flight([wire.on_path(Type.STAT, b"."), *marks], flights=flights)
        repository = next(
            (folder for folder, mark in zip(folders, found, strict=True) if isinstance(mark, Attributes)), None
        )
    now = time.time()
    return Host(
        home=home,
        workdir=RemotePath(asked),
        workdir_kind=place.kind,
        workdir_real=place.real_path,
        is_workdir_writable=place.attributes is not None and bool(stat.S_IMODE(place.attributes.mode or 0) & 0o222),
        system="SFTP only",
        platform="unknown",
        shell="",
        user=user,
        uid=(look.uid if isinstance(look, Attributes) else None) or 0,
        umask=0o022,
        tools=frozenset(),
        variants={"sha": "none"},
        ripgrep=None,
        git=None,
        repository=repository,
        branch=None,
        is_case_sensitive=True,
        free_bytes=None,
        clock_offset_s=0.0,
        clock_uncertainty_s=float("inf"),
        probed_clock_s=now,
        probed_at_s=time.monotonic(),
    )


def check_same_machine(sessions: SFTPSessions, runner: Runner, host: Host, *, flights: Flights) -> None:
    """Make sure that the SFTP server shows the files that the shell works on; a chroot has others under the same names.

    Told by the workdir: where it leads, its owner, mode and last change.

    Raises:
        SFTPError: it shows others.
    """
    for _ in range(3):  # Something may be made in the directory between the two looks.
        with sessions.lend() as session:
            (place,) = Lookup(session, flights=flights).resolve([host.workdir])
        script = Script(f"(rc_stat {quote(host.workdir_real)})\n", is_repeatable=True)
        stamp = run(runner, script, flights=flights).decode("ascii", "replace").rstrip("\n")
        found = place.attributes
        if found is not None and place.real_path == host.workdir_real and is_stamp(stamp):
            told = read_present(stamp, real_path=place.real_path, digest=None, now_ns=0)
            by_shell = (told.mode, told.uid, told.gid, told.mtime_ns // 1_000_000_000)
            if by_shell == (found.mode, found.uid, found.gid, found.mtime_s):
                return
    raise SFTPError(
        f'the SFTP server does not show the files that the shell works on: "{host.workdir}" is another one there, or '
        "missing (a chroot?); leave REMOTE_FILES unset",
        status="root",
    )
