"""Worker shells: a channel whose process waits for jobs, and the pump that moves bytes to and from it.

A job counts as started from the moment that its token line is handed to the transport. A worker never repeats one;
whether that is safe, the pool decides.
"""

import re
import time
from collections.abc import Callable
from typing import NoReturn

from remote_code.errors import Cancelled, ConnectionLost, NoSuchFile, NotADirectory, PermissionDenied, ShellUnsupported
from remote_code.shell import boot
from remote_code.shell.channel import Channel, Link
from remote_code.shell.job import Cancel, Command, OnOutput, Outcome, Result, Script
from remote_code.shell.job_text import JobText, command_job, library_job, script_job
from remote_code.shell.output import KeptOutput

READY_TIMEOUT_S = 30.0
"""How long a login may take until its ready line; a `.bashrc` that sleeps is no failure."""
SEND_TIMEOUT_S = 30.0
"""How long the server may keep its receive window closed."""
DRAIN_S = 0.2
"""Silence that ends a call after its exit status, when background children still hold the output."""
DRAIN_LIMIT_S = 1.0
"""End of the drain when children keep writing; a link that still delivers what was queued gets longer."""
QUEUED_BYTES = 16_384
"""A drain period that brought this much is taken for output that was queued before the command ended."""
QUEUED_LIMIT_BYTES = 4 << 20
"""More than a server queues for one channel: whatever comes after this is of background children."""
STOP_S = 8.0
"""How long a stopped command may take: TERM, 3 s, KILL, and the way back."""


class _Shell:
    """What both kinds share: the booted channel and its streams."""

    def __init__(self, channel: Channel, ready: boot.Ready, token: str) -> None:
        self.channel = channel
        self.ready = ready
        self.token = token
        self.is_given_up = False
        """Whether we closed it ourselves, so that a missing exit status says nothing about the job."""

    @property
    def is_usable(self) -> bool:
        """Whether a job may still be sent, as far as is known without sending anything."""
        return not (self.channel.is_closed or self.channel.is_link_lost or self.channel.exit_status is not None)

    def close(self) -> None:
        """End the shell, and whatever still runs in it, by its lifeline; wakes who waits for it in another thread."""
        self.is_given_up = True
        self.channel.close()
        self.channel.wake.set()

    def send(self, job: JobText) -> None:
        """Hand a job to the transport, whole.

        Raises:
            ConnectionLost: outcome "not_started" when its token line was not handed over, else "unknown".
        """
        data = memoryview(job.lines + job.payload)
        sent = 0
        try:
            if not self.is_usable:
                raise ConnectionLost("the shell ended while it waited for work")
            while sent < len(data):
                sent += self.channel.send(data[sent:], timeout_s=SEND_TIMEOUT_S)
        except ConnectionLost as exc:
            raise _lost(is_started=sent >= len(job.lines), is_repeatable=False) from exc

    def pump(self, on_data: Callable[[str, bytes], None]) -> int:
        """Take what has come on both streams and return how many bytes that was."""
        n_bytes = 0
        for name, receive in (("stdout", self.channel.receive), ("stderr", self.channel.receive_stderr)):
            if data := receive():
                n_bytes += len(data)
                on_data(name, data)
        return n_bytes


