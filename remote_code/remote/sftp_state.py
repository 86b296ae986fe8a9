"""File states and contents as SFTP version 3 tells them: whole seconds, and no inode."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from remote_code.errors import SFTPError
from remote_code.paths import RemotePath
from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_session import SFTPSession
from remote_code.remote.sftp_wire import CHUNK_BYTES, Attributes, Data, Handle, Reply, Request, Status, Type
from remote_code.remote.state import Present
from remote_code.shell.job import Flights


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read of an open file."""

    data: bytes
    before: Attributes
    after: Attributes
    again: bytes | None = None
    """What a second reading gave, of a file that may change within the second without a sign."""

    @property
    def is_torn(self) -> bool:
        """Whether the file changed while it was read, as far as size, whole seconds and a second reading tell."""
        is_changed = stamp_of(self.before) != stamp_of(self.after) or len(self.data) != self.before.size_bytes
        return is_changed or (self.again is not None and self.again != self.data)

    def grown_since(self, first: "Contents | None", look: Attributes) -> bytes | None:
        """Return what the file held at `look`, before this reading, if all it did since `first` is grow."""
        if first is None:
            return None
        sizes = [len(first.data), *(each.size_bytes or 0 for each in (look, self.before, self.after))]
        known, size_bytes = sizes[:2]
        if sizes != sorted(sizes) or known == size_bytes or len(self.data) < size_bytes:
            return None
        return self.data[:size_bytes] if self.data.startswith(first.data) else None


def stamp_of(attributes: Attributes) -> str:
    """Return the text by which two states of a file are compared."""
    found = attributes
    return f"sftp {found.mode or 0:x} {found.size_bytes} {found.uid} {found.gid} {found.mtime_s}"


def present(attributes: Attributes, *, real_path: RemotePath, contents: bytes | None) -> Present:
    """Return the state of a file. It is never settled: whole seconds hide a change, only the contents prove it."""
    return Present(
        real_path=real_path,
        stamp=stamp_of(attributes),
        digest=None if contents is None else hashlib.sha256(contents).hexdigest(),
        size_bytes=attributes.size_bytes or 0,
        mode=attributes.mode or 0,
        n_links=1,
        uid=attributes.uid or 0,
        gid=attributes.gid or 0,
        inode=0,
        mtime_ns=(attributes.mtime_s or 0) * 1_000_000_000,
    )


def reads(handle: Handle, *, offset: int, length: int) -> list[Request]:
    """Return the requests that read a part of a file."""
    return [
        wire.read(handle, at, min(CHUNK_BYTES, offset + length - at))
        for at in range(offset, offset + length, CHUNK_BYTES)
    ]


def writes(handle: Handle, data: bytes) -> list[Request]:
    """Return the requests that write `data` from the beginning of a file."""
    return [wire.write(handle, at, data[at : at + CHUNK_BYTES]) for at in range(0, len(data), CHUNK_BYTES)]


def whole_file(handle: Handle, size_bytes: int) -> list[Request]:
    """Return the requests that read a file of `size_bytes` and look at it before and after; see `contents_of`."""
    look = wire.on_handle(Type.FSTAT, handle)
    return [look, *reads(handle, offset=0, length=size_bytes), look]


def contents_of(replies: Sequence[Reply]) -> Contents:
    """Return what the replies to `whole_file` hold.

    Raises:
        SFTPError: the server could not read.
    """
    before, after = replies[0], replies[-1]
    if not isinstance(before, Attributes) or not isinstance(after, Attributes):
        raise SFTPError("the SFTP server does not tell the state of an open file", status="fstat")
    return Contents(joined(replies[1:-1]), before, after)


def joined(replies: Sequence[Reply]) -> bytes:
    """Return the bytes of replies to `reads`, up to the first end of file.

    Raises:
        SFTPError: the server could not read.
    """
    parts = []
    for reply in replies:
        if isinstance(reply, Status) and reply.code == wire.Code.EOF:
            break
        if not isinstance(reply, Data):
            raise SFTPError(f"the SFTP server could not read: {reply}", status="read")
        parts.append(reply.value)
        if len(reply.value) < CHUNK_BYTES:
            break
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file to be read whole."""

    handle: Handle
    size_bytes: int
    is_young: bool = False
    """Whether it is read twice."""


def read_files(session: SFTPSession, files: Sequence[Opened], *, flights: Flights) -> list[Contents]:
    """Read open files, all in one flight."""
    parts = [
        (whole_file(file.handle, file.size_bytes), reads(file.handle, offset=0, length=file.size_bytes))
        for file in files
    ]
    requests = [
        request
        for file, (first, second) in zip(files, parts, strict=True)
        for request in [*first, *(second if file.is_young else [])]
    ]
    replies = session.flight(requests, flights=flights)
    found, at = [], 0
    for file, (first, second) in zip(files, parts, strict=True):
        read = contents_of(replies[at : at + len(first)])
        at += len(first)
        if file.is_young:
            read = replace(read, again=joined(replies[at : at + len(second)]))
            at += len(second)
        found.append(read)
    return found
