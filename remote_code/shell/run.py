"""One command between its job and its result: collects output, watches the clock and the cancel."""

import functools
import re
import time
from collections.abc import Callable
from typing import Protocol

from remote_code.errors import NoSuchFile, NotADirectory, PermissionDenied
from remote_code.shell.channel import Channel
from remote_code.shell.job import Cancel, Command, OnOutput, Outcome, Result
from remote_code.shell.output import KeptOutput

DRAIN_S = 0.2
"""Silence that ends a call after its exit status, when background children still hold the output; two round trips more
on a long link, where the server may wait for its window in the middle of what it still has to send."""
DRAIN_LIMIT_S = 1.0
"""End of the drain when what comes are small pieces, as children write them."""
QUEUED_PIECE_BYTES = 8_192
"""A piece of this size is taken for output that the server had queued: a slow link brings it in full packets, and the
next may take as long as this one did."""
QUEUED_GAP_S = 3.0
QUEUED_LIMIT_S = 20.0
QUEUED_LIMIT_BYTES = 32 << 20
"""More than a server queues for one channel: whatever comes after this is of background children."""
FIRST_BYTES = 100
"""How much of standard error is looked at for a job's own words."""
LONGEST_WAIT_S = 3600.0
"""Longer timeouts are waited for in parts; some platforms take no larger number at a time."""
STOP_S = 8.0
"""How long a stopped command may take: TERM, 3 s, KILL, and the way back."""


class Ending(Protocol):
    """Where the end of a command shows: its own channel, or another one when its streams are led elsewhere."""

    @property
    def exit_status(self) -> int | None:
        """The exit status, when there is one."""

    @property
    def exit_signal(self) -> str | None:
        """The signal's name, when there is one."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can come."""

    @property
    def is_link_lost(self) -> bool:
        """Whether that is because the link has ended."""

    @property
    def is_given_up(self) -> bool:
        """Whether it was closed by us, so that a missing exit status says nothing."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it shows on another channel than the output, which must then be ended after it."""

    def stop(self) -> None:
        """Help the closed lifeline to end the command."""


