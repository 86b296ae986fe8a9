"""The packets of a transport (RFC 4253, 6): read and written with few copies and few system calls.

A large file is thousands of packets. What paramiko does for each (two reads of the socket, six copies) takes more time
than the cipher, so its hot methods are done anew here for AES-GCM, which is offered first; all that is rare stays as it
is. Private names of its Packetizer are used; a test fails when they move.
"""

import os
import struct
import threading
import time
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from paramiko.common import MSG_CHANNEL_DATA
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer
from paramiko.ssh_exception import SSHException

from remote_code.ssh.channel_data import DataToSend, ReceivedData

_BANNER_LINE_BYTES = 8192

STUCK_WRITE_S = 9.0
"""A write that moves no byte for so long means that the link is lost."""
MAX_PACKET_BYTES = 256 << 10
"""More than any server sends in one packet; OpenSSH's own limit."""
READ_BYTES = 320 << 10
"""The buffer that the stream is read into."""
PACKETS_PER_WRITE = 4
"""How many packets of one channel are written together; the packets of others wait for so many at most."""


class BannerMissing(SSHException):
    """The server sent no identification string."""


class Stream(Protocol):
    """What carries the bytes of a transport: a socket, or a channel of another transport."""

    def send(self, data: memoryview, /) -> int:
        """Send at least one byte."""

    def recv(self, count: int, /) -> bytes:
        """Receive at least one byte; nothing at the end."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Receive at least one byte into the beginning of `buffer`, and return how many; 0 at the end."""

    def settimeout(self, timeout_s: float | None, /) -> None:
        """Bound the three above; they raise TimeoutError."""

    def close(self) -> None:
        """End the stream."""


