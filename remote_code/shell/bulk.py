"""Large files over an exec stream of their own: the fastest way, memory bounded, checked by size and digest."""

import hashlib
import re
from collections.abc import Callable
from typing import BinaryIO

from remote_code.errors import Cancelled, ConnectionLost, RemoteOperationFailed
from remote_code.quoting import quote
from remote_code.shell import boot
from remote_code.shell.job import Cancel, Command, Outcome, Result
from remote_code.shell.job_text import JobText
from remote_code.shell.worker import SEND_TIMEOUT_S, StandbyShell, lost_error

PIECE_BYTES = 256 << 10
"""What is read from a local file at a time."""


def download(
    shell: StandbyShell, path: str, take: Callable[[bytes], object], *, timeout_s: float, cancel: Cancel
) -> int:
    """Give the bytes of a remote file to `take`, piece by piece, and return how many they were.

    Raises:
        RemoteOperationFailed: there is no such regular file, it cannot be read, or it changed meanwhile.
        ConnectionLost, Cancelled: not all of it came.
    """
    digest = hashlib.sha256()
    n_bytes = 0

    def on_output(stream: str, data: bytes) -> None:
        nonlocal n_bytes
        if stream == "stdout":
            digest.update(data)
            n_bytes += len(data)
            take(data)

    text = f"{boot.script_text('transfer')}rc_send {timeout_s:.0f} {quote(path)}\n"
    result = shell.run_job(_job(shell, text), _as_command(timeout_s), cancel=cancel, on_output=on_output)
    _check(result, path, "read", digest.hexdigest())
    return n_bytes


def upload(
    shell: StandbyShell, path: str, source: BinaryIO, *, size_bytes: int, timeout_s: float, cancel: Cancel
) -> None:
    """Make a remote file of the next `size_bytes` of `source`; it must not exist, and is whole or not there.

    Raises:
        RemoteOperationFailed: it exists, cannot be written, or did not become what was sent.
        ConnectionLost, Cancelled: the remote side removes what it has when its input ends.
    """
    digest = hashlib.sha256()
    shell.send(_job(shell, f"{boot.script_text('transfer')}rc_take_file {quote(path)} {size_bytes}\n"))
    try:
        _send_pieces(shell, source, size_bytes, digest.update, cancel)
    except ConnectionLost as exc:
        # The script may have ended early, with a reason; then that is what its status says.
        if shell.channel.is_link_lost:
            raise lost_error(is_started=True, is_repeatable=False) from exc
    except EOFError as exc:
        reason = "the local file is shorter than it was"
        raise RemoteOperationFailed(f'cannot write "{path}": {reason}', path=path, reason=reason) from exc
    # The end of the input ends the file: to count its bytes would take one process more.
    shell.channel.shutdown_write()
    result = shell.follow(_as_command(timeout_s), cancel=cancel)
    _check(result, path, "write", digest.hexdigest())


def _send_pieces(
    shell: StandbyShell, source: BinaryIO, n_bytes: int, note: Callable[[memoryview], None], cancel: Cancel
) -> None:
    while n_bytes:
        if cancel.is_set:
            raise Cancelled("the transfer was cancelled")
        piece = memoryview(source.read(min(n_bytes, PIECE_BYTES)))
        if not piece:
            raise EOFError
        note(piece)
        n_bytes -= len(piece)
        while piece:
            piece = piece[shell.channel.send(piece, timeout_s=SEND_TIMEOUT_S) :]


def _job(shell: StandbyShell, text: str) -> JobText:
    return JobText(f"{text}{shell.token}\n".encode("utf-8", "surrogateescape"), b"")


def _as_command(timeout_s: float) -> Command:
    return Command("", "/", timeout_s, keep_bytes=2_000)


def _check(result: Result, path: str, verb: str, digest: str) -> None:
    if result.is_cancelled:
        raise Cancelled("the transfer was cancelled")
    if result.outcome is not Outcome.DONE or result.is_timed_out or result.is_output_cut:
        raise lost_error(is_started=True, is_repeatable=verb == "read", is_silent=result.is_timed_out)
    said = result.stderr.decode("utf-8", "replace").strip()
    if result.exit_status != 0:
        reason = said or {66: "it is not a regular file", 73: "it exists", 74: "no space is left"}.get(
            result.exit_status or 0, f"status {result.exit_status}"
        )
        raise RemoteOperationFailed(f'cannot {verb} "{path}": {reason}', path=path, reason=reason)
    found = re.search(r"^([0-9a-f]{64})$", said, re.MULTILINE)
    if found and found[1] != digest:
        reason = "its contents changed on the way"
        raise RemoteOperationFailed(f'cannot {verb} "{path}": {reason}', path=path, reason=reason)
