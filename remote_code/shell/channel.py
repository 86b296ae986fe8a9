"""What this room knows of a connection: two Protocols, so that paramiko, the `ssh` program and `REMOTE_ENTER` fit."""

import threading
from collections.abc import Callable
from typing import Protocol, runtime_checkable


class Channel(Protocol):
    """One exec channel (RFC 4254, 6.5): the streams of one remote process, its end, and nothing of its meaning.

    One thread at a time reads and writes it. Nothing here blocks longer than its deadline.
    """

    wake: threading.Event
    """Set whenever data, an end of file, an exit status, an exit signal or the end of the link has come."""
    is_in_use: bool
    """Whether somebody waits for an answer, so that the link is watched closely. `send` sets it, workers reset it."""

    def send(self, data: memoryview, *, timeout_s: float) -> int:
        """Hand at least one byte to the transport and return how many; blocks while the window is closed.

        Raises:
            ConnectionLost: the channel or its link has ended, or the window stayed closed for `timeout_s`.
        """

    def receive(self) -> bytes:
        """Return what has come on standard output, without blocking; empty when nothing has."""

    def receive_stderr(self) -> bytes:
        """Return what has come on standard error, without blocking; empty when nothing has."""

    @property
    def exit_status(self) -> int | None:
        """The exit status that the server reported, or None. Never invented."""

    @property
    def exit_signal(self) -> str | None:
        """Name of the signal that ended the process, without SIG, as the server reported it."""

    @property
    def is_at_eof(self) -> bool:
        """Whether both streams have ended (SSH_MSG_CHANNEL_EOF)."""

    @property
    def is_closed(self) -> bool:
        """Whether the channel was closed by the server, by us, or with its link."""

    @property
    def is_link_lost(self) -> bool:
        """Whether the link under the channel has ended, in which case a missing exit status means "unknown"."""

    def shutdown_write(self) -> None:
        """End the process's standard input: the lifeline's signal. The output may still be read."""

    def close(self) -> None:
        """Close the channel; does nothing when it is closed already. Never blocks."""


class Link(Protocol):
    """One authenticated connection, which gives out channels. All methods may be called from any thread."""

    @property
    def server(self) -> str:
        """The server's identification string (RFC 4253, 4.2), for example `SSH-2.0-dropbear_2022.83`."""

    @property
    def is_alive(self) -> bool:
        """Whether the link is up as far as is known without sending anything."""

    @property
    def rtt_s(self) -> float | None:
        """The last measured round-trip time in seconds; None before the first measurement."""

    @property
    def needed_person(self) -> bool:
        """Whether a person had to answer at the login, so that no further one is made unasked."""

    def open_exec(self, command: str, *, timeout_s: float) -> Channel:
        """Open a session channel and start `command` in it (RFC 4254, 6.1 and 6.5).

        Raises:
            ChannelRefused: the server opens no further channel here; the link stays good.
            ConnectionLost: the link has ended.
        """

    def add_loss_listener(self, listener: Callable[[], None]) -> None:
        """Have `listener` called once, from any thread, when the link has ended for whatever reason."""

    def close(self) -> None:
        """End the link and all its channels."""


@runtime_checkable
class OpensTerminals(Protocol):
    """What a link can do besides, if its transport has it."""

    def open_terminal(self, command: str, *, timeout_s: float) -> Channel:
        """Open a channel as `Link.open_exec`, whose streams are a pseudo-terminal (RFC 4254, 6.2)."""


Connect = Callable[[], Link]
"""Makes one more connection to the target; blocks, bounded by the target's connect timeout.

Raises `ConnectionFailed` and its subclasses.
"""
