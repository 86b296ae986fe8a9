"""Apply hunks to a text: find the old lines, exactly or nearly, and keep every byte of the lines that stay."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from remote_code._fast.javascript import WHITE_SPACE
from remote_code.errors import PatchRejected
from remote_code.text.newline import CRLF, LF, prevailing_style

Mark = Literal[" ", "-", "+", ""]
"""Context, old, new; the empty mark is a bare empty line, which is context where that fits and else nothing."""


@dataclass(frozen=True, slots=True)
class HunkLine:
    """One line of a hunk, without its mark and newline."""

    mark: Mark
    text: str
    ends_without_newline: bool = False
    """Whether the patch says that no newline follows this line."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that belong together."""

    lines: tuple[HunkLine, ...]
    number: int
    """1-based within its section."""
    patch_line: int | None = None
    """1-based line of the patch where it starts."""
    context: str | None = None
    """A line of the file behind which the old lines are looked for (`@@ class A`)."""
    is_at_end: bool = False
    """Whether the old lines are the last of the file (`*** End of File`)."""
    old_start: int | None = None
    """Where a unified diff says that the old lines start: index from 0, before the hunks above are applied."""

    @property
    def old(self) -> list[str]:
        """The lines that must be there."""
        return [line.text for line in self.lines if line.mark != "+"]


MAX_LINES = 2_000_000
"""A file with more newlines is not patched: each line becomes an object."""


class _Lines:
    """The lines of a text, split at LF; a CR before it stays at the line's end."""

    def __init__(self, text: str) -> None:
        self.raw = text.split(LF)
        self.n_ended = len(self.raw) - 1
        """How many lines end with a newline: all but a last one that does not."""
        if self.raw[-1] == "":
            self.raw.pop()

    def bodies(self) -> list[str]:
        """Return the lines without their newlines."""
        return [line.removesuffix("\r") for line in self.raw] if any("\r" in line for line in self.raw) else self.raw

    def whole(self, start: int, end: int) -> str:
        """Return some lines with their newlines."""
        text = LF.join(self.raw[start:end])
        return text + LF if start < end <= self.n_ended else text

    def ending(self, index: int) -> str | None:
        """Return the newline of a line, None if it has none."""
        if index >= self.n_ended:
            return None
        return CRLF if self.raw[index].endswith("\r") else LF


def apply_hunks(text: str, hunks: Sequence[Hunk], *, path: str) -> str:
    """Return `text` with all hunks applied, in order of the file.

    New lines take the newline style of their neighbours. A last line without newline stays so unless the patch
    replaces it or adds lines behind it; what it says about the last newline holds.

    Raises:
        PatchRejected: lines were not found, with `path`, `hunk` and `line`; or the text has too many lines.
    """
    if text.count(LF) > MAX_LINES:
        raise PatchRejected(f'cannot patch "{path}": it has more than {MAX_LINES} lines; use edit', path=path)
    newline = prevailing_style(text) or LF
    lines = _Lines(text)
    seeker = _Seeker(lines.bodies())
    result: list[str] = []
    done = 0
    for hunk in hunks:
        start, reading = _find(seeker, hunk, done, path)
        _emit(result, lines.whole(done, start), newline)
        done = start + len(reading.old)
        _replay(reading, lines, start, result, newline)
    _emit(result, lines.whole(done, len(lines.raw)), newline)
    return "".join(result)


def _emit(result: list[str], text: str, newline: str) -> None:
    """Append some lines, behind a newline if the line before has none."""
    if not text:
        return
    if result and not result[-1].endswith(LF):
        result.append(newline)
    result.append(text)


def _replay(hunk: Hunk, lines: _Lines, start: int, result: list[str], newline: str) -> None:
    """Append what the hunk makes of the old lines from `start` on."""
    index = start
    ending = lines.ending(start) or (lines.ending(start - 1) if start else None) or newline
    for line in hunk.lines:
        if line.mark == "+":
            _emit(result, line.text + ("" if line.ends_without_newline else ending), newline)
            continue
        ending = lines.ending(index) or ending
        if line.mark != "-":
            _emit(result, lines.whole(index, index + 1), newline)
        index += 1


def _find(seeker: "_Seeker", hunk: Hunk, done: int, path: str) -> tuple[int, Hunk]:
    """Return where the hunk's old lines start, and the hunk in the reading that fits."""
    start = done
    if hunk.context is not None:
        found = seeker.first([hunk.context], done)
        if found is None:
            raise _rejected(f"Failed to find context '{hunk.context}' in {path}", hunk, path)
        start = found + 1
    for reading in _readings(hunk):
        found = _seek(seeker, reading, start)
        if found is not None:
            return found, reading
    raise _rejected(f"Failed to find expected lines in {path}:\n" + "\n".join(hunk.old), hunk, path)


