"""A session channel (RFC 4254, 6.1) as paramiko's Channel, with what that drops or leaves to chance."""

import threading
from collections.abc import Sequence

from paramiko.channel import Channel
from paramiko.message import Message
from paramiko.ssh_exception import ChannelException

from remote_code.ssh.channel_data import PieceBuffer


class SessionChannel(Channel):
    """A session (RFC 4254, 6.1) from the moment that it is asked for."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.in_buffer = PieceBuffer()
        self.in_stderr_buffer = PieceBuffer()
        self.is_answered = threading.Event()
        """Set when the server has opened or refused it, and at the end of the link."""
        self.is_open = False
        """Whether the server has opened it at all."""
        self.refusal: ChannelException | None = None
        """Why it has not. The transport's thread writes both, once."""
        self.wake = threading.Event()
        """Set whenever something has come for it, and at the end of the link."""
        self.exit_signal: str | None = None
        """Name of the signal that ended the process, without SIG (RFC 4254, 6.10)."""
        self.is_closed_by_server = False
        """Whether the server closed it, rather than we or the end of the link."""
        self.is_sending = False
        self.last_words: list[Message] = []
        # What `_say_last` leaves to the thread that sends; both are guarded by `lock`.

    def end_input(self) -> list[Message]:
        """Note that nothing more will be sent; return what is to be given to `ChannelTransport.say_last`."""
        with self.lock:
            return self._say_last([self._send_eof()])  # type: ignore[attr-defined] # private

    def end(self) -> list[Message]:
        """Close the channel on this side; return what is to be given to `ChannelTransport.say_last`."""
        with self.lock:
            return self._say_last(self._close_internal())  # type: ignore[attr-defined] # private

    def _say_last(self, messages: Sequence[Message | None]) -> list[Message]:
        """Return what may be posted now of the last messages; `lock` is held.

        While another thread is about to send there, data or last messages of its own, it is left to that thread:
        behind the end of a channel they would be for none, and servers end the connection for that.
        """
        words = [message for message in messages if message is not None]
        if self.is_sending:
            self.last_words += words
            return []
        self.is_sending = bool(words)
        return words
