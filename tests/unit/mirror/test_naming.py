"""Names in the mirror: every remote name has one, no two share one, and it leads back."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote_code.errors import InvalidPath
from remote_code.mirror.naming import COMPONENT_BYTES, LocalNames, host_slug, root_slug
from remote_code.paths import RemotePath, decode_path

MANY = settings(max_examples=20_000 if os.environ.get("REMOTE_CODE_TORTURE") else 200, deadline=None)
COMPONENTS = st.binary(min_size=1, max_size=255).map(lambda raw: raw.replace(b"\0", b"a").replace(b"/", b"b"))
TRICKY = st.text(alphabet="aAbBéÉßſKİıÅ e\u0301.%+=~:*con3\u212a", min_size=1, max_size=12).map(str.encode)
PATHS = st.lists(st.one_of(COMPONENTS, TRICKY), min_size=1, max_size=6).map(
    lambda names: decode_path(b"/" + b"/".join(name for name in names if name not in {b".", b".."}))
)
BOTH = pytest.mark.parametrize("names", [LocalNames(), LocalNames(folds_case=True)], ids=["exact", "folding"])


@BOTH
@MANY
@given(path=PATHS)
def test_every_remote_path_comes_back_from_its_local_names(names: LocalNames, path: RemotePath) -> None:
    """SYNC-1."""
    parts = names.to_parts(path)
    assert names.to_path(parts) == path or path == "/"
    for part in parts:
        assert len(part.encode()) <= COMPONENT_BYTES
        assert not set(part) & set('/\0<>:"|?*\\')
        assert part[-1] not in ". "


@MANY
@given(one=PATHS, other=PATHS)
def test_no_two_paths_share_names_on_a_file_system_that_folds_case(one: RemotePath, other: RemotePath) -> None:
    """SYNC-1."""
    names = LocalNames(folds_case=True)
    first = [part.casefold() for part in names.to_parts(one)]
    second = [part.casefold() for part in names.to_parts(other)]
    assert (first == second) == (one == other)


@pytest.mark.parametrize(
    ("path", "folds_case", "local"),
    [
        pytest.param(b"/srv/app/main.py", False, "srv/app/main.py", id="plain"),
        pytest.param("/srv/bücher/日本.txt".encode(), False, "srv/bücher/日本.txt", id="unicode"),
        pytest.param(b"/srv/\xb2\xe2.txt", False, "srv/%b2%e2.txt", id="gbk bytes"),
        pytest.param(b"/a%2fb", False, "a%252fb", id="percent"),
        pytest.param(b"/a\nb:c*", False, "a%0ab%3ac%2a", id="forbidden characters"),
        pytest.param(b"/srv/aux.c", False, "srv/%61ux.c", id="device"),
        pytest.param(b"/srv/COM1", False, "srv/%43OM1", id="device in capitals"),
        pytest.param(b"/srv/console", False, "srv/console", id="no device"),
        pytest.param(b"/srv/end. ", False, "srv/end.%20", id="trailing blank"),
        pytest.param(b"/srv/...", False, "srv/..%2e", id="trailing dot"),
        pytest.param(b"/manifest.json", False, "%6danifest.json", id="our manifest"),
        pytest.param(b"/.Remote-Code/x", False, "%2eRemote-Code/x", id="our folder"),
        pytest.param(b"/srv/manifest.json", False, "srv/manifest.json", id="manifest elsewhere"),
        pytest.param(b"/README.md", True, "README.md%=3f", id="capitals"),
        pytest.param(b"/readme.md", True, "readme.md", id="no capitals"),
        pytest.param("/é".encode(), True, "%c3%a9", id="composed letter"),
        pytest.param("/日本".encode(), True, "日本", id="letters without case"),
    ],
)
def test_names_are_readable(path: bytes, folds_case: bool, local: str) -> None:
    assert "/".join(LocalNames(folds_case=folds_case).to_parts(decode_path(path))) == local


def test_a_long_name_goes_on_in_folders() -> None:
    parts = LocalNames().to_parts(RemotePath("/srv/" + "x" * 255))
    assert parts == ["srv", "x" * 136 + "%+", "%+" + "x" * 119]


@pytest.mark.parametrize(
    "parts",
    [["%zz"], ["%41"], ["a%+"], ["%+a"], ["manifest.json"], [".remote-code", "tmp"], ["aux"], ["x."], ["%2e%2e"]],
    ids="/".join,
)
def test_a_local_name_that_we_never_give_is_refused(parts: list[str]) -> None:
    with pytest.raises(InvalidPath):
        LocalNames().to_path(parts)


@pytest.mark.parametrize(
    ("place", "slug"),
    [
        pytest.param(("deploy", "web.example.com", 22, None), "deploy@web.example.com_22", id="plain"),
        pytest.param(
            ("deploy", "WEB.example.com", 22, None), "deploy@web.example.com_22", id="host names have no case"
        ),
        pytest.param(("deploy", "web", 22, "docker exec -i db"), "deploy@web_22~a5638e8865dc", id="entered"),
        pytest.param(("Deploy", "web", 22, None), "deploy@web_22~011a73abcf1c", id="capital"),
        pytest.param(("root", "fe80::1", 2222, None), "root@fe80-1_2222~3131404c7628", id="IPv6"),
    ],
)
def test_host_slug_tells_places_apart(place: tuple[str, str, int, str | None], slug: str) -> None:
    """SYNC-1."""
    assert host_slug(*place) == slug


@given(
    one=st.tuples(st.text(max_size=6), st.text(max_size=6), st.integers(1, 65535), st.none() | st.text(max_size=4)),
    other=st.tuples(st.text(max_size=6), st.text(max_size=6), st.integers(1, 65535), st.none() | st.text(max_size=4)),
)
def test_different_places_have_different_slugs(
    one: tuple[str, str, int, str | None], other: tuple[str, str, int, str | None]
) -> None:
    """SYNC-1."""
    same = (one[0], one[1].lower(), one[2], one[3] or "") == (other[0], other[1].lower(), other[2], other[3] or "")
    assert (host_slug(*one) == host_slug(*other)) == same


@pytest.mark.parametrize(
    ("workdir", "slug"),
    [
        pytest.param("/", "_", id="root"),
        pytest.param("/root", "root", id="home of root"),
        pytest.param("/srv/app", "srv_app", id="plain"),
        pytest.param("/srv_app", "srv_app~11de8514cf90", id="underscore"),
        pytest.param("/con", "con~a24d6b06f4b5", id="device"),
    ],
)
def test_root_slug_is_readable(workdir: str, slug: str) -> None:
    assert root_slug(workdir) == slug
