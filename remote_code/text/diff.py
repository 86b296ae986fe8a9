"""Unified diffs as OpenCode shows them, and the counts of added and deleted lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from remote_code._fast.javascript import WHITE_SPACE
from remote_code.text.linediff import matching_runs

CONTEXT_LINES = 4
_LARGE_CHARACTERS = 2**20
_LARGE_LINES = 200_000
"""What differs in a text of more characters and lines is not compared line by line, but shown as replaced."""
_NO_NEWLINE = "\\ No newline at end of file"
_INDENT = re.compile(f"[{WHITE_SPACE}]*")


@dataclass(frozen=True, slots=True)
class _Change:
    """Lines `old_start` to `old_end` became `new_start` to `new_end`; 0-based, ends excluded."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int


def unified(label: str, old: str, new: str) -> str:
    """Return the preview of a change: `Index:`, the file names, hunks, common indentation taken away.

    Source: jsdiff's createTwoFilesPatch with four lines of context, then OpenCode's trimDiff.
    """
    head = [f"Index: {label}", "=" * 67, f"--- {label}", f"+++ {label}"]
    return _trim_common_indent("\n".join([*head, *_hunk_lines(old, new, CONTEXT_LINES)]) + "\n")


def count_changes(old: str, new: str) -> tuple[int, int]:
    """Return how many lines were added and how many were deleted."""
    n_before, n_after = _common_ends(old, new)
    old, new = old[n_before : len(old) - n_after], new[n_before : len(new) - n_after]
    if _is_large(old) or _is_large(new):
        return _count_lines(new), _count_lines(old)
    changes = _changes(_split_lines(old), _split_lines(new))
    return (
        sum(change.new_end - change.new_start for change in changes),
        sum(change.old_end - change.old_start for change in changes),
    )


def short(old: str, new: str, *, max_lines: int = 40, max_line_length: int = 200) -> str:
    """Return the hunks of a change with little context, for a message: bounded in lines and in their length."""
    lines = _hunk_lines(old, new, 1)
    shown = [line if len(line) <= max_line_length else line[:max_line_length] + "…" for line in lines[:max_lines]]
    if len(lines) > max_lines:
        shown.append(f"… {len(lines) - max_lines} more lines of difference")
    return "\n".join(shown)


def _split_lines(text: str) -> list[str]:
    """Split into lines with their newlines; only LF ends a line, and the last may have none."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _changes(old: list[str], new: list[str]) -> list[_Change]:
    changes: list[_Change] = []
    old_end = new_end = 0
    for run in matching_runs(old, new):
        if (old_end, new_end) != (run.old_start, run.new_start):
            changes.append(_Change(old_end, run.old_start, new_end, run.new_start))
        old_end, new_end = run.old_start + run.size, run.new_start + run.size
    if (old_end, new_end) != (len(old), len(new)):
        changes.append(_Change(old_end, len(old), new_end, len(new)))
    return changes


def _hunk_lines(old_text: str, new_text: str, n_context: int) -> list[str]:
    """Return the lines of all hunks; of large texts what differs is one hunk, a side of it one item of the list."""
    n_before, n_after = _common_ends(old_text, new_text)
    old_middle, new_middle = (text[n_before : len(text) - n_after] for text in (old_text, new_text))
    if _is_large(old_middle) or _is_large(new_middle):
        return _one_hunk(old_text, (n_before, n_after), (old_middle, new_middle), n_context)
    before = _last_lines(old_text[:n_before], n_context)
    after = _first_lines(old_text[len(old_text) - n_after :], n_context)
    old, new = _split_lines(before + old_middle + after), _split_lines(before + new_middle + after)
    n_skipped = old_text.count("\n", 0, n_before - len(before))
    lines: list[str] = []
    for group in _groups(_changes(old, new), n_context):
        lines += _hunk(group, old, new, n_context, n_skipped)
    return lines


def _one_hunk(old_text: str, common: tuple[int, int], middles: tuple[str, str], n_context: int) -> list[str]:
    n_before, n_after = common
    before = _last_lines(old_text[:n_before], n_context)
    after = _first_lines(old_text[len(old_text) - n_after :], n_context)
    start = old_text.count("\n", 0, n_before - len(before))
    old_size, new_size = (_count_lines(before + after) + _count_lines(middle) for middle in middles)
    lines = [f"@@ -{_range(start, start + old_size)} +{_range(start, start + new_size)} @@"]
    lines += _marked(" ", _split_lines(before))
    for mark, middle in zip("-+", middles, strict=True):
        if middle:
            lines.append(mark + middle.removesuffix("\n").replace("\n", "\n" + mark))
            if not middle.endswith("\n"):
                lines.append(_NO_NEWLINE)
    return lines + _marked(" ", _split_lines(after))


def _common_ends(old: str, new: str) -> tuple[int, int]:
    """Return how many characters both texts begin and end with alike, in whole lines.

    The end is looked at in large texts only: in small ones a shortest script is wanted with jsdiff's choices, and
    those depend on it.
    """
    n_before = old.rfind("\n", 0, _common_length(old, new)) + 1
    if max(len(old), len(new)) <= _LARGE_CHARACTERS:
        return n_before, 0
    room = min(len(old), len(new)) - n_before
    n_after = _common_end_length(old, new, room)
    # The common end begins behind a newline of both texts, or where everything before is common.
    cut = old.find("\n", len(old) - n_after)
    return n_before, 0 if cut == -1 else len(old) - cut - 1


def _common_length(old: str, new: str) -> int:
    """Return the length of the common beginning, by halving: comparing pieces is faster than characters."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end_length(old: str, new: str, room: int) -> int:
    low, high = 0, room
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _last_lines(text: str, n_lines: int) -> str:
    """Return the last lines of a text that ends with a newline."""
    start = len(text)
    for _ in range(n_lines + 1):
        start = text.rfind("\n", 0, start)
        if start == -1:
            return text
    return text[start + 1 :]


