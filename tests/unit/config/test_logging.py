"""CFG-2, CFG-6: where log lines go, and from which level on."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, os
from remote_code.logs import configure_logging
configure_logging(dict(os.environ))
for level in ("DEBUG", "INFO", "WARNING"):
    logging.getLogger("remote_code.x").log(getattr(logging, level), "said %s", level)
"""


def log(environ: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, check=True, capture_output=True, text=True, cwd=Path.cwd()
    )
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    ("environ", "levels"),
    [
        pytest.param({"REMOTE_SSH": "ssh host"}, ["WARNING"], id="neither"),
        pytest.param({"REMOTE_SSH": "ssh -v host"}, ["INFO", "WARNING"], id="-v"),
        pytest.param({"REMOTE_SSH": "ssh -vvv host"}, ["DEBUG", "INFO", "WARNING"], id="-vvv"),
        pytest.param({"REMOTE_SSH": "ssh -vv host", "REMOTE_LOG": "error"}, [], id="variable-wins"),
        pytest.param({"REMOTE_SSH": "ssh -Z host"}, ["WARNING"], id="unreadable"),
    ],
)
def test_the_level_is_that_of_the_variable_or_of_the_command(environ: dict[str, str], levels: list[str]) -> None:
    assert [line.rsplit(" ", 1)[1] for line in log(environ).splitlines()] == levels


def test_the_file_of_the_command_takes_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert log({"REMOTE_SSH": f"ssh -v -E {path} host"}) == ""
    assert "said INFO" in path.read_text(encoding="utf-8")
