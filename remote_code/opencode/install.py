"""Puts the plugin and the badge into OpenCode's configuration, and takes exactly them out again."""

import difflib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from remote_code.errors import ConfigError
from remote_code.opencode.jsonc import JSONCError, Node, append_item, member, parse, remove_item, replace
from remote_code.opencode.npmrc import with_bound, without_bound

PLUGIN_DIR = Path(__file__).resolve().parent.parent / "plugin"
"""Where the package holds what OpenCode loads."""

_KEY = "plugin"


@dataclass(frozen=True, slots=True)
class Change:
    """One configuration file before and after; None where it does not exist."""

    path: Path
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What was changed, or would be."""

    changes: Sequence[Change]

    def diff(self) -> str:
        """Return all changes as one unified diff; empty when there are none."""
        return "".join(_diff(change) for change in self.changes)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of ours in one of OpenCode's configuration files."""

    stem: str
    """`opencode` or `tui`, with .json or .jsonc behind it."""
    schema: str
    file: str
    """Name in the plugin folder."""
    options: dict[str, object] | None = None

    def json(self) -> str:
        """Return the entry as it is written."""
        spec = (PLUGIN_DIR / self.file).as_uri()
        return json.dumps(spec if self.options is None else [spec, self.options], ensure_ascii=False)

    def is_ours(self, node: Node) -> bool:
        """Tell whether an item of a `plugin` list is this entry, of this or another installation."""
        spec = node.value[0] if isinstance(node.value, list) and node.value else node.value
        return isinstance(spec, str) and spec.replace("\\", "/").endswith(f"/remote_code/plugin/{self.file}")

    def empty_file(self) -> str:
        """Return the configuration file that our entry is put into where there is none."""
        return f'{{\n  "$schema": "{self.schema}"\n}}\n'


def engine_command() -> list[str]:
    """Return the words that start `remote-code` with the interpreter that runs now.

    `-P` keeps the directory that OpenCode was started in out of Python's module path.
    """
    return [sys.executable, "-P", "-m", "remote_code.cli"]


def install(config_dir: Path, *, command: Sequence[str], own_dir: Path | None = None, dry_run: bool = False) -> Report:
    """Add plugin and badge to OpenCode's global configuration; an older entry of ours is replaced where it stands.

    `command` starts `remote-code` (see `engine_command`); the plugin calls it with `serve`. `own_dir` is the folder
    that the plugin keeps its files in, which OpenCode takes for a configuration folder too: no start waits for npm's
    retries in either (see `npmrc`). A second call changes nothing.

    Raises:
        ConfigError: a configuration file cannot be read as JSON with comments; nothing was changed.
    """
    changes = [
        *_entry_changes(config_dir, _entries(command), _with_entry),
        *_npm_changes(config_dir, own_dir, with_bound),
    ]
    return _apply(changes, dry_run=dry_run)


def uninstall(config_dir: Path, *, own_dir: Path | None = None, dry_run: bool = False) -> Report:
    """Remove what `install` added, whichever installation did; a file that holds nothing else is deleted.

    Raises:
        ConfigError: a configuration file cannot be read as JSON with comments; nothing was changed.
    """
    changes = [
        *_entry_changes(config_dir, _entries([]), _without_entry),
        *_npm_changes(config_dir, own_dir, without_bound),
    ]
    return _apply(changes, dry_run=dry_run)


def _entries(command: Sequence[str]) -> list[_Entry]:
    server = _Entry("opencode", "https://opencode.ai/config.json", "index.js", {"command": list(command)})
    return [server, _Entry("tui", "https://opencode.ai/tui.json", "tui.tsx")]


def _entry_changes(
    config_dir: Path, entries: Sequence[_Entry], edit: Callable[[str | None, _Entry], str | None]
) -> list[Change]:
    changes = []
    for entry in entries:
        path, before = _find_file(config_dir, entry)
        try:
            changes.append(Change(path, before, edit(before, entry)))
        except JSONCError as exc:
            raise ConfigError(
                f'"{path}" cannot be read as JSON with comments ({exc}); correct it and try again. Nothing was changed',
                value=str(path),
            ) from exc
    return changes


def _npm_changes(config_dir: Path, own_dir: Path | None, edit: Callable[[str | None], str | None]) -> list[Change]:
    changes = []
    for folder in (config_dir, own_dir):
        if folder is not None:
            path = folder / ".npmrc"
            before = _read(path) if path.is_file() else None
            changes.append(Change(path, before, edit(before)))
    return changes


def _apply(changes: Sequence[Change], *, dry_run: bool) -> Report:
    real = [change for change in changes if change.after != change.before]
    if not dry_run:
        for change in real:
            _write(change)
    return Report(real)


def _find_file(config_dir: Path, entry: _Entry) -> tuple[Path, str | None]:
    """Return the file that holds our entry, else the one that exists, else the one to make; and its text."""
    files = [config_dir / f"{entry.stem}{suffix}" for suffix in (".jsonc", ".json")]
    texts = [(file, _read(file)) for file in files if file.is_file()]
    for file, text in texts:
        if entry.file in text and "remote_code" in text:
            return file, text
    return texts[0] if texts else (files[1], None)


def _with_entry(text: str | None, entry: _Entry) -> str:
    if text is None or not text.strip():
        text = entry.empty_file()
    ours = _find_ours(text, entry)
    if not ours:
        return append_item(text, _KEY, entry.json())
    for index, _ in reversed(ours[1:]):
        text = remove_item(text, _KEY, index)
    _, kept = ours[0]
    return text if kept.value == json.loads(entry.json()) else replace(text, kept, entry.json())


def _without_entry(text: str | None, entry: _Entry) -> str | None:
    if text is None:
        return None
    ours = _find_ours(text, entry)
    left = text
    for index, _ in reversed(ours):
        left = remove_item(left, _KEY, index)
    return None if ours and left == entry.empty_file() else left


def _find_ours(text: str, entry: _Entry) -> list[tuple[int, Node]]:
    found = member(parse(text), _KEY)
    items = found.node.items if found else []
    return [(index, node) for index, node in enumerate(items) if entry.is_ours(node)]


def _read(path: Path) -> str:
    # Newlines as they are: what we do not touch must stay byte for byte.
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _write(change: Change) -> None:
    """Replace the file as a whole, by rename, keeping its mode and a link to it."""
    if change.after is None:
        change.path.unlink(missing_ok=True)
        return
    path = change.path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(change.after)
    Path(name).chmod(mode)
    Path(name).replace(path)


def _diff(change: Change) -> str:
    before, after = ((text or "").splitlines(keepends=True) for text in (change.before, change.after))
    lines = difflib.unified_diff(before, after, f"{change.path} (now)", f"{change.path} (then)")
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
