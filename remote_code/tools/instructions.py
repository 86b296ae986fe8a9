"""Instruction files of the project's subdirectories, shown with the first file that is read below them."""

import posixpath
from collections.abc import Sequence

from remote_code.mirror.sync import Pulled
from remote_code.paths import RemotePath
from remote_code.text import codec
from remote_code.tools.context import Context

NAMES = ("AGENTS.md", "CLAUDE.md", "CONTEXT.md")
"""The first of these that a directory has is the one that counts there."""


def candidates(path: RemotePath, root: RemotePath) -> list[RemotePath]:
    """Return the possible instruction files between a file and the workspace, nearest directory first.

    The workspace's own are in the system prompt already.
    """
    found = []
    directory = posixpath.dirname(path)
    while directory != root and len(directory) > len(root):
        found += [RemotePath(posixpath.join(directory, name)) for name in NAMES]
        directory = posixpath.dirname(directory)
    return found


def claim(context: Context, path: RemotePath, pulled: Sequence[Pulled]) -> tuple[list[RemotePath], str]:
    """Return which of the pulled candidates the session has not been shown, and the text that shows them.

    The text is empty when there are none; it takes a quarter of the limits at most.
    """
    by_directory: dict[str, Pulled] = {}
    for one in pulled:
        if one.contents is not None:
            by_directory.setdefault(posixpath.dirname(one.observation.path), one)
    contents = {one.observation.path: one.contents or b"" for one in by_directory.values()}
    contents.pop(path, None)
    new = context.memory.instructions.claim(context.session_id, contents)
    if not new:
        return [], ""
    texts = [f"Instructions from: {name}\n{codec.decode(contents[name]).text}" for name in new]
    room = context.limits.max_bytes // 4 // len(texts)
    lines = context.limits.max_lines // 4 // len(texts)
    shown = "\n\n".join(_short(text, lines, room) for text in texts)
    return new, f"\n\n<system-reminder>\n{shown}\n</system-reminder>"


def _short(text: str, max_lines: int, max_bytes: int) -> str:
    lines = text.split("\n")
    data = "\n".join(lines[:max_lines]).encode("utf-8", "replace")
    if len(lines) <= max_lines and len(data) <= max_bytes:
        return text
    return data[:max_bytes].decode("utf-8", "ignore") + "\n... (the file goes on; read it for the rest)"
