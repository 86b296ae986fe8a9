"""sudo with a password: a pair of channels, one for the command's output and one terminal on which sudo asks.

The password exists in this process, on the terminal's channel and in sudo: never in an argument, the environment or a
file. The command's text is not changed. Needs Linux's /proc on the remote.
"""

import contextlib
import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import SecretStr

from remote_code.errors import ConnectionLost, InvalidArguments, RemoteCodeError
from remote_code.quoting import quote
from remote_code.shell import boot
from remote_code.shell.channel import Channel, Link, OpensTerminals
from remote_code.shell.job import Cancel, Command, OnOutput, Result
from remote_code.shell.job_text import ARGUMENT_BYTES, WATCHER_GRACE_S, JobText
from remote_code.shell.opening import patiently
from remote_code.shell.run import CommandRun, raise_for_workdir
from remote_code.shell.worker import SEND_TIMEOUT_S, StandbyShell, lost_error

SET_UP_TIMEOUT_S = 30.0
"""How long the two halves may take to find each other; the terminal's login is in it."""
PAUSE_S = 0.8
"""An unfinished line that stands so long is a question; one that is not sudo's gets an end of input."""
TEXT_LIMIT = 4_096
"""Characters of the terminal's text that are looked at; a question is shorter."""
END_OF_INPUT = b"\x04"
INTERRUPT = b"\x03"

_PROMPT = re.compile(r"^\[sudo\] .*: ?$")


class PairUnsupported(RemoteCodeError):
    """This machine has no /proc, or the link gives no terminals. Nothing was started."""


class SudoPassword:
    """The password, and whether sudo has refused it, after which it is never offered again."""

    def __init__(self, secret: SecretStr) -> None:
        self.secret = secret
        self.is_refused = False


def wants_pair(command: Command) -> bool:
    """Tell whether a command can ask for sudo's password by what it says itself, and has no input of its own."""
    return command.stdin is None and "sudo" in command.text


class SudoPair:
    """The two halves, set up for one command.

    `output` is a standby shell that becomes the output half; the terminal is opened on `link`, which may be another
    one (Dropbear takes one session per connection).
    """

    def __init__(self, output: StandbyShell, link: Link, *, place: boot.Place, password: SudoPassword) -> None:
        """Set the pair up: four flights.

        Raises:
            PairUnsupported: see there; the output half is used up.
            ConnectionLost, ChannelRefused: nothing was started.
        """
        if not isinstance(link, OpensTerminals):
            raise PairUnsupported("this transport gives no terminals")
        self._output = output
        self._password = password
        self._deadline = time.monotonic() + SET_UP_TIMEOUT_S
        self._output.send(JobText(boot.script_text("sudo_output").encode() + f"{output.token}\n".encode(), b""))
        holder = self._expect(output.channel, rb"%b (\d*)\n" % output.token.encode())[1].decode()
        if not holder:
            raise PairUnsupported("the remote machine has no /proc")
        start = boot.start(boot.TERMINAL, place, HOLDER=holder)
        self._token = start.token
        self._terminal = patiently(lambda: link.open_terminal(start.command, timeout_s=SET_UP_TIMEOUT_S), time.sleep)
        try:
            ready = self._expect(self._terminal, rb"%b (\d+) \d+ p\r?\n" % start.token.encode())
            self._group_id = int(ready[1])
            self._send(output.channel, ready[1] + b"\n")
            self._expect(output.channel, rb"%b tty\n" % output.token.encode())
        except BaseException:
            self.close()
            raise

    def run(self, command: Command, *, cancel: Cancel | None = None, on_output: OnOutput | None = None) -> Result:
        """Run `command` and answer sudo's questions; see `StandbyShell.run`.

        Raises:
            InvalidArguments: the command is larger than one argument can hold.
            ConnectionLost: outcome "not_started"; nothing ran.
            NoSuchFile, NotADirectory, PermissionDenied: `command.workdir` is not a directory to work in; nothing ran.
        """
        text = command.text.encode("utf-8", "surrogateescape")
        if len(text) > ARGUMENT_BYTES:
            problem = f"{len(text)} bytes with sudo in them; at most {ARGUMENT_BYTES} can be run: put them into a file"
            raise InvalidArguments(f"cannot run a command of {problem}", tool="bash", problems=[f"command: {problem}"])
        channel = self._output.channel
        answering = _Answering(self._terminal, self._password, channel.wake)
        self._send(channel, b"%d\n" % (math.ceil(command.timeout_s) + WATCHER_GRACE_S))
        job = f"_rc_d {quote(command.workdir)}\n_rc_c={quote(command.text)}\n_rc_u\n{self._token}\n"
        self._send(self._terminal, job.encode("utf-8", "surrogateescape"))
        answering.start()
        try:
            ending = _TerminalEnding(self._terminal, self._output)
            rtt_s = self._output.link.rtt_s
            run = CommandRun(channel, ending, command=command, cancel=cancel, on_output=on_output, rtt_s=rtt_s)
            result = run.finish()
        finally:
            self.close()
            answering.join()
        raise_for_workdir(run.first_of_stderr, command, self._token)
        return replace(result, process_group=self._group_id)

    def close(self) -> None:
        """End what still runs."""
        self._output.close()
        self._terminal.close()
        self._terminal.wake.set()

    def _expect(self, channel: Channel, pattern: bytes) -> re.Match[bytes]:
        """Wait for a line of our own on standard output and drop what stands before it."""
        received = bytearray()
        while True:
            channel.wake.clear()
            is_over = channel.is_closed or channel.is_link_lost or channel.exit_status is not None
            data = channel.receive()
            channel.receive_stderr()
            received += data
            if found := re.search(pattern, bytes(received)):
                return found
            left_s = self._deadline - time.monotonic()
            if not data:
                if is_over or left_s <= 0:
                    raise lost_error(is_started=False, is_repeatable=False, is_silent=left_s <= 0)
                channel.wake.wait(left_s)

    def _send(self, channel: Channel, data: bytes) -> None:
        view = memoryview(data)
        sent = 0
        try:
            while sent < len(data):
                sent += channel.send(view[sent:], timeout_s=SEND_TIMEOUT_S)
        except ConnectionLost as exc:
            raise lost_error(is_started=False, is_repeatable=False) from exc


