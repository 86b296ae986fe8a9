"""What the lines of ssh_config(5) have set: the value of each keyword, checked, and where it came from."""

import re
from dataclasses import dataclass, field

from remote_code.errors import ConfigError
from remote_code.ssh.config_words import BLANKS
from remote_code.ssh.keywords import Keyword, Kind
from remote_code.ssh.target import parse_uri, split_host_port


@dataclass(frozen=True, slots=True)
class Source:
    """The place that a value came from; `line` is 0 for the command line."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Value:
    """One line's worth of a keyword."""

    words: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Jump:
    """The last hop of ProxyJump, and what of the chain comes before it."""

    user: str | None
    host: str
    port: int | None
    before: str | None
    """The hops in front, as written; None when there are none."""


@dataclass(slots=True)
class Settings:
    """What the lines read so far have set: the first value of each keyword, all of those that add up."""

    values: dict[str, list[Value]] = field(default_factory=dict)
    """By keyword in lower case."""

    def first(self, keyword: str) -> Value | None:
        """Return the value that counts for a keyword that takes one line."""
        found = self.values.get(keyword.lower())
        return found[0] if found else None

    def word(self, keyword: str) -> str | None:
        """Return the first word of the value that counts."""
        value = self.first(keyword)
        return value.words[0] if value and value.words else None

    def add(self, keyword: Keyword, value: Value) -> None:
        """Keep `value` unless an earlier line has set the keyword already."""
        held = self.values.setdefault(keyword.name.lower(), [])
        if not held or keyword.kind in (Kind.EACH, Kind.EACH_OF):
            held.append(value)


def read_value(keyword: Keyword, rest: str, words: list[str], source: Source) -> tuple[str, ...]:
    """Check the arguments of a keyword and return them in the form that is kept.

    Raises:
        ConfigError: they cannot be used.
    """
    if keyword.kind is Kind.ANYTHING:
        return tuple(words)
    if keyword.kind is Kind.REST:
        text = rest.lstrip(BLANKS + "=")
        if keyword.name == "ProxyJump":
            text = text.partition("#")[0].rstrip(BLANKS)
            parse_jump(text, source)
        return (text,)
    if not words or not words[0]:
        raise bad_line(f"{source}: {keyword.name} has no argument", rest)
    if keyword.kind not in (Kind.WORDS, Kind.EACH_OF) and len(words) > 1:
        raise bad_line(f"{source}: {keyword.name} takes one argument, found {len(words)}", rest)
    word = words[0]
    match keyword.kind:
        case Kind.CHOICE:
            choices = keyword.choices or {}
            if word.lower() not in choices:
                raise bad_line(f"{source}: {keyword.name} cannot be {word!r}", word, accepted=", ".join(choices))
            return (choices[word.lower()],)
        case Kind.NUMBER:
            return (str(_read_number(keyword, word, source)),)
        case Kind.TIME:
            seconds = read_time(word)
            if seconds is None:
                raise bad_line(
                    f"{source}: {keyword.name} cannot be {word!r}", word, accepted="a time such as 90 or 1m30s"
                )
            return ("none" if seconds < 0 else str(seconds),)
        case _:
            _check_words(keyword, words, source)
            return tuple(words)


def _check_words(keyword: Keyword, words: list[str], source: Source) -> None:
    """Refuse words that only a keyword's own form tells to be wrong."""
    if keyword.name not in ("CanonicalDomains", "CanonicalizePermittedCNAMEs"):
        return
    if "none" in map(str.lower, words) and len(words) > 1:
        raise bad_line(f"{source}: {keyword.name}: none must stand alone", " ".join(words))
    is_domain = keyword.name == "CanonicalDomains"
    form = r"[A-Za-z0-9][A-Za-z0-9._-]*" if is_domain else r"none|\*|[^:]+:.+"
    for word in words:
        if not re.fullmatch(form, word) or (is_domain and ".." in word):
            accepted = "domains such as example.org" if is_domain else "rules such as *.example.org:*.example.net"
            raise bad_line(f"{source}: {keyword.name} cannot be {word!r}", word, accepted=accepted)


def _read_number(keyword: Keyword, word: str, source: Source) -> int:
    limit = 65535 if keyword.name == "Port" else 2**31 - 1
    if not (word.isascii() and word.isdigit()) or int(word) > limit or (keyword.name == "Port" and int(word) == 0):
        raise bad_line(f"{source}: {keyword.name} cannot be {word!r}", word, accepted=f"a number up to {limit}")
    return int(word)


def read_time(text: str) -> int | None:
    """Read a time of ssh_config in seconds: `90`, `1m30s`, `2h`; -1 for `none`; None when it is no time."""
    if text == "none":
        return -1
    total = 0
    digits = ""
    for char in text:
        if char.isascii() and char.isdigit():
            digits += char
            continue
        factor = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}.get(char.lower())
        if factor is None or not digits:
            return None
        total += int(digits) * factor
        digits = ""
    total += int(digits or "0")
    return total if text and total < 2**31 else None


def parse_jump(text: str, source: Source) -> Jump | None:
    """Read a ProxyJump value; None for `none`.

    Raises:
        ConfigError: a hop cannot be read.
    """
    if text.lower() == "none":
        return None
    jumps = [_read_hop(hop, source) for hop in text.split(",")]
    user, host, port = jumps[-1]
    before = text.rpartition(",")[0]
    return Jump(user, host, port, before or None)


def _read_hop(hop: str, source: Source) -> tuple[str | None, str, int | None]:
    if hop.lower().startswith("ssh://"):
        found = parse_uri(hop)
        if found is None:
            raise bad_line(f"{source}: the jump host {hop!r} cannot be read", hop)
        return found
    user, at, place = hop.rpartition("@")
    split = split_host_port(place)
    if split is None or (at and not user):
        raise bad_line(f"{source}: the jump host {hop!r} cannot be read", hop, accepted="[user@]host[:port]")
    return (user if at else None), split[0], split[1]


def read_rekey_limit(value: Value) -> tuple[int, float]:
    """Read `RekeyLimit BYTES [TIME]` into bytes and seconds; 0 stands for the default of either.

    Raises:
        ConfigError: it cannot be read.
    """
    size, *rest = value.words
    factor = {"k": 1024, "m": 1024**2, "g": 1024**3}.get(size[-1:].lower(), 1)
    digits = size if factor == 1 else size[:-1]
    seconds = read_time(rest[0]) if rest else 0
    is_default = size.lower() == "default"
    if len(rest) > 1 or seconds is None or not (is_default or (digits.isascii() and digits.isdigit())):
        raise ConfigError(
            f"{value.source}: RekeyLimit cannot be {' '.join(value.words)!r}; it takes a size such as 1G, and a time",
            variable="REMOTE_SSH",
            value=" ".join(value.words),
            accepted="a size such as 1G, and a time such as 1h",
        )
    return 0 if is_default else int(digits) * factor, float(max(0, seconds))


def bad_line(message: str, value: str, *, accepted: str | None = None) -> ConfigError:
    """Return the error of a line that cannot be used."""
    return ConfigError(
        f"{message}; it takes {accepted}" if accepted else message,
        variable="REMOTE_SSH",
        value=value,
        accepted=accepted or "what ssh_config(5) describes",
    )
