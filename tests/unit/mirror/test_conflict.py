"""Conflict rules: tables of cases for whole-file writes and for edits."""

from dataclasses import replace

import pytest

from remote_code.mirror.conflict import EditStep, WriteStep, decide_edit, decide_write
from remote_code.mirror.plan import is_same
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, FileState, Present

ABSENT = Absent()
OLD = Present(
    real_path=RemotePath("/srv/a"),
    stamp="81a4 4 1 0 0 7 1 1.0|1.0",
    digest="d1",
    size_bytes=4,
    mode=0o644,
    n_links=1,
    uid=0,
    gid=0,
    inode=7,
    mtime_ns=10**9,
)
TOUCHED = replace(OLD, stamp="81a4 4 1 0 0 7 1 2.0|2.0", mtime_ns=2 * 10**9)
CHANGED = replace(OLD, stamp="81a4 4 1 0 0 7 1 3.0|3.0", digest="d2")
SAME_STAMP = replace(OLD, digest="d2")
NO_DIGEST = replace(OLD, digest=None)
NO_DIGEST_MOVED = replace(TOUCHED, digest=None)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(ABSENT, ABSENT, True, id="both absent"),
        pytest.param(ABSENT, OLD, False, id="created"),
        pytest.param(OLD, OLD, True, id="equal"),
        pytest.param(OLD, TOUCHED, True, id="touched, same contents"),
        pytest.param(OLD, CHANGED, False, id="changed"),
        pytest.param(OLD, SAME_STAMP, False, id="same size and time, other contents"),
        pytest.param(OLD, NO_DIGEST, True, id="same stamp, no digest"),
        pytest.param(OLD, NO_DIGEST_MOVED, False, id="moved, no digest"),
    ],
)
def test_states_are_the_same_when_their_contents_must_be(one: FileState, other: FileState, expected: bool) -> None:
    """SYNC-5."""
    assert is_same(one, other) is expected
    assert is_same(other, one) is expected


@pytest.mark.parametrize(
    ("seen", "found", "new_digest", "step"),
    [
        pytest.param(None, ABSENT, None, WriteStep.WRITE, id="new file"),
        pytest.param(None, OLD, None, WriteStep.SHOW_FIRST, id="never seen: shown first"),
        pytest.param(OLD, OLD, None, WriteStep.WRITE, id="as seen"),
        pytest.param(OLD, TOUCHED, None, WriteStep.WRITE, id="touched only"),
        pytest.param(OLD, CHANGED, None, WriteStep.REFUSE, id="changed"),
        pytest.param(OLD, SAME_STAMP, None, WriteStep.REFUSE, id="changed within one tick"),
        pytest.param(OLD, NO_DIGEST_MOVED, None, WriteStep.REFUSE, id="moved, contents unknown"),
        pytest.param(OLD, ABSENT, None, WriteStep.REFUSE, id="removed"),
        pytest.param(ABSENT, OLD, None, WriteStep.REFUSE, id="created by somebody else"),
        pytest.param(ABSENT, ABSENT, None, WriteStep.WRITE, id="still absent"),
        pytest.param(OLD, CHANGED, "d2", WriteStep.WRITE, id="has the new contents already"),
        pytest.param(ABSENT, CHANGED, "d2", WriteStep.WRITE, id="created with the new contents already"),
        pytest.param(OLD, CHANGED, "d3", WriteStep.REFUSE, id="changed to something else"),
        pytest.param(OLD, NO_DIGEST_MOVED, "d2", WriteStep.REFUSE, id="perhaps the new contents"),
    ],
)
def test_whole_writes(seen: FileState | None, found: FileState, new_digest: str | None, step: WriteStep) -> None:
    """WRITE-2."""
    assert decide_write(seen, found, new_digest=new_digest) is step


@pytest.mark.parametrize(
    ("granted", "preview", "n_asked", "n_refused", "step"),
    [
        pytest.param(None, "-a\n+b", 0, 0, EditStep.ASK, id="first time"),
        pytest.param("-a\n+b", "-a\n+b", 1, 0, EditStep.PUSH, id="granted"),
        pytest.param("-a\n+b", "-a\n+b", 1, 1, EditStep.PUSH, id="changed elsewhere, same preview"),
        pytest.param("-a\n+b", "-a\n+b\n c", 1, 1, EditStep.ASK, id="the preview changed"),
        pytest.param("-a\n+b", "-a\n+b\n c", 2, 2, EditStep.ASK, id="and again"),
        pytest.param("-a\n+b", "-a\n+b\n c", 3, 3, EditStep.GIVE_UP, id="three rounds are enough"),
        pytest.param("-a\n+b", "-a\n+b", 3, 5, EditStep.PUSH, id="granted in the third round"),
        pytest.param("-a\n+b", "-a\n+b", 1, 20, EditStep.GIVE_UP, id="never at rest"),
    ],
)
def test_edits_on_a_file_that_changes(
    granted: str | None, preview: str, n_asked: int, n_refused: int, step: EditStep
) -> None:
    """EDIT-2."""
    assert decide_edit(granted, preview, n_asked=n_asked, n_refused=n_refused) is step
