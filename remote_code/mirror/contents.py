"""Old contents of remote files, each stored once under its digest. Which are still needed, the history knows."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from remote_code.mirror.private import make_folder, read_regular, write_beside


def digest_of(contents: bytes) -> str:
    """Return the SHA-256 of contents in hex, as the remote's tools print it."""
    return hashlib.sha256(contents).hexdigest()


class Contents:
    """Files at `folder/ab/cdef…`, named by the SHA-256 of what they hold. Safe for several engines at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, contents: bytes) -> str:
        """Store contents, unless they are there, and return their digest.

        Raises:
            OSError: the local disk does not take them.
        """
        digest = digest_of(contents)
        path = self._path(digest)
        try:
            if path.stat().st_size == len(contents):
                return digest
        except FileNotFoundError:
            make_folder(path.parent)
        os.replace(write_beside(path.parent, contents), path)
        return digest

    def get(self, digest: str) -> bytes | None:
        """Return the contents with this digest; None when they are not stored, or were damaged."""
        contents = read_regular(self._path(digest))
        return contents if contents is not None and digest_of(contents) == digest else None

    def remove(self, digest: str) -> None:
        """Remove the contents with this digest, if they are there."""
        path = self._path(digest)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Others lie there too.
            path.parent.rmdir()

    def digests(self) -> Iterator[str]:
        """Yield what is stored, in no particular order."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if path.suffix != ".tmp":
                yield path.parent.name + path.name

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]
