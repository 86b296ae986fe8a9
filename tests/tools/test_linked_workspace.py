"""A workspace that is reached by a link has two names; both are inside."""

from pathlib import Path

from tests.support.engine import EngineClient
from tests.support.sshd import SSHServer


def test_both_names_of_the_workspace_are_inside(sshd: SSHServer, tmp_path: Path) -> None:
    """PATH-1: no question of the directory, and the same patterns."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    (real / "a.txt").write_bytes(b"one\n")
    environ = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(link)}
    with EngineClient(environ, home=tmp_path / "home") as engine:
        for folder in (link, real):
            result = engine.call("read", {"filePath": str(folder / "a.txt")})
            assert result.title == "a.txt"
            assert result.output.startswith(f"<path>{folder}/a.txt</path>")
        found = engine.call("glob", {"pattern": "*.txt", "path": str(real)})
        engine.call("edit", {"filePath": str(real / "a.txt"), "oldString": "one", "newString": "two"})
        shown = [(question.permission, question.patterns) for question in engine.questions]
    assert found.output == str(real / "a.txt")
    assert shown == [("read", ["a.txt"]), ("read", ["a.txt"]), ("glob", ["*.txt"]), ("edit", ["a.txt"])]
    assert (real / "a.txt").read_bytes() == b"two\n"
