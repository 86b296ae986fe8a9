"""Remote and local paths that never mix: resolving, the workspace boundary, names in the mirror. Pure, no I/O."""

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import NewType

from remote_code.errors import InvalidPath

RemotePath = NewType("RemotePath", str)
"""An absolute, normalised path on the remote. Bytes that are not UTF-8 stand in it as lone surrogates."""

LocalPath = NewType("LocalPath", Path)
"""A path on this machine."""

PATH_MAX_BYTES = 4096
"""The longest path that is sent to the remote: Linux' PATH_MAX, the most of the systems that give sshd."""

_SHOWN_CHARACTERS = 80
"""How much of a path that is too long an error repeats."""


def encode_path(path: str) -> bytes:
    """Return the bytes that name `path` on the remote (UTF-8, surrogates back to the bytes they stand for)."""
    return path.encode("utf-8", "surrogateescape")


def decode_path(raw: bytes) -> RemotePath:
    """Return the path for bytes that the remote sent; reversible by `encode_path` for every input."""
    return RemotePath(raw.decode("utf-8", "surrogateescape"))


def resolve(path: str, *, base: RemotePath, home: RemotePath) -> RemotePath:
    """Return the absolute, normalised form of a path that a model gave.

    `~` and `~/x` mean the remote home; a relative path starts at `base`. `.`, `..` and double slashes are removed by
    their text alone; where a link leads is for the remote to say.

    Raises:
        InvalidPath: the path is empty, holds a NUL or half a character, or is longer than any system takes.
    """
    if not path:
        raise InvalidPath("the path is empty; give an absolute path on the remote machine", path=path)
    if "\0" in path:
        raise InvalidPath(f"the path {path!r} holds a NUL character", path=path)
    try:
        n_bytes = len(encode_path(path))
    except UnicodeEncodeError as exc:
        raise InvalidPath(f"the path {path!r} holds {path[exc.start]!r}, which is no character", path=path) from exc
    if n_bytes > PATH_MAX_BYTES:
        shown = path[:_SHOWN_CHARACTERS]
        raise InvalidPath(
            f"the path that begins with {shown!r} has {n_bytes} bytes; a path has {PATH_MAX_BYTES} at most", path=shown
        )
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    absolute = posixpath.normpath(posixpath.join(base, path))
    # POSIX lets exactly two leading slashes mean something else; no remote of ours does.
    return RemotePath("/" + absolute.lstrip("/"))


def is_within(path: RemotePath, root: RemotePath) -> bool:
    """Tell whether `path` is `root` or lies below it, by its text."""
    return root == "/" or path == root or path.startswith(root + "/")


def relative(path: RemotePath, root: RemotePath) -> str:
    """Return `path` relative to `root` as permission patterns and titles show it; "" for `root` itself."""
    shown = posixpath.relpath(path, root)
    return "" if shown == "." else shown


@dataclass(frozen=True, slots=True)
class Workspace:
    """The directory that the agent works in, as the remote itself names it."""

    root: RemotePath
    """`REMOTE_WORKDIR` resolved: absolute, `~` expanded."""
    home: RemotePath
    """Home directory of the remote account."""

    def resolve(self, path: str) -> RemotePath:
        """Return the absolute form of a path of a tool call; see `resolve`."""
        return resolve(path, base=self.root, home=self.home)

    def is_within(self, path: RemotePath) -> bool:
        """Tell whether `path` lies in the workspace by its text."""
        return is_within(path, self.root)

    def relative(self, path: RemotePath) -> str:
        """Return `path` relative to the workspace; "" for the workspace itself."""
        return relative(path, self.root)
