"""The paging, limits and numbering of `read`: which lines are shown, and the text around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from remote_code.errors import OffsetOutOfRange

MAX_LINE_UNITS = 2000
"""A longer line is cut, in UTF-16 code units."""
CUT_SUFFIX = f"... (line truncated to {MAX_LINE_UNITS} chars)"

_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of a file that are shown."""

    lines: tuple[str, ...]
    first: int
    """Number of the first line shown, 1-based."""
    last: int
    """Number of the last line shown; `first - 1` if there is none."""
    total: int | None
    """Number of lines of the file; None if it was not counted."""
    cut: Literal["bytes", "limit"] | None
    """What ended the page before the end of the file."""


@dataclass(frozen=True, slots=True)
class EntryPage:
    """The entries of a directory that are shown."""

    entries: tuple[str, ...]
    offset: int
    total: int
    is_cut: bool


def page_text(
    text: str,
    *,
    offset: int,
    limit: int,
    max_bytes: int,
    first_line: int = 1,
    total: int | None = None,
    is_partial: bool = False,
) -> Page:
    """Choose the lines from number `offset` on, at most `limit` and `max_bytes` of UTF-8 with one for each join.

    Lines end at LF, CRLF or a lone CR. `text` may be a part of a file: it begins with line number `first_line` of
    `total`, and with `is_partial` the file goes on behind it, `total` being None if nobody counted.

    Raises:
        OffsetOutOfRange: the file has fewer lines. An empty file has a first line for this purpose.
    """
    offset = max(offset, 1)
    plain = _with_lf(text)
    n_lines = _count_lines(plain)
    if total is None and not is_partial:
        total = first_line - 1 + n_lines
    if offset > first_line - 1 + n_lines and not (total == 0 and offset == 1):
        n_known = total if total is not None else first_line - 1 + n_lines
        raise OffsetOutOfRange(
            f"Offset {offset} is out of range for this file ({n_known} lines)", offset=offset, lines=n_known
        )
    lines, is_capped = _take(plain, skip=offset - first_line, limit=limit, max_bytes=max_bytes)
    last = offset + len(lines) - 1
    if is_capped:
        return Page(tuple(lines), offset, last, total, "bytes")
    is_end = last >= total if total is not None else last >= first_line - 1 + n_lines and not is_partial
    return Page(tuple(lines), offset, last, total, None if is_end else "limit")


def render_file(path: str, page: Page, note: str | None = None, *, max_bytes: int = 51_200) -> str:
    """Return the text of a read file; `note` is a line of its own below the footer."""
    numbered = "\n".join(f"{number}: {line}" for number, line in enumerate(page.lines, start=page.first))
    footer = _footer(page, max_bytes) + (f"\n{note}" if note else "")
    return f"<path>{path}</path>\n<type>file</type>\n<content>\n{numbered}\n\n{footer}\n</content>"


def page_entries(entries: Sequence[str], *, offset: int, limit: int) -> EntryPage:
    """Choose the entries from number `offset` on, at most `limit`; an offset beyond the end shows none."""
    offset = max(offset, 1)
    shown = tuple(entries[offset - 1 : offset - 1 + limit])
    return EntryPage(shown, offset, len(entries), offset - 1 + len(shown) < len(entries))


def render_directory(path: str, page: EntryPage) -> str:
    """Return the text of a listed directory."""
    if page.is_cut:
        beyond = page.offset + len(page.entries)
        note = (
            f"\n(Showing {len(page.entries)} of {page.total} entries. "
            f"Use 'offset' parameter to read beyond entry {beyond})"
        )
    else:
        note = f"\n({page.total} entries)"
    entries = "\n".join(page.entries)
    return f"<path>{path}</path>\n<type>directory</type>\n<entries>\n{entries}\n{note}\n</entries>"


def _footer(page: Page, max_bytes: int) -> str:
    if page.cut == "bytes":
        size = f"{max_bytes / 1024:g} KB"
        return (
            f"(Output capped at {size}. Showing lines {page.first}-{page.last}. "
            f"Use offset={page.last + 1} to continue.)"
        )
    if page.cut == "limit":
        of_total = "" if page.total is None else f" of {page.total}"
        return f"(Showing lines {page.first}-{page.last}{of_total}. Use offset={page.last + 1} to continue.)"
    return f"(End of file - total {page.total} lines)"


def _with_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _count_lines(plain: str) -> int:
    return plain.count("\n") + (1 if plain and not plain.endswith("\n") else 0)


def _take(plain: str, *, skip: int, limit: int, max_bytes: int) -> tuple[list[str], bool]:
    """Return up to `limit` lines behind the first `skip`, and whether `max_bytes` ended them."""
    position = _start_of_line(plain, skip)
    lines: list[str] = []
    size = 0
    while len(lines) < limit and position < len(plain):
        end = plain.find("\n", position)
        end = len(plain) if end == -1 else end
        line = _cut_line(plain[position : min(end, position + MAX_LINE_UNITS + 1)])
        size += len(line.encode("utf-8", "surrogatepass")) + (1 if lines else 0)
        if size > max_bytes:
            return lines, True
        lines.append(line)
        position = end + 1
    return lines, False


def _start_of_line(plain: str, index: int) -> int:
    """Return where line number `index`, counted from 0, begins; whole blocks are counted first."""
    position = 0
    while index > 0:
        n_in_block = plain.count("\n", position, position + _BLOCK)
        if n_in_block >= index:
            break
        index -= n_in_block
        position += _BLOCK
        if position >= len(plain):
            return len(plain)
    for _ in range(index):
        position = plain.find("\n", position) + 1
    return position


def _cut_line(line: str) -> str:
    n_units = len(line) + (0 if line.isascii() else sum(1 for character in line if character > "\uffff"))
    if n_units <= MAX_LINE_UNITS:
        return line
    kept = line[:MAX_LINE_UNITS]
    while len(kept) + sum(1 for character in kept if character > "\uffff") > MAX_LINE_UNITS:
        kept = kept[:-1]
    return kept + CUT_SUFFIX
