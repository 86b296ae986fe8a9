"""Writers that edit the same files at once, each noting what it was told: for proofs that no edit is lost.

As a program, `python -m tests.support.racing MIRROR REMOTE NAME SEED N`: one writer in a process of its own; prints
a line when it begins, and at its end what it was told as JSON.
"""

import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

from remote_code.errors import RemoteChanged
from remote_code.mirror.conflict import WriteStep, decide_write
from remote_code.mirror.sync import SyncEngine
from remote_code.paths import RemotePath, Workspace
from remote_code.remote.files import ANYWHERE, Files
from remote_code.remote.state import Absent, Change, FileState
from remote_code.shell.job import Flights
from tests.support.local_files import LocalFiles

N_FILES = 4
MAX_TRIES = 50


@dataclass
class Told:
    """What one writer was told: each token is one line that it added, or wanted to add."""

    accepted: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    tries: int = 0


def open_engine(mirror: Path, remote: Path, files: Files | None = None) -> SyncEngine:
    workspace = Workspace(root=RemotePath(str(remote)), home=RemotePath(str(remote)))
    return SyncEngine(mirror, files=files or LocalFiles(), workspace=workspace)


def write_many(sync: SyncEngine, remote: RemotePath, *, name: str, seed: str, n_edits: int) -> Told:
    """Make random edits and whole-file writes as one session, the way tools do."""
    dice = random.Random(seed)
    told = Told()
    for number in range(n_edits):
        path = RemotePath(f"{remote}/f{dice.randrange(N_FILES)}")
        token = f"{name}-{number}"
        add = _edit if dice.random() < 0.7 else _write
        is_accepted = add(sync, path, token, session=name, dice=dice, told=told)
        (told.accepted if is_accepted else told.refused).append((path, token))
    return told


def _edit(sync: SyncEngine, path: RemotePath, token: str, *, session: str, dice: random.Random, told: Told) -> bool:
    """Insert a line somewhere; applied again to the new contents as long as the file keeps changing."""
    for attempt in range(MAX_TRIES):
        held, seen = sync.held(path), sync.seen(session, path)
        if attempt == 0 and held is not None and held.state == seen:
            state: FileState = held.state
            contents = held.contents
        else:
            state, contents = _pull(sync, path, session)
        lines = contents.splitlines(keepends=True)
        lines.insert(dice.randint(0, len(lines)), token.encode() + b"\n")
        if _push(sync, path, b"".join(lines), state, session, token, told):
            return True
    return False


def _write(sync: SyncEngine, path: RemotePath, token: str, *, session: str, dice: random.Random, told: Told) -> bool:
    """Write the file as this session last saw it, with one more line; refused when it has changed since."""
    held, seen = sync.held(path), sync.seen(session, path)
    if held is None or seen is None or held.state != seen:
        state, contents = _pull(sync, path, session)
    else:
        state, contents = held.state, held.contents
    if decide_write(seen, state) is WriteStep.REFUSE:
        return False
    return _push(sync, path, contents + token.encode() + b"\n", state, session, token, told)


def _pull(sync: SyncEngine, path: RemotePath, session: str) -> tuple[FileState, bytes]:
    (pulled,) = sync.pull([path], session_id=session, roots=ANYWHERE, flights=Flights())
    return pulled.observation.state or Absent(), pulled.contents or b""


def _push(
    sync: SyncEngine, path: RemotePath, contents: bytes, expected: FileState, session: str, token: str, told: Told
) -> bool:
    told.tries += 1
    change = Change(path, expected=expected, contents=contents)
    try:
        sync.push([change], session_id=session, call_id=token, roots=ANYWHERE, flights=Flights())
    except RemoteChanged:
        return False
    return True


def main() -> None:
    mirror, remote, name, seed, n_edits = sys.argv[1:]
    sync = open_engine(Path(mirror), Path(remote))
    print("begins", flush=True)
    told = write_many(sync, RemotePath(remote), name=name, seed=seed, n_edits=int(n_edits))
    sync.close()
    json.dump({"accepted": told.accepted, "refused": told.refused, "tries": told.tries}, sys.stdout)


if __name__ == "__main__":
    main()
