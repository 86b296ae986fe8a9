"""A real Dropbear on 127.0.0.1, as root only: its own mount namespace gives the account a home of the test."""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.sshd import free_port, make_key, wait_for_banner


class DropbearServer:
    """Dropbear without SFTP; logins of root by `client_key`, in whose home nothing but the key is.

    `path`: the PATH of logins, None for the account's own. `mounts`: files of the machine and what stands in their
    place there; nobody else sees it.
    """

    def __init__(self, folder: Path, *, path: str | None = None, mounts: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._path = path
        self._mounts = dict(mounts or {})
        self.port = free_port()
        self.client_key = folder / "client_key"
        self.known_hosts = folder / "known_hosts"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        home = self.folder / "home"
        (home / ".ssh").mkdir(parents=True)
        self.folder.chmod(0o755)
        make_key(self.client_key)
        shutil.copy(self.folder / "client_key.pub", home / ".ssh" / "authorized_keys")
        for path, mode in ((home, 0o700), (home / ".ssh", 0o700), (home / ".ssh" / "authorized_keys", 0o600)):
            path.chmod(mode)
        if self._path is not None:
            (home / ".bashrc").write_text(f"export PATH={shlex.quote(self._path)}\n", encoding="utf-8")
        host_key = self.folder / "host_key"
        made = subprocess.run(
            ["dropbearkey", "-t", "ed25519", "-f", str(host_key)], check=True, capture_output=True, text=True
        )
        public = next(line for line in made.stdout.splitlines() if line.startswith("ssh-")).split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n", encoding="utf-8")
        words = ["dropbear", "-F", "-E", "-s", "-m", "-p", f"127.0.0.1:{self.port}", "-r", str(host_key)]
        words += ["-P", str(self.folder / "dropbear.pid")]
        mounts = [f'mount --bind {shlex.quote(str(home))} "$HOME"']
        mounts += [f"mount --bind {shlex.quote(source)} {shlex.quote(place)}" for place, source in self._mounts.items()]
        inner = " && ".join([*mounts, f"exec {shlex.join(words)}"])
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--", "/bin/sh", "-c", inner],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "HOME": os.path.expanduser("~root"), "PATH": os.environ["PATH"] + ":/usr/sbin"},
            )
        wait_for_banner(self.port, process=self._process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, text=True
        ).stdout.split()
        for pid in [*map(int, children), self._process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(5)

    def command(self, *options: str) -> str:
        """Return the ssh command line that logs in here, as REMOTE_SSH holds it."""
        words = ["ssh", "-F", "none", "-p", str(self.port), "-i", str(self.client_key)]
        words += ["-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={self.known_hosts}"]
        words += ["-o", "GlobalKnownHostsFile=/dev/null"]
        return shlex.join([*words, *options, "root@127.0.0.1"])
