"""Worker shells: a channel whose process waits for jobs, and the pump that moves bytes to and from it.

A job counts as started from the moment that its token line is handed to the transport. A worker never repeats one;
whether that is safe, the pool decides.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from remote_code.errors import Cancelled, ConnectionLost
from remote_code.shell import boot
from remote_code.shell.answers import Answers
from remote_code.shell.channel import Channel, Link
from remote_code.shell.job import Cancel, Command, OnOutput, Outcome, Result, Script
from remote_code.shell.job_text import JobText, command_job, end_of_input, library_job, script_jobs, search_job
from remote_code.shell.run import STOP_S, CommandRun, pump, raise_for_workdir
from remote_code.shell.stdin import Input

SEND_TIMEOUT_S = 30.0
"""How long the server may keep its receive window closed."""


class Slot:
    """A session of a link that is kept free for its holder, who opens a channel there and closes it."""

    def __init__(self, link: Link) -> None:
        self.link = link

    @property
    def is_usable(self) -> bool:
        """Whether a channel may be opened."""
        return self.link.is_alive

    @property
    def is_over(self) -> bool:
        """Nothing of it is left to wait for."""
        return True

    def wait_until_over(self, timeout_s: float) -> None:
        """Return at once: the holder has waited for the end of its channel."""

    def close(self) -> None:
        """Do nothing: the channel is the holder's."""


class Shell:
    """What both kinds share: the booted channel and its streams."""

    def __init__(self, link: Link, channel: Channel, ready: boot.Ready, token: str) -> None:
        self.link = link
        self.channel = channel
        self.ready = ready
        self.token = token
        self.is_given_up = False
        """Whether we closed it ourselves, so that a missing exit status says nothing about the job."""
        self.answers = Answers()

    @property
    def is_usable(self) -> bool:
        """Whether a job may still be sent, as far as is known without sending anything."""
        return not (self.channel.is_closed or self.channel.is_link_lost or self.channel.exit_status is not None)

    @property
    def is_over(self) -> bool:
        """Whether its session has ended, at the server too."""
        return self.channel.is_closed

    def wait_until_over(self, timeout_s: float) -> None:
        """Block until the server has closed the session, or for `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.channel.wake.clear()
            left_s = deadline - time.monotonic()
            if self.channel.is_closed or left_s <= 0:
                return
            self.channel.wake.wait(left_s)

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
            raise lost_error(is_started=sent >= len(job.lines), is_repeatable=False) from exc

    def take_answer(self, end: str) -> Result | None:
        """Return the answer with this end mark, if it has come; those of jobs sent before it are dropped."""
        while answer := self.answers.next():
            if answer.end == end:
                self.channel.is_in_use = self.answers.is_awaiting
                return Result(Outcome.DONE, answer.exit_status, None, answer.stdout, answer.stderr)
        return None


class StandbyShell(Shell):
    """Serves one user's command, then ends; its process becomes the command. Before that it may serve searches."""

    _has_search_functions = False

    def run(
        self,
        command: Command,
        *,
        cancel: Cancel | None = None,
        on_output: OnOutput | None = None,
        end_group: Callable[[int], None] | None = None,
    ) -> Result:
        """Run `command` and return how it ended, with outcome DONE or UNKNOWN.

        Blocks for `command.timeout_s` and at most `STOP_S` more. Cancel and timeout close the lifeline: the watcher
        ends the process group, and the result holds the output so far. Where its input is stuck because it does not
        read, the end of the lifeline is stuck behind that: `end_group` then ends the process group another way.

        Raises:
            ConnectionLost: outcome "not_started"; nothing ran.
            NoSuchFile, NotADirectory, PermissionDenied: `command.workdir` is not a directory to work in; nothing ran.
            InvalidArguments: the input cannot be used; nothing ran.
            RemoteOperationFailed: the input could not be read to its end, before which the command was ended.
        """
        if command.stdin is None:
            return self.run_job(command_job(command, self.token), command, cancel=cancel, on_output=on_output)
        stdin = Input(command.stdin)
        try:
            self.send(command_job(command, self.token, input_bytes=stdin.size_bytes))
        except BaseException:
            stdin.close()
            raise
        stdin.start(self.channel, end=end_of_input(self.token))
        try:
            return self.follow(command, cancel=cancel, on_output=on_output, end_group=end_group)
        finally:
            stdin.stop()

    def run_job(
        self, job: JobText, command: Command, *, cancel: Cancel | None = None, on_output: OnOutput | None = None
    ) -> Result:
        """Run a job whose text is not that of `command`, within its limits; as `run` else."""
        self.send(job)
        return self.follow(command, cancel=cancel, on_output=on_output)

    def follow(
        self,
        command: Command,
        *,
        cancel: Cancel | None = None,
        on_output: OnOutput | None = None,
        end_group: Callable[[int], None] | None = None,
    ) -> Result:
        """Follow a job that was sent, whole, up to its result; as `run` else."""
        ending = _OwnEnding(self, end_group)
        run = CommandRun(
            self.channel, ending, command=command, cancel=cancel, on_output=on_output, rtt_s=self.link.rtt_s
        )
        result = run.finish()
        raise_for_workdir(run.first_of_stderr, command, self.token)
        return replace(result, process_group=self.ready.group_id)

    def ask(self, searches: Mapping[str, Command], /) -> None:
        """Send searches, by the end marks of their answers, to be run one after the other.

        Raises:
            ConnectionLost: its outcome is that of the first; the others may be sent again in any case.
        """
        functions = "" if self._has_search_functions else boot.script_text("search")
        self.send(search_job(searches, self.token, functions=functions))
        self._has_search_functions = True
        self.answers.expect(searches)

    def answer(self, end: str, search: Command, /, *, cancel: Cancel | None = None) -> Result:
        """Wait for the answer of a search that was sent; those of searches before it are dropped.

        Cancel and timeout end the shell with whatever runs in it, and their result holds no output.

        Raises:
            ConnectionLost: the shell or its link has ended, outcome "unknown".
            NoSuchFile, NotADirectory, PermissionDenied: `search.workdir` is not a directory to work in.
        """
        deadline = time.monotonic() + search.timeout_s
        forget = cancel.add_listener(self.channel.wake.set) if cancel else lambda: None
        try:
            while True:
                self.channel.wake.clear()
                is_over = not self.is_usable
                n_bytes = pump(self.channel, self.answers.add)
                if result := self.take_answer(end):
                    raise_for_workdir(result.stderr, search, self.token)
                    return result
                left_s = deadline - time.monotonic()
                is_cancelled = cancel is not None and cancel.is_set
                if is_cancelled or left_s <= 0:
                    return self._stopped(is_cancelled=is_cancelled)
                if is_over and not n_bytes:
                    raise lost_error(is_started=True, is_repeatable=True)
                if not n_bytes:
                    self.channel.wake.wait(left_s)
        finally:
            forget()

    def _stopped(self, *, is_cancelled: bool) -> Result:
        """End what runs by the lifeline, and confirm it by the shell's end."""
        self.channel.shutdown_write()
        deadline = time.monotonic() + STOP_S
        while True:
            self.channel.wake.clear()
            left_s = deadline - time.monotonic()
            if not self.is_usable or left_s <= 0:
                break
            if not pump(self.channel, lambda stream, data: None):
                self.channel.wake.wait(left_s)
        outcome = Outcome.UNKNOWN if self.is_usable or self.channel.is_link_lost else Outcome.DONE
        return Result(
            outcome,
            self.channel.exit_status,
            self.channel.exit_signal,
            b"",
            b"",
            is_timed_out=not is_cancelled,
            is_cancelled=is_cancelled,
        )


