"""What a session leaves on a machine: processes with a mark in their environment, and trees of files, bit for bit."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
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


def owned_by(uid: int, *folders: Path) -> list[str]:
    """Return what this account owns directly in these folders, such as /tmp."""
    found = []
    for folder in folders:
        for path in folder.iterdir():
            with suppress(FileNotFoundError):
                if path.lstat().st_uid == uid:
                    found.append(str(path))
    return found


@dataclass(frozen=True)
class Use:
    """What a process takes of this machine."""

    rss_mib: float
    n_threads: int
    n_descriptors: int


def use_of(pid: int) -> Use:
    """Return what a living process takes now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines())
    rss_kib = int(status["VmRSS"].split()[0])
    return Use(rss_kib / 1024, int(status["Threads"]), len(os.listdir(f"/proc/{pid}/fd")))


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
