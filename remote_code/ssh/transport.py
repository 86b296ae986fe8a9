"""All that is changed in paramiko's Transport: the rest of it stands in `sessions.py`, `channels.py` and `packets.py`.

What is built on of its private parts, checked by a test that fails when a new paramiko moves it: the three preference
tuples and tables, `_check_banner`, `_handler_table`, `_channel_handler_table`, `auth_handler._handler_table`,
`Channel.event_ready`, and how a key exchange holds back what others send.
"""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import ClassVar

import paramiko
from paramiko.message import Message

from remote_code.ssh.algorithms import Algorithms
from remote_code.ssh.legacy import KexGexSHA1, KexGroup1SHA1, KexGroup14SHA1, PlainKexCurve25519, SHA1RSAKey
from remote_code.ssh.packets import BannerMissing, Stream, WatchedPacketizer
from remote_code.ssh.sessions import SessionTransport

# Every failure is raised under a name of our own; paramiko would print a traceback for each as well.
if logging.getLogger("paramiko").level == logging.NOTSET:
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_BANNER_LINES = 50


class LinkTransport(SessionTransport):
    """One SSH transport (RFC 4253) with the algorithms that were asked for and a word on its end."""

    _CLIENT_ID = "remote_code"

    _kex_info: ClassVar[Mapping[str, type]] = {
        **paramiko.Transport._kex_info,  # type: ignore[attr-defined] # private
        PlainKexCurve25519.name: PlainKexCurve25519,
        KexGroup14SHA1.name: KexGroup14SHA1,
        KexGroup1SHA1.name: KexGroup1SHA1,
        KexGexSHA1.name: KexGexSHA1,
    }
    _key_info: ClassVar[Mapping[str, type]] = {
        **paramiko.Transport._key_info,  # type: ignore[attr-defined] # private
        "ssh-rsa": SHA1RSAKey,
        "ssh-rsa-cert-v01@openssh.com": SHA1RSAKey,
    }

    def __init__(self, stream: Stream, algorithms: Algorithms, *, compress: bool) -> None:
        super().__init__(stream)
        self.offered = algorithms
        self._preferred_kex = algorithms.kex
        self._host_key_algorithms = algorithms.host_keys
        self._preferred_ciphers = algorithms.ciphers
        self._preferred_macs = algorithms.macs
        self._preferred_pubkeys = algorithms.pubkeys
        self.use_compression(compress)
        self.extensions_came = threading.Event()
        """Set when the server has told its extensions (RFC 8308), which it does right after the key exchange."""
        self.preamble: list[str] = []
        """What the server said before its identification string, or instead of it."""
        self.server_lists: dict[str, list[str]] = {}
        """The algorithms of the server's last KEXINIT, by paramiko's names."""
        self.n_key_exchanges = 0
        self.host_key_blob = b""
        """The host key or certificate that signed the key exchange."""
        self.disconnect_reason = ""
        """The server's own words when it ended the connection."""
        self.on_end: Callable[[], None] = lambda: None
        """Called once by the transport's thread, as the last thing it does."""

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The host key algorithms that are offered, as given: paramiko would put certificates behind each."""
        return self._host_key_algorithms

    @property
    def watched(self) -> WatchedPacketizer:
        """The packetizer by its own type."""
        packetizer = self.packetizer
        assert isinstance(packetizer, WatchedPacketizer)
        return packetizer

    def run(self) -> None:
        """Run the transport's thread, then tell of its end."""
        try:
            super().run()
        finally:
            self.on_end()

    def abandon(self) -> None:
        """End the transport at once, from any thread; who waits on its stream wakes up."""
        shutdown = getattr(self.sock, "shutdown", None)
        if shutdown is not None:
            with contextlib.suppress(OSError, EOFError):
                shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, EOFError):
            self.close()

    def _check_banner(self) -> None:
        """Read the server's identification string (RFC 4253, 4.2) and keep what it says before it."""
        deadline = time.monotonic() + self.banner_timeout
        for _ in range(_BANNER_LINES):
            try:
                line = self.watched.read_text_line(deadline)
            except (OSError, EOFError) as exc:
                raise BannerMissing("no SSH identification string came") from exc
            if line.startswith("SSH-"):
                break
            self.preamble.append(line)
        else:
            raise BannerMissing("too much text came before the SSH identification string")
        self.remote_version = line
        if not line.startswith(("SSH-2.0-", "SSH-1.99-")):
            raise BannerMissing(f"the server speaks another protocol: {line[:100]!r}")

    def _parse_kex_init(self, m: Message) -> None:
        place = m.packet.tell()
        parsed = self._really_parse_kex_init(m)  # type: ignore[attr-defined] # private
        self.server_lists = {name: value for name, value in parsed.items() if isinstance(value, list)}
        m.packet.seek(place)
        super()._parse_kex_init(m)  # type: ignore[misc] # private

    def _parse_ext_info(self, msg: Message) -> None:
        super()._parse_ext_info(msg)  # type: ignore[misc] # private
        self.extensions_came.set()

    def _parse_disconnect(self, m: Message) -> None:
        m.get_int()
        self.disconnect_reason = m.get_text()[:1000]

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        super()._verify_key(host_key, sig)  # type: ignore[misc] # private
        self.n_key_exchanges += 1
        self.host_key_blob = host_key