@dataclass(frozen=True, slots=True)
class _OwnEnding:
    """The end of a command that shows on its own channel."""

    shell: StandbyShell
    end_group: Callable[[int], None] | None
    is_elsewhere: bool = False

    @property
    def exit_status(self) -> int | None:
        return self.shell.channel.exit_status

    @property
    def exit_signal(self) -> str | None:
        return self.shell.channel.exit_signal

    @property
    def is_closed(self) -> bool:
        return self.shell.channel.is_closed

    @property
    def is_link_lost(self) -> bool:
        return self.shell.channel.is_link_lost

    @property
    def is_given_up(self) -> bool:
        return self.shell.is_given_up

    def stop(self) -> None:
        """End the process group, where the lifeline may be stuck behind an input; it is all that there is else."""
        if self.end_group is not None:
            self.end_group(self.shell.ready.group_id)


class ResidentShell(Shell):
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
        self.ask({end: script})
        return self.answer(end, script, cancel=cancel)

    def ask(self, scripts: Mapping[str, Script], /) -> None:
        """Send scripts, by the end marks of their answers, to be run one after the other.

        Only scripts for which `can_share` holds may go together.

        Raises:
            ConnectionLost: its outcome is that of the first; the others may be sent again in any case.
        """
        self.send(script_jobs(scripts, self.token))
        self.answers.expect(scripts)

    def answer(self, end: str, script: Script, /, *, cancel: Cancel | None = None) -> Result:
        """Wait for the answer of a script that was sent; those of scripts before it are dropped. As `run` else."""
        cancel = cancel if script.is_repeatable else None
        forget = cancel.add_listener(self.channel.wake.set) if cancel else lambda: None
        deadline = time.monotonic() + script.timeout_s
        try:
            while True:
                self.channel.wake.clear()
                is_over = self.channel.is_closed or self.channel.is_link_lost
                n_bytes = pump(self.channel, self.answers.add)
                if result := self.take_answer(end):
                    return result
                left_s = deadline - time.monotonic()
                if cancel and cancel.is_set:
                    raise Cancelled("the call was cancelled while it waited for the remote machine")
                if (is_over and not n_bytes) or left_s <= 0:
                    raise lost_error(is_started=True, is_repeatable=script.is_repeatable, is_silent=left_s <= 0)
                if n_bytes:
                    deadline = time.monotonic() + script.timeout_s
                else:
                    self.channel.wake.wait(left_s)
        finally:
            forget()


def lost_error(*, is_started: bool, is_repeatable: bool, is_silent: bool = False) -> ConnectionLost:
    """Return the error of a job that got no answer, with what is known of it."""
    outcome = "unknown" if is_started else "not_started"
    what = "the remote machine did not answer in time" if is_silent else "the connection to the remote machine was lost"
    known = "whether the work was done is unknown" if is_started else "nothing was done"
    return ConnectionLost(f"{what}; {known}", outcome=outcome, retry_safe=is_repeatable or not is_started)


Tenant = StandbyShell | ResidentShell | Slot
"""What a worker of the pool holds."""
