"""Reading ssh_config(5): files, Host, Match and Include; which value wins. Source: OpenSSH's readconf.c."""

import glob
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from remote_code.ssh.config_match import Criteria
from remote_code.ssh.config_words import BLANKS, split_arguments, split_keyword
from remote_code.ssh.keywords import Keyword, find_keyword
from remote_code.ssh.patterns import matches, matches_list
from remote_code.ssh.settings import Settings, Source, Value, bad_line, read_value
from remote_code.ssh.target import COMMAND_LINE
from remote_code.ssh.tokens import Account

_DEPTH_LIMIT = 16


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
        self._host = host
        self._account = account
        self._criteria = Criteria(settings, host, original_host, account, environ, is_final)
        self._is_active = True
        self._never = False

    @property
    def wants_final_pass(self) -> bool:
        """Whether a `Match final` was met, so that the files are read once more with the final host name."""
        return self._criteria.wants_final_pass

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
                raise bad_line(f'cannot read the ssh configuration "{path}": {exc.strerror}', str(path)) from exc
            return
        for number, line in enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), 1):
            self._read_line(line, Source(str(path), number), is_user=is_user, depth=depth)

    def _read_line(self, line: str, source: Source, *, is_user: bool, depth: int) -> None:
        name, rest = split_keyword(line.rstrip(BLANKS + "\f"))
        if not name or name.startswith("#"):
            return
        if not rest:
            raise bad_line(f"{source}: no argument after keyword {name!r}", line)
        words = split_arguments(rest)
        lower = name.lower()
        if words is None:
            raise bad_line(f"{source}: a quote is not closed", line)
        if lower in ("host", "match", "include") and not source.line:
            raise bad_line(f"{source}: {name} cannot stand on the command line", line)
        if lower == "host":
            self._is_active = not self._never and self._matches_host(words, source)
        elif lower == "match":
            matched = self._criteria.match(words, source, is_never=self._never)
            self._is_active = matched and not self._never
        elif lower == "include":
            self._include(words, source, is_user=is_user, depth=depth)
        else:
            self._set(name, rest, words, source)

    def _matches_host(self, patterns: list[str], source: Source) -> bool:
        found = False
        for pattern in patterns:
            if not pattern:
                raise bad_line(f"{source}: Host has an empty pattern", "")
            if matches(self._host, pattern.removeprefix("!")):
                if pattern.startswith("!"):
                    return False
                found = True
        return found

    def _include(self, patterns: list[str], source: Source, *, is_user: bool, depth: int) -> None:
        was_active, was_never = self._is_active, self._never
        for pattern in patterns:
            for path in self._included_files(pattern, source, is_user=is_user):
                if depth + 1 > _DEPTH_LIMIT:
                    raise bad_line(f"{source}: more than {_DEPTH_LIMIT} files include each other", pattern)
                # Inside a block that does not match, an included file is read for its errors only.
                self._never = was_never or not was_active
                self._read_file(path, is_user=is_user, check_owner=True, is_required=False, depth=depth + 1)
                # A Host or Match line in the included file ends with that file.
                self._is_active, self._never = was_active, was_never

    def _included_files(self, pattern: str, source: Source, *, is_user: bool) -> Iterator[Path]:
        if not pattern or (pattern.startswith("~") and not is_user):
            raise bad_line(f"{source}: Include cannot use the path {pattern!r}", pattern)
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
            raise bad_line(f"{source}: {name!r} is no keyword of ssh_config", rest)
        parsed = read_value(keyword, rest, words, source)
        if not self._is_active or self._never or self._is_overruled(keyword, parsed):
            return
        self.settings.add(keyword, Value(parsed, source))

    def _is_overruled(self, keyword: Keyword, words: tuple[str, ...]) -> bool:
        """Of ProxyCommand and ProxyJump the first wins; a `ProxyJump none` stands beside a ProxyCommand."""
        if keyword.name == "ProxyCommand":
            return (self.settings.word("ProxyJump") or "none").lower() != "none"
        is_jump = keyword.name == "ProxyJump" and words[0].lower() != "none"
        return is_jump and self.settings.first("ProxyCommand") is not None


def _check_owner(path: Path, info: os.stat_result) -> None:
    if os.name != "nt" and (info.st_uid not in (0, os.getuid()) or stat.S_IMODE(info.st_mode) & 0o022):
        raise bad_line(
            f'the ssh configuration "{path}" may be written by other users; run `chmod go-w {path}`', str(path)
        )
