"""The bytes of a job as a worker shell reads them; pure functions. The texts that read them stand in `scripts/`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from remote_code.errors import InvalidArguments
from remote_code.quoting import quote
from remote_code.shell.boot import new_token, script_text
from remote_code.shell.job import Command, Script

WATCHER_GRACE_S = 15
"""The watcher's deadline is so much later than ours: it decides only when the link has died without a sign."""
QUOTED_COMMAND_BYTES = 2_000
"""Up to here a command stands quoted in its job; a shell reads that byte by byte, one system call each."""
ARGUMENT_BYTES = 131_000
"""What one argument of a program can hold (Linux: 131,071 bytes); longer commands reach bash through a descriptor."""
SHARED_COMMAND_BYTES = 32_000
"""Larger searches go alone."""
BLOCK_BYTES = 4_000
"""Scripts above this size are sent as a counted block instead of lines."""

_FROM_DESCRIPTOR = '_rc_c=$(cat <&4); exec 4<&-; eval "unset _rc_c; $_rc_c"'


@dataclass(frozen=True, slots=True)
class JobText:
    """What is sent for one job."""

    lines: bytes
    """The script up to and with its token line; only when all of it has come does the job run."""
    payload: bytes
    """What the script reads after that."""


def check_command(command: Command) -> None:
    """Refuse a command that no shell can be given.

    Raises:
        InvalidArguments: the command holds a NUL.
    """
    if "\0" in command.text:
        position = command.text.index("\0")
        raise InvalidArguments(
            f"the command holds a NUL character at position {position}, which no command can hold; remove it",
            tool="bash",
            problems=[f"command: NUL at position {position}"],
        )


def command_job(command: Command, token: str, *, input_bytes: int | None = None) -> JobText:
    """Return the job of a user's command for a standby shell; cut anywhere, the command is not run.

    With `input_bytes`, so many bytes for the command's standard input must follow it, and `end_of_input`.
    """
    text = _encode(command.text)
    deadline_s = math.ceil(command.timeout_s) + WATCHER_GRACE_S
    prepare, run = "", f"_rc_u {deadline_s}\n"
    if input_bytes is not None:
        prepare = script_text("exact") + script_text("stdin")
        run = f"rc_with_input {deadline_s} {input_bytes}\n"
    payload = text + token.encode()
    if len(text) <= QUOTED_COMMAND_BYTES:
        take, payload = f"_rc_c={quote(command.text)}\n", b""
    elif len(text) <= ARGUMENT_BYTES:
        take = f"_rc_r {len(payload)}\n"
    else:
        # A here-document is the one descriptor that a POSIX shell fills from a variable without a file of ours or a
        # child that the command could see. The command is evaluated whole from it, as `bash -c` would.
        mark = new_token()
        take = f"_rc_r {len(payload)}\nexec 4<<{mark}\n$_rc_c\n{mark}\n_rc_c={quote(_FROM_DESCRIPTOR)}\n"
    return JobText(_encode(f"_rc_d {quote(command.workdir)}\n{prepare}{take}{run}{token}\n"), payload)


def end_of_input(token: str) -> bytes:
    """Return what proves that a command's standard input has come whole."""
    return f"{token}\n".encode()


def search_job(searches: Mapping[str, Command], token: str, *, functions: str) -> JobText:
    """Return the job that runs searches, by their end marks, one after the other in a standby shell, which serves on.

    `functions` is the text of `scripts/search.sh` for a shell that has not got it yet, else empty.
    """
    deadline_s = math.ceil(sum(search.timeout_s for search in searches.values())) + WATCHER_GRACE_S
    parts = [functions, f"rc_watch {deadline_s}\n"]
    for number, (end, search) in enumerate(searches.items(), 1):
        last = " last" if number == len(searches) else ""
        parts.append(f"_rc_c={quote(search.text)}\nrc_search {quote(search.workdir)} {end}{last}\n")
    block = _encode("".join(parts)) + token.encode()
    return JobText(f'_rc_r {len(block)}\neval "$_rc_c"\n{token} +\n'.encode(), block)


def script_jobs(scripts: Mapping[str, Script], token: str) -> JobText:
    """Return jobs for a resident shell, by their end marks, as one; `can_share` must hold of each of several."""
    first, *others = [script_job(script, token, end) for end, script in scripts.items()]
    return JobText(first.lines, first.payload + b"".join(job.lines for job in others))


def can_share(job: Command | Script) -> bool:
    """Tell whether a job may go in one flight with others, ahead of them or behind them.

    It may be run a second time, nothing of it can be left in the input of those behind it, and it is short.
    """
    if isinstance(job, Command):
        return job.stdin is None and len(_encode(job.text)) <= SHARED_COMMAND_BYTES
    return job.is_repeatable and not job.payload and len(_encode(job.text)) <= BLOCK_BYTES


def script_job(script: Script, token: str, end: str) -> JobText:
    """Return the job of one of our own scripts for a resident shell, whose answer is framed by `end`."""
    text = _encode(script.text)
    if len(text) <= BLOCK_BYTES:
        return JobText(_ended(text) + f"{token} {end}\n".encode(), script.payload)
    block = text + token.encode()
    return JobText(f"_rc_b {len(block)}\n{token} {end}\n".encode(), block + script.payload)


def library_job(text: str, token: str) -> JobText:
    """Return the job that loads `text` into a resident shell itself; it has no answer."""
    block = _encode(text) + token.encode()
    return JobText(f"_rc_b {len(block)}\n{token}\n".encode(), block)


def _ended(text: bytes) -> bytes:
    return text if text.endswith(b"\n") or not text else text + b"\n"


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
