"""Reading ssh_config(5): lines, quoting, Host, Match and Include; which value wins. Source: OpenSSH's readconf.c."""

import glob
import logging
import os
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from remote_code.config import without_secrets
from remote_code.errors import ConfigError
from remote_code.ssh.keywords import Keyword, Kind, find_keyword
from remote_code.ssh.patterns import matches, matches_list
from remote_code.ssh.target import COMMAND_LINE, parse_uri, split_host_port
from remote_code.ssh.tokens import Account, expand, tokens

_log = logging.getLogger(__name__)

_BLANKS = " \t\r\n"
_DEPTH_LIMIT = 16
_EXEC_TIMEOUT_S = 30.0


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


class ConfigReader:
    """Reads command-line options and files into `settings`, for one host and one of the two passes."""

    def __init__(
        self,
        settings: Settings,
        *,
        host: str,
        original_host: str,
        account: Account,
        environ: Mapping[str, str],
        is_final: bool = False,
    ) -> None:
        self.settings = settings
        self.wants_final_pass = False
        """Whether a `Match final` was met, so that the files are read once more with the final host name."""
        self._host = host
        self._original_host = original_host
        self._account = account
        self._environ = environ
        self._is_final = is_final
        self._is_active = True
        self._never = False

    def read_option(self, line: str, *, written: str) -> None:
        """Read one `-o` line.

        Raises:
            ConfigError: it cannot be used.
        """
        self._is_active = True
        self._read_line(line, Source(f"{COMMAND_LINE} ({written})", 0), is_user=True, depth=0)

    def read_file(self, path: Path, *, is_user: bool, check_owner: bool, is_required: bool = False) -> None:
        """Read one file and what it includes; a missing one is empty unless `is_required`.

        Raises:
            ConfigError: a line cannot be used, or the file may be written by others.
        """
        self._is_active = True
        self._never = False
        self._read_file(path, is_user=is_user, check_owner=check_owner, is_required=is_required, depth=0)

    def _read_file(self, path: Path, *, is_user: bool, check_owner: bool, is_required: bool, depth: int) -> None:
        try:
            with path.open("rb") as stream:
                if check_owner:
                    _check_owner(path, os.fstat(stream.fileno()))
                raw = stream.read()
        except OSError as exc:
            if is_required:
                raise _bad(f'cannot read the ssh configuration "{path}": {exc.strerror}', str(path)) from exc
            return
        for number, line in enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), 1):
            self._read_line(line, Source(str(path), number), is_user=is_user, depth=depth)

    def _read_line(self, line: str, source: Source, *, is_user: bool, depth: int) -> None:
        name, rest = _split_keyword(line.rstrip(_BLANKS + "\f"))
        if not name or name.startswith("#"):
            return
        if not rest:
            raise _bad(f"{source}: no argument after keyword {name!r}", line)
        words = split_arguments(rest)
        lower = name.lower()
        if words is None:
            raise _bad(f"{source}: a quote is not closed", line)
        if lower in ("host", "match", "include") and not source.line:
            raise _bad(f"{source}: {name} cannot stand on the command line", line)
        if lower == "host":
            self._is_active = not self._never and self._matches_host(words, source)
        elif lower == "match":
            matched = self._matches(words, source)
            self._is_active = matched and not self._never
        elif lower == "include":
            self._include(words, source, is_user=is_user, depth=depth)
        else:
            self._set(name, rest, words, source)

    def _matches_host(self, patterns: list[str], source: Source) -> bool:
        found = False
        for pattern in patterns:
            if not pattern:
                raise _bad(f"{source}: Host has an empty pattern", "")
            if matches(self._host, pattern.removeprefix("!")):
                if pattern.startswith("!"):
                    return False
                found = True
        return found

    def _matches(self, words: list[str], source: Source) -> bool:
        """Evaluate a Match line; every criterion is read, also when one before it has failed already."""
        result = True
        count = 0
        rest = iter(words)
        for word in rest:
            if word.startswith("#"):
                break
            is_negated = word.startswith("!")
            criterion = word.removeprefix("!").lower()
            argument: str | None = None
            if "=" in criterion:  # Newer versions of OpenSSH accept `criterion=argument`, too.
                criterion = criterion.partition("=")[0]
                argument = word.partition("=")[2]
            count += 1
            if criterion == "all":
                if count > 1 or next(rest, "#")[:1] not in ("", "#"):
                    raise _bad(f"{source}: 'all' cannot be combined with other Match criteria", word)
                return not is_negated
            if criterion in ("final", "canonical"):
                self.wants_final_pass |= criterion == "final"
                holds = self._is_final
            else:
                if argument is None:
                    argument = next(rest, "")
                if not argument or argument.startswith("#"):
                    raise _bad(f"{source}: the Match criterion {criterion!r} has no argument", word)
                holds = self._holds(criterion, argument, source, is_decided=not result)
            result = result and holds is not is_negated
        if not count:
            raise _bad(f"{source}: Match has no criterion", "")
        return result

    def _holds(self, criterion: str, argument: str, source: Source, *, is_decided: bool) -> bool:
        """Evaluate one criterion; a command is not run when the line has failed already."""
        match criterion:
            case "host":
                return matches_list(self._current_host(), argument, ignore_case=True)
            case "originalhost":
                return matches_list(self._original_host, argument, ignore_case=True)
            case "user":
                return matches_list(self._current_user(), argument)
            case "localuser":
                return matches_list(self._account.name, argument)
            case "tagged":
                return matches_list(self.settings.word("Tag") or "", argument)
            case "command":
                return matches_list("", argument)
            case "sessiontype":
                return matches_list("exec", argument)
            case "exec":
                return not is_decided and not self._never and self._run(argument)
            case _:
                raise _bad(f"{source}: the Match criterion {criterion!r} is not supported", argument)

    def _current_host(self) -> str:
        host_name = self.settings.word("HostName")
        if host_name is None:
            return self._host
        return host_name if self._is_final else expand(host_name, {"h": self._host}, what="HostName")

    def _current_user(self) -> str:
        return self.settings.word("User") or self._account.name

    def _run(self, command: str) -> bool:
        """Run a `Match exec` command by the user's shell; its exit status decides."""
        host = self._current_host()
        port = self.settings.word("Port")
        values = tokens(
            self._account,
            host=host,
            original=self._original_host,
            port=int(port) if port else 22,
            user=self._current_user(),
            alias=self.settings.word("HostKeyAlias") or host,
            jump="",
        )
        expanded = expand(command, values, what="Match exec")
        if os.name == "nt":
            argv: str | list[str] = expanded
        else:
            argv = [self._environ.get("SHELL") or "/bin/sh", "-c", expanded]
        try:
            done = subprocess.run(
                argv,
                shell=os.name == "nt",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=without_secrets(self._environ),
                timeout=_EXEC_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise _bad(f"the command of Match exec did not end within {_EXEC_TIMEOUT_S:.0f} s", command) from exc
        return done.returncode == 0

    def _include(self, patterns: list[str], source: Source, *, is_user: bool, depth: int) -> None:
        was_active, was_never = self._is_active, self._never
        for pattern in patterns:
            for path in self._included_files(pattern, source, is_user=is_user):
                if depth + 1 > _DEPTH_LIMIT:
                    raise _bad(f"{source}: more than {_DEPTH_LIMIT} files include each other", pattern)
                # Inside a block that does not match, an included file is read for its errors only.
                self._never = was_never or not was_active
                self._read_file(path, is_user=is_user, check_owner=True, is_required=False, depth=depth + 1)
                # A Host or Match line in the included file ends with that file.
                self._is_active, self._never = was_active, was_never

    def _included_files(self, pattern: str, source: Source, *, is_user: bool) -> Iterator[Path]:
        if not pattern or (pattern.startswith("~") and not is_user):
            raise _bad(f"{source}: Include cannot use the path {pattern!r}", pattern)
        if pattern.startswith("~/"):
            pattern = str(self._account.home) + pattern[1:]
        elif pattern.startswith("~"):
            pattern = os.path.expanduser(pattern)
        elif not os.path.isabs(pattern):
            folder = self._account.home / ".ssh" if is_user else Path("/etc/ssh")
            pattern = str(folder / pattern)
        for found in sorted(glob.glob(pattern)):
            yield Path(found)

    def _set(self, name: str, rest: str, words: list[str], source: Source) -> None:
        keyword = find_keyword(name)
        if keyword is None:
            ignored = self.settings.word("IgnoreUnknown")
            if ignored and matches_list(name.lower(), ignored, ignore_case=True):
                return
            raise _bad(f"{source}: {name!r} is no keyword of ssh_config", rest)
        parsed = read_value(keyword, rest, words, source)
        if not self._is_active or self._never or self._is_overruled(keyword):
            return
        self.settings.add(keyword, Value(parsed, source))

    def _is_overruled(self, keyword: Keyword) -> bool:
        """Of ProxyCommand and ProxyJump the first wins; a `ProxyJump none` leaves room for a ProxyCommand."""
        if keyword.name == "ProxyCommand":
            return (self.settings.word("ProxyJump") or "none").lower() != "none"
        return keyword.name == "ProxyJump" and self.settings.first("ProxyCommand") is not None


def read_value(keyword: Keyword, rest: str, words: list[str], source: Source) -> tuple[str, ...]:
    """Check the arguments of a keyword and return them in the form that is kept.

    Raises:
        ConfigError: they cannot be used.
    """
    if keyword.kind is Kind.ANYTHING:
        return tuple(words)
    if keyword.kind is Kind.REST:
        text = rest.lstrip(_BLANKS + "=")
        if keyword.name == "ProxyJump":
            text = text.partition("#")[0].rstrip(_BLANKS)
            parse_jump(text, source)
        return (text,)
    if not words or not words[0]:
        raise _bad(f"{source}: {keyword.name} has no argument", rest)
    if keyword.kind not in (Kind.WORDS, Kind.EACH_OF) and len(words) > 1:
        raise _bad(f"{source}: {keyword.name} takes one argument, found {len(words)}", rest)
    word = words[0]
    match keyword.kind:
        case Kind.CHOICE:
            choices = keyword.choices or {}
            if word.lower() not in choices:
                raise _bad(f"{source}: {keyword.name} cannot be {word!r}", word, accepted=", ".join(choices))
            return (choices[word.lower()],)
        case Kind.NUMBER:
            return (str(_read_number(keyword, word, source)),)
        case Kind.TIME:
            seconds = read_time(word)
            if seconds is None:
                raise _bad(f"{source}: {keyword.name} cannot be {word!r}", word, accepted="a time such as 90 or 1m30s")
            return ("none" if seconds < 0 else str(seconds),)
        case _:
            return tuple(words)


def _read_number(keyword: Keyword, word: str, source: Source) -> int:
    limit = 65535 if keyword.name == "Port" else 2**31 - 1
    if not (word.isascii() and word.isdigit()) or int(word) > limit or (keyword.name == "Port" and int(word) == 0):
        raise _bad(f"{source}: {keyword.name} cannot be {word!r}", word, accepted=f"a number up to {limit}")
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
            raise _bad(f"{source}: the jump host {hop!r} cannot be read", hop)
        return found
    user, at, place = hop.rpartition("@")
    split = split_host_port(place)
    if split is None or (at and not user):
        raise _bad(f"{source}: the jump host {hop!r} cannot be read", hop, accepted="[user@]host[:port]")
    return (user if at else None), split[0], split[1]


def split_arguments(text: str) -> list[str] | None:
    """Split the arguments of a keyword (misc.c, argv_split); None when a quote is not closed.

    Blanks separate, `#` at the start of a word ends the line, `'` and `"` quote, a backslash takes the meaning from a
    quote, from itself, and outside of quotes from a blank.
    """
    words: list[str] = []
    place = 0
    while place < len(text):
        if text[place] in " \t":
            place += 1
            continue
        if text[place] == "#":
            break
        word, place = _take_word(text, place)
        if word is None:
            return None
        words.append(word)
    return words


def _take_word(text: str, place: int) -> tuple[str | None, int]:
    word = ""
    quote = ""
    while place < len(text):
        char = text[place]
        following = text[place + 1 : place + 2]
        if char == "\\" and (following in ("'", '"', "\\") or (not quote and following == " ")) and following:
            word += following
            place += 1
        elif not quote and char in " \t":
            return word, place
        elif not quote and char in "'\"":
            quote = char
        elif quote and char == quote:
            quote = ""
        else:
            word += char
        place += 1
    return (None if quote else word), place


def _split_keyword(line: str) -> tuple[str, str]:
    """Split a line into keyword and the rest; blanks and one `=` separate them (misc.c, strdelim)."""
    line = line.lstrip(_BLANKS)
    end = 0
    while end < len(line) and line[end] not in _BLANKS + '="':
        end += 1
    name, rest = line[:end], line[end:]
    if rest.startswith('"'):
        return name, rest
    rest = rest.lstrip(_BLANKS)
    if rest.startswith("="):
        rest = rest[1:].lstrip(_BLANKS)
    return name, rest


def _check_owner(path: Path, info: os.stat_result) -> None:
    if os.name != "nt" and (info.st_uid not in (0, os.getuid()) or stat.S_IMODE(info.st_mode) & 0o022):
        raise _bad(f'the ssh configuration "{path}" may be written by other users; run `chmod go-w {path}`', str(path))


def _bad(message: str, value: str, *, accepted: str = "what ssh_config(5) describes") -> ConfigError:
    return ConfigError(message, variable="REMOTE_SSH", value=value, accepted=accepted)
