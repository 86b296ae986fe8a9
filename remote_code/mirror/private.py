"""Files and folders that only this account may read, written as a whole or not at all."""

import contextlib
import os
import stat
import uuid
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make `folder` with all its parents, each for this account alone; what exists stays as it is.

    Raises:
        FileExistsError, NotADirectoryError: something else than a folder has one of the names.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for name in reversed(missing):
        with contextlib.suppress(FileExistsError):
            name.mkdir(mode=0o700)
        if not name.is_dir():
            raise FileExistsError(f"{name} is not a folder")


def write_beside(folder: Path, contents: bytes) -> Path:
    """Write a new file with a name of its own in `folder` and return its path, for `os.replace`."""
    path = folder / f"{uuid.uuid4().hex}.tmp"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(contents)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def read_regular(path: Path) -> bytes | None:
    """Return the bytes of a regular file; None when it is missing, a link, or anything else."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        return file.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
