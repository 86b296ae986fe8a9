"""REMOTE_SSH: one ssh command line, read as ssh(1) reads it; nothing here looks at files or at the network.

What the options mean is decided in `options`; here each becomes the configuration keyword that it stands for.
"""

import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field

from remote_code.errors import ConfigError
from remote_code.quoting import split_words

COMMAND_LINE = "the command line"
"""Names the command line where a file's name would stand."""


@dataclass(frozen=True, slots=True)
class CommandLineOption:
    """One line of configuration as `-o` would give it; `written` is what the person typed, for messages."""

    line: str
    written: str


@dataclass(frozen=True, slots=True)
class SSHCommand:
    """A parsed command: the destination as typed, and its options in the order in which they count."""

    host: str
    """An alias or a host name, as typed, without user and port."""
    options: tuple[CommandLineOption, ...] = ()
    config_file: str | None = None
    """`-F`: the only configuration file; `none` for no file at all; None for the usual two."""
    verbosity: int = 0
    """How many `-v` were given."""
    log_file: str | None = None
    """`-E`: the file that log lines go to."""
    ignored: tuple[str, ...] = field(default=())
    """Options that mean nothing for our channels, as typed."""


_FLAGS_AS_KEYWORDS = {
    "4": "AddressFamily=inet",
    "6": "AddressFamily=inet6",
    "C": "Compression=yes",
    "A": "ForwardAgent=yes",
    "a": "ForwardAgent=no",
    "k": "GSSAPIDelegateCredentials=no",
    "K": "GSSAPIAuthentication=yes",
}
_ARGUMENTS_AS_KEYWORDS = {
    "B": "BindInterface",
    "b": "BindAddress",
    "c": "Ciphers",
    "i": "IdentityFile",
    "I": "PKCS11Provider",
    "J": "ProxyJump",
    "l": "User",
    "m": "MACs",
    "P": "Tag",
    "p": "Port",
}
_MEANINGLESS_FLAGS = "2fgMNnqTtxXYy"
_MEANINGLESS_ARGUMENTS = "DeLRSw"
_SHOWN_CHARACTERS = 200
"""How much of a command that cannot be read its error repeats."""

_REFUSED = {
    "1": "protocol 1 is spoken by no server that is safe to use",
    "G": "it prints the configuration; `remote-code config` does that",
    "s": "it asks for a subsystem; only shells are started here",
    "V": "it prints the version of ssh",
    "O": "it controls another ssh process",
    "Q": "it prints lists of algorithms",
    "W": "it connects standard input to a port; for a jump host write `-J`",
}
_TAKES_ARGUMENT = frozenset("BbcDEeFIiJLlmOoPpQRSWw")


def parse_command(text: str) -> SSHCommand:
    """Read REMOTE_SSH: `ssh` with or without a path in front, options, and the destination.

    Raises:
        ConfigError: it cannot be read; the message names the option or word at fault.
    """
    try:
        words = split_words(text)
    except ValueError as exc:
        raise _refusal(text, f"cannot be split into words: {str(exc).lower()}") from exc
    return parse_words(words)


def parse_words(words: Sequence[str]) -> SSHCommand:
    """Read an ssh command that is split into words already.

    Raises:
        ConfigError: it cannot be read; the message names the option or word at fault.
    """
    parser = _Parser(list(words))
    return parser.parse()


