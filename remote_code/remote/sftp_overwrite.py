"""Writing a file in place over SFTP, where a rename would change what it is; safe by complete copies beside it."""

from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_item import Refused, exclusive
from remote_code.remote.sftp_locks import SendFlight
from remote_code.remote.sftp_state import contents_of, whole_file, writes
from remote_code.remote.sftp_wire import Attributes, Handle, Type
from remote_code.remote.state import Change


def overwrite(flight: SendFlight, change: Change, target: Handle, old: bytes, *, temp: bytes) -> None:
    """Write the new contents over the `old` ones of an open file.

    `temp` holds the new contents already; a copy of the old ones is made beside it first, and both are removed.

    Raises:
        Refused: the old contents were put back; or, with the reason "broken", both copies stay.
    """
    new, copy = change.contents or b"", temp + b".old"
    (handle,) = flight([exclusive(copy, 0o600)])
    if not isinstance(handle, Handle):
        raise Refused("space", change)
    replies = flight([*writes(handle, old), wire.on_handle(Type.FSTAT, handle), wire.close(handle)])
    if not isinstance(replies[-2], Attributes) or replies[-2].size_bytes != len(old):
        flight([wire.on_path(Type.REMOVE, copy)])
        raise Refused("space", change)
    if _write_over(flight, target, new):
        flight([wire.on_path(Type.REMOVE, copy), wire.on_path(Type.REMOVE, temp)])
        return
    if _write_over(flight, target, old):
        flight([wire.on_path(Type.REMOVE, copy)])
        raise Refused("space", change)
    raise Refused("broken", change)


def _write_over(flight: SendFlight, handle: Handle, contents: bytes) -> bool:
    size = wire.set_attributes(handle, Attributes(size_bytes=len(contents)))
    replies = flight([*writes(handle, contents), size, *whole_file(handle, len(contents))])
    read = contents_of(replies[len(writes(handle, contents)) + 1 :])
    return read.data == contents
