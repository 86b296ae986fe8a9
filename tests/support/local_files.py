"""`Files` on the local disk: real files, real stat, compare and rename under locked folders.

A second maker beside the shell's, for tests that need many operations and no server.

`before_rename` lets a test write in the moment between the comparison and the rename, as a foreign program might.
"""

import contextlib
import errno
import fcntl
import os
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from remote_code.errors import IsADirectory, PermissionDenied, RemoteChanged
from remote_code.paths import RemotePath, encode_path, is_within
from remote_code.remote.state import (
    Absent,
    Change,
    Changed,
    DirectoryEntry,
    FileRange,
    FileState,
    Kind,
    Observation,
    Present,
    Wanted,
)
from remote_code.shell.job import Flights


class LocalFiles:
    """Operations on this machine's files, by their absolute paths."""

    def __init__(self) -> None:
        self.before_rename: Callable[[RemotePath], None] = lambda path: None

    def observe(
        self, wanted: Sequence[Wanted], *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> list[Observation]:
        flights.add()
        return [_observe(item, roots, limit_bytes) for item in wanted]

    def replace(self, changes: Sequence[Change], *, roots: Sequence[RemotePath], flights: Flights) -> list[Changed]:
        flights.add()
        for change in changes:
            real = _real_path(change.path)
            if not any(is_within(real, root) for root in roots):
                raise PermissionDenied("outside of the roots", path=change.path, action="write")
            if Path(real).is_dir():
                raise IsADirectory(f'"{real}" is a directory', path=change.path)
            Path(real).parent.mkdir(parents=True, exist_ok=True)
        with _locked({Path(_real_path(change.path)).parent for change in changes}):
            for change in changes:
                if not _is_as_expected(change):
                    raise RemoteChanged(f'"{change.path}" has changed', path=change.path)
            return [self._apply(change) for change in changes]

    def list_directory(
        self, path: RemotePath, *, roots: Sequence[RemotePath], flights: Flights
    ) -> tuple[Observation, list[DirectoryEntry]]:
        flights.add()
        with os.scandir(path) as entries:
            found = [DirectoryEntry(entry.name, entry.is_dir(), entry.is_symlink()) for entry in entries]
        return _observe(Wanted(path), roots, 0), found

    def read_lines(
        self,
        path: RemotePath,
        *,
        first: int,
        limit: int,
        limit_bytes: int,
        roots: Sequence[RemotePath],
        flights: Flights,
    ) -> FileRange:
        flights.add()
        found = _observe(Wanted(path), roots, 1 << 60)
        lines = (found.contents or b"").splitlines(keepends=True)[first - 1 : first - 1 + limit]
        return FileRange(found.kind, found.real_path, found.state, b"".join(lines)[:limit_bytes])

    def read_bytes(
        self, path: RemotePath, *, offset: int, limit: int, roots: Sequence[RemotePath], flights: Flights
    ) -> FileRange:
        flights.add()
        found = _observe(Wanted(path), roots, 1 << 60)
        return FileRange(found.kind, found.real_path, found.state, (found.contents or b"")[offset : offset + limit])

    def _apply(self, change: Change) -> Changed:
        real = _real_path(change.path)
        late = None
        with contextlib.ExitStack() as stack:
            old = None
            if isinstance(change.expected, Present):
                old = stack.enter_context(open(encode_path(real), "rb"))
                compared = os.fstat(old.fileno())
            self.before_rename(change.path)
            if change.contents is None:
                os.unlink(encode_path(real))
            else:
                _write(real, change, old is not None)
            if old is not None:
                after = os.fstat(old.fileno())
                if (after.st_size, after.st_mtime_ns) != (compared.st_size, compared.st_mtime_ns):
                    late = old.read()
        state: FileState = Absent() if change.contents is None else _present(real)
        return Changed(change.path, state, late_contents=late)


def _write(real: RemotePath, change: Change, is_old: bool) -> None:
    temporary = os.path.join(os.path.dirname(encode_path(real)), b".rc-" + uuid.uuid4().hex.encode())
    mode = stat.S_IMODE(os.stat(encode_path(real)).st_mode) if is_old else (change.mode or 0o644)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(change.contents or b"")
        os.fchmod(descriptor, mode)
    if is_old:
        os.replace(temporary, encode_path(real))
        return
    try:
        os.link(temporary, encode_path(real))  # Never replaces what came meanwhile.
    except FileExistsError as exc:
        raise RemoteChanged(f'"{change.path}" exists', path=change.path) from exc
    finally:
        os.unlink(temporary)


def _observe(wanted: Wanted, roots: Sequence[RemotePath], limit_bytes: int) -> Observation:
    path, held = wanted.path, wanted.held
    real = _real_path(path)
    if not any(is_within(real, root) for root in roots):
        return Observation(path, Kind.OUTSIDE, real, None, None)
    try:
        with open(encode_path(real), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Observation(path, Kind.OTHER, real, None, None)
            while True:
                state, contents = _stamp(real, os.fstat(file.fileno())), file.read()
                if _stamp(real, os.fstat(file.fileno())) == state:
                    break
                file.seek(0)
    except IsADirectoryError:
        return Observation(path, Kind.DIRECTORY, real, None, None)
    except (FileNotFoundError, NotADirectoryError):
        kind = Kind.ABSENT if Path(real).parent.is_dir() else Kind.ABSENT_DIRECTORY
        return Observation(path, kind, real, Absent(), None)
    # The clock of a file system is too coarse for proof: with a held digest the contents are always compared.
    if held is not None and held.digest == sha256(contents).hexdigest():
        return Observation(path, Kind.FILE, real, state, None, is_as_held=True)
    if len(contents) > limit_bytes:
        return Observation(path, Kind.FILE, real, state, None, is_too_large=True)
    return Observation(path, Kind.FILE, real, state, contents)


def _is_as_expected(change: Change) -> bool:
    real = _real_path(change.path)
    try:
        with open(encode_path(real), "rb") as file:
            found = _stamp(real, os.fstat(file.fileno()))
            digest = sha256(file.read()).hexdigest()
    except OSError as exc:
        return exc.errno in {errno.ENOENT, errno.ENOTDIR} and isinstance(change.expected, Absent)
    if isinstance(change.expected, Absent):
        return False
    return change.expected.digest == digest if change.expected.digest else change.expected.stamp == found.stamp


def _present(real: RemotePath) -> Present:
    return _stamp(real, os.stat(encode_path(real)))


def _stamp(real: RemotePath, found: os.stat_result) -> Present:
    stamp = (
        f"{found.st_mode:x} {found.st_size} {found.st_nlink} {found.st_uid} {found.st_gid} {found.st_ino} "
        f"{found.st_dev} {found.st_mtime_ns}|{found.st_ctime_ns}"
    )
    return Present(
        real_path=real,
        stamp=stamp,
        digest=None,
        size_bytes=found.st_size,
        mode=stat.S_IMODE(found.st_mode),
        n_links=found.st_nlink,
        uid=found.st_uid,
        gid=found.st_gid,
        inode=found.st_ino,
        mtime_ns=found.st_mtime_ns,
    )


def _real_path(path: RemotePath) -> RemotePath:
    return RemotePath(os.path.realpath(path))


@contextlib.contextmanager
def _locked(folders: set[Path]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for folder in sorted(folders):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
