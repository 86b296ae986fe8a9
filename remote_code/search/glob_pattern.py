"""ripgrep's globs as POSIX regular expressions on bytes, for machines without ripgrep. Pure.

The rules are those of a gitignore line (crates `ignore` and `globset`): a pattern without a slash fits the last part of
a path, one with a slash the whole of it; `*` and `?` stop at slashes, `**` between slashes does not.
"""

import re
from dataclasses import dataclass

from remote_code.errors import SearchFailed


@dataclass(frozen=True, slots=True)
class GlobPattern:
    """A glob, ready for `awk`."""

    regex: str
    """Anchored POSIX extended regular expression; bytes that are not ASCII stand in it as they are."""
    is_negated: bool = False
    """Whether the pattern names what is to be left out (`!*.log`)."""
    is_for_directories: bool = False
    """Whether it fits directories only (`src/`), and so no file."""
    is_empty: bool = False
    """Whether it names nothing at all, which leaves all that is not hidden."""


def parse_glob(pattern: str) -> GlobPattern:
    """Return the regular expression for a glob.

    Raises:
        SearchFailed: the glob cannot be parsed; the message is ripgrep's.
    """
    text = pattern if pattern.endswith("\\ ") else pattern.rstrip(" \t\n\r\v\f")
    is_negated = text.startswith("!")
    if is_negated:
        text = text[1:]
    if not text or text.startswith("#"):
        return GlobPattern("", is_empty=True)
    if text.startswith(("\\!", "\\#")):
        text = text[1:]
    is_anchored = text.startswith("/")
    text = text.removeprefix("/")
    is_for_directories = text.endswith("/")
    text = text.removesuffix("/")
    if text == "**":
        return GlobPattern("", is_negated, is_for_directories)
    if not is_anchored and "/" not in text:
        text = "**/" + text
    if text.endswith("/**"):
        text += "/*"
    return GlobPattern(f"^{_Parser(text, pattern).alternative()}$", is_negated, is_for_directories)


_PREFIX, _SUFFIX, _BETWEEN, _STAR, _SLASH = "(/?|.*/)", "/.*", "(/|/.*/)", "[^/]*", "/"


class _Parser:
    """Reads a glob from left to right; each alternative of a group has its own list of parts."""

    def __init__(self, text: str, whole: str) -> None:
        self._text = text
        self._whole = whole
        self._position = 0
        self._depth = 0

    def alternative(self) -> str:
        """Read up to the end of the text, or of the alternative, and return its expression."""
        parts: list[str] = []
        while self._position < len(self._text):
            character = self._text[self._position]
            if self._depth and character in ",}":
                break
            self._position += 1
            if character == "*":
                self._star(parts)
            elif character == "?":
                parts.append("[^/]")
            elif character == "[":
                parts.append(self._character_class())
            elif character == "{":
                parts.append(self._group())
            elif character == "\\":
                parts.append(escape(self._next("dangling '\\'")))
            else:
                parts.append(escape(character))
        return "".join(parts)

    def _star(self, parts: list[str]) -> None:
        if self._peek() != "*":
            parts.append(_STAR)
            return
        self._position += 1
        following = self._peek()
        ends = following == "" or (self._depth > 0 and following in ",}")
        if not parts:
            if not ends and following != "/":
                parts += [_STAR, _STAR]
                return
            if following == "/":
                self._position += 1
            parts.append(_PREFIX)
            return
        if parts[-1] not in {_SLASH, _PREFIX, _BETWEEN} or (not ends and following != "/"):
            parts += [_STAR, _STAR]
            return
        if following == "/":
            self._position += 1
        last = parts.pop()
        if last == _PREFIX:
            parts.append(_PREFIX)
        else:
            parts.append(_SUFFIX if ends else _BETWEEN)

    def _group(self) -> str:
        self._depth += 1
        alternatives = []
        while True:
            alternatives.append(self.alternative())
            end = self._next("unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)")
            if end == "}":
                break
        self._depth -= 1
        # ripgrep drops empty alternatives: `a{,b}` fits "ab" alone.
        full = "|".join(alternative for alternative in alternatives if alternative)
        return f"({full})" if full else ""

    def _character_class(self) -> str:
        unclosed = "unclosed character class; missing ']'"
        is_negated = self._peek() in {"!", "^"}
        if is_negated:
            self._position += 1
        members: set[int] = set()
        is_first = True
        while True:
            low = self._next(unclosed)
            if low == "]" and not is_first:
                break
            is_first = False
            if self._peek() == "-" and self._text[self._position + 1 : self._position + 2] not in {"", "]"}:
                self._position += 1
                high = self._next(unclosed)
                if low > high:
                    raise self._error(f"invalid range; '{low}' > '{high}'")
                members.update(range(ord(low), min(ord(high), 0xFF) + 1))
            else:
                members.update(low.encode("utf-8", "surrogateescape"))
        return bracket(members, is_negated=is_negated)

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _next(self, problem: str) -> str:
        character = self._peek()
        if not character:
            raise self._error(problem)
        self._position += 1
        return character

    def _error(self, problem: str) -> SearchFailed:
        return SearchFailed(f"error parsing glob '{self._whole}': {problem}", pattern=self._whole, stderr=problem)


def escape(character: str) -> str:
    """Return a character as a POSIX extended regular expression that fits it alone."""
    if character == "\n":
        return "\1"  # As names are lines on the remote.
    return f"\\{character}" if re.match(r"[.\[\]{}()*+?^$|\\]", character) else character


def bracket(members: set[int], *, is_negated: bool) -> str:
    """Return a bracket expression for a set of bytes; right for awk too, whose brackets know the backslash."""
    if not members:
        return "." if is_negated else "[^\1-\udcff]"
    if len(members) == 1 and not is_negated:
        return escape(_span(*members, *members))
    special = "[]^-\\"
    inner = "".join(_span(*run) for run in _runs(members - {ord(character) for character in special}))
    # Behind all others, `[` begins none of POSIX's `[.`, `[:` and `[=`; a first `^` would negate.
    ends = {"]": "", "\\": "\\\\", "[": "[", "^": "^", "-": "-"}
    end = "".join(shown for character, shown in ends.items() if ord(character) in members)
    start = "]" if ord("]") in members else ""
    body = "-^" if not is_negated and not start + inner and end == "^-" else start + inner + end
    return f"[{'^' if is_negated else ''}{body}]"


def _runs(members: set[int]) -> list[tuple[int, int]]:
    """Return the members as ranges, in order."""
    runs: list[tuple[int, int]] = []
    for byte in sorted(members - {0}):
        if runs and byte == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], byte)
        else:
            runs.append((byte, byte))
    return runs


def _span(low: int, high: int) -> str:
    first, last = (bytes([byte]).decode("utf-8", "surrogateescape") for byte in (low, high))
    return first if low == high else f"{first}-{last}"
