"""The text of `read` within the limits: what is shown of a file or a directory, and its metadata. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from remote_code.text.page import EntryPage, Page, page_entries, render_directory, render_file
from remote_code.tools.context import JSONObject, Limits

DEFAULT_LIMIT = 2000
PREVIEW_LINES = 20

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which part of a file or directory is asked for."""

    offset: int
    limit: int


def printable(text: str) -> str:
    """Return text that the wire and every model can hold: what is not valid in its encoding shows as U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def fit_file(
    path: str, choose: Callable[[int, int], Page], *, note: str | None, reminder: str, wish: Wish, limits: Limits
) -> tuple[str, Page]:
    """Return the text for a file, and the page in it.

    `choose(limit, max_bytes)` pages the file. Line numbers count for the limits too, so it may be called again.
    """
    empty = render_file(path, Page((), 1, 0, 0, None), note)
    max_lines = limits.max_lines - empty.count("\n") - 1 - reminder.count("\n")
    room = limits.max_bytes - _size(reminder)
    max_bytes = room - _size(empty)
    while True:
        page = choose(max(0, min(wish.limit, max_lines)), max(0, max_bytes))
        text = render_file(path, page, note, max_bytes=limits.max_bytes)
        excess = _size(text) - room
        if excess <= 0 or not page.lines:
            return text + reminder, page
        max_bytes -= excess


def file_metadata(path: str, page: Page, loaded: Sequence[str]) -> JSONObject:
    """Return what the client draws for a file that was read."""
    is_cut = page.cut is not None
    return {
        "preview": "\n".join(page.lines[:PREVIEW_LINES]),
        "truncated": is_cut,
        "loaded": list(loaded),
        "display": {
            "type": "file",
            "path": path,
            "text": "\n".join(page.lines),
            "lineStart": page.first,
            "lineEnd": page.last,
            "totalLines": page.total,
            "truncated": is_cut,
        },
    }


def fit_directory(path: str, names: Sequence[str], wish: Wish, limits: Limits) -> tuple[str, EntryPage]:
    """Return the text for a directory, and the page in it."""
    limit = max(0, min(wish.limit, limits.max_lines - 7))
    while True:
        page = page_entries(names, offset=wish.offset, limit=limit)
        text = render_directory(path, page)
        excess = _size(text) - limits.max_bytes
        if excess <= 0 or limit <= 0:
            return text, page
        longest = max(len(name) for name in page.entries) + 1
        limit = max(0, len(page.entries) - max(1, excess // (4 * longest)))


def directory_metadata(path: str, page: EntryPage) -> JSONObject:
    """Return what the client draws for a directory that was listed."""
    return {
        "preview": "\n".join(page.entries[:PREVIEW_LINES]),
        "truncated": page.is_cut,
        "loaded": [],
        "display": {
            "type": "directory",
            "path": path,
            "entries": list(page.entries),
            "offset": page.offset,
            "totalEntries": page.total,
            "truncated": page.is_cut,
        },
    }


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