def _rejected(message: str, hunk: Hunk, path: str) -> PatchRejected:
    place = f"hunk {hunk.number}" + ("" if hunk.patch_line is None else f", line {hunk.patch_line} of the patch")
    return PatchRejected(f"{message}\n({place})", path=path, hunk=hunk.number, line=hunk.patch_line)


def _readings(hunk: Hunk) -> list[Hunk]:
    """Return the ways to read a hunk, the most literal first.

    Bare empty lines are context, or mean nothing; an empty old line at the end may be the end of the file's last
    newline rather than a line.
    """
    as_context = replace(hunk, lines=tuple(replace(line, mark=line.mark or " ") for line in hunk.lines))
    as_nothing = replace(hunk, lines=tuple(line for line in hunk.lines if line.mark))
    readings = [as_context, as_nothing] if as_nothing.old or not as_context.old else [as_nothing]
    return readings + [_without_last_empty(reading) for reading in readings if reading.old[-1:] == [""]]


def _without_last_empty(hunk: Hunk) -> Hunk:
    lines = list(hunk.lines)
    last_old = max(index for index, line in enumerate(lines) if line.mark != "+")
    is_kept = lines.pop(last_old).mark == " "
    if not is_kept and lines and lines[-1] == HunkLine("+", ""):
        lines.pop()
    return replace(hunk, lines=tuple(lines))


def _seek(seeker: "_Seeker", hunk: Hunk, start: int) -> int | None:
    wanted = hunk.old
    if not wanted:
        return _insertion_place(seeker.n_lines, hunk, start)
    if hunk.is_at_end:
        at_end = seeker.first(wanted, max(start, seeker.n_lines - len(wanted)))
        if at_end is not None:
            return at_end
    if hunk.old_start is not None:
        return seeker.nearest(wanted, start, hunk.old_start)
    return seeker.first(wanted, start)


def _insertion_place(n_lines: int, hunk: Hunk, start: int) -> int | None:
    """Return where lines go that replace none: at the place named, behind the context line, or at the end."""
    if not hunk.lines:
        return start
    if hunk.old_start is not None:
        return hunk.old_start if start <= hunk.old_start <= n_lines else None
    return start if hunk.context is not None and not hunk.is_at_end else n_lines


_FOLDS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015", "-"),
        "\u2026": "...",
        "\u00a0": " ",
    }
)


def _fold(line: str) -> str:
    return line.strip(WHITE_SPACE).translate(_FOLDS)


_VIEWS: tuple[Callable[[str], str], ...] = (
    str,
    lambda line: line.rstrip(WHITE_SPACE),
    lambda line: line.strip(WHITE_SPACE),
    _fold,
)
"""How lines are compared: as they are, then with ever less regard to white space and typography."""


class _Seeker:
    """Finds runs of lines in one text; the last view of its lines is kept, one is enough of a large file."""

    def __init__(self, bodies: list[str]) -> None:
        self.n_lines = len(bodies)
        self._bodies = bodies
        self._view: tuple[int, list[str]] = (0, bodies)

    def first(self, wanted: list[str], start: int) -> int | None:
        """Return the first place from `start` on, in the strictest view that has one."""
        for view in range(len(_VIEWS)):
            for place in _places(self._seen(view), self._through(view, wanted), start):
                return place
        return None

    def nearest(self, wanted: list[str], start: int, expected: int) -> int | None:
        """Return the place from `start` on that is nearest to `expected`, in the strictest view that has one."""
        if expected >= start and self._bodies[expected : expected + len(wanted)] == wanted:
            return expected
        for view in range(len(_VIEWS)):
            places = _places(self._seen(view), self._through(view, wanted), start)
            nearest = min(places, key=lambda place: (abs(place - expected), place), default=None)
            if nearest is not None:
                return nearest
        return None

    def _seen(self, view: int) -> list[str]:
        if view == 0:
            return self._bodies
        if self._view[0] != view:
            self._view = (0, self._bodies)
            self._view = (view, self._through(view, self._bodies))
        return self._view[1]

    def _through(self, view: int, lines: list[str]) -> list[str]:
        return list(map(_VIEWS[view], lines)) if view else lines


def _places(lines: list[str], wanted: list[str], start: int) -> Iterator[int]:
    """Yield where `wanted` stands in `lines` from `start` on. Source: Knuth, Morris and Pratt, 1977."""
    try:
        start = lines.index(wanted[0], start)
    except ValueError:
        return
    overlap = [0] * len(wanted)
    size = 0
    for index in range(1, len(wanted)):
        while size and wanted[index] != wanted[size]:
            size = overlap[size - 1]
        size += wanted[index] == wanted[size]
        overlap[index] = size
    size = 0
    for index in range(start, len(lines)):
        while size and (size == len(wanted) or lines[index] != wanted[size]):
            size = overlap[size - 1]
        size += lines[index] == wanted[size]
        if size == len(wanted):
            yield index - size + 1
