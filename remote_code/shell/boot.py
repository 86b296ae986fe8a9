"""How a worker shell is started: its boot line, its token, and its ready line. Pure, apart from reading package data.

The texts themselves stand in `scripts/*.sh`, commented, one idea per file; here they are joined to one line.
"""

import functools
import re
import secrets
from dataclasses import dataclass
from importlib import resources

STANDBY = ("start", "command", "ready", "standby")
"""Files of `scripts/` that make a standby shell, in order."""
RESIDENT = ("start", "exact", "resident", "ready", "serve")
"""Files of `scripts/` that make a resident shell, in order."""
TERMINAL = ("terminal", "standby")
"""Files of `scripts/` that make the terminal half of a sudo pair, in order."""

_OPEN_ENDS = ("{", "(", "&", "|", ";", " do", " then", " else", " in")
_BOOT = "exec {shell} -c 'eval \"$1\"' 'eval \"$1\"' '{text}'"


@dataclass(frozen=True, slots=True)
class Place:
    """Where worker shells are started."""

    shell: str = "/bin/sh"
    """The POSIX shell there, as an absolute path."""
    enter: str | None = None
    """`REMOTE_ENTER`: a command on the login host that runs the words behind it somewhere else."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a worker: data, so that nothing else has to know where it runs."""

    command: str
    """The exec request."""
    first_input: bytes
    """What is sent on standard input at once; the ready line answers it."""
    token: str


@dataclass(frozen=True, slots=True)
class Ready:
    """What the ready line says."""

    group_id: int
    """Process group of everything that the worker will start."""
    process_id: int
    mode: str
    """How the group was made: "" by the server, "s" by setsid, "m" by job control, "p" on a terminal."""
    end: int
    """Offset behind the line in the searched buffer."""


def start(files: tuple[str, ...], place: Place, **values: str) -> Start:
    """Return the start of a worker made of `files`, with a fresh token.

    `values` replace further `@NAME@` marks of the texts. With `place.enter` the boot line goes to standard input of
    an `sh` there, since the words behind such a command are split and quoted in ways that only it knows.
    """
    token = new_token()
    marks = {"SHELL": place.shell, "TOKEN_HEAD": token[:8], "TOKEN_TAIL": token[8:], **values}
    text = re.sub(r"@([A-Z_]+)@", lambda mark: marks[mark[1]], "; ".join(_flat_script(name) for name in files))
    line = _BOOT.format(shell=place.shell, text=text)
    if place.enter is None:
        return Start(line, b"", token)
    return Start(f"{place.enter} sh", line.encode() + b"\n", token)


def new_token() -> str:
    """Return 16 random hexadecimal digits."""
    return secrets.token_hex(8)


def find_ready(buffer: bytes | bytearray, token: str) -> Ready | None:
    """Return the ready line that stands anywhere in `buffer`; what a login printed may precede it on its line."""
    found = re.search(rb"%b (\d+) (\d+) ([smp]?)\r?\n" % token.encode(), buffer)
    if found is None:
        return None
    return Ready(int(found[1]), int(found[2]), found[3].decode(), found.end())


def script_text(name: str) -> str:
    """Return a file of `scripts/` without its comments and indentation, as lines of a job."""
    return "".join(f"{line}\n" for line in _code_lines(_read_script(name)))


@functools.cache
def _flat_script(name: str) -> str:
    return flatten(_read_script(name))


def _read_script(name: str) -> str:
    return resources.files("remote_code.shell").joinpath("scripts", f"{name}.sh").read_text(encoding="utf-8")


def _code_lines(source: str) -> list[str]:
    lines = [line.strip() for line in source.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def flatten(source: str) -> str:
    """Join the lines of a script to one, without its comments and indentation.

    Raises:
        ValueError: the text holds what some login shell would not read as it stands between single quotes.
    """
    lines = _code_lines(source)
    text = " ".join(line if line.endswith(_OPEN_ENDS) else f"{line} ;" for line in lines).removesuffix(" ;")
    if re.search(r"['\\\n]|!(?! )", text):
        raise ValueError(f"a boot text may not hold a quote, a backslash or a bare exclamation mark: {text!r}")
    return text
