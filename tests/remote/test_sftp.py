"""SSH-10: SFTP on its own: links that die at any byte, engines beside each other, servers that are none."""

import hashlib
import os
import random
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from remote_code.errors import ConnectionLost, OutsideWorkspace, RemoteChanged, RemoteCodeError, SFTPError
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.sftp_files import SFTPFiles
from remote_code.remote.sftp_memory import ServerMemory, StaleLocks
from remote_code.remote.sftp_probe import probe_sftp
from remote_code.remote.sftp_session import SFTPSession, SFTPSessions
from remote_code.remote.state import Absent, Change, FileState, Kind, Present, Wanted
from remote_code.shell.channel import Channel
from remote_code.shell.job import Flights
from tests.support.figures import Figures
from tests.support.notes import Notes
from tests.support.process_link import ProcessChannel, ProcessLink
from tests.support.sftp_servers import SFTP_SERVER, local_sftp

TORTURE = bool(os.environ.get("REMOTE_CODE_TORTURE"))
EVERY = int(os.environ.get("REMOTE_CODE_CUT_EVERY") or (1 if TORTURE else 70))
SEED = int(os.environ.get("REMOTE_CODE_SEED", random.randrange(10**6)))

OLD = {"replaced": b"old contents\n" * 9, "removed": b"old too\n"}
NEW: dict[str, bytes | None] = {"replaced": b"new\0" * 50, "removed": None, "created": b"created\n" * 20}


class CutChannel:
    """A channel whose link dies after so many bytes: `sent` on the way there, `received` on the way back."""

    def __init__(self, inner: ProcessChannel, *, sent: int | None = None, received: int | None = None) -> None:
        self._inner = inner
        self._sent = sent
        self._received = received
        self.n_sent = 0
        self.n_received = 0
        self.wake = inner.wake

    def send(self, data: memoryview, *, timeout_s: float) -> int:
        left = len(data) if self._sent is None else min(len(data), self._sent - self.n_sent)
        while left > 0:
            count = self._inner.send(data[:left], timeout_s=timeout_s)
            self.n_sent += count
            return count
        self._inner.lose()
        raise ConnectionLost("the link was cut", outcome="unknown")

    def receive(self) -> bytes:
        data = self._inner.receive()
        left = len(data) if self._received is None else max(0, self._received - self.n_received)
        self.n_received += len(data)
        if left < len(data):
            self._inner.lose()
        return data[:left]

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@contextmanager
def cut_sessions(*, sent: int | None = None, received: int | None = None) -> Iterator[tuple[SFTPSessions, CutChannel]]:
    """Give a session whose link dies; waits for the server's end."""
    with ProcessLink() as link:
        channel = CutChannel(link.open_exec(f"exec {SFTP_SERVER}", timeout_s=10), sent=sent, received=received)
        sessions = SFTPSessions(lambda: cast("Channel", channel), size=1)
        try:
            yield sessions, channel
        finally:
            sessions.close()


def set_up(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, contents in OLD.items():
        (folder / name).write_bytes(contents)


def change_all(files: SFTPFiles, folder: Path, states: Sequence[Present | None]) -> None:
    changes = [
        Change(RemotePath(f"{folder}/{name}"), state or Absent(), contents)
        for (name, contents), state in zip(NEW.items(), states, strict=True)
    ]
    files.replace(changes, roots=ANYWHERE, flights=Flights())


def states_in(files: SFTPFiles, folder: Path) -> list[Present | None]:
    wanted = [Wanted(RemotePath(f"{folder}/{name}")) for name in NEW]
    found = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=1 << 20)
    return [each.state if isinstance(each.state, Present) else None for each in found]


