"""A `Link` without SSH: its channels are local processes, which shows what the shell room needs of a connection."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, Self

from remote_code.errors import ChannelRefused, ConnectionLost


class ProcessChannel:
    """One process in its own session; its pipes are the streams, its return code the status or the signal."""

    def __init__(self, command: str, *, environment: dict[str, str] | None, login_shell: str) -> None:
        self.wake = threading.Event()
        self.is_in_use = False
        self.is_closed = False
        self.is_link_lost = False
        self.n_sends = 0
        """How often something was sent; up to 64 KiB go at once."""
        self._lock = threading.Lock()  # Guards the two buffers.
        self._buffers = {"stdout": bytearray(), "stderr": bytearray()}
        self._process = subprocess.Popen(
            [login_shell, "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._stdin = self._process.stdin
        self._readers = [
            threading.Thread(target=self._read, args=(name, pipe), name=f"pipe-{name}", daemon=True)
            for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        ]
        self._waiter = threading.Thread(target=self._wait, name="pipe-wait", daemon=True)
        for thread in (*self._readers, self._waiter):
            thread.start()

    @property
    def pid(self) -> int:
        """Process id, which is the process group's too."""
        return self._process.pid

    def send(self, data: memoryview, *, timeout_s: float) -> int:
        """Write to the process; pipes need no window."""
        self.n_sends += 1
        try:
            n_bytes = os.write(self._stdin.fileno(), data[:65536])
        except (OSError, ValueError) as exc:
            raise ConnectionLost("the process has closed its input") from exc
        return n_bytes

    def receive(self) -> bytes:
        """Return what has come on standard output."""
        return self._take("stdout")

    def receive_stderr(self) -> bytes:
        """Return what has come on standard error."""
        return self._take("stderr")

    @property
    def exit_status(self) -> int | None:
        """The exit status of a process that ended by itself."""
        status = self._process.returncode
        return status if status is not None and status >= 0 else None

    @property
    def exit_signal(self) -> str | None:
        """The signal that ended the process."""
        status = self._process.returncode
        return signal.Signals(-status).name.removeprefix("SIG") if status is not None and status < 0 else None

    @property
    def is_at_eof(self) -> bool:
        """Whether both pipes have ended."""
        return not any(thread.is_alive() for thread in self._readers)

    def shutdown_write(self) -> None:
        """Close the process's input."""
        self._stdin.close()

    def close(self) -> None:
        """Close the process's input and stop listening to it."""
        self._stdin.close()
        self.is_closed = True
        self.wake.set()

    def lose(self) -> None:
        """Behave as a channel whose link was lost: the process sees its input end."""
        self.is_link_lost = True
        self.close()

    def join(self) -> None:
        """Wait until the process and its output have ended."""
        for thread in (self._waiter, *self._readers):
            thread.join(5)

    def _take(self, name: str) -> bytes:
        with self._lock:
            data = bytes(self._buffers[name])
            self._buffers[name].clear()
        return data

    def _read(self, name: str, pipe: IO[bytes]) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 65536):
                with self._lock:
                    self._buffers[name] += data
                self.wake.set()
        self.wake.set()

    def _wait(self) -> None:
        self._process.wait()
        self.wake.set()
        for thread in self._readers:
            thread.join()
        self.is_closed = True
        self.wake.set()


class ProcessLink:
    """Starts processes on this machine as a server would for exec requests; at most `max_sessions` at a time."""

    rtt_s: float | None = 0.0
    needed_person: bool = False

    def __init__(
        self,
        *,
        environment: dict[str, str] | None = None,
        login_shell: str = "/bin/sh",
        max_sessions: int = 10,
        server: str = "SSH-2.0-process",
    ) -> None:
        self.server = server
        self.is_alive = True
        self.channels: list[ProcessChannel] = []
        self.commands: list[str] = []
        self._environment = environment
        self._login_shell = login_shell
        self._max_sessions = max_sessions
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()  # Guards the lists above.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        for channel in self.channels:
            channel.join()

    def open_exec(self, command: str, *, timeout_s: float) -> ProcessChannel:
        """Start a process, unless as many run as this link allows."""
        with self._lock:
            if not self.is_alive:
                raise ConnectionLost("the link has ended")
            n_running = sum(not channel.is_closed and channel.exit_status is None for channel in self.channels)
            if n_running >= self._max_sessions:
                raise ChannelRefused("no further process is allowed")
            channel = ProcessChannel(command, environment=self._environment, login_shell=self._login_shell)
            self.channels.append(channel)
            self.commands.append(command)
        return channel

    def add_loss_listener(self, listener: Callable[[], None]) -> None:
        """Keep `listener` for `lose`."""
        self._listeners.append(listener)

    def lose(self) -> None:
        """Behave as a link that was lost."""
        self.is_alive = False
        for channel in self.channels:
            channel.lose()
        for listener in self._listeners:
            listener()

    def close(self) -> None:
        """End the link and its processes by their input."""
        self.is_alive = False
        for channel in self.channels:
            channel.close()