def _first_lines(text: str, n_lines: int) -> str:
    end = 0
    for _ in range(n_lines):
        end = text.find("\n", end) + 1
        if end == 0:
            return text
    return text[:end]


def _count_lines(text: str) -> int:
    return text.count("\n") + (1 if text and not text.endswith("\n") else 0)


def _is_large(text: str) -> bool:
    return len(text) > _LARGE_CHARACTERS and text.count("\n") > _LARGE_LINES


def _groups(changes: list[_Change], n_context: int) -> Iterator[list[_Change]]:
    """Join changes whose context would touch or overlap."""
    group: list[_Change] = []
    for change in changes:
        if group and change.old_start - group[-1].old_end > 2 * n_context:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(group: list[_Change], old: list[str], new: list[str], n_context: int, n_skipped: int) -> list[str]:
    n_before = min(n_context, group[0].old_start)
    old_start, new_start = group[0].old_start - n_before, group[0].new_start - n_before
    n_after = min(n_context, len(old) - group[-1].old_end)
    old_end, new_end = group[-1].old_end + n_after, group[-1].new_end + n_after
    ranges = (_range(old_start + n_skipped, old_end + n_skipped), _range(new_start + n_skipped, new_end + n_skipped))
    lines = [f"@@ -{ranges[0]} +{ranges[1]} @@"]
    position = old_start
    for change in group:
        lines += _marked(" ", old[position : change.old_start])
        lines += _marked("-", old[change.old_start : change.old_end])
        lines += _marked("+", new[change.new_start : change.new_end])
        position = change.old_end
    return lines + _marked(" ", old[position:old_end])


def _range(start: int, end: int) -> str:
    """Return start and count of a hunk's side; an empty one names the line before it."""
    return f"{start + (1 if end > start else 0)},{end - start}"


def _marked(mark: str, lines: list[str]) -> list[str]:
    marked = [mark + line.removesuffix("\n") for line in lines]
    if lines and not lines[-1].endswith("\n"):
        marked.append(_NO_NEWLINE)
    return marked


def _trim_common_indent(diff: str) -> str:
    if len(diff) > 4 * _LARGE_CHARACTERS:
        return diff
    lines = diff.split("\n")
    widths = [_indent_width(line) for line in lines if _is_body(line) and line[1:].strip(WHITE_SPACE)]
    n_cut = min(widths, default=0)
    if n_cut == 0:
        return diff
    return "\n".join(line[0] + line[1 + n_cut :] if _is_body(line) else line for line in lines)


def _indent_width(line: str) -> int:
    match = _INDENT.match(line, 1)
    return match.end() - 1 if match else 0


def _is_body(line: str) -> bool:
    return line.startswith(("+", "-", " ")) and not line.startswith(("---", "+++"))
