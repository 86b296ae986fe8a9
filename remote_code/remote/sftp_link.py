"""The connection under the SFTP sessions: made when it is needed, made again when it was lost."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from remote_code.shell.channel import Channel

log = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 20.0


class SubsystemLink(Protocol):
    """What is needed of a connection to a machine that gives SFTP."""

    @property
    def is_alive(self) -> bool:
        """Whether the link is up as far as is known without sending anything."""

    def open_subsystem(self, name: str, *, timeout_s: float) -> Channel:
        """Open a session channel with a subsystem in it (RFC 4254, 6.5).

        Raises:
            ChannelRefused: the server opens no further channel, or has no such subsystem.
            ConnectionLost: the link has ended.
        """

    def close(self) -> None:
        """End the link and all its channels."""


class SFTPLink:
    """Opens SFTP channels on one connection at a time. All methods may be called from any thread."""

    def __init__(self, connect: Callable[[], SubsystemLink]) -> None:
        self._connect = connect
        # Held across a handshake on purpose: who needs a channel meanwhile needs that very connection.
        self._lock = threading.Lock()
        self._link: SubsystemLink | None = None

    def open_channel(self) -> Channel:
        """Open one more channel with the `sftp` subsystem.

        Raises:
            ConnectionFailed, ChannelRefused, ConnectionLost: there is none.
        """
        with self._lock:
            if self._link is None or not self._link.is_alive:
                self._link = self._connect()
            link = self._link
        return link.open_subsystem("sftp", timeout_s=OPEN_TIMEOUT_S)

    def close(self) -> None:
        """End the connection; a later `open_channel` would make a new one."""
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.close()
