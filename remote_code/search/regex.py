r"""ripgrep's regular expressions as POSIX extended ones on bytes, for machines without ripgrep. Pure.

The result is for `grep -E` under `LC_ALL=C`, so that it means the same on GNU, BusyBox and BSD: characters that are not
ASCII are spelled as their bytes, and `.` as "one ASCII character, or the bytes of another one". What cannot be said in
POSIX is refused by name. Classes such as `\w` know ASCII only there.
"""

import re
from dataclasses import dataclass, field

from remote_code.errors import SearchFailed
from remote_code.search.glob_pattern import bracket, escape

MAX_REPEAT = 255
"""The largest count of a repetition that every POSIX system knows."""
MAX_CLASS = 512
"""How many characters that are not ASCII a class may list."""

_ASCII = frozenset(range(1, 128)) - {ord("\n")}
_DIGIT = frozenset(b"0123456789")
_WORD = _DIGIT | frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACE = frozenset(b" \t\v\f\r")
_NAMED = {
    "alpha": _WORD - _DIGIT - {ord("_")},
    "digit": _DIGIT,
    "alnum": _WORD - {ord("_")},
    "upper": frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "lower": frozenset(b"abcdefghijklmnopqrstuvwxyz"),
    "space": _SPACE,
    "blank": frozenset(b" \t"),
    "punct": frozenset(byte for byte in range(33, 127)) - _WORD | {ord("_")},
    "xdigit": frozenset(b"0123456789abcdefABCDEF"),
    "word": _WORD,
    "cntrl": frozenset({*range(1, 32), 127}) - {ord("\n")},
    "print": frozenset(range(32, 127)),
    "graph": frozenset(range(33, 127)),
}
_CONTROLS = {"t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


def _bytes(*values: int) -> str:
    return bytes(values).decode("utf-8", "surrogateescape")


def _span(low: int, high: int) -> str:
    return f"[{_bytes(low)}-{_bytes(high)}]"


_NEXT = _span(0x80, 0xBF)
_OTHER = f"{_span(0xC2, 0xDF)}{_NEXT}|{_span(0xE0, 0xEF)}{_NEXT}{_NEXT}|{_span(0xF0, 0xF4)}{_NEXT}{_NEXT}{_NEXT}"
"""The bytes of one character that is not ASCII."""


@dataclass(frozen=True, slots=True)
class PosixRegex:
    """An expression for `grep -E`."""

    text: str
    ignores_case: bool


def to_posix(pattern: str) -> PosixRegex:
    """Return the POSIX expression that matches the same lines.

    Raises:
        SearchFailed: the pattern is wrong, or says something that POSIX cannot; the message names it.
    """
    ignores_case = False
    text = pattern
    flags = re.match(r"\(\?([isUm]+)\)", text)
    if flags:
        ignores_case = "i" in flags[1]
        text = text[flags.end() :]
    parser = _Parser(text, pattern)
    posix = parser.alternatives()
    if parser.rest:
        raise parser.error("unopened group")
    return PosixRegex(posix, ignores_case)


@dataclass
class _Class:
    """A set of characters: ASCII ones, listed others, or all others."""

    ascii: set[int] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    has_all_others: bool = False

    def add(self, low: str, high: str) -> None:
        first, last = ord(low), ord(high)
        self.ascii.update(range(first, min(last, 127) + 1))
        if last > 127:
            self.others.update(chr(code) for code in range(max(first, 128), last + 1))

    def to_posix(self) -> str:
        parts = [bracket(self.ascii, is_negated=False)] if self.ascii else []
        parts += [_OTHER] if self.has_all_others else sorted(self.others)
        if len(parts) == 1 and self.ascii:
            return parts[0]
        return f"({'|'.join(parts)})" if parts else "[^\1-\udcff]"


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, text: str, whole: str) -> None:
        self._text = text
        self._whole = whole
        self._position = 0

    @property
    def rest(self) -> str:
        """What is not read yet."""
        return self._text[self._position :]

    def error(self, problem: str) -> SearchFailed:
        """Return the error for a pattern that is wrong."""
        return SearchFailed(f"regex parse error: {problem} in {self._whole!r}", pattern=self._whole, stderr=problem)

    def alternatives(self) -> str:
        """Read up to the end of the pattern, or of the group."""
        found = [self._sequence()]
        while self._take("|"):
            found.append(self._sequence())
        full = "|".join(alternative for alternative in found if alternative)
        # An empty alternative is none for POSIX: `(a|)` is written `(a)?`.
        return f"({full})?" if full and "" in found else full

    def _sequence(self) -> str:
        parts: list[str] = []
        while self.rest and not self.rest.startswith(("|", ")")):
            parts.append(self._repeated(self._atom()))
        return "".join(parts)

    def _repeated(self, atom: str) -> str:
        while True:
            sign = self._quantifier()
            if not sign:
                return atom
            if atom in {"^", "$", "\\b", "\\B"}:
                raise self._unsupported("a repeated anchor")
            if atom:
                is_unit = len(atom) == 1 or re.fullmatch(r"\\.|\[[^\[\]]+\]", atom) is not None
                atom = f"{atom if is_unit else f'({atom})'}{sign}"

    def _quantifier(self) -> str:
        for sign in "*+?":
            if self._take(sign):
                self._take("?")
                return sign
        if not self.rest.startswith("{"):
            return ""
        match = re.match(r"\{(\d+)(,(\d*))?\}", self.rest)
        if match is None:
            raise self.error("repetition quantifier expects a valid decimal")
        self._position += match.end()
        self._take("?")
        if any(int(count) > MAX_REPEAT for count in (match[1], match[3]) if count):
            raise self._unsupported(f"a repetition of more than {MAX_REPEAT}")
        if match[3] and int(match[3]) < int(match[1]):
            raise self.error("invalid repetition count range, the start must be <= the end")
        return match[0]

    def _atom(self) -> str:
        character = self._next("")
        if character == "(":
            return self._group()
        if character == "[":
            return self._class().to_posix()
        if character == "\\":
            return self._escape()
        if character == ".":
            return _Class(set(_ASCII), has_all_others=True).to_posix()
        if character in "^$":
            return character
        if character in "*+?{":
            raise self.error("repetition operator missing expression")
        if character == "\n":
            raise self.error('the literal "\\n" is not allowed in a regex')
        return _literal(character)

    def _group(self) -> str:
        if self._take("?"):
            if self.rest.startswith(("=", "!", "<=", "<!")):
                raise self.error("look-around, including look-ahead and look-behind, is not supported")
            name = re.match(r"P?<\w+>", self.rest)
            if name:
                self._position += name.end()
            elif not self._take(":"):
                raise self._unsupported(f"the flags (?{self.rest[:3]}… in this place")
        inner = self.alternatives()
        if not self._take(")"):
            raise self.error("unclosed group")
        return f"({inner})" if inner else ""

    def _escape(self) -> str:
        character = self._next("incomplete escape sequence, reached end of pattern prematurely")
        if character in "dDwWsS":
            return _escaped_class(character).to_posix()
        if character in "bB":
            return "\\" + character
        if character in "Az":
            return "^" if character == "A" else "$"
        return _literal(self._escaped_character(character))

    def _escaped_character(self, character: str) -> str:
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "n":
            raise self.error('the literal "\\n" is not allowed in a regex')
        if character in "xuU":
            size = {"x": 2, "u": 4, "U": 8}[character]
            match = re.match(rf"\{{([0-9A-Fa-f]+)\}}|([0-9A-Fa-f]{{{size}}})", self.rest)
            if match is None or int(match[1] or match[2], 16) > 0x10FFFF:
                raise self.error("invalid hexadecimal digit")
            self._position += match.end()
            return chr(int(match[1] or match[2], 16))
        if character in "pP":
            raise self._unsupported("a Unicode class (\\p)")
        if character.isdecimal():
            raise self.error("backreferences are not supported")
        if character.isalpha() or not character.isascii() or character in "<>":
            raise self.error("unrecognized escape sequence")
        return character

    def _class(self) -> _Class:
        unclosed = "unclosed character class"
        found = _Class()
        is_negated = self._take("^")
        is_first = True
        while is_first or not self._take("]"):
            if self.rest.startswith(("&&", "--", "~~")) and not is_first:
                raise self._unsupported("an operation on character classes (&&, --, ~~)")
            character = self._next(unclosed)
            is_first = False
            if character == "[":
                self._named_class(found)
                continue
            if character == "\\":
                character = self._next(unclosed)
                if character in "dDwWsS":
                    _merge(found, _escaped_class(character))
                    continue
                character = self._escaped_character(character)
            high = character
            if self.rest.startswith("-") and not self.rest.startswith(("-]", "--")):
                self._position += 1
                high = self._next(unclosed)
                high = self._escaped_character(self._next(unclosed)) if high == "\\" else high
                if high < character:
                    raise self.error("invalid character class range, the start must be <= the end")
            if ord(high) - max(ord(character), 128) > MAX_CLASS:
                raise self._unsupported("a long range of characters that are not ASCII")
            found.add(character, high)
        return self._negated(found) if is_negated else found

    def _named_class(self, found: _Class) -> None:
        match = re.match(r":(\^?)(\w+):\]", self.rest)
        if match is None or match[2] not in _NAMED:
            raise self._unsupported("a character class inside another")
        self._position += match.end()
        named = _Class(set(_NAMED[match[2]]))
        _merge(found, self._negated(named) if match[1] else named)

    def _negated(self, one: _Class) -> _Class:
        if one.others and not one.has_all_others:
            raise self._unsupported("a negated class with characters that are not ASCII")
        return _Class(set(_ASCII - one.ascii), has_all_others=not one.has_all_others)

    def _take(self, text: str) -> bool:
        if not self.rest.startswith(text):
            return False
        self._position += len(text)
        return True

    def _next(self, problem: str) -> str:
        if not self.rest:
            raise self.error(problem)
        self._position += 1
        return self._text[self._position - 1]

    def _unsupported(self, what: str) -> SearchFailed:
        return SearchFailed(
            f"without ripgrep on the remote machine grep cannot do {what}, in {self._whole!r}",
            pattern=self._whole,
            stderr=what,
        )


def _literal(character: str) -> str:
    return escape(character) if character.isascii() else f"({character})"


def _escaped_class(letter: str) -> _Class:
    members = {"d": _DIGIT, "w": _WORD, "s": _SPACE}[letter.lower()]
    return _Class(set(members)) if letter.islower() else _Class(set(_ASCII - members), has_all_others=True)


def _merge(into: _Class, other: _Class) -> None:
    into.ascii |= other.ascii
    into.others |= other.others
    into.has_all_others = into.has_all_others or other.has_all_others
