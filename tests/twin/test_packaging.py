"""The wheel brings compiled kernels; without a compiler the install succeeds all the same, and the twins serve."""

import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from tests.support.wheel import ROOT, build_wheel, copy_sources, install_wheel

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="these are tests of the sources"),
    pytest.mark.skipif(sys.platform == "win32", reason="the paths in virtual environments are those of POSIX"),
]
REPORT = (
    "from remote_code import _fast; from remote_code.errors import EditNotFound;"
    "print(_fast.COMPILED, _fast.replace('a b', 'b', 'c'), _fast.__file__)"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the sources as a checkout has them: nothing built."""
    return copy_sources(tmp_path / "source")


def installed_report(wheel: Path, venv: Path, **environment: str) -> list[str]:
    """Install a wheel alone into a new virtual environment; return what its kernels say of themselves."""
    python = install_wheel(wheel, venv) / "python"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("REMOTE_CODE_", "PYTHON"))}
    run = subprocess.run(
        [python, "-I", "-W", "error", "-c", REPORT],
        env={**clean, **environment}, cwd=venv, capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    *words, path = run.stdout.strip().rsplit(" ", 1)
    assert str(venv) in path
    return words


def test_the_wheel_serves_compiled_kernels(source: Path, tmp_path: Path) -> None:
    wheel = build_wheel(source, tmp_path / "wheels", REMOTE_CODE_REQUIRE_EXTENSIONS="1")
    assert "none-any" not in wheel.name
    assert installed_report(wheel, tmp_path / "venv") == ["True a c"]


def test_without_a_compiler_the_twins_serve_and_say_so(source: Path, tmp_path: Path) -> None:
    wheel = build_wheel(source, tmp_path / "wheels", CC="/bin/false")
    assert installed_report(wheel, tmp_path / "venv") == ["False a c"]


def test_a_compiler_that_fails_is_fatal_where_kernels_are_required(source: Path, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        build_wheel(source, tmp_path / "wheels", CC="/bin/false", REMOTE_CODE_REQUIRE_EXTENSIONS="1")


def test_a_pure_wheel_is_built_on_request(source: Path, tmp_path: Path) -> None:
    wheel = build_wheel(source, tmp_path / "wheels", REMOTE_CODE_NO_EXTENSIONS="1")
    assert wheel.name.endswith("-py3-none-any.whl")


def test_wheels_are_configured_for_every_supported_python_and_platform() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cibuildwheel"]
    assert settings["build"] == [f"cp3{minor}-*" for minor in range(11, 15)]
    assert settings["environment"] == {"REMOTE_CODE_REQUIRE_EXTENSIONS": "1"}
    assert settings["linux"]["archs"] == ["x86_64", "aarch64"]
    assert settings["macos"]["archs"] == ["x86_64", "arm64"]
    assert settings["windows"]["archs"] == ["AMD64"]


def test_the_source_distribution_holds_the_sources_of_the_kernels(source: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path / "sdist", source],
        check=True, capture_output=True,
    )  # fmt: skip
    [archive] = (tmp_path / "sdist").glob("*.tar.gz")
    with tarfile.open(archive) as members:
        names = {Path(name).name for name in members.getnames()}
    assert {path.name for path in (ROOT / "remote_code" / "_fast").glob("*.p[yx]*")} <= names
