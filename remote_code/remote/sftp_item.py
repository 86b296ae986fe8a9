"""One change of a replace over SFTP: the requests that carry it out, and what their replies must say. Pure."""

import hashlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from remote_code.paths import RemotePath, encode_path
from remote_code.remote import sftp_wire as wire
from remote_code.remote.leftovers import Leftover
from remote_code.remote.sftp_state import Contents, contents_of, stamp_of, whole_file, writes
from remote_code.remote.sftp_wire import Attributes, Code, Handle, Reply, Request, Status, Type
from remote_code.remote.state import Absent, Change, Present

_PERMISSIONS = 0o7777


class Refused(Exception):
    """A change that cannot be carried out; nothing of its job is done then."""

    def __init__(self, reason: str, change: Change | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.change = change


@dataclass(slots=True)
class Item:
    """One change on its way."""

    index: int
    change: Change
    target: RemotePath
    """Where the file is, all links followed, as far as is known."""
    token: str
    """Names the job."""
    attributes: Attributes | None = None
    """Of the target, once the lock is held; None when it is absent."""
    old: Handle | None = None
    new: Handle | None = None
    found: Contents | None = None
    """The old contents, as compared."""
    in_place: str | None = None
    is_broken: bool = False
    """Whether the target is half-written and its copies must stay."""

    @property
    def real(self) -> bytes:
        """The target as the server names it."""
        return encode_path(self.target)

    @property
    def folder(self) -> bytes:
        """The directory of the target."""
        return posixpath.dirname(self.real)

    @property
    def temp(self) -> bytes:
        """Where the new contents are laid down."""
        return self.folder.rstrip(b"/") + f"/.rc-{self.token}-{self.index + 1}".encode()

    @property
    def is_write(self) -> bool:
        """Whether it has new contents."""
        return self.change.contents is not None

    @property
    def is_there(self) -> bool:
        """Whether the target must be a file."""
        return isinstance(self.change.expected, Present)

    def leftover(self) -> Leftover:
        """Return what a cut may leave of it."""
        expected, contents = self.change.expected, self.change.contents
        old_digest = None if isinstance(expected, Absent) else expected.digest
        new_digest = None if contents is None else hashlib.sha256(contents).hexdigest()
        return Leftover(self.token, self.index + 1, self.change.path, self.target, old_digest, new_digest)

    def make_temp(self) -> Request:
        """Return the request that makes the temporary.

        Closed to others until the mode of the old file is known; a new file has the server's umask.
        """
        return exclusive(self.temp, 0o600 if self.is_there else 0o666)

    def send(self) -> list[Request]:
        """Return the requests that send the new contents; see `check_sent`."""
        assert self.new is not None
        requests = writes(self.new, self.change.contents or b"")
        if self.attributes is not None:
            # The owner first: changing it takes set-uid bits away.
            owner = Attributes(uid=self.attributes.uid, gid=self.attributes.gid)
            requests.append(wire.set_attributes(self.new, owner))
            mode = (self.attributes.mode or 0) & _PERMISSIONS
            requests.append(wire.set_attributes(self.new, Attributes(mode=mode)))
        elif self.change.mode is not None:
            requests.append(wire.set_attributes(self.new, Attributes(mode=self.change.mode & _PERMISSIONS)))
        return [*requests, wire.on_handle(Type.FSTAT, self.new)]

    def check_sent(self, replies: Sequence[Reply]) -> Attributes:
        """Return the state of the temporary, and note whether a rename would change what the file is.

        Raises:
            Refused: the new contents are not there as a whole.
        """
        contents, written = self.change.contents or b"", replies[-1]
        n_writes = len(writes(Handle(b""), contents))
        if any(not isinstance(reply, Status) or reply.code != Code.OK for reply in replies[:n_writes]):
            raise Refused("space", self.change)
        if not isinstance(written, Attributes) or written.size_bytes != len(contents):
            raise Refused("payload", self.change)
        attributes = self.attributes
        if attributes is not None and (written.uid, written.gid) != (attributes.uid, attributes.gid):
            self.in_place = "owner"
        elif attributes is not None and written.mode != attributes.mode:
            self.in_place = "mode"
        return written

    def read_old(self) -> list[Request]:
        """Return the requests that read the old contents; see `compare`."""
        assert self.old is not None
        size_bytes = self.attributes.size_bytes if self.attributes is not None else None
        return whole_file(self.old, size_bytes or 0)

    def compare(self, replies: Sequence[Reply]) -> None:
        """Keep the old contents if they are as expected.

        Raises:
            Refused: they are not.
        """
        expected, found = self.change.expected, contents_of(replies)
        assert isinstance(expected, Present)
        is_same = not found.is_torn
        if expected.digest is None:
            is_same = is_same and stamp_of(found.before) == expected.stamp
        else:
            is_same = is_same and hashlib.sha256(found.data).hexdigest() == expected.digest
        if not is_same:
            raise Refused("changed", self.change)
        self.found = found

    def commit(self) -> list[Request]:
        """Return the requests that give the new contents their name, or remove the file, and look at what came of it.

        The first tells whether it went well, the last looks at the old file where there was one.
        """
        look = wire.on_path(Type.LSTAT, self.real)
        if not self.is_write:
            requests = [wire.on_path(Type.REMOVE, self.real) if self.old is not None else look]
        elif self.in_place is not None:
            requests = [look, look]
        elif self.old is not None:
            requests = [wire.posix_rename(self.temp, self.real), look]
        else:
            # Fails when something has the name by now.
            requests = [wire.rename(self.temp, self.real), look]
        if self.old is not None:
            requests.append(wire.on_handle(Type.FSTAT, self.old))
        return requests

    def discard(self, *, is_renamed: bool) -> list[Request]:
        """Return the requests that close what was opened, and remove what has not been renamed."""
        requests = [wire.close(handle) for handle in (self.old, self.new) if handle is not None]
        if self.new is not None and not self.is_broken and not is_renamed:
            requests.append(wire.on_path(Type.REMOVE, self.temp))
        self.old = self.new = None
        return requests


def exclusive(path: bytes, mode: int) -> Request:
    """Return the request that makes a file which nothing has the name of yet."""
    return wire.open_file(path, wire.READ | wire.WRITE | wire.CREATE | wire.EXCLUSIVE, mode=mode)