class WatchedPacketizer(Packetizer):
    """Reads and writes the packets, notes when the last one came, and ends the link when a write gets stuck."""

    # Names of paramiko's that are used below, as Python spells the private ones from outside.
    _Packetizer__aead_in: bool
    _Packetizer__aead_out: bool
    _Packetizer__block_engine_in: AESGCM
    _Packetizer__block_engine_out: AESGCM
    _Packetizer__block_size_out: int
    _Packetizer__compress_engine_in: object
    _Packetizer__compress_engine_out: object
    _Packetizer__iv_in: bytes
    _Packetizer__iv_out: bytes
    _Packetizer__mac_size_in: int
    _Packetizer__need_rekey: bool
    _Packetizer__received_bytes: int
    _Packetizer__received_bytes_overflow: int
    _Packetizer__received_packets: int
    _Packetizer__received_packets_overflow: int
    _Packetizer__sent_bytes: int
    _Packetizer__sent_packets: int
    _Packetizer__sequence_number_in: int
    _Packetizer__sequence_number_out: int
    _Packetizer__write_lock: threading.RLock
    _initial_kex_done: bool

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)  # type: ignore[arg-type] # more than sockets will do
        self._stream = stream
        self._handshake_deadline: float | None = None
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._start = self._end = 0
        # What lies between the two has come and was not read yet; the transport's thread alone reads.
        self.last_received = time.monotonic()
        """Written by the transport's thread only, read by others."""

    def read_text_line(self, deadline: float) -> str:
        """Read one line of the time before the first packet, byte by byte, so that nothing behind it is taken.

        Raises:
            TimeoutError: it did not end in time.
            EOFError: the stream ended.
            BannerMissing: it is too long.
        """
        line = b""
        while not line.endswith(b"\n"):
            try:
                byte = self._stream.recv(1)
            except TimeoutError:
                if self.closed:
                    raise EOFError from None
                if time.monotonic() > deadline:
                    raise
                continue
            if not byte:
                raise EOFError
            line += byte
            if len(line) > _BANNER_LINE_BYTES:
                raise BannerMissing("too much text came before the SSH identification string")
        return line.rstrip(b"\r\n").decode("utf-8", "replace")

    def read_message(self) -> tuple[int, Message | ReceivedData]:  # type: ignore[override] # what stands for one
        """Read one packet and note the time."""
        found: tuple[int, Message | ReceivedData]
        if self._Packetizer__aead_in and self._Packetizer__compress_engine_in is None:
            found = self._read_sealed()
        else:
            found = super().read_message()
        self.last_received = time.monotonic()
        return found

    def _read_sealed(self) -> tuple[int, Message | ReceivedData]:
        """Read one packet of AES-GCM (RFC 5647, 7): its length in clear, the rest sealed."""
        self._fill(4, may_rekey=True)
        size = int.from_bytes(self._buffer[self._start : self._start + 4], "big")
        n_bytes = 4 + size + self._Packetizer__mac_size_in
        self._fill(n_bytes, may_rekey=False)
        begin, end = self._start, self._start + n_bytes
        self._start = end
        iv = self._Packetizer__iv_in
        plain = self._Packetizer__block_engine_in.decrypt(
            iv, self._buffer[begin + 4 : end], self._buffer[begin : begin + 4]
        )
        self._Packetizer__iv_in = _next_iv(iv)
        seqno = self._Packetizer__sequence_number_in
        self._Packetizer__sequence_number_in = self._next_number(seqno)
        self._count_received(n_bytes)
        payload_end = size - plain[0]
        if not 1 < payload_end < len(plain):
            raise SSHException("a packet with a wrong padding came")
        kind = plain[1]
        if kind != MSG_CHANNEL_DATA:
            message = Message(plain[2:payload_end])
            message.seqno = seqno
            return kind, message
        if payload_end < 10:
            raise SSHException("a packet of data that is too short came")
        channel_id, length = struct.unpack_from(">II", plain, 2)
        if 10 + length > payload_end:
            raise SSHException("a packet of data that is too short came")
        return kind, ReceivedData(channel_id, memoryview(plain)[10 : 10 + length], seqno)

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read exactly `n` bytes, for the packets of other ciphers."""
        self._fill(n, may_rekey=check_rekey)
        self._start += n
        return bytes(self._buffer[self._start - n : self._start])

    def _fill(self, n_bytes: int, *, may_rekey: bool) -> None:
        """Read until `n_bytes` are in the buffer; as many more as have come are read with them.

        Raises:
            EOFError: the stream ended, or the handshake took too long.
            NeedRekeyException: there is nothing to read, and a key exchange to be begun.
        """
        if n_bytes > MAX_PACKET_BYTES:
            raise SSHException(f"a packet of {n_bytes} bytes came, more than any may have")
        held = self._end - self._start
        if held >= n_bytes:
            return
        if self._start + n_bytes > len(self._buffer) or not held:
            self._buffer[:held] = self._buffer[self._start : self._end]
            self._start, self._end = 0, held
        while self._end - self._start < n_bytes:
            if self.handshake_timed_out():
                raise EOFError
            try:
                count = self._stream.recv_into(self._buffer[self._end :])
            except (TimeoutError, BlockingIOError):
                if self.closed:
                    raise EOFError from None
                if may_rekey and self._start == self._end and self._Packetizer__need_rekey:
                    raise NeedRekeyException from None
                continue
            except OSError:
                if self.closed:
                    raise EOFError from None
                raise
            if not count:
                raise EOFError
            self._end += count

    def _count_received(self, n_bytes: int) -> None:
        """Ask for new keys after so many bytes or packets, and insist after as many more."""
        self._Packetizer__received_bytes += n_bytes
        self._Packetizer__received_packets += 1
        if self._Packetizer__need_rekey:
            self._Packetizer__received_bytes_overflow += n_bytes
            self._Packetizer__received_packets_overflow += 1
            if (
                self._Packetizer__received_bytes_overflow >= self.REKEY_BYTES_OVERFLOW_MAX
                or self._Packetizer__received_packets_overflow >= self.REKEY_PACKETS_OVERFLOW_MAX
            ):
                raise SSHException("the server ignores that new keys are asked for")
        elif (
            self._Packetizer__received_bytes >= self.REKEY_BYTES
            or self._Packetizer__received_packets >= self.REKEY_PACKETS
        ):
            self.request_rekey()

    def send_message(self, data: Message | DataToSend) -> None:
        """Write one packet, or the packets of some data in one go."""
        if not isinstance(data, DataToSend):
            super().send_message(data)
            return
        # The beginning of one packet is nothing to the server; of several, the first may arrive whole.
        data.is_written = len(data.pieces) > 1
        self._send_data(data)
        data.is_written = True

    def _send_data(self, data: DataToSend) -> None:
        if self._Packetizer__aead_out and self._Packetizer__compress_engine_out is None:
            self._send_sealed(data)
        else:
            for piece in data.pieces:
                message = Message()
                message.add_bytes(struct.pack(">BII", MSG_CHANNEL_DATA, data.channel_id, len(piece)))
                message.add_bytes(piece)
                super().send_message(message)

    def _send_sealed(self, data: DataToSend) -> None:
        with self._Packetizer__write_lock:
            seal, iv = self._Packetizer__block_engine_out.encrypt, self._Packetizer__iv_out
            block = self._Packetizer__block_size_out
            out: list[bytes] = []
            noise = os.urandom(4 + block)
            for piece in data.pieces:
                length = len(piece)
                # At least 4 bytes, up to a whole block; the length in clear does not count.
                padding = 4 + (-14 - length) % block
                head = (10 + length + padding).to_bytes(4, "big")
                fields = struct.pack(">BBII", padding, MSG_CHANNEL_DATA, data.channel_id, length)
                out += (head, seal(iv, b"".join((fields, piece, noise[:padding])), head))
                iv = _next_iv(iv)
                self._Packetizer__sequence_number_out = self._next_number(self._Packetizer__sequence_number_out)
            self._Packetizer__iv_out = iv
            self._Packetizer__sent_packets += len(data.pieces)
            joined = b"".join(out)
            self._Packetizer__sent_bytes += len(joined)
            self.write_all(joined)
            if not self._Packetizer__need_rekey and (
                self._Packetizer__sent_bytes >= self.REKEY_BYTES or self._Packetizer__sent_packets >= self.REKEY_PACKETS
            ):
                self.request_rekey()

    def _next_number(self, number: int) -> int:
        if number == 0xFFFFFFFF and not self._initial_kex_done:
            raise SSHException("the packets of the first key exchange have no end")
        return (number + 1) & 0xFFFFFFFF

    def request_rekey(self) -> None:
        """Have the transport's thread start a new key exchange."""
        self._Packetizer__received_bytes_overflow = 0
        self._Packetizer__received_packets_overflow = 0
        self._trigger_rekey()  # type: ignore[attr-defined] # private

    def start_handshake(self, timeout: float) -> None:
        """Bound the handshake; paramiko's own starts a timer thread, which outlives a handshake that fails."""
        self._handshake_deadline = time.monotonic() + timeout

    @property
    def is_late(self) -> bool:
        """Whether the handshake was given up because it took too long."""
        return self._handshake_deadline is not None and time.monotonic() > self._handshake_deadline

    def handshake_timed_out(self) -> bool:
        """Tell paramiko to give up the handshake."""
        return self.is_late

    def complete_handshake(self) -> None:
        """Lift the bound, but not after the first message already, as paramiko would."""
        if self._initial_kex_done:
            self._handshake_deadline = None

    def write_all(self, out: bytes) -> None:  # type: ignore[override] # that is all it is given
        """Write everything, or end the link: paramiko's own would wait for ever and copy the rest each time."""
        rest = memoryview(out)
        moved = time.monotonic()
        while rest:
            try:
                count = self._stream.send(rest)
            except TimeoutError:
                count = 0
            except OSError as exc:
                if self._handshake_deadline is None and not self._initial_kex_done:
                    # Our identification string. A server that has gone may have said why, which is read next.
                    return
                raise EOFError from exc
            if count > 0:
                rest = rest[count:]
                moved = time.monotonic()
            elif self.closed or time.monotonic() - moved > STUCK_WRITE_S:
                self.close()
                raise EOFError


def _next_iv(iv: bytes) -> bytes:
    """Count an IV of AES-GCM on (RFC 5647, 7.1): 4 fixed bytes, then a counter of 8."""
    return iv[:4] + ((int.from_bytes(iv[4:], "big") + 1) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
