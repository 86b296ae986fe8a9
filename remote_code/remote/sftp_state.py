"""File states and contents as SFTP version 3 tells them: whole seconds, and no inode."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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

    @property
    def is_torn(self) -> bool:
        """Whether the file changed while it was read, as far as size and whole seconds tell."""
        return stamp_of(self.before) != stamp_of(self.after) or len(self.data) != self.before.size_bytes

    def has_only_grown_since(self, first: Attributes) -> bool:
        """Whether the file has only grown since it was `first`, so that its first bytes are what it was then."""
        sizes = [look.size_bytes or 0 for look in (first, self.before, self.after)]
        return sizes == sorted(sizes) and len(self.data) >= sizes[0]


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
    """Return the requests that read a file of `size_bytes` and look at it before and after; see `read_whole`."""
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


def read_files(session: SFTPSession, files: Sequence[tuple[Handle, int]], *, flights: Flights) -> list[Contents]:
    """Read open files of known sizes, all in one flight."""
    parts = [whole_file(handle, size) for handle, size in files]
    replies = session.flight([request for part in parts for request in part], flights=flights)
    found, at = [], 0
    for part in parts:
        found.append(contents_of(replies[at : at + len(part)]))
        at += len(part)
    return found
