"""OpenCode's own patch format, `*** Begin Patch` to `*** End Patch`.

Texts of errors are OpenCode's. Where it drops lines without a word, this parser refuses them.
"""

import re
from collections.abc import Iterator

from remote_code.errors import PatchRejected
from remote_code.text.hunks import Hunk, HunkLine, Mark
from remote_code.text.section import Section

_HEREDOC = re.compile(r"""(?:cat\s+)?<<['"]?(\w+)['"]?\s*\n(.*?)\n\1\s*""", re.DOTALL)
_MARKS: dict[str, Mark] = {" ": " ", "-": "-", "+": "+"}
_ADD, _DELETE, _UPDATE, _MOVE = "*** Add File:", "*** Delete File:", "*** Update File:", "*** Move to:"
_END_OF_FILE = "*** End of File"


def parse_native(text: str) -> list[Section]:
    """Parse a patch with LF line ends, alone or in a shell here-document.

    Raises:
        PatchRejected: with the `line` at fault.
    """
    text = text.strip()
    heredoc = _HEREDOC.fullmatch(text)
    lines = (heredoc[2] if heredoc else text).split("\n")
    stripped = [line.strip() for line in lines]
    begin = stripped.index("*** Begin Patch") if "*** Begin Patch" in stripped else -1
    end = _end_line(lines)
    if begin == -1 or end is None or begin >= end:
        raise PatchRejected("Invalid patch format: missing Begin/End markers")
    sections = list(_Parser(lines, begin + 1, end).sections())
    if not sections:
        is_bare = all(not line for line in stripped[begin + 1 : end])
        raise PatchRejected("patch rejected: empty patch" if is_bare else "no hunks found")
    return sections


def _end_line(lines: list[str]) -> int | None:
    """Return the first end marker; one that is indented may be a line of a body, so it counts only if no other is."""
    for candidate in (str.rstrip, str.strip):
        for index, line in enumerate(lines):
            if candidate(line) == "*** End Patch":
                return index
    return None


class _Parser:
    """Reads the lines between the markers, one after the other."""

    def __init__(self, lines: list[str], position: int, end: int) -> None:
        self._lines = lines
        self._position = position
        self._end = end

    def sections(self) -> Iterator[Section]:
        while self._position < self._end:
            line = self._lines[self._position]
            start = self._position + 1
            if line.startswith(_ADD):
                path = self._path(_ADD, "add")
                yield Section("add", path, content=self._added_text(), patch_line=start)
            elif line.startswith(_DELETE):
                yield Section("delete", self._path(_DELETE, "delete"), patch_line=start)
            elif line.startswith(_UPDATE):
                yield self._update(start)
            elif line.strip():
                raise self._rejected(f"Invalid patch line: {line}")
            else:
                self._position += 1

    def _path(self, header: str, action: str) -> str:
        path = self._lines[self._position].removeprefix(header).strip()
        if not path:
            raise self._rejected(f"Invalid {action} file path")
        self._position += 1
        return path

    def _body(self) -> Iterator[str]:
        """Yield the lines up to the next header; each is passed by once the next is asked for."""
        while self._position < self._end and not self._lines[self._position].startswith("***"):
            yield self._lines[self._position]
            self._position += 1

    def _added_text(self) -> str:
        lines: list[str] = []
        n_empty = 0
        for line in self._body():
            if line.startswith("+"):
                # A bare empty line between added lines lost its plus; at the end it is only a gap.
                lines += [""] * n_empty + [line[1:]]
                n_empty = 0
            elif not line.strip():
                n_empty += 1
            else:
                raise self._rejected(f"Invalid add file line: {line}")
        text = "\n".join(lines)
        return text if not text or text.endswith("\n") else text + "\n"

    def _update(self, start: int) -> Section:
        path = self._path(_UPDATE, "update")
        move_to: str | None = None
        if self._position < self._end and self._lines[self._position].startswith(_MOVE):
            move_to = self._path(_MOVE, "move")
        hunks = self._hunks()
        if not hunks and move_to is None:
            raise PatchRejected(
                f"Invalid update hunk for {path}: expected at least one @@ chunk", path=path, line=start
            )
        return Section("update", path, move_to, tuple(hunks), patch_line=start)

    def _hunks(self) -> list[Hunk]:
        hunks: list[Hunk] = []
        for line in self._body():
            if line.startswith("@@"):
                hunks.append(self._hunk(len(hunks) + 1))
            elif line.strip():
                raise self._rejected(f"Invalid update file line: {line} (a hunk starts with @@)")
        return hunks

    def _hunk(self, number: int) -> Hunk:
        """Parse one hunk and leave its last line to be passed by."""
        start = self._position
        context = self._lines[start][2:].strip() or None
        lines: list[HunkLine] = []
        is_at_end = False
        self._position += 1
        while self._position < self._end:
            line = self._lines[self._position]
            if line.rstrip() == _END_OF_FILE:
                is_at_end = True
                self._position += 1
                break
            if line.startswith(("***", "@@")):
                break
            if line and line[0] not in _MARKS:
                raise self._rejected(f"Invalid update chunk line: {line}")
            lines.append(HunkLine(_MARKS[line[0]], line[1:]) if line else HunkLine("", ""))
            self._position += 1
        self._position -= 1
        return Hunk(tuple(lines), number, start + 1, context, is_at_end)

    def _rejected(self, message: str) -> PatchRejected:
        line = self._position + 1
        return PatchRejected(f"{message} (line {line} of the patch)", line=line)
