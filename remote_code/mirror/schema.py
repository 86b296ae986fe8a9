"""The tables of a mirror's database, and how a remote state stands in them."""

import json
from dataclasses import fields

from remote_code.remote.state import Absent, FileState, Present

APPLICATION_ID = 0x52436D72
"""Marks a SQLite file as ours ("RCmr")."""
VERSION = 1
"""Part of the file's name: an engine of another version has a database of its own, and both keep working.

Raised with every change of the tables, or of the fields of `Present` other than new ones with a default.
"""

TABLES = """
-- Paths are bytes: remote names need not be UTF-8. A state is JSON, null for "nothing has this name".
CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE held (
    path BLOB PRIMARY KEY,
    state TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    used_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX held_by_use ON held (used_ns);

CREATE TABLE seen (
    session TEXT NOT NULL,
    path BLOB NOT NULL,
    real_path BLOB,
    state TEXT NOT NULL,
    seen_ns INTEGER NOT NULL,
    PRIMARY KEY (session, path)
) WITHOUT ROWID;
CREATE INDEX seen_by_real_path ON seen (session, real_path);
CREATE INDEX seen_by_age ON seen (seen_ns);

CREATE TABLE notes (
    token TEXT NOT NULL,
    item INTEGER NOT NULL,
    leftover TEXT NOT NULL,
    engine TEXT NOT NULL,
    PRIMARY KEY (token, item)
) WITHOUT ROWID;

CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ns INTEGER NOT NULL,
    session TEXT NOT NULL,
    call TEXT NOT NULL,
    path BLOB NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    before_mode INTEGER,
    before_digest TEXT,
    after_digest TEXT,
    in_place TEXT,
    undone_by TEXT
);
CREATE INDEX history_by_call ON history (call);
CREATE INDEX history_by_path ON history (path);
CREATE INDEX history_by_session ON history (session);
CREATE INDEX history_unknown ON history (path) WHERE status = 'unknown';

-- Contents that history entries name, each stored once in a file.
CREATE TABLE contents (
    digest TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    n_uses INTEGER NOT NULL
) WITHOUT ROWID;

-- Sums that are kept as rows come and go, so that no call has to count.
CREATE TABLE totals (name TEXT PRIMARY KEY, amount INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO totals VALUES ('held', 0), ('contents', 0);

CREATE TRIGGER held_added AFTER INSERT ON held BEGIN
    UPDATE totals SET amount = amount + NEW.size_bytes WHERE name = 'held';
END;
CREATE TRIGGER held_changed AFTER UPDATE OF size_bytes ON held BEGIN
    UPDATE totals SET amount = amount + NEW.size_bytes - OLD.size_bytes WHERE name = 'held';
END;
CREATE TRIGGER held_removed AFTER DELETE ON held BEGIN
    UPDATE totals SET amount = amount - OLD.size_bytes WHERE name = 'held';
END;
CREATE TRIGGER contents_added AFTER INSERT ON contents BEGIN
    UPDATE totals SET amount = amount + NEW.size_bytes WHERE name = 'contents';
END;
CREATE TRIGGER contents_removed AFTER DELETE ON contents BEGIN
    UPDATE totals SET amount = amount - OLD.size_bytes WHERE name = 'contents';
END;
"""

_FIELDS = tuple(field.name for field in fields(Present))


def encode_state(state: FileState) -> str:
    """Return a state as JSON; lone surrogates of paths stand in it as escapes."""
    if isinstance(state, Absent):
        return "null"
    # `asdict` would copy every field, at ten times the cost.
    return json.dumps({name: getattr(state, name) for name in _FIELDS}, separators=(",", ":"))


class UnreadableState(ValueError):
    """A text in the database is no state of ours."""


def decode_state(text: str) -> FileState:
    """Return the state that `encode_state` wrote.

    Raises:
        UnreadableState: the text is not one of ours, or of a version with other fields.
    """
    try:
        found = json.loads(text)
        return Absent() if found is None else Present(**found)
    except (ValueError, TypeError) as exc:
        raise UnreadableState(f"not a file state: {text}") from exc
