"""What a session leaves on a machine: processes with a mark in their environment, and trees of files, bit for bit."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def marked_processes(mark: str) -> dict[int, str]:
    """Return the processes that have `mark` in their environment, by id with their command lines.

    A server that sets it (`SSHServer(environment=...)`) marks all that its sessions start.
    """
    return {pid: command for pid, command, environment in processes() if mark in environment}


def processes() -> list[tuple[int, str, str]]:
    """Return id, arguments and environment (both joined by blanks) of every living process, this one apart."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            # A process may end while it is looked at, and some are nobody's to look at.
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                arguments, environment = (
                    (Path("/proc") / entry / name).read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    for name in ("cmdline", "environ")
                )
                found.append((int(entry), arguments, environment))
    return found


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return everything under `folder` by name: kind, mode, owner, links, times of files, and all contents.

    Directories have no times here: making and removing a file beside another one touches them.
    """
    found: dict[str, tuple[object, ...]] = {}
    for base, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(base) / name
            about = path.lstat()
            what: tuple[object, ...] = (about.st_mode, about.st_uid, about.st_gid)
            if stat.S_ISLNK(about.st_mode):
                what += (os.readlink(path),)
            elif stat.S_ISREG(about.st_mode):
                what += (about.st_nlink, about.st_mtime_ns, path.read_bytes())
            found[str(path.relative_to(folder))] = what
    return found
