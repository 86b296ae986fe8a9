"""PathMapper: where local copies are."""

from pathlib import Path

import pytest

from remote_code.errors import InvalidPath
from remote_code.mirror.mapper import PathMapper
from remote_code.paths import LocalPath, RemotePath, Workspace

ROOT = LocalPath(Path("/home/me/.opencode/mirrors/web/srv_app"))
MAPPER = PathMapper(ROOT, Workspace(root=RemotePath("/srv/app"), home=RemotePath("/root")))


def test_a_copy_lies_at_its_remote_path_below_the_mirror() -> None:
    """SYNC-1."""
    local = MAPPER.to_local(RemotePath("/srv/app/a.py"))
    assert local == ROOT / "srv/app/a.py"
    assert MAPPER.to_remote(local) == "/srv/app/a.py"


def test_one_spelling_per_name() -> None:
    """The same bytes, written with surrogates, are the same file."""
    assert MAPPER.to_local(RemotePath("/\udcc3\udca9")) == MAPPER.to_local(RemotePath("/é"))


def test_a_path_too_long_for_this_system_has_a_place_of_its_own() -> None:
    """SYNC-1."""
    local = MAPPER.to_local(RemotePath("/" + "/".join(["d" * 200] * 20)))
    assert local.parent == ROOT / ".remote-code/long"
    assert local != MAPPER.to_local(RemotePath("/" + "/".join(["e" * 200] * 20)))
    with pytest.raises(InvalidPath):
        MAPPER.to_remote(local)


@pytest.mark.parametrize("path", ["/etc/passwd", "/home/me/.opencode/mirrors/web/srv_app2/x"])
def test_a_path_outside_of_the_mirror_is_refused(path: str) -> None:
    with pytest.raises(InvalidPath):
        MAPPER.to_remote(LocalPath(Path(path)))


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/srv/app", True), ("/srv/app/x", True), ("/srv/app2", False), ("/srv", False), ("/", False)],
)
def test_the_workspace_is_known_by_text(path: str, expected: bool) -> None:
    """PATH-1, SYNC-2."""
    assert MAPPER.is_within_workspace(RemotePath(path)) is expected
