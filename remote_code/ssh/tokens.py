"""The `%` tokens and `${VARIABLES}` of ssh_config(5)."""

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from remote_code.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Account:
    """Who is using ssh here, and where; the local half of what tokens expand to."""

    name: str
    uid: int
    home: Path
    host: str
    """This machine's name, as gethostname(2) gives it."""

    @staticmethod
    def current() -> "Account":
        """Return the account of this process; the home is that of the user database, as ssh takes it."""
        try:
            import pwd

            entry = pwd.getpwuid(os.getuid())
        except (ImportError, KeyError):
            # Windows, or a container that runs under a user id without a name.
            name = os.environ.get("USER") or os.environ.get("USERNAME") or "user"
            return Account(name, 0, Path.home(), socket.gethostname())
        return Account(entry.pw_name, entry.pw_uid, Path(entry.pw_dir), socket.gethostname())


def tokens(
    account: Account, *, host: str, original: str, port: int, user: str, alias: str, jump: str
) -> dict[str, str]:
    """Return what each `%` letter stands for (ssh_config(5), TOKENS); `%%` is added by `expand`."""
    connection = f"{account.host}{host}{port}{user}{jump}"
    return {
        "C": hashlib.sha1(connection.encode()).hexdigest(),
        "d": str(account.home),
        "h": host,
        "i": str(account.uid),
        "j": jump,
        "k": alias,
        "L": account.host.partition(".")[0],
        "l": account.host,
        "n": original,
        "p": str(port),
        "r": user,
        "u": account.name,
    }


def expand(text: str, values: Mapping[str, str], *, what: str) -> str:
    """Replace the `%` tokens in `text`.

    Raises:
        ConfigError: a token is not known; `what` names the keyword in the message.
    """

    def replace(found: re.Match[str]) -> str:
        letter = found[1]
        if letter == "%":
            return "%"
        if letter not in values:
            raise ConfigError(
                f"{what} {text!r} holds the token %{letter}, which cannot stand there",
                variable=what,
                value=text,
                accepted=", ".join(f"%{known}" for known in sorted(values)),
            )
        return values[letter]

    return re.sub(r"%(.?)", replace, text, flags=re.DOTALL)


def expand_environment(text: str, environ: Mapping[str, str], *, what: str) -> str:
    """Replace `${NAME}` in `text`.

    Raises:
        ConfigError: a variable is not set; `what` names the keyword in the message.
    """

    def replace(found: re.Match[str]) -> str:
        if found[1] not in environ:
            raise ConfigError(
                f"{what} {text!r} uses ${{{found[1]}}}, which is not set",
                variable=what,
                value=text,
                accepted="a variable that is set",
            )
        return environ[found[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", replace, text)


def expand_home(text: str, account: Account) -> str:
    """Replace a leading `~` or `~user` by that user's home directory."""
    if text == "~" or text.startswith("~/"):
        return str(account.home) + text[1:]
    return os.path.expanduser(text) if text.startswith("~") else text
