"""Large files over exec streams of their own: the fastest way, memory bounded, checked by size and digest.

The downloads, and what they share with `upload.py`.
"""

import hashlib
import re
from collections.abc import Callable

from remote_code.errors import Cancelled, RemoteOperationFailed
from remote_code.quoting import quote
from remote_code.shell import boot
from remote_code.shell.job import Cancel, Command, Outcome, Result
from remote_code.shell.job_text import JobText
from remote_code.shell.worker import StandbyShell, lost_error

PIECE_BYTES = 256 << 10
"""What is read from a local file at a time."""

GONE = "it vanished while it was written"
_REASONS = {66: "it is not a regular file", 73: "it exists", 74: "no space is left", 75: GONE}
"""What the exit statuses of `scripts/transfer.sh` mean."""


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

    job = transfer_job(shell, f"rc_send {timeout_s:.0f} {quote(path)}\n")
    result = shell.run_job(job, as_command(timeout_s), cancel=cancel, on_output=on_output)
    check(result, path, "read", digest.hexdigest())
    return n_bytes


def transfer_job(shell: StandbyShell, call: str) -> JobText:
    """Return the job of one call of `scripts/transfer.sh`."""
    text = boot.script_text("transfer")
    return JobText(f"{text}{call}{shell.token}\n".encode("utf-8", "surrogateescape"), b"")


def as_command(timeout_s: float) -> Command:
    """Return the limits of a transfer."""
    return Command("", "/", timeout_s, keep_bytes=2_000)


def check(result: Result, path: str, verb: str, digest: str) -> None:
    """Raise what the end of a transfer says, unless it went well.

    Raises:
        RemoteOperationFailed, ConnectionLost, Cancelled: it did not.
    """
    if result.is_cancelled:
        raise Cancelled("the transfer was cancelled")
    if result.outcome is not Outcome.DONE or result.is_timed_out or result.is_output_cut:
        raise lost_error(is_started=True, is_repeatable=verb == "read", is_silent=result.is_timed_out)
    said = result.stderr.decode("utf-8", "replace").strip()
    if result.exit_status != 0:
        reason = said or _REASONS.get(result.exit_status or 0, f"status {result.exit_status}")
        raise RemoteOperationFailed(f'cannot {verb} "{path}": {reason}', path=path, reason=reason)
    found = re.search(r"^([0-9a-f]{64})$", said, re.MULTILINE)
    if found and found[1] != digest:
        reason = "its contents changed on the way"
        raise RemoteOperationFailed(f'cannot {verb} "{path}": {reason}', path=path, reason=reason)
