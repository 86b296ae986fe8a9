"""A server with an account of its own that has a password, for logins by it and for sudo. Needs root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sshd import SSHServer

NAME = "rc-visitor"
ID = 64322


@dataclass(frozen=True)
class Account:
    """The account and the server that knows it; nothing else on this machine does."""

    server: SSHServer
    home: Path
    key: Path
    """The private key that logs in, readable by its owner only."""


@contextmanager
def account_server(
    password: str, *, config: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[Account]:
    """Start a server for an account with this password, which may use sudo with it."""
    if os.getuid() != 0 or not shutil.which("sudo"):
        pytest.skip("needs root and sudo")
    # Not in pytest's folder, which an ordinary account may not enter.
    folder = Path(tempfile.mkdtemp(prefix="remote-code-account-"))
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    os.chown(home, ID, ID)
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    ).stdout.strip()
    lines = {
        "/etc/passwd": f"{NAME}:x:{ID}:{ID}::{home}:/bin/bash\n",
        "/etc/group": f"{NAME}:x:{ID}:\n",
        "/etc/shadow": f"{NAME}:{hashed}:19000:0:99999:7:::\n",
    }
    mounts = {"/etc/sudoers": folder / "sudoers"}
    mounts["/etc/sudoers"].write_text(f"Defaults timestamp_timeout=0\n{NAME} ALL=(ALL) ALL\n", encoding="utf-8")
    mounts["/etc/sudoers"].chmod(0o440)
    for target, line in lines.items():
        mounts[target] = folder / Path(target).name
        mounts[target].write_text(Path(target).read_text(encoding="utf-8") + line, encoding="utf-8")
        mounts[target].chmod(0o640 if target.endswith("shadow") else 0o644)
    try:
        with SSHServer(folder / "sshd", config=config, environment=environment, mounts=mounts, user=NAME) as server:
            (folder / "sshd" / "authorized_keys").chmod(0o644)
            yield Account(server, home, server.client_key)
    finally:
        shutil.rmtree(folder)