class StandbyShell(_Shell):
    """Serves one user's command, then ends; its process becomes the command."""

    def run(self, command: Command, *, cancel: Cancel | None = None, on_output: OnOutput | None = None) -> Result:
        """Run `command` and return how it ended, with outcome DONE or UNKNOWN.

        Blocks for `command.timeout_s` and at most `STOP_S` more. Cancel and timeout close the lifeline: the watcher
        ends the process group, and the result holds the output so far.

        Raises:
            ConnectionLost: outcome "not_started"; nothing ran.
            NoSuchFile, NotADirectory, PermissionDenied: `command.workdir` is not a directory to work in; nothing ran.
        """
        job = command_job(command, self.token)
        self.send(job)
        result = _Run(self, command, cancel, on_output).finish()
        if result.exit_status == 125:
            self._raise_for_workdir(command, result.stderr)
        return result

    def _raise_for_workdir(self, command: Command, stderr: bytes) -> None:
        found = re.fullmatch(rb"%b cd (\w+)\n" % self.token.encode(), stderr)
        if found is None:
            return
        path = command.workdir
        asked = f'cannot run a command in "{path}":'
        if found[1] == b"missing":
            raise NoSuchFile(f"{asked} there is no such directory on the remote machine", path=path)
        if found[1] == b"file":
            raise NotADirectory(f"{asked} it is not a directory", path=path)
        raise PermissionDenied(f"{asked} the remote account may not enter it", path=path, action="enter")


class _Run:
    """One command between its job and its result: collects output, watches clock and cancel."""

    def __init__(
        self, shell: StandbyShell, command: Command, cancel: Cancel | None, on_output: OnOutput | None
    ) -> None:
        self._shell = shell
        self._channel = shell.channel
        self._kept = {"stdout": KeptOutput(command.keep_bytes), "stderr": KeptOutput(command.keep_bytes)}
        self._deadline = time.monotonic() + command.timeout_s
        self._cancel = cancel
        self._on_output = on_output
        self._is_timed_out = False
        self._is_cancelled = False

    def finish(self) -> Result:
        forget = self._cancel.add_listener(self._channel.wake.set) if self._cancel else lambda: None
        try:
            self._wait_for_end()
            if not (self._has_ended or self._channel.is_closed or self._channel.is_link_lost):
                self._channel.shutdown_write()
                self._wait_until(time.monotonic() + STOP_S, lambda: self._has_ended and self._channel.is_at_eof)
            if self._has_ended and not self._channel.is_at_eof:
                self._drain()
        finally:
            forget()
        return self._result()

    @property
    def _has_ended(self) -> bool:
        return self._channel.exit_status is not None or self._channel.exit_signal is not None

    def _wait_for_end(self) -> None:
        """Return when the command has ended, must be stopped, or can no longer be heard of."""

        def must_stop() -> bool:
            return self._cancel is not None and self._cancel.is_set

        self._wait_until(self._deadline, lambda: self._has_ended or must_stop())
        if self._has_ended or self._channel.is_closed:
            return
        self._is_cancelled = must_stop()
        self._is_timed_out = not self._is_cancelled and not self._channel.is_link_lost

    def _wait_until(self, deadline: float, is_over: Callable[[], bool]) -> None:
        """Collect output until `is_over()`, the end of the channel, or `deadline`."""
        channel = self._channel
        while True:
            channel.wake.clear()
            # The ends are looked at before the streams: what came before them is then certainly taken.
            is_final = channel.is_closed or channel.is_link_lost or channel.is_at_eof
            is_last = is_over() or channel.is_closed or channel.is_link_lost
            n_bytes = self._shell.pump(self._take)
            left_s = deadline - time.monotonic()
            if is_last or left_s <= 0:
                while is_final and self._shell.pump(self._take):
                    pass
                return
            if not n_bytes:
                channel.wake.wait(left_s)

    def _drain(self) -> None:
        """Wait for the end of the output, but not for background children that hold it."""
        started = time.monotonic()
        n_total = 0
        while not self._channel.is_at_eof and n_total < QUEUED_LIMIT_BYTES:
            before = self._n_bytes
            self._wait_until(time.monotonic() + DRAIN_S, lambda: self._channel.is_at_eof)
            n_bytes = self._n_bytes - before
            n_total += n_bytes
            if not n_bytes or (n_bytes < QUEUED_BYTES and time.monotonic() - started > DRAIN_LIMIT_S):
                return

    @property
    def _n_bytes(self) -> int:
        return sum(kept.total_bytes for kept in self._kept.values())

    def _take(self, stream: str, data: bytes) -> None:
        self._kept[stream].add(data)
        if self._on_output:
            self._on_output(stream, data)

    def _is_closed_in_order(self) -> bool:
        """Tell whether the server closed the channel, without a status, on a link that lives."""
        # When a link ends, its channels are closed a moment before that is known.
        deadline = time.monotonic() + DRAIN_S
        while self._channel.is_closed and not self._channel.is_link_lost and time.monotonic() < deadline:
            self._channel.wake.clear()
            self._channel.wake.wait(DRAIN_S / 4)
        return self._channel.is_closed and not (self._channel.is_link_lost or self._shell.is_given_up)

    def _result(self) -> Result:
        channel = self._channel
        was_stopped = self._is_timed_out or self._is_cancelled
        is_done = self._has_ended or (not was_stopped and self._is_closed_in_order())
        stdout, stderr = self._kept["stdout"], self._kept["stderr"]
        return Result(
            outcome=Outcome.DONE if is_done else Outcome.UNKNOWN,
            exit_status=channel.exit_status if channel.exit_signal is None else None,
            signal=channel.exit_signal,
            stdout=stdout.contents(),
            stderr=stderr.contents(),
            is_timed_out=self._is_timed_out,
            is_cancelled=self._is_cancelled,
            holds_output=self._has_ended and not channel.is_at_eof and not channel.is_link_lost,
            dropped_bytes=stdout.dropped_bytes,
            dropped_stderr_bytes=stderr.dropped_bytes,
        )


