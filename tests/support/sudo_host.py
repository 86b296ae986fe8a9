"""A loopback sshd for an account that is not root and may use sudo with its password; as root only."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.sshd import SSHServer

ACCOUNT = "rc-tester"
PASSWORD = "a password of 1 test"
_ID = 64_322


@dataclass(frozen=True)
class SudoHost:
    """What a client needs."""

    server: SSHServer
    home: Path


@contextmanager
def sudo_host(*, needs_terminal: bool) -> Iterator[SudoHost]:
    """Start the server; the account, its password and sudo's rules exist for its sessions alone.

    `needs_terminal`: whether sudo works from a terminal only (`requiretty`).
    """
    folder = Path(tempfile.mkdtemp(prefix="remote-code-sudo-"))
    folder.chmod(0o755)
    try:
        home = folder / "home"
        home.mkdir()
        os.chown(home, _ID, _ID)
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
        ).stdout.strip()
        lines = {
            "/etc/passwd": (f"{ACCOUNT}:x:{_ID}:{_ID}::{home}:/bin/bash\n", 0o644),
            "/etc/group": (f"{ACCOUNT}:x:{_ID}:\n", 0o644),
            "/etc/shadow": (f"{ACCOUNT}:{hashed}:19000:0:99999:7:::\n", 0o640),
        }
        mounts = {}
        for target, (line, mode) in lines.items():
            mounts[target] = _file(folder, target, Path(target).read_text(encoding="utf-8") + line, mode)
        options = "requiretty," if needs_terminal else ""
        rules = f"Defaults {options}timestamp_timeout=0\n{ACCOUNT} ALL=(ALL) ALL\n"
        mounts["/etc/sudoers"] = _file(folder, "sudoers", rules, 0o440)
        with SSHServer(folder / "sshd", mounts=mounts, user=ACCOUNT) as server:
            for path in server.folder.iterdir():
                path.chmod(0o644 if path.name == "authorized_keys" else 0o600)
            yield SudoHost(server, home)
    finally:
        shutil.rmtree(folder)


def _file(folder: Path, name: str, text: str, mode: int) -> Path:
    path = folder / Path(name).name
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path