class CommandRun:
    """Follows one command whose job was sent, up to its result.

    `output` carries its streams and its lifeline; whatever `ending` tells must set `output.wake` too.
    """

    def __init__(
        self,
        output: Channel,
        ending: Ending,
        *,
        command: Command,
        cancel: Cancel | None,
        on_output: OnOutput | None,
        rtt_s: float | None,
    ) -> None:
        self._channel = output
        self._ending = ending
        self._drain_s = DRAIN_S + 2 * (rtt_s or 0.0)
        self._kept = {"stdout": KeptOutput(command.keep_bytes), "stderr": KeptOutput(command.keep_bytes)}
        self._deadline = time.monotonic() + command.timeout_s
        self._cancel = cancel
        self._on_output = on_output
        self._is_timed_out = False
        self._is_cancelled = False
        self._last_piece = 0
        self._last_piece_at = time.monotonic()
        self._last_gap_s = 0.0
        self.first_of_stderr = b""
        """The first bytes of standard error, where a job says why it did not start, whatever is kept of the rest."""

    def finish(self) -> Result:
        """Wait for the end, stop the command when it is time to, and return how it ended."""
        forget = self._cancel.add_listener(self._channel.wake.set) if self._cancel else lambda: None
        try:
            self._wait_for_end()
            if not (self._has_ended or self._is_cut):
                self._channel.shutdown_write()
                self._ending.stop()
                # The output half of a sudo pair stays for the 3 s until KILL, whatever ended; its silence is enough.
                is_quiet = self._ending.is_elsewhere
                self._wait_until(
                    time.monotonic() + STOP_S, lambda: self._has_ended and (is_quiet or self._channel.is_at_eof)
                )
            elif self._ending.is_elsewhere:
                self._channel.shutdown_write()
            if self._has_ended and not self._channel.is_at_eof:
                self._drain()
            self._take_rest()
        finally:
            forget()
        return self._result()

    @property
    def _is_cut(self) -> bool:
        """Whether nothing more can be heard of the command."""
        channel, ending = self._channel, self._ending
        return ending.is_closed or ending.is_link_lost or channel.is_link_lost

    @property
    def _has_ended(self) -> bool:
        return self._ending.exit_status is not None or self._ending.exit_signal is not None

    def _wait_for_end(self) -> None:
        """Return when the command has ended, must be stopped, or can no longer be heard of."""

        def must_stop() -> bool:
            return self._cancel is not None and self._cancel.is_set

        self._wait_until(self._deadline, lambda: self._has_ended or must_stop())
        if not (self._has_ended or self._is_cut):
            self._is_cancelled = must_stop()
            self._is_timed_out = not self._is_cancelled

    def _wait_until(self, deadline: float, is_over: Callable[[], bool]) -> None:
        """Collect output until `is_over()`, the end of the channel, or `deadline`."""
        channel = self._channel
        while True:
            channel.wake.clear()
            is_last = is_over() or (self._is_cut and not self._has_ended) or (channel.is_closed and self._has_ended)
            n_bytes = pump(channel, self._take)
            left_s = deadline - time.monotonic()
            if is_last or left_s <= 0:
                return
            if not n_bytes:
                channel.wake.wait(min(left_s, LONGEST_WAIT_S))

    def _take_rest(self) -> None:
        """Take what came before the end of the streams and was not taken yet; nothing more can come after it."""
        channel = self._channel
        if channel.is_at_eof or channel.is_closed or channel.is_link_lost:
            while pump(channel, self._take):
                pass

    def _drain(self) -> None:
        """Wait for the end of the output, but not for background children that hold it."""
        started = time.monotonic()
        first = self._n_bytes
        while not self._channel.is_at_eof:
            before = self._n_bytes
            silence_s = self._drain_s + 2 * self._last_gap_s
            self._wait_until(time.monotonic() + silence_s, functools.partial(self._has_more_or_ended, before))
            elapsed_s = time.monotonic() - started
            is_queued = self._last_piece >= QUEUED_PIECE_BYTES and self._n_bytes - first < QUEUED_LIMIT_BYTES
            if self._n_bytes == before or elapsed_s > (QUEUED_LIMIT_S if is_queued else DRAIN_LIMIT_S):
                return

    def _has_more_or_ended(self, n_bytes: int) -> bool:
        return self._n_bytes > n_bytes or self._channel.is_at_eof

    @property
    def _n_bytes(self) -> int:
        return sum(kept.total_bytes for kept in self._kept.values())

    def _take(self, stream: str, data: bytes) -> None:
        now = time.monotonic()
        are_both_large = min(len(data), self._last_piece) >= QUEUED_PIECE_BYTES
        self._last_gap_s = min(now - self._last_piece_at, QUEUED_GAP_S) if are_both_large else 0.0
        self._last_piece, self._last_piece_at = len(data), now
        self._kept[stream].add(data)
        if stream == "stderr" and len(self.first_of_stderr) < FIRST_BYTES:
            self.first_of_stderr = (self.first_of_stderr + data)[:FIRST_BYTES]
        if self._on_output:
            self._on_output(stream, data)

    def _is_closed_in_order(self) -> bool:
        """Tell whether the server closed the channel, without a status, on a link that lives."""
        ending = self._ending
        # When a link ends, its channels are closed a moment before that is known.
        deadline = time.monotonic() + DRAIN_S
        while ending.is_closed and not ending.is_link_lost and time.monotonic() < deadline:
            self._channel.wake.clear()
            self._channel.wake.wait(DRAIN_S / 4)
        return ending.is_closed and not (ending.is_link_lost or ending.is_given_up)

    def _result(self) -> Result:
        channel = self._channel
        was_stopped = self._is_timed_out or self._is_cancelled
        is_done = self._has_ended or (not was_stopped and self._is_closed_in_order())
        stdout, stderr = self._kept["stdout"], self._kept["stderr"]
        return Result(
            outcome=Outcome.DONE if is_done else Outcome.UNKNOWN,
            exit_status=self._ending.exit_status if self._ending.exit_signal is None else None,
            signal=self._ending.exit_signal,
            stdout=stdout.contents(),
            stderr=stderr.contents(),
            is_timed_out=self._is_timed_out,
            is_cancelled=self._is_cancelled,
            holds_output=self._has_ended and not channel.is_at_eof and not channel.is_link_lost,
            is_output_cut=self._has_ended and not channel.is_at_eof and channel.is_link_lost,
            dropped_bytes=stdout.dropped_bytes,
            dropped_stderr_bytes=stderr.dropped_bytes,
        )


def pump(channel: Channel, on_data: OnOutput) -> int:
    """Take what has come on both streams of a channel and return how many bytes that was."""
    n_bytes = 0
    for name, receive in (("stdout", channel.receive), ("stderr", channel.receive_stderr)):
        if data := receive():
            n_bytes += len(data)
            on_data(name, data)
    return n_bytes


def raise_for_workdir(stderr: bytes, command: Command, token: str) -> None:
    """Raise what the job said about a directory that cannot be worked in; the command did not run then.

    Raises:
        NoSuchFile, NotADirectory, PermissionDenied: see above.
    """
    found = re.fullmatch(rb"%b cd (\w+)\n" % token.encode(), stderr)
    if found is None:
        return
    path = command.workdir
    asked = f'cannot run a command in "{path}":'
    if found[1] == b"missing":
        raise NoSuchFile(f"{asked} there is no such directory on the remote machine", path=path)
    if found[1] == b"file":
        raise NotADirectory(f"{asked} it is not a directory", path=path)
    raise PermissionDenied(f"{asked} the remote account may not enter it", path=path, action="enter")