class ResidentShell(_Shell):
    """Serves short scripts of our own, one after the other, each framed by an end mark of its own."""

    def load(self, library: str) -> None:
        """Send the library; nothing answers, and the first job may follow at once."""
        self.send(library_job(library, self.token))

    def run(self, script: Script, *, cancel: Cancel | None = None) -> Result:
        """Run `script` and return its answer; the outcome is always DONE.

        After anything else than an answer the shell must be closed: what it still does is not known. `cancel` ends
        the wait for a repeatable script only; a change of files is waited for.

        Raises:
            ConnectionLost: outcome "not_started" or "unknown".
            Cancelled: the wait was given up.
        """
        end = boot.new_token()
        self.send(script_job(script, self.token, end))
        cancel = cancel if script.is_repeatable else None
        forget = cancel.add_listener(self.channel.wake.set) if cancel else lambda: None
        try:
            return self._answer(script, end.encode(), cancel)
        finally:
            forget()

    def _answer(self, script: Script, end: bytes, cancel: Cancel | None) -> Result:
        streams = {"stdout": bytearray(), "stderr": bytearray()}
        stdout, stderr = streams["stdout"], streams["stderr"]
        deadline = time.monotonic() + script.timeout_s
        wake = self.channel.wake
        while True:
            wake.clear()
            is_over = self.channel.is_closed or self.channel.is_link_lost
            n_bytes = self.pump(lambda name, data: streams[name].extend(data))
            status = re.search(rb"%b (\d+)\n\Z" % end, stdout[-40:])
            if status and stderr.endswith(end + b"\n"):
                del stdout[len(stdout) - len(status[0]) :]
                del stderr[len(stderr) - len(end) - 1 :]
                self.channel.is_in_use = False
                return Result(Outcome.DONE, int(status[1]), None, bytes(stdout), bytes(stderr))
            left_s = deadline - time.monotonic()
            if cancel and cancel.is_set:
                raise Cancelled("the call was cancelled while it waited for the remote machine")
            if (is_over and not n_bytes) or left_s <= 0:
                raise _lost(is_started=True, is_repeatable=script.is_repeatable, is_silent=left_s <= 0)
            if not n_bytes:
                wake.wait(left_s)


