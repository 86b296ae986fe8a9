"""What the tools remember between calls: kept outputs, and which instruction files a session has been given."""

import threading
from collections.abc import Iterable
from pathlib import Path

from remote_code.paths import RemotePath
from remote_code.tools.spill import OutputStore


class LoadedInstructions:
    """Which AGENTS.md files each session has been shown, so that each is attached to a `read` once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Guards `_loaded`.
        self._loaded: dict[str, set[RemotePath]] = {}

    def claim(self, session_id: str, paths: Iterable[RemotePath]) -> list[RemotePath]:
        """Return those of `paths` that the session was not shown before, and note that it is now."""
        with self._lock:
            loaded = self._loaded.setdefault(session_id, set())
            new = [path for path in paths if path not in loaded]
            loaded.update(new)
        return new


class Memory:
    """One per engine. `folder` holds the kept outputs."""

    def __init__(self, folder: Path) -> None:
        self.outputs = OutputStore(folder)
        self.instructions = LoadedInstructions()
