"""Starts OpenCode for one target, always from the same local folder, so that its sessions are found again."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from remote_code.config import Config
from remote_code.errors import ConfigError
from remote_code.opencode.slug import session_folder
from remote_code.opencode.targets import read_targets, targets_file, with_target
from remote_code.ssh.target import parse_command


def launch(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    home: Path,
    before: Callable[[Mapping[str, str]], None] = lambda environ: None,
) -> int:
    """Run OpenCode with all `arguments` and return its exit status; where there is `exec`, this never returns.

    `before` gets the target's environment while the terminal is still ours; what it raises ends the launch.

    A first argument that is the name of a kept target (see `targets`) picks it and is not passed on.

    Raises:
        ConfigError: REMOTE_SSH is unset or cannot be read, or OpenCode is not installed.
    """
    environ, arguments = pick_target(arguments, environ=environ, home=home)
    folder = prepare_folder(environ, home=home)
    program = find_opencode(environ)
    before(environ)
    command = [program, *arguments]
    if os.name == "nt":
        return subprocess.run(command, cwd=folder, env=dict(environ), check=False).returncode
    os.chdir(folder)
    os.execve(program, command, {**environ, "PWD": str(folder)})


def pick_target(
    arguments: Sequence[str], *, environ: Mapping[str, str], home: Path
) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return the environment with the target that the first argument names, and the other arguments.

    Raises:
        ConfigError: the file of targets cannot be read, or a password cannot be had.
    """
    targets = read_targets(targets_file(environ, home=home)) if arguments else {}
    target = targets.get(arguments[0]) if arguments else None
    if target is None:
        return environ, arguments
    return with_target(environ, target), arguments[1:]


def prepare_folder(environ: Mapping[str, str], *, home: Path) -> Path:
    """Make, if need be, the local folder that belongs to the target, and return it.

    Raises:
        ConfigError: REMOTE_SSH is unset or cannot be read.
    """
    config = Config.from_environment(environ)
    name = session_folder(parse_command(config.remote_ssh).host, config.workdir)
    folder = home / ".opencode" / "remote-sessions" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def find_opencode(environ: Mapping[str, str]) -> str:
    """Return the path of OpenCode's program.

    Raises:
        ConfigError: it is not in PATH.
    """
    path = environ.get("PATH", "")
    program = shutil.which("opencode", path=path)
    if program is None:
        raise ConfigError(
            "cannot find the program `opencode` in PATH; `npm install -g opencode-ai` installs it",
            variable="PATH",
            value=path,
        )
    return program