def open_standby(
    link: Link,
    place: boot.Place,
    *,
    timeout_s: float = READY_TIMEOUT_S,
    on_session: Callable[[], None] = lambda: None,
) -> StandbyShell:
    """Open a standby shell on `link` and wait for its ready line; see `_open`."""
    start = boot.start(boot.STANDBY, place)
    channel, ready = _open(link, start, timeout_s=timeout_s, on_session=on_session)
    return StandbyShell(channel, ready, start.token)


def open_resident(
    link: Link,
    place: boot.Place,
    *,
    library: str,
    timeout_s: float = READY_TIMEOUT_S,
    on_session: Callable[[], None] = lambda: None,
) -> ResidentShell:
    """Open a resident shell on `link`, wait for its ready line and send it `library`; see `_open`."""
    start = boot.start(boot.RESIDENT, place)
    channel, ready = _open(link, start, timeout_s=timeout_s, on_session=on_session)
    shell = ResidentShell(channel, ready, start.token)
    if library:
        shell.load(library)
        channel.is_in_use = False
    return shell


def _open(
    link: Link, start: boot.Start, *, timeout_s: float, on_session: Callable[[], None]
) -> tuple[Channel, boot.Ready]:
    """Start a worker and drop all that comes before its ready line, on each stream.

    `on_session` is called when the server has given the channel, long before a slow login is ready.

    Raises:
        ChannelRefused, ConnectionLost: as `Link.open_exec`, or the link was lost meanwhile.
        ShellUnsupported: the account started something else, or nothing that answered in time.
    """
    deadline = time.monotonic() + timeout_s
    channel = link.open_exec(start.command, timeout_s=timeout_s)
    try:
        on_session()
        return channel, _wait_until_ready(channel, start, deadline)
    except BaseException:
        channel.close()
        raise


def _wait_until_ready(channel: Channel, start: boot.Start, deadline: float) -> boot.Ready:
    data = memoryview(start.first_input)
    while data:
        data = data[channel.send(data, timeout_s=SEND_TIMEOUT_S) :]
    stdout, stderr = bytearray(), bytearray()
    while True:
        channel.wake.clear()
        is_over = channel.is_closed or channel.is_link_lost or channel.is_at_eof or channel.exit_status is not None
        received = channel.receive(), channel.receive_stderr()
        stdout += received[0]
        stderr += received[1]
        ready = boot.find_ready(stdout, start.token)
        if ready and boot.find_ready(stderr, start.token):
            channel.is_in_use = False
            return ready
        left_s = deadline - time.monotonic()
        if not any(received):
            if is_over or left_s <= 0:
                _raise_not_ready(channel, start, bytes(stdout), bytes(stderr))
            channel.wake.wait(left_s)


def _raise_not_ready(channel: Channel, start: boot.Start, stdout: bytes, stderr: bytes) -> NoReturn:
    if channel.is_link_lost:
        raise ConnectionLost("the connection was lost while a shell started", outcome="not_started", retry_safe=True)
    said = b"\n".join(part.strip() for part in (stdout, stderr) if part.strip())[-2000:].decode("utf-8", "replace")
    if channel.exit_status is None and not channel.is_closed:
        found = "it did not answer in time"
    else:
        found = f"it ended with status {channel.exit_status}"
    words = f" and said: {said}" if said else " and said nothing"
    if start.first_input:
        raise ShellUnsupported(f"REMOTE_ENTER starts no shell: {start.command!r}: {found}{words}", said=said)
    raise ShellUnsupported(
        f"the remote account starts no POSIX shell for commands: {found}{words}. "
        "An account for SFTP only, a forced command, or a shell start file that starts another program has this effect",
        said=said,
    )


def _lost(*, is_started: bool, is_repeatable: bool, is_silent: bool = False) -> ConnectionLost:
    outcome = "unknown" if is_started else "not_started"
    what = "the remote machine did not answer in time" if is_silent else "the connection to the remote machine was lost"
    known = "whether the work was done is unknown" if is_started else "nothing was done"
    return ConnectionLost(f"{what}; {known}", outcome=outcome, retry_safe=is_repeatable or not is_started)
