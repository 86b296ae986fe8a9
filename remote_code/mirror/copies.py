"""The files of a mirror on the local disk: written as a whole, 0600, in folders 0700. Knows no database."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from remote_code.mirror.private import make_folder, read_regular, write_beside
from remote_code.paths import LocalPath


class Copies:
    """Local copies below `root`; `staging` is a folder on the same file system."""

    def __init__(self, root: LocalPath, staging: Path) -> None:
        self._root = root
        self._staging = staging

    def read(self, local: LocalPath) -> bytes | None:
        """Return the bytes of a local copy; None when there is no regular file."""
        return read_regular(local)

    def digest(self, local: LocalPath) -> str | None:
        """Return the SHA-256 of a local copy in hex, or None; memory does not grow with its size."""
        if local.is_symlink():
            return None
        try:
            with local.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    def stage(self, contents: bytes) -> Path:
        """Write contents to a new file that `place` can rename.

        Raises:
            OSError: the disk does not take them.
        """
        make_folder(self._staging)
        return write_beside(self._staging, contents)

    def place(self, staged: Path, local: LocalPath) -> None:
        """Make a staged file the local copy, in one step. What cannot be a folder on the way there is removed.

        Raises:
            OSError: the disk does not take it; the staged file is still there.
        """
        for parent in self._parents(local):
            if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
                parent.unlink()
        make_folder(local.parent)
        if local.is_dir() and not local.is_symlink():
            shutil.rmtree(local)
        os.replace(staged, local)

    def remove(self, local: LocalPath) -> None:
        """Remove a local copy, and the folders that it leaves empty."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
            local.unlink()
        for parent in reversed(self._parents(local)):
            try:
                parent.rmdir()
            except OSError:  # Others lie there too.
                return

    def _parents(self, local: LocalPath) -> list[Path]:
        """Return the folders between the root and a local copy, the uppermost first."""
        parents = local.relative_to(self._root).parents
        return [self._root / parent for parent in reversed(parents) if parent != Path()]