@pytest.mark.parametrize("way", ["sent", "received"])
def test_a_link_that_dies_at_any_byte_leaves_each_file_old_or_new(place: Path, way: str, figures: Figures) -> None:
    """SSH-10, WRITE-1"""
    rng = random.Random(SEED)
    set_up(place)
    with local_sftp() as sessions:
        cleaner = SFTPFiles(sessions)
        with cut_sessions() as (whole, channel):
            change_all(SFTPFiles(whole), place, states_in(cleaner, place))
            size = channel.n_sent if way == "sent" else channel.n_received
        cuts = list(range(size)) if EVERY == 1 else sorted(rng.sample(range(size), size // EVERY))
        print(f"seed {SEED}: {len(cuts)} of {size} cut points, {way}")
        for cut in cuts:
            set_up(place)
            states, notes = states_in(cleaner, place), Notes()
            with cut_sessions(**{way: cut}) as (cut_off, _), pytest.raises(RemoteCodeError):
                change_all(SFTPFiles(cut_off, notes=notes), place, states)
            cleaner.clean(notes.kept, flights=Flights())
            for name, new in NEW.items():
                path = place / name
                contents = path.read_bytes() if path.exists() else None
                assert contents in (OLD.get(name), new), f"seed {SEED}, cut at {cut} of {size} {way}: {name}"
            assert {path.name for path in place.iterdir()} <= set(NEW), f"seed {SEED}, cut at {cut} {way}"
    figures.tell("cut points", len(cuts), f"of {size} over SFTP, {way}: all old or new, nothing left")


def test_each_operation_takes_as_few_flights_as_are_safe(place: Path) -> None:
    """SSH-10: the counts that docs/mirror.md tells."""
    (place / "a").write_bytes(b"one")
    (place / "link").symlink_to("a")
    with local_sftp() as sessions:
        files = SFTPFiles(sessions)

        def look(name: str, held: Present | None = None) -> tuple[int, FileState]:
            flights, wanted = Flights(), [Wanted(RemotePath(f"{place}/{name}"), held)]
            (found,) = files.observe(wanted, roots=ANYWHERE, flights=flights, limit_bytes=100)
            assert found.state is not None
            return flights.count, found.state

        def write(name: str, expected: FileState, contents: bytes | None, *, by: SFTPFiles = files) -> int:
            flights, change = Flights(), Change(RemotePath(f"{place}/{name}"), expected, contents)
            by.replace([change], roots=ANYWHERE, flights=flights)
            return flights.count

        n_cold, state = look("a")
        assert isinstance(state, Present)
        n_held, _ = look("a", state)
        n_absent, absent = look("new")
        n_link, _ = look("link")
        assert (n_cold, n_held, n_absent, n_link) == (3, 2, 1, 5)
        assert write("a", state, b"two") == 3
        assert write("new", absent, b"new") == 3
        state = look("link")[1]
        assert write("link", state, b"three") == 5
        assert write("dir/new", Absent(), b"new") == 5
        assert write("a", look("a")[1], None) == 3
        assert write("new", look("new")[1], b"unseen", by=SFTPFiles(sessions)) == 4
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*")) == ["dir", "dir/new", "link", "new"]


def test_a_path_that_leads_elsewhere_than_it_did_is_followed_anew(place: Path) -> None:
    """SSH-10: what was known of a path is a guess only; nothing stays at the place that was guessed."""
    for folder in ("one", "two"):
        (place / folder).mkdir()
        (place / folder / "a").write_bytes(b"same")
    (place / "way").symlink_to("one")
    with local_sftp() as sessions:
        files, wanted = SFTPFiles(sessions), [Wanted(RemotePath(f"{place}/way/a"))]
        (found,) = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=100)
        assert found.state is not None
        (place / "way").unlink()
        (place / "way").symlink_to("two")
        with pytest.raises(OutsideWorkspace):
            files.replace(
                [Change(found.path, found.state, b"new")], roots=[RemotePath(f"{place}/one")], flights=Flights()
            )
        assert [path.name for path in place.rglob("*") if path.name.startswith(".rc")] == []
        files.replace([Change(found.path, found.state, b"new")], roots=ANYWHERE, flights=Flights())
    assert ((place / "one" / "a").read_bytes(), (place / "two" / "a").read_bytes()) == (b"same", b"new")
    assert [path.name for path in place.rglob("*") if path.name.startswith(".rc")] == []


def test_a_lock_whose_owner_has_died_is_taken_over(place: Path) -> None:
    """SYNC-5, SSH-10: one that nobody has touched for long; an empty one at once."""
    (place / ".rc-lock" / "0123456789abcdef").mkdir(parents=True)
    with local_sftp() as sessions:
        files = SFTPFiles(sessions, memory=ServerMemory(locks=StaleLocks(after_s=0.0)))
        files.replace([Change(RemotePath(f"{place}/a"), Absent(), b"x")], roots=ANYWHERE, flights=Flights())
        (place / ".rc-lock").mkdir()
        SFTPFiles(sessions).replace(
            [Change(RemotePath(f"{place}/b"), Absent(), b"x")], roots=ANYWHERE, flights=Flights()
        )
    assert sorted(path.name for path in place.iterdir()) == ["a", "b"]


def test_old_and_new_contents_beyond_every_window_pass_each_other(place: Path) -> None:
    """SSH-10: both travel in one flight, and neither side waits for the other to read."""
    old, new = os.urandom(9_000_000), os.urandom(9_000_000)
    (place / "a").write_bytes(old)
    with local_sftp() as sessions:
        files, wanted = SFTPFiles(sessions), [Wanted(RemotePath(f"{place}/a"))]
        (found,) = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=1 << 30)
        assert found.state is not None
        files.replace([Change(found.path, found.state, new)], roots=ANYWHERE, flights=Flights())
    assert (place / "a").read_bytes() == new


