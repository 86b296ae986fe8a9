"""What a missing file may have been meant to be: names in its directory that contain it, or are contained in it."""

import posixpath

from remote_code.errors import NoSuchFile, RemoteCodeError
from remote_code.paths import RemotePath
from remote_code.remote.state import DirectoryEntry, Kind
from remote_code.tools.boundary import Granted
from remote_code.tools.collate import collation_key
from remote_code.tools.context import Context

MAX_NAMES = 3


def similar_names(name: str, entries: list[DirectoryEntry]) -> list[str]:
    """Return up to three names that may be meant."""
    wanted = name.lower()
    close = [entry.name for entry in entries if wanted in entry.name.lower() or entry.name.lower() in wanted]
    return sorted(close, key=collation_key)[:MAX_NAMES]


def file_not_found(path: RemotePath, context: Context, granted: Granted, *, kind: Kind) -> NoSuchFile:
    """Return the error for a missing file, with names that may be meant; one flight if its directory exists."""
    directory = RemotePath(posixpath.dirname(path))
    names: list[str] = []
    if kind is Kind.ABSENT:
        try:
            _, entries = context.files.list_directory(directory, roots=granted.roots, flights=context.flights)
            names = similar_names(posixpath.basename(path), entries)
        except RemoteCodeError:
            names = []
    message = f"File not found: {path}"
    if names:
        paths = "\n".join(posixpath.join(directory, name) for name in names)
        message += f"\n\nDid you mean one of these?\n{paths}"
    return NoSuchFile(message, path=path)
