"""The boot texts: what every login shell must be able to read, and how the ready line is found."""

import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from remote_code.shell import boot
from remote_code.shell.boot import Place, find_ready, flatten

TOKEN = "0123456789abcdef"
SCRIPTS = sorted(
    entry.name for entry in resources.files("remote_code.shell").joinpath("scripts").iterdir() if entry.name[0] != "_"
)


@pytest.mark.parametrize("files", [boot.STANDBY, boot.RESIDENT], ids=["standby", "resident"])
def test_boot_line_reads_alike_in_every_login_shell(files: tuple[str, ...]) -> None:
    start = boot.start(files, Place())
    text = re.fullmatch(r"exec /bin/sh -c 'eval \"\$1\"' 'eval \"\$1\"' '(.*)'", start.command)
    assert text is not None
    assert not re.search(r"['\\\n]", text[1])
    assert not re.search(r"!(?! )", text[1])
    assert "@" not in text[1].replace("$@", "")
    assert start.first_input == b""


@pytest.mark.parametrize("files", [boot.STANDBY, boot.RESIDENT], ids=["standby", "resident"])
def test_boot_line_fits_what_dropbear_accepts(files: tuple[str, ...]) -> None:
    assert len(boot.start(files, Place()).command) < 4_000


def test_boot_line_never_shows_the_whole_token() -> None:
    start = boot.start(boot.STANDBY, Place())
    assert start.token not in start.command
    assert boot.start(boot.STANDBY, Place()).token != start.token


def test_entered_place_gets_the_boot_line_on_its_input() -> None:
    start = boot.start(boot.STANDBY, Place(enter="docker exec -i web"))
    assert start.command == "docker exec -i web sh"
    assert start.first_input.startswith(b"exec /bin/sh -c 'eval")
    assert start.first_input.count(b"\n") == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_shellcheck_clean(name: str) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(__file__).parents[3] / '.venv/bin'}:/usr/bin:/usr/local/bin")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    source = resources.files("remote_code.shell").joinpath("scripts", name).read_text(encoding="utf-8")
    checked = subprocess.run([shellcheck, "-"], input=source, capture_output=True, text=True, check=False)
    assert checked.stdout == ""
    assert checked.returncode == 0


def test_flatten_ends_commands_and_leaves_open_lines_open() -> None:
    source = "# comment\nf() {\n  a &&\n    b\n  case $1 in x) y;;\n  esac\n}\nc &\nd=$!\ne\n"
    assert flatten(source) == "f() { a && b ; case $1 in x) y;; esac ; } ; c & d=$! ; e"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("echo 'a'", id="quote"),
        pytest.param("echo \\n", id="backslash"),
        pytest.param("a=$!;", id="history"),
    ],
)
def test_flatten_refuses_what_a_login_shell_would_change(source: str) -> None:
    with pytest.raises(ValueError, match="boot text"):
        flatten(f"{source}\nb")


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        pytest.param(f"{TOKEN} 12 34 \n", boot.Ready(12, 34, "", 24), id="plain"),
        pytest.param(f"welcome{TOKEN} 12 34 s\n", boot.Ready(12, 34, "s", 32), id="noise without a newline before it"),
        pytest.param(f"hi\n{TOKEN} 12 34 m\r\nx", boot.Ready(12, 34, "m", 29), id="terminal"),
        pytest.param(f"{TOKEN} 12 34 ", None, id="cut"),
        pytest.param(f"+ echo '{TOKEN} 12 34 '\n", None, id="trace of set -x"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_ready_line_is_found_behind_any_noise(received: str, expected: boot.Ready | None) -> None:
    assert find_ready(received.encode(), TOKEN) == expected
