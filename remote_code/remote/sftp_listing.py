"""Directories over SFTP."""

import stat
from collections.abc import Sequence

from remote_code.errors import SFTPError
from remote_code.paths import RemotePath, encode_path
from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_session import SFTPSession
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Names, Status, Type
from remote_code.remote.state import DirectoryEntry
from remote_code.shell.job import Flights

_READDIRS = 8
"""How many pieces of a directory are asked for at once."""


def read_directory(session: SFTPSession, handle: Handle, *, flights: Flights) -> list[tuple[bytes, Attributes]]:
    """Return the names in an open directory, links not followed.

    Raises:
        SFTPError: the server could not list it.
    """
    found: list[tuple[bytes, Attributes]] = []
    while True:
        replies = session.flight([wire.on_handle(Type.READDIR, handle)] * _READDIRS, flights=flights)
        for reply in replies:
            if isinstance(reply, Names):
                found += reply.entries
            elif isinstance(reply, Status) and reply.code == Code.EOF:
                return [
                    (name, attributes) for name, attributes in found if name not in (b".", b"..") and b"/" not in name
                ]
            else:
                raise SFTPError(f"the SFTP server could not list a directory: {reply}", status="readdir")


def entries(
    session: SFTPSession, folder: RemotePath, names: Sequence[tuple[bytes, Attributes]], *, flights: Flights
) -> list[DirectoryEntry]:
    """Return the entries of `folder` by its names; a flight is needed only where links are among them."""
    links = [name for name, attributes in names if stat.S_ISLNK(attributes.mode or 0)]
    prefix = encode_path(folder).rstrip(b"/") + b"/"
    replies = session.flight([wire.on_path(Type.STAT, prefix + name) for name in links], flights=flights)
    to_directory = {
        name
        for name, reply in zip(links, replies, strict=True)
        if isinstance(reply, Attributes) and stat.S_ISDIR(reply.mode or 0)
    }
    is_link = set(links)
    return [
        DirectoryEntry(
            name.decode("utf-8", "surrogateescape"),
            is_directory=stat.S_ISDIR(attributes.mode or 0) or name in to_directory,
            is_link=name in is_link,
        )
        for name, attributes in names
    ]
