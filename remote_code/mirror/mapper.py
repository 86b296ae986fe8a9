"""Where the local copy of a remote file is, and which remote file a local copy is of. Pure, no I/O."""

import hashlib
import os
import sys

from remote_code.errors import InvalidPath
from remote_code.mirror.naming import OWN_FOLDER, LocalNames
from remote_code.paths import LocalPath, RemotePath, Workspace, decode_path, encode_path

PATH_BYTES = {"win32": 240, "darwin": 1000}.get(sys.platform, 4000)
"""The longest local path that this system opens, with some room for what is appended to it."""


class PathMapper:
    """Maps between the remote paths of one target and the files of its mirror at `root`."""

    def __init__(self, root: LocalPath, workspace: Workspace, *, names: LocalNames | None = None) -> None:
        self.root = root
        self._workspace = workspace
        self._names = names or LocalNames()

    def to_local(self, path: RemotePath) -> LocalPath:
        """Return the place of the local copy of `path`; different remote files have different places.

        A path that is too long for this system lies in a folder of ours, named by its digest.
        """
        exact = encode_path(path)
        local = self.root.joinpath(*self._names.to_parts(decode_path(exact)))
        if len(os.fsencode(local)) > PATH_BYTES:
            local = self.root / OWN_FOLDER / "long" / hashlib.sha256(exact).hexdigest()
        return LocalPath(local)

    def to_remote(self, path: LocalPath) -> RemotePath:
        """Return the remote path whose local copy is at `path`.

        Raises:
            InvalidPath: `path` is outside of the mirror, one of our own files, or named by a digest; which file that
                is the manifest tells.
        """
        try:
            parts = list(path.relative_to(self.root).parts)
        except ValueError as exc:
            raise InvalidPath(f'"{path}" is not in the mirror "{self.root}"', path=str(path)) from exc
        return self._names.to_path(parts)

    def is_within_workspace(self, path: RemotePath) -> bool:
        """Tell whether `path` lies in the workspace by its text; where links lead is for the remote to say."""
        return self._workspace.is_within(path)
