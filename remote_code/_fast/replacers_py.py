"""The nine replacers of OpenCode's matcher in plain Python: the twin of `_matcher.pyx`, written to be obviously right.

A replacer takes the file's text and the text to find, and yields spans of the file, start and end. Lines end at "\\n"
only. Source: OpenCode 1.18.33, edit tool.
"""

import itertools
import re
from collections.abc import Callable, Iterator

from remote_code._fast.javascript import (
    WHITE_SPACE,
    code_units,
    collapse,
    indent_width,
    length,
    split_words,
    trim,
)
from remote_code._fast.limits import MAX_BLOCK_COMPARISONS

ACCEPTED_SIMILARITY = 0.65
"""What the inner lines of a block must reach, for one candidate as for the best of several."""

_ESCAPES = re.compile(r"""\\([ntr'"`\\\n$])""")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


Span = tuple[int, int]


class _Lines:
    """The lines of a text, and where they are in it."""

    def __init__(self, text: str) -> None:
        self.raw = text.split("\n")
        self.trimmed = [trim(line) for line in self.raw]
        self._starts = list(itertools.accumulate((len(line) + 1 for line in self.raw), initial=0))

    def span(self, first: int, last: int) -> Span:
        """Return the span of the lines `first` to `last`, without the newline after them."""
        return self._starts[first], self._starts[last] + len(self.raw[last])

    def windows(self, n_lines: int) -> Iterator[tuple[str, Span]]:
        """Yield the text and the span of every run of `n_lines` lines."""
        for start in range(len(self.raw) - n_lines + 1):
            yield "\n".join(self.raw[start : start + n_lines]), self.span(start, start + n_lines - 1)


def simple(content: str, find: str) -> Iterator[Span]:
    """Yield the first place of `find` itself."""
    yield from _first_place(content, find)


def line_trimmed(content: str, find: str) -> Iterator[Span]:
    """Yield each run of lines that equal those of `find` when both are trimmed."""
    lines = _Lines(content)
    wanted = _wanted_lines(find)
    for start in range(len(lines.raw) - len(wanted) + 1):
        if lines.trimmed[start : start + len(wanted)] == wanted:
            yield lines.span(start, start + len(wanted) - 1)


