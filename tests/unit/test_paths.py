"""Remote paths: resolving, the boundary by text, names that are not UTF-8."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_code.errors import InvalidPath
from remote_code.paths import RemotePath, Workspace, decode_path, encode_path, is_within, resolve

HOME = RemotePath("/home/u")
ROOT = RemotePath("/srv/app")


@pytest.mark.parametrize(
    ("given_path", "resolved"),
    [
        pytest.param("a.py", "/srv/app/a.py", id="relative"),
        pytest.param("./a//b/../c", "/srv/app/a/c", id="dots and double slashes"),
        pytest.param("../other", "/srv/other", id="leaves by text"),
        pytest.param("/etc/hosts", "/etc/hosts", id="absolute"),
        pytest.param("//etc/hosts", "/etc/hosts", id="two leading slashes"),
        pytest.param("/../..", "/", id="above the root"),
        pytest.param("~", "/home/u", id="home"),
        pytest.param("~/x", "/home/u/x", id="below home"),
        pytest.param("~x", "/srv/app/~x", id="a name that starts with a tilde"),
        pytest.param("a/~/b", "/srv/app/a/~/b", id="a tilde inside"),
        pytest.param("-rf", "/srv/app/-rf", id="a leading dash"),
        pytest.param("a\nb 'c' $d", "/srv/app/a\nb 'c' $d", id="newline, blanks, quotes, dollar"),
    ],
)
def test_a_path_is_resolved_against_the_workspace_and_the_remote_home(given_path: str, resolved: str) -> None:
    """PATH-1: relative paths start at REMOTE_WORKDIR and `~/` is the remote home."""
    assert resolve(given_path, base=ROOT, home=HOME) == resolved


@pytest.mark.parametrize("bad", ["", "a\0b"])
def test_a_path_that_names_nothing_is_refused(bad: str) -> None:
    """PATH-1: NUL in a name."""
    with pytest.raises(InvalidPath):
        resolve(bad, base=ROOT, home=HOME)


def test_a_path_that_no_system_takes_is_refused_by_its_length() -> None:
    """PATH-1: a remote shell would work on 10 MB of it for minutes."""
    longest = "é" * 2048
    assert resolve(longest, base=ROOT, home=HOME) == f"/srv/app/{longest}"
    with pytest.raises(InvalidPath) as caught:
        resolve(longest + "x", base=ROOT, home=HOME)
    assert caught.value.message == (f"the path that begins with '{'é' * 80}' has 4097 bytes; a path has 4096 at most")


@pytest.mark.parametrize(
    ("path", "root", "inside"),
    [
        ("/srv/app", "/srv/app", True),
        ("/srv/app/x", "/srv/app", True),
        ("/srv/app2", "/srv/app", False),
        ("/srv/app2/x", "/srv/app", False),
        ("/srv", "/srv/app", False),
        ("/anything", "/", True),
        ("/", "/", True),
    ],
)
def test_the_boundary_is_a_directory_and_no_prefix(path: str, root: str, inside: bool) -> None:
    """PATH-1: prefix look-alikes."""
    assert is_within(RemotePath(path), RemotePath(root)) is inside


def test_a_workspace_shows_paths_relative_to_itself() -> None:
    workspace = Workspace(root=ROOT, home=HOME)
    assert workspace.relative(RemotePath("/srv/app")) == ""
    assert workspace.relative(RemotePath("/srv/app/a/b")) == "a/b"
    assert workspace.relative(RemotePath("/srv/x")) == "../x"


@given(st.binary(max_size=64))
def test_every_name_survives_decoding_and_encoding(raw: bytes) -> None:
    """PATH-1: names with bytes that are not UTF-8."""
    assert encode_path(decode_path(raw)) == raw


@given(st.text(alphabet="ab./~-é\n", min_size=1, max_size=30))
def test_a_resolved_path_is_absolute_and_stays_itself(path: str) -> None:
    once = resolve(path, base=ROOT, home=HOME)
    assert once.startswith("/")
    assert not once.startswith("//")
    assert ".." not in once.split("/")
    assert once == posixpath.normpath(once)
    assert resolve(once, base=ROOT, home=HOME) == once