@dataclass(frozen=True, slots=True)
class _TerminalEnding:
    """The end of the command shows on the terminal's channel."""

    channel: Channel
    output: StandbyShell
    is_elsewhere: bool = True

    @property
    def exit_status(self) -> int | None:
        return self.channel.exit_status

    @property
    def exit_signal(self) -> str | None:
        return self.channel.exit_signal

    @property
    def is_closed(self) -> bool:
        return self.channel.is_closed

    @property
    def is_link_lost(self) -> bool:
        return self.channel.is_link_lost or self.output.channel.is_link_lost

    @property
    def is_given_up(self) -> bool:
        return self.output.is_given_up

    def stop(self) -> None:
        """Interrupt what the terminal's foreground is; the closed lifeline does the rest."""
        with contextlib.suppress(ConnectionLost):
            self.channel.send(memoryview(INTERRUPT), timeout_s=1.0)


class _Answering:
    """A thread that reads the terminal and answers; whatever happens there wakes the run."""

    def __init__(self, terminal: Channel, password: SudoPassword, wake_run: threading.Event) -> None:
        self._terminal = terminal
        self._questions = Questions(password)
        self._wake_run = wake_run
        self._thread = threading.Thread(target=self._read, name="shells-sudo", daemon=True)
        self.start: Callable[[], None] = self._thread.start

    def join(self) -> None:
        """Wait for the end of the thread; the terminal is closed already."""
        self._thread.join(5)

    def _read(self) -> None:
        terminal, questions = self._terminal, self._questions
        while True:
            terminal.wake.clear()
            is_over = terminal.is_closed or terminal.is_link_lost or terminal.exit_status is not None
            data = terminal.receive() + terminal.receive_stderr()
            answer = questions.hear(data.decode("utf-8", "replace"))
            if is_over or terminal.exit_signal is not None:
                self._wake_run.set()
                if terminal.is_closed or terminal.is_link_lost:
                    return
            if not answer and not data and not terminal.wake.wait(PAUSE_S if questions.is_open else None):
                answer = questions.pause()
            if answer:
                with contextlib.suppress(ConnectionLost):
                    terminal.send(memoryview(answer), timeout_s=SEND_TIMEOUT_S)


class Questions:
    """What is asked on a terminal, and what is answered: sudo's question with the password, no other with anything."""

    def __init__(self, password: SudoPassword) -> None:
        self._password = password
        self._line = ""
        self._said_since_answer: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether an unfinished line stands there."""
        return bool(self._line)

    def hear(self, text: str) -> bytes:
        """Take what came and return what is to be answered, if anything."""
        if not text:
            return b""
        *finished, self._line = (self._line + text).replace("\r", "\n").split("\n")
        self._line = self._line[-TEXT_LIMIT:]
        if self._said_since_answer is not None:
            self._said_since_answer = (self._said_since_answer + "".join(finished).strip())[-TEXT_LIMIT:]
        if not _PROMPT.match(self._line):
            return b""
        self._line = ""
        if self._said_since_answer:
            # "Sorry, try again.": offering the same again would only count as one more failed attempt.
            self._password.is_refused = True
        if self._password.is_refused:
            return END_OF_INPUT
        self._said_since_answer = ""
        return self._password.secret.get_secret_value().encode() + b"\n"

    def pause(self) -> bytes:
        """Return what ends a question that nobody here can answer."""
        self._line = ""
        return END_OF_INPUT