def block_anchor(content: str, find: str) -> Iterator[Span]:
    """Yield the one block whose first and last line fit and whose inner lines are similar enough."""
    if find.count("\n") < 2:
        return
    wanted = _wanted_lines(find)
    lines = _Lines(content)
    tolerance = max(1, len(wanted) // 4)
    blocks = [
        (first, last)
        for first, last in _anchored_blocks(lines.trimmed, wanted)
        if abs((last - first + 1) - len(wanted)) <= tolerance
    ]
    if sum(min(last - first + 1, len(wanted)) - 2 for first, last in blocks) > MAX_BLOCK_COMPARISONS:
        return
    measure = _running_similarity if len(blocks) == 1 else _mean_similarity
    best: tuple[int, int] | None = None
    best_similarity = -1.0
    for first, last in blocks:
        similarity = measure(lines.trimmed[first : last + 1], wanted)
        if similarity > best_similarity:
            best, best_similarity = (first, last), similarity
    if best is not None and best_similarity >= ACCEPTED_SIMILARITY:
        yield lines.span(*best)


def white_space_normalized(content: str, find: str) -> Iterator[Span]:
    """Yield lines, parts of lines, then blocks that equal `find` when runs of white space count as one space."""
    wanted = collapse(find)
    words = re.compile(f"[{WHITE_SPACE}]+".join(re.escape(word) for word in split_words(trim(find))))
    lines = _Lines(content)
    for line, (start, end) in lines.windows(1):
        collapsed = collapse(line)
        if collapsed == wanted:
            yield start, end
        elif wanted in collapsed:
            match = words.search(line)
            if match:
                yield start + match.start(), start + match.end()
    if "\n" in find:
        for block, span in lines.windows(find.count("\n") + 1):
            if collapse(block) == wanted:
                yield span


def indentation_flexible(content: str, find: str) -> Iterator[Span]:
    """Yield each run of lines that equals `find` once the common indentation of both is taken away."""
    wanted = _dedent(find)
    for block, span in _Lines(content).windows(find.count("\n") + 1):
        if _dedent(block) == wanted:
            yield span


def escape_normalized(content: str, find: str) -> Iterator[Span]:
    """Yield what equals `find` after its escape sequences, and those of the file, are resolved."""
    wanted = unescape(find)
    yield from _first_place(content, wanted)
    for block, span in _Lines(content).windows(wanted.count("\n") + 1):
        if unescape(block) == wanted:
            yield span


def trimmed_boundary(content: str, find: str) -> Iterator[Span]:
    """Yield the first place of `find` trimmed, then runs of lines that equal it when trimmed as a whole."""
    wanted = trim(find)
    if wanted == find:
        return
    yield from _first_place(content, wanted)
    for block, span in _Lines(content).windows(find.count("\n") + 1):
        if trim(block) == wanted:
            yield span


def context_aware(content: str, find: str) -> Iterator[Span]:
    """Yield each block of the right length whose ends fit and of whose inner lines at least half are equal."""
    if find.count("\n") < 2:
        return
    wanted = _wanted_lines(find)
    lines = _Lines(content)
    for first, last in _anchored_blocks(lines.trimmed, wanted):
        if last - first + 1 != len(wanted):
            continue
        pairs = list(zip(lines.trimmed[first + 1 : last], wanted[1:-1], strict=True))
        n_counted = sum(1 for ours, theirs in pairs if ours or theirs)
        n_equal = sum(1 for ours, theirs in pairs if ours and ours == theirs)
        if n_counted == 0 or n_equal / n_counted >= 0.5:
            yield lines.span(first, last)


def multi_occurrence(content: str, find: str) -> Iterator[Span]:
    """Yield each place where `find` stands, none overlapping the one before."""
    start = content.find(find)
    while start != -1:
        yield start, start + len(find)
        start = content.find(find, start + max(1, len(find)))


Replacer = Callable[[str, str], Iterator[Span]]

REPLACERS: tuple[tuple[str, Replacer], ...] = (
    ("Simple", simple),
    ("LineTrimmed", line_trimmed),
    ("BlockAnchor", block_anchor),
    ("WhitespaceNormalized", white_space_normalized),
    ("IndentationFlexible", indentation_flexible),
    ("EscapeNormalized", escape_normalized),
    ("TrimmedBoundary", trimmed_boundary),
    ("ContextAware", context_aware),
    ("MultiOccurrence", multi_occurrence),
)
"""OpenCode's names, in its order."""


def levenshtein(ours: str, theirs: str) -> int:
    """Return the edit distance of two strings, in UTF-16 code units.

    Time O(len(ours) * len(theirs)), memory O(len(theirs)). Source: Wagner and Fischer, 1974.
    """
    target = code_units(theirs)
    row = list(range(len(target) + 1))
    for i, unit in enumerate(code_units(ours), start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(target, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (unit != other))
    return row[-1]


def _first_place(content: str, text: str) -> Iterator[Span]:
    start = content.find(text)
    if start != -1:
        yield start, start + len(text)


def _wanted_lines(find: str) -> list[str]:
    """Return the trimmed lines of `find` without the empty one that a final newline leaves."""
    lines = find.split("\n")
    return [trim(line) for line in (lines[:-1] if lines[-1] == "" else lines)]


def _anchored_blocks(trimmed: list[str], wanted: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and last line of each block: from a first anchor to the nearest last anchor two lines on."""
    next_end: list[int | None] = [None] * (len(trimmed) + 2)
    for index in range(len(trimmed) - 1, -1, -1):
        next_end[index] = index if trimmed[index] == wanted[-1] else next_end[index + 1]
    for start, line in enumerate(trimmed):
        end = next_end[start + 2] if start + 2 < len(trimmed) else None
        if line == wanted[0] and end is not None:
            yield start, end


def _inner_pairs(block: list[str], wanted: list[str]) -> Iterator[tuple[str, str]]:
    yield from zip(block[1:-1], wanted[1:-1], strict=False)


def _mean_similarity(block: list[str], wanted: list[str]) -> float:
    n_compared = min(len(block), len(wanted)) - 2
    if n_compared <= 0:
        return 1.0
    total = 0.0
    for ours, theirs in _inner_pairs(block, wanted):
        longest = max(length(ours), length(theirs))
        if longest:
            total += 1 - levenshtein(ours, theirs) / longest
    return total / n_compared


def _running_similarity(block: list[str], wanted: list[str]) -> float:
    """Add up as OpenCode does for a single candidate: shares of the mean, ending once they suffice."""
    n_compared = min(len(block), len(wanted)) - 2
    if n_compared <= 0:
        return 1.0
    total = 0.0
    for ours, theirs in _inner_pairs(block, wanted):
        longest = max(length(ours), length(theirs))
        if longest == 0:
            continue
        total += (1 - levenshtein(ours, theirs) / longest) / n_compared
        if total >= ACCEPTED_SIMILARITY:
            break
    return total


def _dedent(text: str) -> str:
    lines = text.split("\n")
    widths = [indent_width(line) for line in lines if trim(line)]
    if not widths:
        return text
    cut = min(widths)
    return "\n".join(line[cut:] if trim(line) else line for line in lines)


def unescape(text: str) -> str:
    """Return `text` with OpenCode's escape sequences resolved; other backslashes stay."""
    return _ESCAPES.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)
