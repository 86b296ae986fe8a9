"""SSH-10: an account that gives SFTP only."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import EngineClient, EngineError
from tests.support.sshd import SSHServer


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sftp-only") / "app"
    for number, name in enumerate(("a.py", "src/b.py", "src/deep/c.py", ".git/x.py", ".hidden/y.py", "z.txt")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\n", encoding="utf-8")
        os.utime(path, (1_600_000_000 + number, 1_600_000_000 + number))
    (root / "loop").symlink_to(root)
    return root


@pytest.fixture(scope="module")
def engine(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    with SSHServer(tmp_path_factory.mktemp("sshd"), config=["ForceCommand internal-sftp"]) as server:
        environ = {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(workspace)}
        with EngineClient(environ, home=tmp_path_factory.mktemp("home")) as client:
            yield client


def test_glob_walks_by_listing(engine: EngineClient, workspace: Path) -> None:
    """GLOB-1: newest first, hidden directories and `.git` left out, links not followed."""
    result = engine.call("glob", {"pattern": "**/*.py"})
    paths, _, note = result.output.partition("\n\n")
    assert paths.split("\n") == [str(workspace / name) for name in ("src/deep/c.py", "src/b.py", "a.py")]
    assert note.startswith("(This account gives no shell:")
    assert engine.call("glob", {"pattern": "*.txt", "path": "src"}).output.startswith("No files found")
    for args, kind in (({"path": "a.py"}, "not_a_directory"), ({"path": "none"}, "no_such_file")):
        with pytest.raises(EngineError) as caught:
            engine.call("glob", {"pattern": "*", **args})
        assert caught.value.kind == kind


def test_glob_through_a_link_that_leads_outside_is_asked_for(engine: EngineClient, workspace: Path) -> None:
    """PATH-1: by its real path."""
    (workspace / "etc").symlink_to("/etc")
    engine.answer = lambda question: question.permission != "external_directory"
    with pytest.raises(EngineError) as caught:
        engine.call("glob", {"pattern": "passwd", "path": "etc"})
    engine.answer = lambda question: True
    assert caught.value.kind == "permission_rejected"
    assert engine.questions[-1].patterns == ["/etc/*"]
    assert engine.call("glob", {"pattern": "passwd", "path": "etc"}).output.startswith(f"{workspace}/etc/passwd\n")


def test_large_file_is_read_at_any_place(engine: EngineClient, workspace: Path) -> None:
    """READ-3: over SFTP its lines are not counted."""
    path = workspace / "large.log"
    path.write_bytes(b"".join(b"%d\n" % n for n in range(1, 300_001)))
    result = engine.call("read", {"filePath": str(path), "offset": 200_000, "limit": 2})
    assert result.output.endswith(
        "200000: 200000\n200001: 200001\n\n(Showing lines 200000-200001. Use offset=200002 to continue.)\n</content>"
    )
