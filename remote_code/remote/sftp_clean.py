"""Cleaning up over SFTP after a cut write; see `leftovers`."""

import hashlib
import posixpath

from remote_code.paths import encode_path
from remote_code.remote import sftp_wire as wire
from remote_code.remote.leftovers import Cleaned, Leftover
from remote_code.remote.sftp_locks import lock_path, lock_temp
from remote_code.remote.sftp_session import SFTPSession
from remote_code.remote.sftp_state import Opened, read_files, writes
from remote_code.remote.sftp_wire import Attributes, Handle, Type
from remote_code.shell.job import Flights


def clean(session: SFTPSession, leftover: Leftover, *, flights: Flights) -> Cleaned:
    """Remove what one item of a cut write has left, and make its target whole if it was half-written in place."""
    target = encode_path(leftover.real_path or leftover.path)
    folder = posixpath.dirname(target).rstrip(b"/")
    temp = folder + f"/.rc-{leftover.token}-{leftover.index}".encode()
    word = b"/" + leftover.token.encode()
    # Our lock by the word in it, or what should have become it.
    own, lock = lock_temp(folder, leftover.token), lock_path(folder)
    paths = [temp, temp + b".old", own, own + word, lock + word]
    looks = session.flight([wire.on_path(Type.LSTAT, path) for path in paths], flights=flights)
    there = {path for path, look in zip(paths, looks, strict=True) if isinstance(look, Attributes)}
    cleaned = Cleaned.REMOVED if there else Cleaned.NONE
    if paths[1] in there:
        cleaned = _clean_in_place(session, leftover, target, temp, flights=flights)
    kept = set(paths[:2]) if cleaned is Cleaned.KEPT else set()
    requests = [wire.on_path(Type.REMOVE, path) for path in paths[:2] if path in there - kept]
    requests += [wire.on_path(Type.RMDIR, path) for path in (own + word, own, lock + word) if path in there]
    # An empty lock is nobody's; one that somebody holds is not empty.
    session.flight([*requests, wire.on_path(Type.RMDIR, lock)], flights=flights)
    return cleaned


def _clean_in_place(
    session: SFTPSession, leftover: Leftover, target: bytes, temp: bytes, *, flights: Flights
) -> Cleaned:
    found, new, old = (_read(session, path, flights=flights) for path in (target, temp, temp + b".old"))
    if found is None or _digest(found) in (leftover.old_digest, leftover.new_digest):
        return Cleaned.REMOVED
    if old is None or _digest(old) != leftover.old_digest:
        # The copy was not complete, so the target had not been touched.
        return Cleaned.REMOVED
    if not _is_between(found, old, new or b""):
        return Cleaned.KEPT
    (handle,) = session.flight([wire.open_file(target, wire.READ | wire.WRITE)], flights=flights)
    if not isinstance(handle, Handle):
        return Cleaned.KEPT
    size = wire.set_attributes(handle, Attributes(size_bytes=len(old)))
    session.flight([*writes(handle, old), size], flights=flights)
    (read,) = read_files(session, [Opened(handle, len(old))], flights=flights)
    session.post([wire.close(handle)])
    return Cleaned.REPAIRED if read.data == old else Cleaned.KEPT


def _is_between(found: bytes, old: bytes, new: bytes) -> bool:
    """Tell whether `found` is `old` being overwritten by `new` from its beginning, or the way back."""
    for first, second in ((new, old), (old, new)):
        n_same = len(posixpath.commonprefix([found, first]))
        if found[n_same:] == second[n_same : len(found)] and len(found) in (n_same, len(old), len(new)):
            return True
    return False


def _read(session: SFTPSession, path: bytes, *, flights: Flights) -> bytes | None:
    look, handle = session.flight([wire.on_path(Type.LSTAT, path), wire.open_file(path, wire.READ)], flights=flights)
    if not isinstance(handle, Handle):
        return None
    size = look.size_bytes if isinstance(look, Attributes) else 0
    (read,) = read_files(session, [Opened(handle, size or 0)], flights=flights)
    session.post([wire.close(handle)])
    return read.data


def _digest(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()
