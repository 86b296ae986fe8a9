"""`manifest.json`: the readable form of what a mirror holds, for people and other programs. Never read back by us."""

import base64
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from remote_code.mirror.private import write_beside
from remote_code.mirror.store import Tracked
from remote_code.paths import LocalPath, RemotePath, Workspace, encode_path

FORMAT = 1
"""`format` in the file; raised when a field changes its meaning."""


def write_manifest(
    path: Path,
    *,
    workspace: Workspace,
    tracked: Iterable[Tracked],
    to_local: Callable[[RemotePath], LocalPath],
    staging: Path,
) -> Path:
    """Write the manifest as a whole, 0600, and return its path.

    Raises:
        OSError: the local disk does not take it; an older manifest stays.
    """
    head = {
        "format": FORMAT,
        "workspace": workspace.root,
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    start = len(str(path.parent)) + 1
    # One file a line, for people and for grep.
    files = [json.dumps(_to_json(item, str(to_local(item.path))[start:])) for item in tracked]
    listed = ",\n".join(files)
    text = f'{json.dumps(head)[:-1]}, "files": [\n{listed}\n]}}\n'
    os.replace(write_beside(staging, text.encode("ascii")), path)
    return path


def _to_json(item: Tracked, local: str) -> dict[str, object]:
    exact = encode_path(item.path)
    shown = exact.decode("utf-8", "replace")
    fields: dict[str, object] = {"path": shown}
    if shown.encode("utf-8") != exact:
        fields["path_base64"] = base64.b64encode(exact).decode("ascii")
    state = item.state
    return fields | {
        "local": local.replace(os.sep, "/"),
        "size": state.size_bytes,
        "mode": f"{state.mode & 0o7777:04o}",
        "mtime_ns": state.mtime_ns,
        "sha256": state.digest,
        "used": round(item.used_s, 3),
    }
