"""The database: several engines and threads on one, and what happens when it is damaged or not ours."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from remote_code.errors import MirrorUnusable
from remote_code.mirror.database import Database
from tests.mirror.conftest import Site


def open_database(folder: Path, notices: list[str]) -> Database:
    folder.mkdir(mode=0o700, exist_ok=True)
    return Database(folder, companions=("contents",), on_notice=notices.append)


def add_total(db: sqlite3.Connection) -> None:
    db.execute("UPDATE totals SET amount = amount + 1 WHERE name = 'held'")


def total(database: Database) -> int:
    count: int = database.read(lambda db: db.execute("SELECT amount FROM totals WHERE name = 'held'").fetchone())[0]
    return count


def test_a_new_database_is_private_and_in_wal_mode(tmp_path: Path) -> None:
    """SYNC-4."""
    database = open_database(tmp_path / "own", [])
    add = database.write(add_total)
    assert add is None
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "own").iterdir()}
    assert set(modes.values()) == {0o600}
    assert "state-1.sqlite3-wal" in modes
    database.close()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(b"this is no database at all, but it is long enough to look like a file" * 100, id="not SQLite"),
        pytest.param(b"SQLite format 3\0" + b"\xff" * 4096, id="header only"),
    ],
)
def test_a_damaged_file_is_set_aside_with_a_notice(tmp_path: Path, damage: bytes) -> None:
    """SYNC-4."""
    folder = tmp_path / "own"
    (folder / "contents" / "ab").mkdir(parents=True)
    (folder / "contents" / "ab" / "cd").write_bytes(b"old")
    (folder / "state-1.sqlite3").write_bytes(damage)
    notices: list[str] = []
    database = open_database(folder, notices)
    database.write(add_total)
    assert total(database) == 1
    database.close()
    (aside,) = (folder / "aside").iterdir()
    assert (aside / "state-1.sqlite3").read_bytes() == damage
    assert (aside / "contents/ab/cd").read_bytes() == b"old"
    (notice,) = notices
    assert str(aside) in notice


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE somebody_elses (x)", "CREATE TABLE held (path); PRAGMA application_id = 1"],
    ids=["other tables", "other program"],
)
def test_a_foreign_database_is_set_aside_whole(tmp_path: Path, statement: str) -> None:
    """SYNC-4."""
    folder = tmp_path / "own"
    folder.mkdir()
    foreign = sqlite3.connect(folder / "state-1.sqlite3")
    foreign.executescript(statement)
    foreign.close()
    notices: list[str] = []
    open_database(folder, notices).close()
    (aside,) = (folder / "aside").iterdir()
    assert (aside / "state-1.sqlite3").exists()
    assert len(notices) == 1


def test_damage_that_shows_while_the_engine_runs_is_survived(site: Site) -> None:
    """SYNC-4."""
    path = site.write("a.py", b"one\n")
    site.pull(path)
    own = site.sync.local.root / ".remote-code"
    for found in own.glob("state-1.sqlite3*"):
        size = found.stat().st_size
        if not found.name.endswith("-shm"):
            found.write_bytes(b"\xa5" * size)
    assert site.pull(path).contents == b"one\n"
    assert site.sync.seen("one", path) == site.pull(path).observation.state


def test_two_engines_that_meet_the_same_damage_end_up_with_one_database(tmp_path: Path) -> None:
    """SYNC-4, SYNC-5."""
    first, second = (open_database(tmp_path / "own", []) for _ in range(2))
    first.write(lambda db: db.execute("DROP TABLE totals"))
    first.write(add_total)
    second.write(add_total)
    assert total(first) == total(second) == 2
    first.close()
    second.close()
    assert len(list((tmp_path / "own" / "aside").iterdir())) == 1


def test_few_damaged_databases_are_kept(tmp_path: Path) -> None:
    for _ in range(5):
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / "state-1.sqlite3").write_bytes(b"bad" * 1000)
        open_database(tmp_path / "own", []).close()
    assert len(list((tmp_path / "own" / "aside").iterdir())) == 3


def test_a_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path / "own", [])

    def fail(db: sqlite3.Connection) -> None:
        add_total(db)
        raise KeyError("no")

    with pytest.raises(KeyError):
        database.write(fail)
    assert total(database) == 0
    database.close()


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = open_database(tmp_path / "own", [])
    database.close()
    database.close()
    with pytest.raises(MirrorUnusable):
        database.read(lambda db: db.execute("SELECT 1"))


def test_sixteen_threads_share_one_database(tmp_path: Path) -> None:
    """SYNC-5."""
    database = open_database(tmp_path / "own", [])
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(50):
                database.write(add_total)
                total(database)
        except BaseException as exc:  # noqa: BLE001  # Shown by the assertion below.
            errors.append(exc)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert total(database) == 800
    database.close()


COUNTER = """
import sys
from pathlib import Path
from remote_code.mirror.database import Database

database = Database(Path(sys.argv[1]), companions=(), on_notice=print)
for _ in range(int(sys.argv[2])):
    database.write(lambda db: db.execute("UPDATE totals SET amount = amount + 1 WHERE name = 'held'"))
database.close()
"""


def test_four_processes_open_and_hammer_one_new_database(tmp_path: Path) -> None:
    """SYNC-5."""
    folder = tmp_path / "own"
    folder.mkdir()
    command = [sys.executable, "-c", COUNTER, str(folder), "150"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [(process.returncode, text) for process, text in zip(processes, said, strict=True)] == [(0, b"")] * 4
    database = open_database(folder, [])
    assert total(database) == 600
    database.close()
