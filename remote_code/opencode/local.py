"""What OpenCode reads on this machine: its folders, and the instructions that are the user's own. No network."""

from collections.abc import Mapping
from pathlib import Path

from remote_code.opencode.system import LocalSide


def config_dir(environ: Mapping[str, str], *, home: Path) -> Path:
    """Return the folder of OpenCode's global configuration; on every system the one of XDG."""
    base = environ.get("XDG_CONFIG_HOME") or home / ".config"
    return Path(base) / "opencode"


def own_dir(home: Path) -> Path:
    """Return the folder of our files: mirrors, session folders, status of running processes."""
    return home / ".opencode"


def local_side(environ: Mapping[str, str], *, home: Path, directory: str, worktree: str) -> LocalSide:
    """Return what belongs to this machine, for an OpenCode that was opened in `directory`."""
    files = {str(config_dir(environ, home=home) / "AGENTS.md"), str(home / ".claude" / "CLAUDE.md")}
    return LocalSide(directory=directory, worktree=worktree, global_files=frozenset(files), read=read_text)


def read_text(path: str) -> str | None:
    """Return the text of a local file as OpenCode decodes it; None when it cannot be read."""
    try:
        return Path(path).read_bytes().decode("utf-8", "replace").removeprefix("\ufeff")
    except (OSError, ValueError):
        return None
