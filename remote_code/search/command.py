"""What a search sends and how its answer begins: the place, checked against the allowed roots on the remote. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from remote_code.paths import RemotePath, decode_path
from remote_code.quoting import quote
from remote_code.remote.state import Kind
from remote_code.shell.job import Command

TIMEOUT_S = 120.0
"""How long a search may take."""

MIN_RIPGREP = (13,)
"""An older one counts as none: it lacks options that are used here."""

_STATUS = re.compile(r"search-status \w+ (\d+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search sent back, before its own lines are read."""

    kind: Kind
    """FILE or DIRECTORY when something was searched; OUTSIDE when the place lies outside of the roots."""
    real_path: RemotePath
    body: bytes
    program_status: int | None
    """Exit status of the program that searched, where it ran to its end and said so."""
    complaint: str
    """What the programs wrote on standard error."""


def has_ripgrep(version: tuple[int, ...] | None) -> bool:
    """Tell whether this version can serve."""
    return version is not None and version >= MIN_RIPGREP


def command(script: str, call: str, *, place: RemotePath, roots: Sequence[RemotePath]) -> Command:
    """Return the command for a search in `place`: the texts of `common` and `script`, and `call` behind them."""
    words = " ".join(quote(path) for path in (place, *roots))
    return Command("\n".join([_text("common"), _text(script), f"enter {words}", call]), "/", TIMEOUT_S)


@cache
def _text(name: str) -> str:
    """Return a script without comments and indentation, which only people need."""
    text = files(__package__).joinpath("scripts", f"{name}.sh").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def read_answer(stdout: bytes, stderr: bytes) -> Answer:
    """Return the parts of what came back.

    Raises:
        ValueError: it does not begin as every answer does.
    """
    record, separator, body = stdout.partition(b"\0")
    if not record or not separator:
        raise ValueError("the answer has no beginning")
    status: int | None = None
    complaint = []
    for line in stderr.decode("utf-8", "replace").splitlines():
        if match := _STATUS.fullmatch(line):
            status = int(match[1])
        else:
            complaint.append(line)
    return Answer(Kind(record[:1].decode("ascii")), decode_path(record[1:]), body, status, "\n".join(complaint).strip())


def name_of_line(line: bytes) -> str:
    """Return a name that travelled as a line: `./` taken away, the newlines that stand in it put back."""
    return decode_path(line.replace(b"\1", b"\n").removeprefix(b"./"))
