"""The packets of SFTP version 3, as bytes in and out. Pure.

Source: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL file for the extensions.
"""

import enum
import struct
from dataclasses import dataclass, field

from remote_code.errors import SFTPError

VERSION = 3
MAX_PACKET_BYTES = 1 << 20
"""Longer packets than any server sends; more means that the stream is not SFTP."""
CHUNK_BYTES = 32_768
"""What every server takes in one read or write."""

READ, WRITE, CREATE, TRUNCATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x10, 0x20
"""Flags of `open_file`."""


class Type(enum.IntEnum):
    """First byte of a packet."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200


class Code(enum.IntEnum):
    """What a status says; servers of later versions have more, which count as failures."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    UNSUPPORTED = 8
    NO_SUCH_PATH = 10
    ALREADY_EXISTS = 11
    WRITE_PROTECTED = 12
    NO_SPACE = 14
    QUOTA_EXCEEDED = 15


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of a file; None where the server did not say."""

    size_bytes: int | None = None
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    atime_s: int | None = None
    mtime_s: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How a request ended."""

    code: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Handle:
    """An open file or directory."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a file."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Names:
    """Names with their attributes, links not followed."""

    entries: list[tuple[bytes, Attributes]] = field(default_factory=list)


Reply = Status | Handle | Data | Names | Attributes


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its id."""

    type: Type
    body: bytes


def frame(request: Request, request_id: int) -> bytes:
    """Return the packet of a request."""
    return struct.pack(">IBI", len(request.body) + 5, request.type, request_id) + request.body


def init() -> bytes:
    """Return the packet that begins a session."""
    return struct.pack(">IBI", 5, Type.INIT, VERSION)


def open_file(path: bytes, flags: int, *, mode: int | None = None) -> Request:
    """Open a file; `mode` is for one that is made, the server's umask takes bits away."""
    return Request(Type.OPEN, _string(path) + struct.pack(">I", flags) + _attributes(Attributes(mode=mode)))


def close(handle: Handle) -> Request:
    """Close a file or directory."""
    return Request(Type.CLOSE, _string(handle.value))


def read(handle: Handle, offset: int, length: int) -> Request:
    """Read up to `length` bytes."""
    return Request(Type.READ, _string(handle.value) + struct.pack(">QI", offset, length))


def write(handle: Handle, offset: int, data: bytes) -> Request:
    """Write all of `data`."""
    return Request(Type.WRITE, _string(handle.value) + struct.pack(">Q", offset) + _string(data))


def on_path(kind: Type, path: bytes) -> Request:
    """Ask for something that needs a path only: LSTAT, STAT, OPENDIR, REMOVE, RMDIR, REALPATH, READLINK."""
    return Request(kind, _string(path))


def on_handle(kind: Type, handle: Handle) -> Request:
    """Ask for something that needs a handle only: FSTAT, READDIR."""
    return Request(kind, _string(handle.value))


def set_attributes(handle: Handle, attributes: Attributes) -> Request:
    """Set what `attributes` holds on an open file."""
    return Request(Type.FSETSTAT, _string(handle.value) + _attributes(attributes))


def make_directory(path: bytes) -> Request:
    """Make one directory, with the server's umask."""
    return Request(Type.MKDIR, _string(path) + _attributes(Attributes()))


def rename(old: bytes, new: bytes) -> Request:
    """Rename; fails when the new name is taken."""
    return Request(Type.RENAME, _string(old) + _string(new))


def posix_rename(old: bytes, new: bytes) -> Request:
    """Rename over whatever has the new name, in one step (`posix-rename@openssh.com`)."""
    return Request(Type.EXTENDED, _string(b"posix-rename@openssh.com") + _string(old) + _string(new))


def parse_version(packet: bytes) -> dict[str, bytes]:
    """Return the extensions of the server's VERSION packet.

    Raises:
        SFTPError: the server speaks something else.
    """
    reader = _Reader(packet)
    if reader.byte() != Type.VERSION or reader.integer() < VERSION:
        raise SFTPError("the SFTP server speaks a version before 3", status="version")
    extensions = {}
    while not reader.is_at_end:
        name = reader.string().decode("ascii", "replace")
        extensions[name] = reader.string()
    return extensions


def parse_reply(packet: bytes) -> tuple[int, Reply]:
    """Return the id and the contents of a reply.

    Raises:
        SFTPError: the packet is damaged, or no reply.
    """
    reader = _Reader(packet)
    kind, request_id = reader.byte(), reader.integer()
    match kind:
        case Type.STATUS:
            code = reader.integer()
            # Old servers leave the text out.
            reply: Reply = Status(code, "" if reader.is_at_end else reader.string().decode("utf-8", "replace"))
        case Type.HANDLE:
            reply = Handle(reader.string())
        case Type.DATA:
            reply = Data(reader.string())
        case Type.NAME:
            entries = []
            for _ in range(reader.integer()):
                name = reader.string()
                reader.string()  # The line of `ls -l`, in no defined format.
                entries.append((name, reader.attributes()))
            reply = Names(entries)
        case Type.ATTRS:
            reply = reader.attributes()
        case _:
            raise SFTPError(f"the SFTP server sent a packet of the unknown type {kind}", status="protocol")
    return request_id, reply


class _Reader:
    """Reads a packet from its beginning."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._packet)

    def take(self, count: int) -> bytes:
        taken = self._packet[self._at : self._at + count]
        if len(taken) != count:
            raise SFTPError("the SFTP server sent a packet that is shorter than it says", status="protocol")
        self._at += count
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def long(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        return self.take(self.integer())

    def attributes(self) -> Attributes:
        flags = self.integer()
        size = self.long() if flags & 0x01 else None
        uid, gid = (self.integer(), self.integer()) if flags & 0x02 else (None, None)
        mode = self.integer() if flags & 0x04 else None
        atime, mtime = (self.integer(), self.integer()) if flags & 0x08 else (None, None)
        if flags & 0x80000000:
            for _ in range(self.integer()):
                self.string()
                self.string()
        return Attributes(size, uid, gid, mode, atime, mtime)


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _attributes(attributes: Attributes) -> bytes:
    flags, body = 0, b""
    if attributes.size_bytes is not None:
        flags, body = flags | 0x01, body + struct.pack(">Q", attributes.size_bytes)
    if attributes.uid is not None and attributes.gid is not None:
        flags, body = flags | 0x02, body + struct.pack(">II", attributes.uid, attributes.gid)
    if attributes.mode is not None:
        flags, body = flags | 0x04, body + struct.pack(">I", attributes.mode)
    return struct.pack(">I", flags) + body
