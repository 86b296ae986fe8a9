"""What the database says of local copies and of what sessions have seen; to be used within its transactions.

`held` is a cache: the state of each local copy, for all sessions. `seen` is what one session last read or wrote, and
alone decides conflicts.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from remote_code.mirror.schema import UnreadableState, decode_state, encode_state
from remote_code.paths import RemotePath, Workspace, decode_path, encode_path
from remote_code.remote.state import FileState, Present

BATCH = 500
"""How many rows are fetched at a time where all are gone through."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """One remote file that has a local copy."""

    path: RemotePath
    state: Present
    used_s: float
    """Unix time of the last use."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How much a mirror holds."""

    n_copies: int
    copies_bytes: int
    n_entries: int
    """History entries."""
    contents_bytes: int
    """Old contents, each counted once."""
    used_s: float | None
    """Unix time of the last use of a copy."""


def summary(db: sqlite3.Connection) -> Summary:
    """Count what there is."""
    row = db.execute(
        "SELECT (SELECT count(*) FROM held), (SELECT amount FROM totals WHERE name = 'held'),"
        " (SELECT count(*) FROM history), (SELECT amount FROM totals WHERE name = 'contents'),"
        " (SELECT max(used_ns) FROM held)"
    ).fetchone()
    n_copies, copies_bytes, n_entries, contents_bytes, used_ns = row
    return Summary(n_copies, copies_bytes, n_entries, contents_bytes, None if used_ns is None else used_ns / 1e9)


def remember_workspace(db: sqlite3.Connection, workspace: Workspace) -> None:
    """Note what the mirror is of."""
    rows = [("root", encode_path(workspace.root)), ("home", encode_path(workspace.home))]
    db.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", rows)


def known_workspace(db: sqlite3.Connection) -> Workspace | None:
    """Return what the mirror is of."""
    about = dict(db.execute("SELECT name, value FROM about").fetchall())
    if not {"root", "home"} <= set(about):
        return None
    return Workspace(root=decode_path(about["root"]), home=decode_path(about["home"]))


def held_state(db: sqlite3.Connection, path: RemotePath) -> Present | None:
    """Return the state of the local copy of `path`, if there is to be one."""
    row = db.execute("SELECT state FROM held WHERE path = ?", [encode_path(path)]).fetchone()
    return None if row is None else _to_present(row[0])


def hold(db: sqlite3.Connection, path: RemotePath, state: Present, *, now_ns: int) -> None:
    """Note that the local copy of `path` has this state, and that it was used now."""
    db.execute(
        "INSERT INTO held VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (path) DO UPDATE SET state = ?2, size_bytes = ?3, used_ns = ?4",
        [encode_path(path), encode_state(state), state.size_bytes, now_ns],
    )


def touch(db: sqlite3.Connection, path: RemotePath, *, now_ns: int) -> None:
    """Note that the local copy of `path` was used now."""
    db.execute("UPDATE held SET used_ns = ? WHERE path = ?", [now_ns, encode_path(path)])


def let_go(db: sqlite3.Connection, path: RemotePath) -> None:
    """Note that `path` has no local copy."""
    db.execute("DELETE FROM held WHERE path = ?", [encode_path(path)])


def held_bytes(db: sqlite3.Connection) -> int:
    """Return the size of all local copies together."""
    total: int = db.execute("SELECT amount FROM totals WHERE name = 'held'").fetchone()[0]
    return total


def least_used(db: sqlite3.Connection) -> Iterator[RemotePath]:
    """Yield tracked paths, the one that was not used for the longest time first."""
    while rows := db.execute("SELECT path FROM held ORDER BY used_ns LIMIT ?", [BATCH]).fetchall():
        for (path,) in rows:
            yield decode_path(path)


def tracked_after(db: sqlite3.Connection, last: RemotePath | None, *, below: RemotePath | None = None) -> list[Tracked]:
    """Return the next tracked files by byte order of their paths, those under a directory if `below` names it."""
    prefix = b"" if below is None else encode_path(below).rstrip(b"/") + b"/"
    # "0" follows "/" in ASCII: the half-open range holds exactly what lies below.
    end = prefix[:-1] + b"0" if prefix else b"0"
    rows = db.execute(
        "SELECT path, state, used_ns FROM held WHERE path > ? AND path >= ? AND path < ? ORDER BY path LIMIT ?",
        [b"" if last is None else encode_path(last), prefix, end, BATCH],
    ).fetchall()
    found = []
    for path, text, used_ns in rows:
        state = _to_present(text)
        if state is not None:
            found.append(Tracked(decode_path(path), state, used_ns / 1e9))
    return found


def seen_state(db: sqlite3.Connection, session_id: str, path: RemotePath) -> FileState | None:
    """Return what the session last saw at `path`; None when it never saw it."""
    row = db.execute(
        "SELECT state FROM seen WHERE session = ? AND path = ?", [session_id, encode_path(path)]
    ).fetchone()
    return None if row is None else _to_state(row[0])


def see(
    db: sqlite3.Connection, session_id: str, states: Sequence[tuple[RemotePath, FileState]], *, now_ns: int
) -> None:
    """Note that the session has seen these states now."""
    db.executemany(
        "INSERT INTO seen VALUES (?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT (session, path) DO UPDATE SET real_path = ?3, state = ?4, seen_ns = ?5",
        [(session_id, encode_path(path), _real(state), encode_state(state), now_ns) for path, state in states],
    )


def see_by_all_names(db: sqlite3.Connection, session_id: str, state: Present) -> None:
    """Note a state under every name by which the session has seen that file before (links that lead to it)."""
    db.execute(
        "UPDATE seen SET state = ? WHERE session = ? AND real_path = ?",
        [encode_state(state), session_id, _real(state)],
    )


def forget_old_sessions(db: sqlite3.Connection, *, before_ns: int) -> None:
    """Forget what was seen before that time."""
    db.execute("DELETE FROM seen WHERE seen_ns < ?", [before_ns])


def _real(state: FileState) -> bytes | None:
    return encode_path(state.real_path) if isinstance(state, Present) else None


def _to_state(text: str) -> FileState | None:
    """Return a state; one that cannot be read counts as never noted."""
    try:
        return decode_state(text)
    except UnreadableState:
        return None


def _to_present(text: str) -> Present | None:
    state = _to_state(text)
    return state if isinstance(state, Present) else None
