"""The wheel of the sources at hand, and a virtual environment that holds it and what it asks for, and nothing else."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def copy_sources(target: Path) -> Path:
    """Copy the sources as a checkout has them: nothing built."""
    for name in ("remote_code", "launchers"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)
    return target


def build_wheel(source: Path, target: Path, **environment: str) -> Path:
    """Build the wheel of `source` into the folder `target`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REMOTE_CODE_")}
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", target, source],
        env={**clean, "CFLAGS": "-O0", **environment}, check=True,
    )  # fmt: skip
    [wheel] = target.glob("*.whl")
    return wheel


def install_wheel(wheel: Path, venv: Path) -> Path:
    """Install a wheel alone into a new virtual environment and return the folder of its programs."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    programs = venv / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", str(wheel)], check=True)
    return programs


def link_requirements(venv: Path) -> None:
    """Give a virtual environment what its `remote-code` asks for, from the one that runs the tests, without a network.

    Whatever the wheel's metadata do not name, directly or through another package, is not there.
    """
    [library] = (venv / "lib").glob("python*/site-packages")
    [installed] = [Distribution.at(path) for path in library.glob("remote_code-*.dist-info")]
    wanted, linked = list(installed.requires or ()), set[str]()
    while wanted:
        requirement = Requirement(wanted.pop())
        if requirement.name in linked or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        linked.add(requirement.name)
        found = distribution(requirement.name)
        assert requirement.specifier.contains(found.version)
        wanted += found.requires or ()
        for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (library / name).exists():
                (library / name).symlink_to(Path(str(found.locate_file(name))))