def test_two_engines_with_retry_lose_nothing(place: Path, figures: Figures) -> None:
    """SYNC-5"""
    file, n_increments = place / "list", 300 if TORTURE else 20
    file.write_bytes(b"")

    def append(writer: int) -> None:
        with local_sftp(size=1) as sessions:
            files = SFTPFiles(sessions)
            for n in range(n_increments):
                while True:
                    wanted = [Wanted(RemotePath(str(file)))]
                    (found,) = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=1 << 20)
                    assert isinstance(found.state, Present)
                    assert found.contents is not None
                    change = Change(found.path, found.state, found.contents + b"%d.%d\n" % (writer, n))
                    try:
                        files.replace([change], roots=ANYWHERE, flights=Flights())
                        break
                    except RemoteChanged:
                        continue

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(append, range(2)))
    written = file.read_text(encoding="ascii").split()
    assert sorted(written) == sorted(f"{writer}.{n}" for writer in range(2) for n in range(n_increments))
    assert [entry.name for entry in place.iterdir()] == ["list"]
    figures.tell("increments", 2 * n_increments, "2 engines over SFTP: none lost")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
@pytest.mark.root
def test_a_file_of_another_owner_is_written_in_place() -> None:
    """SSH-10, WRITE-1"""
    folder = Path(tempfile.mkdtemp(prefix="remote-code-test-")).resolve()
    try:
        os.chown(folder, 65534, 65534)
        file = folder / "a"
        file.write_bytes(b"old, longer")
        os.chown(file, 4321, 4321)
        file.chmod(0o666)
        with local_sftp(uid=65534) as sessions:
            files = SFTPFiles(sessions)
            wanted = [Wanted(RemotePath(str(file)))]
            (found,) = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=1000)
            assert found.state is not None
            change = Change(found.path, found.state, b"new")
            (changed,) = files.replace([change], roots=ANYWHERE, flights=Flights())
        look = file.stat()
        assert (changed.in_place, file.read_bytes(), look.st_uid) == ("owner", b"new", 4321)
        assert (stat.S_IMODE(look.st_mode), os.listdir(folder)) == (0o666, ["a"])
    finally:
        shutil.rmtree(folder)


def test_contents_of_a_file_come_in_pieces_of_any_number(place: Path) -> None:
    data = os.urandom(1_000_001)
    (place / "a").write_bytes(data)
    with local_sftp() as sessions:
        flights = Flights()
        wanted = [Wanted(RemotePath(f"{place}/a"))]
        (found,) = SFTPFiles(sessions).observe(wanted, roots=ANYWHERE, flights=flights, limit_bytes=1 << 30)
    assert (found.contents, flights.count) == (data, 3)
    assert isinstance(found.state, Present)
    assert found.state.digest == hashlib.sha256(data).hexdigest()


def test_what_a_server_without_a_shell_tells_is_known(place: Path) -> None:
    """SSH-10"""
    (place / ".git").mkdir()
    (place / "sub").mkdir()
    with local_sftp() as sessions:
        host = probe_sftp(sessions, f"{place}/sub", user="me", flights=Flights())
        assert (host.workdir, host.workdir_kind, host.repository) == (f"{place}/sub", Kind.DIRECTORY, str(place))
        assert (host.home, host.user, host.tools) == (os.getcwd(), "me", frozenset())
        assert probe_sftp(sessions, "none/at all", user="me", flights=Flights()).workdir_kind is Kind.ABSENT_DIRECTORY


@pytest.mark.parametrize(
    ("command", "error"),
    [
        pytest.param("echo 'This account is closed'", SFTPError, id="words"),
        pytest.param("exit 1", SFTPError, id="nothing"),
        pytest.param("printf '\\000\\000\\000\\005\\002\\000\\000\\000\\002'", SFTPError, id="version-2"),
    ],
)
def test_what_is_no_sftp_server_is_named(command: str, error: type[RemoteCodeError]) -> None:
    """SSH-10"""
    with ProcessLink() as link, pytest.raises(error):
        SFTPSession(link.open_exec(command, timeout_s=10))


def test_a_lost_session_is_replaced_by_a_new_one(place: Path) -> None:
    (place / "a").write_bytes(b"x")
    with ProcessLink() as link:
        sessions = SFTPSessions(lambda: link.open_exec(f"exec {SFTP_SERVER}", timeout_s=10), size=1)
        files, wanted = SFTPFiles(sessions), [Wanted(RemotePath(f"{place}/a"))]
        for _ in range(2):
            (found,) = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=10)
            assert found.contents == b"x"
            link.channels[-1].lose()
        assert len(link.channels) == 2
        sessions.close()


def test_many_threads_share_two_sessions(place: Path) -> None:
    with local_sftp(size=2) as sessions:
        files, barrier = SFTPFiles(sessions), threading.Barrier(8)

        def work(n: int) -> bytes | None:
            barrier.wait(5)
            path = RemotePath(f"{place}/{n}")
            (found,) = files.observe([Wanted(path)], roots=ANYWHERE, flights=Flights(), limit_bytes=10)
            assert found.state is not None
            files.replace([Change(path, found.state, b"%d" % n)], roots=ANYWHERE, flights=Flights())
            return files.observe([Wanted(path)], roots=ANYWHERE, flights=Flights(), limit_bytes=10)[0].contents

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [b"%d" % n for n in range(8)]
