"""Unified diffs, git's extras included, parsed with unidiff."""

import re
from collections.abc import Iterator
from dataclasses import replace

from unidiff.constants import DEV_NULL, LINE_TYPE_NO_NEWLINE
from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk as ParsedHunk
from unidiff.patch import PatchedFile, PatchSet

from remote_code.errors import PatchRejected
from remote_code.text.hunks import Hunk, HunkLine, Mark
from remote_code.text.section import Section

_MARKS: dict[str, Mark] = {" ": " ", "-": "-", "+": "+"}
_PIECE = re.compile(r"\\(?:[0-7]{3}|.)|[^\\]+|\\")
_ESCAPED = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}


def parse_unified(text: str) -> list[Section]:
    """Parse a unified diff with LF line ends; mode lines are ignored.

    Raises:
        PatchRejected: with the `line` at fault.
    """
    lines = _CountedLines(text)
    try:
        files = PatchSet(lines)
    except UnidiffParseError as exc:
        raise PatchRejected(
            f"Invalid unified diff: {str(exc).strip()} (line {lines.number} of the patch)", line=lines.number
        ) from exc
    sections = [section for file in files if (section := _section(file)) is not None]
    if not sections:
        raise PatchRejected("no hunks found")
    return sections


class _CountedLines:
    """The lines of a text, and the number of the last one that was taken."""

    def __init__(self, text: str) -> None:
        self.number = 0
        self._lines = text.split("\n")
        if self._lines[-1] == "":
            self._lines.pop()

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            yield line + "\n"


def _section(file: PatchedFile) -> Section | None:
    info = [str(line).rstrip("\n") for line in file.patch_info or []]
    old_path, new_path = _paths(file, info)
    path = old_path or new_path
    line = file.diff_line_no
    if path is None:
        raise PatchRejected("Invalid unified diff: a section names no file", line=line)
    if file.is_binary_file:
        raise PatchRejected(f'cannot patch "{path}": binary differences are not supported', path=path, line=line)
    if any(entry.startswith("copy from ") for entry in info):
        raise PatchRejected(f'cannot patch "{path}": copies are not supported', path=path, line=line)
    hunks = tuple(_hunk(hunk, number) for number, hunk in enumerate(file, start=1))
    if old_path is None:
        return Section("add", path, content=_added_text(hunks), must_be_new=True, patch_line=line)
    if new_path is None:
        return Section("delete", path, hunks=hunks, patch_line=line)
    move_to = new_path if new_path != old_path else None
    if not hunks and move_to is None:
        if any(entry.startswith(("old mode", "new mode")) for entry in info):
            return None
        raise PatchRejected(f"Invalid update hunk for {path}: expected at least one @@ chunk", path=path, line=line)
    return Section("update", path, move_to, hunks, patch_line=line)


def _paths(file: PatchedFile, info: list[str]) -> tuple[str | None, str | None]:
    """Return old and new path, None for /dev/null; a rename's own lines say it best."""
    renamed = [
        next((entry.removeprefix(key) for entry in info if entry.startswith(key)), None)
        for key in ("rename from ", "rename to ")
    ]
    if renamed[0] is not None and renamed[1] is not None:
        return _unquote(renamed[0]), _unquote(renamed[1])
    source, target = _unquote(file.source_file), _unquote(file.target_file)
    old, new = (None if path == DEV_NULL else path for path in (source, target))
    has_prefixes = (old is None or old.startswith("a/")) and (new is None or new.startswith("b/"))
    if has_prefixes:
        old, new = (path and path[2:] for path in (old, new))
    return old, new


def _unquote(path: str) -> str:
    """Undo git's quoting of unusual names: C escapes, and bytes in octal."""
    if not (len(path) >= 2 and path.startswith('"') and path.endswith('"')):
        return path.rstrip()
    return b"".join(_unescaped(match[0]) for match in _PIECE.finditer(path[1:-1])).decode("utf-8", "surrogateescape")


def _unescaped(piece: str) -> bytes:
    if not piece.startswith("\\"):
        return piece.encode("utf-8", "surrogateescape")
    code = piece[1:]
    return bytes([int(code, 8) & 0xFF]) if len(code) == 3 else _ESCAPED.get(code, code).encode()


def _hunk(hunk: ParsedHunk, number: int) -> Hunk:
    lines: list[HunkLine] = []
    for line in hunk:
        if line.line_type == LINE_TYPE_NO_NEWLINE and lines:
            lines[-1] = replace(lines[-1], ends_without_newline=True)
        elif line.line_type in _MARKS:
            lines.append(HunkLine(_MARKS[line.line_type], line.value.removesuffix("\n")))
    first = next((line.diff_line_no for line in hunk if line.diff_line_no is not None), None)
    old_start = hunk.source_start - 1 if hunk.source_length else hunk.source_start
    return Hunk(tuple(lines), number, None if first is None else first - 1, old_start=max(old_start, 0))


def _added_text(hunks: tuple[Hunk, ...]) -> str:
    return "".join(
        line.text + ("" if line.ends_without_newline else "\n")
        for hunk in hunks
        for line in hunk.lines
        if line.mark == "+"
    )
