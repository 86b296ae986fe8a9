import subprocess
import sys
from pathlib import Path

import pytest

from remote_code.errors import ConfigError
from remote_code.opencode.launch import launch, prepare_folder

LAUNCHERS = Path(__file__).parents[3] / "launchers"


def stand_in(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def test_opencode_starts_in_the_targets_folder_with_all_arguments(tmp_path: Path) -> None:
    """CFG-7."""
    stand_in(tmp_path / "bin", "opencode", 'pwd; printf "<%s>" "$@"; exit 7')
    code = "import os, sys; from pathlib import Path; from remote_code.opencode.launch import launch\n"
    code += "launch(sys.argv[1:], environ=os.environ, home=Path(os.environ['HOME']))"
    environ = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    environ |= {"REMOTE_SSH": "ssh -p 2222 me@web", "REMOTE_WORKDIR": "/srv/app"}
    arguments = ["run", "two words", "--model", "x", "*", ""]
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environ, capture_output=True, text=True, check=False
    )
    assert ended.stdout == f"{tmp_path}/.opencode/remote-sessions/web_srv-app\n<run><two words><--model><x><*><>"
    assert ended.returncode == 7


def test_an_unset_target_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="REMOTE_SSH is not set"):
        launch([], environ={"PATH": "/usr/bin"}, home=tmp_path)


def test_a_missing_opencode_is_told_with_what_installs_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="npm install -g opencode-ai"):
        launch([], environ={"PATH": str(tmp_path), "REMOTE_SSH": "web"}, home=tmp_path)


def test_the_folder_is_private_and_stable(tmp_path: Path) -> None:
    """CFG-7."""
    folder = prepare_folder({"REMOTE_SSH": "ssh web"}, home=tmp_path)
    assert folder == prepare_folder({"REMOTE_SSH": "ssh -v me@web"}, home=tmp_path)
    assert folder == tmp_path / ".opencode" / "remote-sessions" / "web_home"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_lone_help_is_ours(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "remote_code.cli", "launch", "--help"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "NO_COLOR": "1", "COLUMNS": "120"}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "all arguments are OpenCode's" in ended.stdout


def test_the_launcher_sets_its_block_and_passes_arguments_on(tmp_path: Path) -> None:
    """CFG-7."""
    stand_in(tmp_path / "bin", "remote-code", 'printf "%s|%s|" "$REMOTE_SSH" "$REMOTE_WORKDIR"; printf "<%s>" "$@"')
    text = (LAUNCHERS / "remote-opencode.sh").read_text(encoding="utf-8")
    edited = text.replace("#export REMOTE_SSH=", "export REMOTE_SSH=")
    launcher = stand_in(tmp_path / "bin", "remote-opencode.sh", edited)
    ended = subprocess.run(
        [str(launcher), "run", "two words"],
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "REMOTE_WORKDIR": "/srv"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "ssh user@host|/srv|<launch><run><two words>"


@pytest.mark.parametrize(
    ("name", "run"),
    [
        pytest.param("remote-opencode.sh", ['exec remote-code launch "$@"'], id="sh"),
        pytest.param("remote-opencode.ps1", ["& remote-code launch @args", "exit $LASTEXITCODE"], id="ps1"),
        pytest.param("remote-opencode.bat", ["remote-code launch %*"], id="bat"),
    ],
)
def test_a_launcher_has_a_marked_block_and_then_only_starts(name: str, run: list[str]) -> None:
    """CFG-7."""
    lines = (LAUNCHERS / name).read_text(encoding="utf-8").splitlines()
    begin = next(index for index, line in enumerate(lines) if "---- User Configuration ----" in line)
    end = next(index for index, line in enumerate(lines) if "---- End of User Configuration ----" in line)
    block = "\n".join(lines[begin:end])
    for variable in ("REMOTE_SSH", "REMOTE_WORKDIR", "REMOTE_PASSWORD", "REMOTE_SUDO_PASSWORD"):
        assert variable in block
    assert [line for line in lines[end + 1 :] if line] == run
