import pytest

from remote_code.opencode.slug import session_folder


@pytest.mark.parametrize(
    ("host", "workdir", "name"),
    [
        pytest.param("web", None, "web_home", id="unset"),
        pytest.param("web", "", "web_home", id="empty"),
        pytest.param("web", "~", "web_home", id="home"),
        pytest.param("web", "/", "web_root", id="root"),
        pytest.param("db.example.org", "/srv/app", "db.example.org_srv-app", id="plain"),
        pytest.param("web", "/srv//app/", "web_srv-app", id="same-directory-written-otherwise"),
        pytest.param("web", "~/app", "web_app-49f71a1e", id="below-the-home"),
        pytest.param("web", "/srv-app", "web_srv-app-6bb2d78e", id="dash-in-the-name"),
        pytest.param("web", "/home", "web_home-2cc974af", id="not-the-users-home"),
        pytest.param("web", "/srv/App", "web_srv-App-2fe44894", id="upper-case"),
        pytest.param("fe80::1%eth0", "/srv/app", "fe80-1-eth0-016a8c97_srv-app", id="address"),
    ],
)
def test_the_folder_is_named_after_host_and_directory(host: str, workdir: str | None, name: str) -> None:
    """CFG-7."""
    assert session_folder(host, workdir) == name


def test_different_targets_never_share_a_folder() -> None:
    """CFG-7."""
    workdirs = [
        None,
        "/",
        "/home",
        "/root",
        "home",
        "~/home",
        "/srv/app",
        "/srv-app",
        "~/srv/app",
        "/srv/app ",
        "/Srv/app",
    ]
    workdirs += ["/srv/äpp", "/srv/öpp", "/" + "a" * 300, "/" + "a" * 301]
    names = [
        session_folder(host, workdir).lower() for host in ("a", "b", "a_b", "a/b", "ä", "ö") for workdir in workdirs
    ]
    assert len(set(names)) == len(names)
    assert all(len(name.encode()) <= 255 and "/" not in name for name in names)
