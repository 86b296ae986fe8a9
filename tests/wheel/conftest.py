"""One installed `remote-code` for all tests here: the wheel and what it asks for, nothing of the checkout."""

import sys
from pathlib import Path

import pytest

from tests.support.wheel import build_wheel, copy_sources, install_wheel, link_requirements


@pytest.fixture(scope="session")
def remote_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed program."""
    if sys.platform == "win32":
        pytest.skip("the paths in virtual environments are those of POSIX")
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    wheel = build_wheel(copy_sources(folder / "source"), folder / "wheels", REMOTE_CODE_NO_EXTENSIONS="1")
    programs = install_wheel(wheel, folder / "venv")
    link_requirements(folder / "venv")
    return programs / "remote-code"
