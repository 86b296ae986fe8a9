"""A real OpenSSH server on 127.0.0.1 and a free port, with keys and configuration of its own.

`with SSHServer(folder) as server:` starts it; `server.command()` is what REMOTE_SSH would hold. Extra lines of
sshd_config and environment (PATH, for a host without ripgrep) are given to the constructor. The server is ended by
its process id, with all sessions that it started.
"""

import errno
import os
import pwd
import random
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or "/usr/sbin/sshd"


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on now.

    It lies below the ports that systems give to outgoing connections, so that none of these takes it meanwhile.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise


def wait_for_banner(port: int, *, process: subprocess.Popen[bytes], timeout_s: float = 60.0) -> None:
    """Block until an SSH server on `port` has sent its identification string.

    Raises:
        RuntimeError: the server's process ended, or nothing answered in time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                if sock.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.02)  # A poll of the port: sshd tells nobody when it listens.
    raise RuntimeError(f"no SSH server answered on port {port} within {timeout_s} s")


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "", comment: str = "test") -> Path:
    """Make a key pair with ssh-keygen and return the private key's path."""
    bits = ["-b", "2048"] if kind == "rsa" else []  # The default of 3072 takes seconds.
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", comment, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


class SSHServer:
    """One sshd for the account that runs the tests; logins by `client_key`, host key `host_key`.

    After start: `port`, `user`, `known_hosts` (a file that knows the server), `log` (sshd's own words).
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        host_key_kind: str = "ed25519",
        login_shell: str | None = None,
        mounts: Mapping[str, Path] | None = None,
        user: str | None = None,
    ) -> None:
        """Describe a server.

        bash reads start files only from a HOME that `environment` gives: those of the account belong to the machine,
        and may take long or write to the streams.

        As root only: `login_shell` is the account's, `mounts` are files that stand in the place of others, both in a
        mount namespace of the server; `user` is another account to log in to.
        """
        self.folder = folder
        self.user = user or pwd.getpwuid(os.getuid()).pw_name
        self.port = free_port()
        self.host_key = folder / "host_key"
        self.client_key = folder / "client_key"
        self.known_hosts = folder / "known_hosts"
        self.log = folder / "sshd.log"
        self._config = list(config)
        self._environment = dict(environment or {})
        if "HOME" not in self._environment:
            self._environment.setdefault("SHLVL", "2")  # bash takes itself for a child shell, and reads none.
        self._host_key_kind = host_key_kind
        self._login_shell = login_shell
        self._mounts = dict(mounts or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers; keys are made at the first start and kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.host_key.exists():
            make_key(self.host_key, kind=self._host_key_kind)
        if not self.client_key.exists():
            make_key(self.client_key)
        authorized = self.folder / "authorized_keys"
        if not authorized.exists():
            shutil.copy(self.folder / "client_key.pub", authorized)
        public = (self.folder / "host_key.pub").read_text(encoding="utf-8").split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n", encoding="utf-8")
        config_file = self.folder / "sshd_config"
        config_file.write_text("\n".join(self._sshd_config(authorized)) + "\n", encoding="utf-8")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(parents=True, exist_ok=True)
        words = [SSHD, "-D", "-f", str(config_file), "-E", str(self.log)]
        if self._login_shell:
            self._mounts["/etc/passwd"] = self._write_passwd(self._login_shell)
        if self._mounts:
            # All of it becomes one process, so that it is ended by one id.
            binds = [shlex.join(["mount", "--bind", str(source), target]) for target, source in self._mounts.items()]
            script = " && ".join([*binds, f"exec {shlex.join(words)}"])
            words = ["unshare", "--mount", "--", "/bin/sh", "-c", script]
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for_banner(self.port, process=self._process)

    def stop(self) -> None:
        """End the server and every session of it."""
        if self._process is None:
            return
        for pid in [*self.session_pids(), self._process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(60)
        self._process = None

    def drop_sessions(self) -> None:
        """Kill the server's session processes, so that every connection breaks; the server itself stays."""
        for pid in self.session_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def command(self, *options: str, port: int | None = None) -> str:
        """Return the ssh command line that logs in here, as REMOTE_SSH holds it. `port` names a proxy before it."""
        words = ["ssh", "-F", "none", "-p", str(port or self.port), "-i", str(self.client_key)]
        words += ["-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={self.known_hosts}"]
        words += ["-o", "GlobalKnownHostsFile=/dev/null"]
        if port:
            words += ["-o", f"HostKeyAlias=[127.0.0.1]:{self.port}"]
        return shlex.join([*words, *options, f"{self.user}@127.0.0.1"])

    def _write_passwd(self, shell: str) -> Path:
        """Write a passwd file in which the account has another login shell."""
        passwd = self.folder / "passwd"
        lines = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
        fields = [line.rsplit(":", 1) for line in lines]
        changed = [f"{rest}:{shell if rest.startswith(self.user + ':') else old}" for rest, old in fields]
        passwd.write_text("\n".join(changed) + "\n", encoding="utf-8")
        return passwd

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def session_pids(self) -> list[int]:
        """Return the ids of the server's children and their children that belong to sshd."""
        if self._process is None:
            return []
        table = subprocess.run(
            ["ps", "-eo", "pid=,ppid=,comm="], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        rows = [line.split(None, 2) for line in table]
        found = {self._process.pid}
        grown = True
        while grown:
            more = {int(pid) for pid, ppid, name in rows if int(ppid) in found and name.startswith("sshd")}
            grown = not more <= found
            found |= more
        return sorted(found - {self._process.pid})

    def _sshd_config(self, authorized: Path) -> list[str]:
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {authorized}",
            f"PidFile {self.folder / 'sshd.pid'}",
        ]
        lines += self._config
        given = {line.split()[0].lower() for line in self._config}
        defaults = [
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "PrintMotd no",
            "LogLevel VERBOSE",
            "MaxStartups 100:30:200",
            "Subsystem sftp internal-sftp",
        ]
        # The first value wins in sshd_config, but of MaxStartups the last.
        lines += [line for line in defaults if line.split()[0].lower() not in given]
        lines += [f"SetEnv {name}={value}" for name, value in self._environment.items()]
        return lines
