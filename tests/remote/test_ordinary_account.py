"""What an account that is not root may do, and what becomes of files that are not all its own."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_code.errors import PermissionDenied
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import probe
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Absent, Kind
from remote_code.shell.job import Flights
from tests.remote.conftest import Machine
from tests.support.posix_shells import SHELLS, local_shells

NOBODY = 65534
STRANGER = 4321

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")]


@pytest.fixture(scope="module")
def top() -> Iterator[Path]:
    """A directory that everybody may enter; pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="remote-code-test-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=SHELLS)
def account(request: pytest.FixtureRequest, top: Path) -> Iterator[Machine]:
    name: str = request.param
    with local_shells(name, top / name, uid=NOBODY) as shells:
        (top / name / f"home-{name}").chmod(0o777)
        host = probe(shells, None, flights=Flights())
        assert host.uid == NOBODY
        yield Machine(name, host, ShellFiles(shells, host))


@pytest.fixture
def own(top: Path) -> Iterator[Path]:
    """A directory of the account."""
    folder = Path(tempfile.mkdtemp(dir=top))
    os.chown(folder, NOBODY, NOBODY)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def make(path: Path, contents: bytes, *, owner: int = NOBODY, mode: int = 0o644) -> Path:
    path.write_bytes(contents)
    os.chown(path, owner, owner)
    path.chmod(mode)
    return path


def look(path: Path) -> tuple[bytes, int, int]:
    found = path.stat()
    return path.read_bytes(), found.st_uid, stat.S_IMODE(found.st_mode)


def test_an_own_file_is_replaced(account: Machine, own: Path) -> None:
    """WRITE-1"""
    file = make(own / "a", b"old", mode=0o4755)
    assert account.replace(file, b"new").in_place is None
    assert look(file) == (b"new", NOBODY, 0o4755)


def test_a_file_of_another_owner_is_written_in_place(account: Machine, own: Path) -> None:
    """WRITE-1"""
    file = make(own / "a", b"old, longer", owner=STRANGER, mode=0o666)
    assert account.replace(file, b"new").in_place == "owner"
    assert look(file) == (b"new", STRANGER, 0o666)
    assert os.listdir(own) == ["a"]


def test_a_file_in_a_closed_directory_is_written_in_place(account: Machine, own: Path) -> None:
    """WRITE-1"""
    file = make(own / "a", b"old")
    own.chmod(0o555)
    changed = account.replace(file, b"new" * 50_000)
    assert changed.in_place == "dir"
    assert look(file) == (b"new" * 50_000, NOBODY, 0o644)
    assert not list(Path(f"/tmp/.remote-code-{NOBODY}").glob(".rc-*"))
    assert account.replace(file, b"again", expected=changed.state).in_place == "dir"


def test_what_may_not_be_written_is_refused(account: Machine, own: Path) -> None:
    """WRITE-1"""
    theirs = make(own / "theirs", b"old", owner=STRANGER)
    read_only = make(own / "read-only", b"old", mode=0o444)
    closed = own / "closed"
    closed.mkdir()
    in_closed = make(closed / "a", b"old")
    closed.chmod(0o755)  # Of root.
    for path, contents, reason in [
        (theirs, b"new", "readonly"),
        (theirs, None, "readonly"),
        (read_only, b"new", "readonly"),
        (closed / "new", b"new", "denied"),
        (closed / "sub" / "new", b"new", "mkdir"),
        (in_closed, None, "denied"),
    ]:
        with pytest.raises(PermissionDenied) as caught:
            account.replace(path, contents)
        assert caught.value.facts["reason"] == reason, path
    assert [look(path)[0] for path in (theirs, read_only, in_closed)] == [b"old"] * 3
    assert sorted(os.listdir(own)) == ["closed", "read-only", "theirs"]


def test_what_may_not_be_read_is_named(account: Machine, own: Path) -> None:
    """READ-1"""
    secret = make(own / "secret", b"x", owner=0, mode=0o600)
    found = account.observe(secret)
    assert (found.kind, found.is_unreadable, found.contents) == (Kind.FILE, True, None)
    with pytest.raises(PermissionDenied):
        account.files.read_lines(
            RemotePath(str(secret)), first=1, limit=1, limit_bytes=9, roots=ANYWHERE, flights=Flights()
        )
    hidden = own / "hidden"
    hidden.mkdir(mode=0o700)
    make(hidden / "a", b"x")
    assert account.observe(hidden).kind is Kind.DIRECTORY
    assert account.observe(hidden / "a").kind is Kind.NO_ACCESS
    assert account.observe(hidden / "deep" / "er").kind is Kind.NO_ACCESS
    with pytest.raises(PermissionDenied):
        account.files.list_directory(RemotePath(str(hidden)), roots=ANYWHERE, flights=Flights())
    with pytest.raises(PermissionDenied):
        account.replace(hidden / "new", b"x", expected=Absent())
    with pytest.raises(PermissionDenied):
        account.files.make_dirs(RemotePath(f"{hidden}/new"), roots=ANYWHERE, flights=Flights())