class _Parser:
    def __init__(self, words: list[str]) -> None:
        self._text = " ".join(words)
        if words and re.fullmatch(r"(.*[/\\])?ssh(\.exe)?", words[0], re.IGNORECASE | re.DOTALL):
            words = words[1:]
        self._words = words
        self._options: list[CommandLineOption] = []
        self._ignored: list[str] = []
        self._config_file: str | None = None
        self._log_file: str | None = None
        self._verbosity = 0

    def parse(self) -> SSHCommand:
        if any("\0" in word or "\n" in word for word in self._words):
            raise self._refuse("holds a NUL or a line break")
        ended = self._take_options()
        if not self._words:
            raise self._refuse("names no host")
        user, host, port = self._destination(self._words.pop(0))
        if user is not None:
            self._options.append(CommandLineOption(f"User={_quoted(user)}", f"{user}@"))
        if port is not None:
            self._options.append(CommandLineOption(f"Port={port}", f":{port}"))
        if not ended:
            self._take_options()
        if self._words:
            raise self._refuse(f"ends with a remote command ({self._words[0]!r}), but commands are given to the tools")
        return SSHCommand(
            host=host,
            options=tuple(self._options),
            config_file=self._config_file,
            verbosity=self._verbosity,
            log_file=self._log_file,
            ignored=tuple(self._ignored),
        )

    def _take_options(self) -> bool:
        """Take the options in front; return whether `--` ended them."""
        while self._words and self._words[0].startswith("-") and self._words[0] != "-":
            cluster = self._words.pop(0)
            if cluster == "--":
                return True
            self._take_cluster(cluster[1:])
        return False

    def _take_cluster(self, cluster: str) -> None:
        """Take one word of options, as getopt(3) does: flags in a row, the last may have its argument behind it."""
        while cluster:
            letter, cluster = cluster[0], cluster[1:]
            argument = None
            if letter in _TAKES_ARGUMENT:
                if cluster:
                    argument, cluster = cluster, ""
                elif self._words:
                    argument = self._words.pop(0)
                else:
                    raise self._refuse(f"gives option -{letter} no argument")
            self._take(letter, argument)

    def _take(self, letter: str, argument: str | None) -> None:
        written = f"-{letter}" if argument is None else f"-{letter} {argument}"
        if letter in _REFUSED:
            raise self._refuse(f"holds option -{letter}, which cannot be used here: {_REFUSED[letter]}")
        if letter in _MEANINGLESS_FLAGS or letter in _MEANINGLESS_ARGUMENTS:
            self._ignored.append(written)
        elif letter in _FLAGS_AS_KEYWORDS:
            self._options.append(CommandLineOption(_FLAGS_AS_KEYWORDS[letter], written))
        elif argument is None:
            if letter != "v":
                raise self._refuse(f"holds option -{letter}, which ssh does not know")
            self._verbosity += 1
        elif letter == "F":
            self._config_file = argument
        elif letter == "E":
            self._log_file = argument
        elif letter == "o":
            self._options.append(CommandLineOption(argument, f"-o {argument}"))
        elif letter == "J":
            self._take_jump(argument, written)
        elif not argument:
            raise self._refuse(f"gives option -{letter} an empty argument")
        else:
            line = f"{_ARGUMENTS_AS_KEYWORDS[letter]}={_quoted(argument)}"
            self._options.append(CommandLineOption(line, written))

    def _take_jump(self, argument: str, written: str) -> None:
        if any(option.written.startswith("-J ") for option in self._options):
            raise self._refuse("holds -J twice; separate the hops by commas")
        self._options.append(CommandLineOption(f"ProxyJump={argument}", written))

    def _destination(self, word: str) -> tuple[str | None, str, int | None]:
        if word.lower().startswith("ssh://"):
            destination = parse_uri(word)
            if destination is None:
                raise self._refuse(f"holds {word!r}, which is not of the form ssh://[user@]host[:port]")
            user, host, port = destination
        else:
            before, at, host = word.rpartition("@")
            user, port = (before if at else None), None
        if user is not None and not is_valid_user(user):
            raise self._refuse(f"holds the user name {user!r}, which ssh does not accept")
        if not is_valid_host(host):
            raise self._refuse(f"holds the host name {host!r}, which ssh does not accept")
        return user, host, port

    def _refuse(self, complaint: str) -> ConfigError:
        return _refusal(self._text, complaint)


def parse_uri(text: str) -> tuple[str | None, str, int | None] | None:
    """Read `ssh://[user[;parameters]@]host[:port][/]` into user, host and port; None when it is none.

    Source: draft-ietf-secsh-scp-sftp-ssh-uri, as OpenSSH reads it: parameters are ignored, a path is an error.
    """
    rest = text[len("ssh://") :]
    user: str | None = None
    before, at, after = rest.partition("@")
    if at:
        rest = after
        user = urllib.parse.unquote(before.partition(";")[0], errors="surrogateescape")
        if not user:
            return None
    place = split_host_port(rest.removesuffix("/"))
    if place is None or "/" in place[0]:
        return None
    return user, place[0], place[1]


def split_host_port(text: str) -> tuple[str, int | None] | None:
    """Split `host`, `host:port`, `[address]` or `[address]:port`; None when it is none of these."""
    found = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?", text)
    if found is None:
        return None
    port = int(found[3]) if found[3] else None
    if port is not None and not 1 <= port <= 65535:
        return None
    return found[1] or found[2], port


def is_valid_host(host: str) -> bool:
    """Tell whether a name may be looked up and put into commands (ssh.c, valid_hostname)."""
    if not host or host.startswith("-"):
        return False
    return not any(char in "'`\"$\\;&<>|(){}" or char.isspace() or ord(char) < 32 or ord(char) == 127 for char in host)


def is_valid_user(user: str) -> bool:
    """Tell whether a login name may be put into commands (ssh.c, valid_ruser)."""
    if not user or user.startswith("-") or user.endswith("\\"):
        return False
    if any(char in "'`\";&<>|(){}" or ord(char) < 32 or ord(char) == 127 for char in user):
        return False
    return re.search(r"\s-", user) is None


def _quoted(value: str) -> str:
    """Return `value` as one word of a configuration line, whatever blanks or quotes it holds."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refusal(text: str, complaint: str) -> ConfigError:
    accepted = "one ssh command without a remote command, for example `ssh -p 2222 user@host`"
    return ConfigError(
        f"REMOTE_SSH {text[:_SHOWN_CHARACTERS]!r} {complaint}; it takes {accepted}",
        variable="REMOTE_SSH",
        value=text,
        accepted=accepted,
    )
