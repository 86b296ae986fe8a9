"""The shells and tools that a remote machine may have, as far as this machine can play them."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from remote_code.remote.scripts import library
from remote_code.shell.boot import Place
from remote_code.shell.pool import PoolSettings, Shells
from tests.support.process_link import ProcessLink

SHELLS = ("dash", "bash", "ash")
"""dash and bash (as sh) with GNU tools; BusyBox ash with BusyBox's own tools only."""


def shell_command(name: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Return the path of an `sh` of that kind and the environment of its machine; made in `folder` when missing."""
    home = folder / f"home-{name}"
    home.mkdir(parents=True, exist_ok=True)
    environment = {"HOME": str(home), "PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"}
    environment["LANG"] = "C.UTF-8"
    link = folder / name / "sh"
    link.parent.mkdir(parents=True, exist_ok=True)
    if name == "ash":
        busybox = shutil.which("busybox")
        assert busybox, "this test needs BusyBox"
        if not link.exists():
            subprocess.run([busybox, "--install", "-s", str(link.parent)], check=True)
        environment["PATH"] = str(link.parent)
    elif not link.exists():
        program = shutil.which(name)
        assert program, f"this test needs {name}"
        link.symlink_to(program)
    return str(link), environment


def programs_without(missing: Sequence[str], folder: Path, *, own: Mapping[str, str] | None = None) -> str:
    """Make a directory with all programs of /usr/bin but the `missing` ones, and scripts of the test's `own`."""
    folder.mkdir(parents=True, exist_ok=True)
    for program in Path("/usr/bin").iterdir():
        if program.name not in missing and program.name not in (own or {}):
            (folder / program.name).symlink_to(program)
    for name, text in (own or {}).items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return str(folder)


@contextmanager
def local_shells(
    name: str, folder: Path, *, file_size: int = 1, path: str | None = None, uid: int | None = None
) -> Iterator[Shells]:
    """Run a pool of worker shells of one kind on this machine, without SSH.

    `path` replaces its PATH; with `uid` (as root only) the shells run as another user and group of that number.
    """
    shell, environment = shell_command(name, folder)
    enter = None
    if uid is not None:
        enter = f"{shutil.which('setpriv')} --reuid={uid} --regid={uid} --clear-groups"
    if path is not None:
        environment["PATH"] = path
    links: list[ProcessLink] = []

    def connect() -> ProcessLink:
        links.append(ProcessLink(environment=environment, max_sessions=20))
        return links[-1]

    settings = PoolSettings(command_size=1, file_size=file_size, place=Place(shell=shell, enter=enter))
    shells = Shells(connect, settings=settings, library=library())
    shells.start()
    try:
        yield shells
    finally:
        shells.close()
        for link in links:
            link.__exit__(None, None, None)
