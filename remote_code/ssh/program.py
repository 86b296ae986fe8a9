"""A link over the user's own ssh program, for what only that can do: one master process, one client per channel.

The master (`ssh -M`) holds the connection, at a control socket in a private folder; each channel is a client of it.
The program reads its own configuration, so nothing of `options` applies here.
"""

import contextlib
import itertools
import logging
import os
import re
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from remote_code.errors import ChannelRefused, ConnectionLost
from remote_code.ssh.ending import LinkEnd
from remote_code.ssh.target import SSHCommand

_log = logging.getLogger(__name__)

_BUFFER_BYTES = 4 << 20
"""What a channel holds of output that nobody takes; then the program, and so the server, has to wait."""
_READ_BYTES = 1 << 16
_END_S = 1.0


class ProgramChannel:
    """One client process; satisfies the Protocol `Channel` of the shell room.

    A thread of its own moves output and the client's log; the lock guards the two buffers, and standard input
    against being closed during a write.
    """

    def __init__(self, link: "ProgramLink", process: subprocess.Popen[bytes], log: int) -> None:
        self.wake = threading.Event()
        self.is_in_use = False
        """Whether somebody waits for the remote process; the program watches its link by itself."""
        self.opened = threading.Event()
        """Set when the server has opened the session, or when the process has ended without that."""
        self.is_open = False
        self._link = link
        self._process = process
        self._log = log
        self._words = b""
        self._exit_status: int | None = None
        self._is_at_eof = False
        self._is_closed = False
        self._lock = threading.Lock()
        self._has_room = threading.Condition(self._lock)
        self._received: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        assert process.stdin is not None
        self._stdin: IO[bytes] = process.stdin
        os.set_blocking(self._stdin.fileno(), False)
        self._thread = threading.Thread(target=self._pump, name="ssh-channel", daemon=True)
        self._thread.start()

    @property
    def complaint(self) -> str:
        """The client's own words, when it failed."""
        lines = self._words.decode("utf-8", "replace").splitlines()
        return next((line for line in lines if "failed" in line or "refused" in line.lower()), "it gave no reason")

    def send(self, data: memoryview, *, timeout_s: float) -> int:
        """Hand at least one byte to the client and return how many; blocks while it takes none."""
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self._stdin, selectors.EVENT_WRITE)
                while True:
                    with contextlib.suppress(BlockingIOError), self._lock:
                        return os.write(self._stdin.fileno(), data[:_READ_BYTES])
                    left_s = deadline - time.monotonic()
                    if left_s <= 0 or not selector.select(left_s):
                        break
            except (OSError, ValueError) as exc:
                raise self._link.lost("the channel has ended") from exc
        raise self._link.lost(f"the remote process took no input for {timeout_s:.0f} s")

    def receive(self) -> bytes:
        """Return what has come on standard output, without blocking; empty when nothing has."""
        return self._take("stdout")

    def receive_stderr(self) -> bytes:
        """Return what has come on standard error, without blocking; empty when nothing has."""
        return self._take("stderr")

    @property
    def exit_status(self) -> int | None:
        """The exit status that the server reported, or None."""
        return self._exit_status

    @property
    def exit_signal(self) -> str | None:
        """Always None: the ssh program does not tell of signals; such a process ends without a status."""
        return None

    @property
    def is_at_eof(self) -> bool:
        """Whether both streams have ended."""
        return self._is_at_eof

    @property
    def is_closed(self) -> bool:
        """Whether the client has ended."""
        return self._is_closed

    @property
    def is_link_lost(self) -> bool:
        """Whether the master has ended."""
        return not self._link.is_alive

    def shutdown_write(self) -> None:
        """End the process's standard input."""
        with contextlib.suppress(OSError), self._lock:
            self._stdin.close()

    def close(self) -> None:
        """End the client; the thread does the rest."""
        self.shutdown_write()
        with self._lock:
            self._received["stdout"].clear()
            self._received["stderr"].clear()
            self._has_room.notify_all()
        if self._process.poll() is None:
            self._process.terminate()

    def _take(self, name: str) -> bytes:
        with self._lock:
            data = bytes(self._received[name])
            self._received[name].clear()
            if data:
                self._has_room.notify_all()
        return data

    def _pump(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        streams = {"stdout": self._process.stdout, "stderr": self._process.stderr}
        with selectors.DefaultSelector() as selector:
            for name, stream in streams.items():
                selector.register(stream, selectors.EVENT_READ, name)
            selector.register(self._log, selectors.EVENT_READ, "log")
            # The log is a FIFO that we hold open ourselves, so it has no end of its own.
            while len(selector.get_map()) > 1:
                for key, _ in selector.select():
                    self._move(key, selector)
            # Output that was cut with the link has not ended.
            self._is_at_eof = self._link.has_master
            self.wake.set()
            self._process.wait()
            while data := _read_now(self._log):
                self._read_log(data)
        self.shutdown_write()
        for stream in streams.values():
            stream.close()
        os.close(self._log)
        self._is_closed = True
        self.opened.set()
        self._link.forget(self)
        self.wake.set()

    def _move(self, key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
        data = os.read(key.fd, _READ_BYTES)
        if key.data == "log":
            self._read_log(data)
            return
        if not data:
            selector.unregister(key.fileobj)
            return
        with self._lock:
            buffer = self._received[key.data]
            buffer += data
            self.wake.set()
            while len(buffer) > _BUFFER_BYTES and self._process.poll() is None:
                self._has_room.wait(1.0)

    def _read_log(self, data: bytes) -> None:
        """Learn from the client's debug log what its exit status does not tell: 255 may be the process's own."""
        self._words = (self._words + data)[-20_000:]
        if not self.is_open and b"master session id:" in self._words:
            self.is_open = True
            self.opened.set()
        found = re.search(rb"Received exit status from master (\d+)", self._words)
        if found and self._exit_status is None:
            self._exit_status = int(found[1])
            self.wake.set()


class ProgramLink:
    """One master process; satisfies the Protocol `Link` of the shell room."""

    def __init__(
        self, command: SSHCommand, folder: Path, master: subprocess.Popen[bytes], environ: Mapping[str, str]
    ) -> None:
        self._command = command
        self.folder = folder
        """The private folder of the control socket; gone when the master has ended."""
        self._master = master
        self._environ = environ
        self._numbers = itertools.count(1)
        self._ended: LinkEnd[ProgramChannel] = LinkEnd()
        self.logged_in = threading.Event()
        """Set when the login is complete, or when the master has ended."""
        self.is_logged_in = False
        self.needed_person = False
        """Whether a person had to answer, so that the login cannot be repeated unasked."""
        self._server = ""
        self._words: deque[str] = deque(maxlen=50)
        self._thread = threading.Thread(target=self._watch, name="ssh-master", daemon=True)
        self._thread.start()

    @property
    def complaint(self) -> str:
        """The program's own words."""
        return " ".join(self._words)

    @property
    def server(self) -> str:
        """The server's identification string."""
        return self._server

    @property
    def is_alive(self) -> bool:
        """Whether the master runs."""
        return not self._ended.has_come

    @property
    def has_master(self) -> bool:
        """Whether the master runs, as the system knows; the thread that tells of its end may not know yet."""
        return self._master.poll() is None

    @property
    def rtt_s(self) -> float | None:
        """Always None: the program does not tell."""
        return None

    def open_exec(self, command: str, *, timeout_s: float) -> ProgramChannel:
        """Start a client that opens a session and runs `command` in it.

        Raises:
            ChannelRefused: the server opens no further channel here; the link stays good.
            ConnectionLost: the link has ended.
        """
        return self._open(["--", command], timeout_s=timeout_s)

    def open_subsystem(self, name: str, *, timeout_s: float) -> ProgramChannel:
        """Start a client that opens a session with a subsystem in it, such as `sftp`; raises as `open_exec`."""
        return self._open(["-s", "--", name], timeout_s=timeout_s)

    def _open(self, words: Sequence[str], *, timeout_s: float) -> ProgramChannel:
        if not self.is_alive:
            raise self.lost("no channel can be opened", outcome="not_started")
        log_path = self.folder / f"log{next(self._numbers)}"
        os.mkfifo(log_path, 0o600)
        log = os.open(log_path, os.O_RDWR | os.O_NONBLOCK)
        try:
            process = subprocess.Popen(
                [
                    *program("-S", str(self.folder / "master"), "-T", "-vv", "-E", str(log_path)),
                    # Without the master the client would connect by itself.
                    *("-o", "ControlMaster=no", "-o", "ProxyCommand=false"),
                    *words_of(self._command),
                    *words,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environ,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as exc:
            os.close(log)
            raise self.lost(f"the ssh program cannot be started: {exc.strerror}") from exc
        channel = ProgramChannel(self, process, log)
        self._ended.add_channel(channel)
        channel.opened.wait(timeout_s)
        # The client has opened it by now, so the name is needed no more.
        with contextlib.suppress(OSError):
            log_path.unlink()
        if channel.is_open:
            return channel
        channel.close()
        if not self.is_alive:
            raise self.lost("no channel could be opened")
        raise ChannelRefused(
            f"{self._command.host!r} opens no further channel on this connection: {channel.complaint}",
            host=self._command.host,
        )

    def add_loss_listener(self, listener: Callable[[], None]) -> None:
        """Have `listener` called once, from any thread, when the link has ended for whatever reason."""
        self._ended.add_listener(listener)

    def close(self) -> None:
        """End the master and with it all clients; waits a second at most."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                self._master.send_signal(number)
            if self._ended.wait(_END_S):
                break

    def forget(self, channel: ProgramChannel) -> None:
        """Take a channel off the list of those that are woken at the end."""
        self._ended.forget(channel)

    def lost(self, what: str, *, outcome: str = "unknown") -> ConnectionLost:
        """Return the error for work that the end of the link, or of its channel, has cut."""
        return ConnectionLost(
            f"the connection to {self._command.host!r} was lost: {what}", outcome=outcome, retry_safe=False
        )

    def _watch(self) -> None:
        """Read the master's log until its end, then tell everybody."""
        assert self._master.stderr is not None
        with self._master.stderr as log:
            for raw in log:
                self._read_line(raw.decode("utf-8", "replace").strip())
        self._master.wait()
        self._ended.come()
        self.logged_in.set()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read_line(self, line: str) -> None:
        found = re.match(r"debug1: Remote protocol version (\S+), remote software version (.*)", line)
        if found:
            self._server = f"SSH-{found[1]}-{found[2]}"
        elif line.startswith("debug1: channel") and f"[{self.folder / 'master'}]" in line:
            # The control socket is there. The end of the login is told by the ssh of every jump host, too.
            self.is_logged_in = True
            self.logged_in.set()
        elif line and not line.startswith(("debug", "OpenSSH_", "Authenticated to")):
            self._words.append(line[:500])


def program(*options: str) -> list[str]:
    """Return the words that start the ssh program."""
    return ["ssh", *options]


def words_of(command: SSHCommand) -> list[str]:
    """Return the options of the command in the form that all versions take, and the host."""
    file = ["-F", os.path.expanduser(command.config_file)] if command.config_file is not None else []
    given = [word for option in command.options for word in ("-o", option.line)]
    # What the configuration may hold for interactive use would stand in the way.
    quiet = ["-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no"]
    return [*quiet, *file, *given, command.host]


def _read_now(descriptor: int) -> bytes:
    """Read what is there, without waiting."""
    try:
        return os.read(descriptor, _READ_BYTES)
    except BlockingIOError:
        return b""
