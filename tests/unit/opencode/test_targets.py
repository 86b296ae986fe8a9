from pathlib import Path

import pytest

from remote_code.errors import ConfigError
from remote_code.opencode.launch import pick_target
from remote_code.opencode.targets import Target, read_targets, with_target

WEB = """
[web]
ssh = "ssh -J bastion deploy@web"
workdir = "/srv/app"
pool_command_size = 2
password_command = "printf 'hunter2\\nsecond line\\n'"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / ".config" / "remote-code"
    folder.mkdir(parents=True)
    (folder / "targets.toml").write_text(WEB, encoding="utf-8")
    return tmp_path


def test_a_name_picks_a_target_and_is_not_passed_on(home: Path) -> None:
    """CFG-8."""
    environ, arguments = pick_target(["web", "run", "hello"], environ={"PATH": "/usr/bin:/bin"}, home=home)
    assert arguments == ["run", "hello"]
    assert environ == {
        "PATH": "/usr/bin:/bin",
        "REMOTE_SSH": "ssh -J bastion deploy@web",
        "REMOTE_WORKDIR": "/srv/app",
        "REMOTE_POOL_COMMAND_SIZE": "2",
        "REMOTE_PASSWORD": "hunter2",
    }


def test_the_environment_wins_over_the_file(home: Path) -> None:
    """CFG-8."""
    given = {"PATH": "/usr/bin:/bin", "REMOTE_WORKDIR": "/other", "REMOTE_PASSWORD": "mine", "REMOTE_SSH": ""}
    environ, _ = pick_target(["web"], environ=given, home=home)
    assert (environ["REMOTE_WORKDIR"], environ["REMOTE_PASSWORD"]) == ("/other", "mine")
    assert environ["REMOTE_SSH"] == "ssh -J bastion deploy@web"


def test_other_arguments_are_opencodes(home: Path) -> None:
    """CFG-8."""
    assert pick_target(["run", "web"], environ={}, home=home) == ({}, ["run", "web"])


def test_a_password_in_the_file_is_refused_and_not_shown(home: Path) -> None:
    """CFG-8."""
    file = home / ".config" / "remote-code" / "targets.toml"
    file.write_text('[web]\nssh = "web"\npassword = "hunter2"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="password_command") as caught:
        read_targets(file)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[web\n", "cannot read", id="no-toml"),
        pytest.param('[web]\nworkdir = "/srv"\n', "ssh: Field required", id="no-ssh"),
        pytest.param('[web]\nssh = "web"\ncolour = 1\n', "colour: Extra inputs", id="unknown-setting"),
        pytest.param('web = "ssh web"\n', 'target "web"', id="no-table"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_targets(file)


def test_a_password_command_that_fails_is_told(tmp_path: Path) -> None:
    target = Target(ssh="web", sudo_password_command="exit 3")
    with pytest.raises(ConfigError, match=r"`exit 3` failed \(exit status 3\)"):
        with_target({"PATH": "/usr/bin:/bin"}, target)
