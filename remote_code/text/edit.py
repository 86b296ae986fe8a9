"""What an edit or a whole-file write makes of a file's bytes."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from remote_code._fast import locate, places
from remote_code.errors import EditAmbiguous, NoChange
from remote_code.text.codec import BOM_CHARACTER, Decoded, decode, encode
from remote_code.text.newline import prevailing_style, style_of, to_lf, to_style

_MAX_NAMED_LINES = 20
_UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class LineRange:
    """Lines, 1-based and inclusive."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Edited:
    """A file after an edit."""

    contents: bytes
    count: int
    """How many places were replaced."""
    ranges: tuple[LineRange, ...]
    """The lines of the new text that hold the replacements, in order."""
    before: str
    after: str
    """The texts, without BOM."""

    @property
    def old_text(self) -> str:
        """The text before, with LF line ends, for a preview."""
        return to_lf(self.before)

    @property
    def new_text(self) -> str:
        """The text after, with LF line ends, for a preview."""
        return to_lf(self.after)


def apply_edit(data: bytes, old: str, new: str, *, replace_all: bool = False) -> Edited:
    """Replace `old` by `new` in a file, found exactly or by OpenCode's replacers, and keep every other byte.

    Both texts are taken in the file's newline style. A fuzzy match that takes in the CR of its last line leaves it.

    Raises:
        NoChange, OldStringEmpty, EditNotFound, EditTooLarge: as `_fast.replace`.
        EditAmbiguous: also where the first replacer that finds anything finds two places with different text.
        EncodingUnsupported: `new` cannot be written in the file's encoding.
    """
    if old == new:
        raise NoChange("No changes to apply: oldString and newString are identical.")
    decoded = decode(data)
    newline = style_of(decoded.text)
    wanted, replacement = to_style(old, newline), to_style(new, newline)
    start, end = _locate_one_text(decoded.text, wanted, replace_all=replace_all)
    found = decoded.text[start:end]
    if found.endswith("\r") and not wanted.endswith("\r"):
        replacement += "\r"
    starts = list(_occurrences(decoded.text, found)) if replace_all else [start]
    text, ranges = _splice(decoded.text, starts, len(found), replacement)
    return Edited(
        contents=_encode_with_bom(text, like=decoded),
        count=len(starts),
        ranges=ranges,
        before=decoded.text,
        after=text.removeprefix(BOM_CHARACTER),
    )


def new_contents(content: str, *, existing: bytes | None) -> bytes:
    """Return the bytes of a file that is written whole.

    A new file is UTF-8, with a BOM if `content` starts with one. An existing file keeps its BOM, its encoding and, if
    any of its lines ends, its prevailing newline style; a BOM in `content` is added to an existing Unicode file.

    Raises:
        EncodingUnsupported: `content` has a character that the existing file's encoding has not.
    """
    if existing is None:
        return _encode_with_bom(content, like=Decoded("", "utf-8"))
    decoded = decode(existing)
    newline = prevailing_style(decoded.text)
    return _encode_with_bom(content if newline is None else to_style(content, newline), like=decoded)


def _encode_with_bom(text: str, *, like: Decoded) -> bytes:
    """Encode `text`, whose own leading BOM counts like the file's and is never doubled."""
    if not text.startswith(BOM_CHARACTER):
        return encode(text, like=like)
    bom = _UTF8_BOM if like.encoding == "utf-8" else like.bom
    return encode(text.removeprefix(BOM_CHARACTER), like=Decoded("", like.encoding, bom))


def _locate_one_text(content: str, old: str, *, replace_all: bool) -> tuple[int, int]:
    """Return the place of the edit, unless the first replacer that finds anything finds differing places.

    Of two places that one contains the other, as a trimmed text and its whole line, both mean the same.
    """
    try:
        located = locate(content, old, replace_all)
    except EditAmbiguous as exc:
        raise EditAmbiguous(exc.message, matches=_lines_of(content, old)) from None
    first: tuple[str, int, int] | None = None
    for name, start, end in places(content, old):
        if first is None:
            first = name, start, end
            if name == "Simple":
                break
        elif name != first[0]:
            break
        elif not _is_one_within_other((start, end), first[1:]):
            raise _differing_places(content, first[1], start)
    return located


def _lines_of(content: str, text: str) -> list[str]:
    """Return the numbers of the first lines where `text` stands exactly, at most `_MAX_NAMED_LINES`."""
    numbers: list[str] = []
    line, position = 1, 0
    for start in itertools.islice(_occurrences(content, text), _MAX_NAMED_LINES):
        line += content.count("\n", position, start)
        position = start
        numbers.append(str(line))
    return numbers


def _is_one_within_other(ours: tuple[int, int], theirs: tuple[int, int]) -> bool:
    (inner_start, inner_end), (outer_start, outer_end) = sorted((ours, theirs), key=lambda span: span[1] - span[0])
    return outer_start <= inner_start and inner_end <= outer_end


def _differing_places(content: str, first: int, second: int) -> EditAmbiguous:
    lines = [content.count("\n", 0, position) + 1 for position in (first, second)]
    return EditAmbiguous(
        "Found multiple matches for oldString. Provide more surrounding context to make the match unique. "
        f"(It fits line {lines[0]} and line {lines[1]}, each with other white space.)",
        matches=[str(line) for line in lines],
    )


def _occurrences(content: str, text: str) -> Iterator[int]:
    start = content.find(text)
    while start != -1:
        yield start
        start = content.find(text, start + len(text))


def _splice(content: str, starts: list[int], size: int, replacement: str) -> tuple[str, tuple[LineRange, ...]]:
    pieces: list[str] = []
    ranges: list[LineRange] = []
    line = 1
    position = 0
    n_inserted = replacement.count("\n")
    for start in starts:
        pieces += [content[position:start], replacement]
        line += content.count("\n", position, start)
        ends_line = replacement.endswith("\n")
        ranges.append(LineRange(line, line + n_inserted - (1 if ends_line else 0)))
        line += n_inserted
        position = start + size
    pieces.append(content[position:])
    return "".join(pieces), tuple(ranges)
