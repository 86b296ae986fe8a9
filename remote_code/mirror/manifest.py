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
    manifest = {
        "format": FORMAT,
        "workspace": workspace.root,
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": [_to_json(item, to_local(item.path).relative_to(path.parent)) for item in tracked],
    }
    os.replace(write_beside(staging, json.dumps(manifest, indent=1).encode("ascii") + b"\n"), path)
    return path


def _to_json(item: Tracked, local: Path) -> dict[str, object]:
    exact = encode_path(item.path)
    shown = exact.decode("utf-8", "replace")
    fields: dict[str, object] = {"path": shown}
    if shown.encode("utf-8") != exact:
        fields["path_base64"] = base64.b64encode(exact).decode("ascii")
    state = item.state
    return fields | {
        "local": local.as_posix(),
        "size": state.size_bytes,
        "mode": f"{state.mode & 0o7777:04o}",
        "mtime_ns": state.mtime_ns,
        "sha256": state.digest,
        "used": round(item.used_s, 3),
    }
