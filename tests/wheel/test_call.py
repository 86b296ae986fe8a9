"""SSH-1 to SSH-5: `remote-code call bash` works against every kind of server with nothing but the wheel installed."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from tests.support.account import account_server
from tests.support.agent import add_to_agent, ssh_agent
from tests.support.dropbear import DropbearServer
from tests.support.posix_shells import shell_command
from tests.support.ssh_servers import Script, ScriptedServer
from tests.support.sshd import SSHServer, make_key

PASSWORD = "correct horse"
COMMAND = 'pwd; printf "%s\\n" "it\'s" "$HOME" \'$HOME\'; echo oops >&2'
NEEDS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


@dataclass(frozen=True)
class Target:
    """A server as the environment variables that lead there, and what a command finds there."""

    ssh: str
    home: Path | None = None
    """The account's home there; None where it is that of this account."""
    environ: dict[str, str] = field(default_factory=dict)


Start = Callable[[Path], AbstractContextManager[Target]]


def sshd_with(*config: str) -> Start:
    """Return what starts an sshd with these lines of configuration."""

    @contextmanager
    def start(folder: Path) -> Iterator[Target]:
        with SSHServer(folder / "sshd", config=config) as server:
            yield Target(server.command())

    return start


@contextmanager
def sha1_only(folder: Path) -> Iterator[Target]:
    """Play OpenSSH 5.3: nothing but SHA-1, CBC and RSA, asked for as docs/connecting.md says."""
    kex = "diffie-hellman-group14-sha1"
    config = ["HostKeyAlgorithms ssh-rsa", "PubkeyAcceptedAlgorithms ssh-rsa", f"KexAlgorithms {kex}"]
    config += ["Ciphers aes128-cbc", "MACs hmac-sha1"]
    folder.mkdir(exist_ok=True)
    key = make_key(folder / "key", kind="rsa")
    asked = [f"-oKexAlgorithms=+{kex}", "-oHostKeyAlgorithms=+ssh-rsa", "-oPubkeyAcceptedAlgorithms=+ssh-rsa"]
    asked += ["-oCiphers=+aes128-cbc", "-oMACs=+hmac-sha1"]
    with SSHServer(folder / "sshd", config=config, host_key_kind="rsa") as server:
        shutil.copy(f"{key}.pub", server.folder / "authorized_keys")
        yield Target(server.command(*asked).replace(str(server.client_key), str(key)))


def account_with(*config: str) -> Start:
    """Return what starts an sshd for an account with a password."""

    @contextmanager
    def start(folder: Path) -> Iterator[Target]:
        with account_server(PASSWORD, config=["PasswordAuthentication yes", *config]) as account:
            yield Target(account.server.command(), account.home, {"REMOTE_PASSWORD": PASSWORD})

    return start


@contextmanager
def two_prompts(folder: Path) -> Iterator[Target]:
    """Ask for the password, which REMOTE_PASSWORD answers, and for a code, which the program of SSH_ASKPASS does."""
    askpass = folder / "askpass"
    askpass.write_text('#!/bin/sh\ncase $1 in "One-time code: ") echo 123456;; esac\n', encoding="utf-8")
    askpass.chmod(0o755)
    script = Script(
        steps=["keyboard-interactive"],
        prompts=[[("Password: ", False)], [("One-time code: ", False)]],
        answers=[[PASSWORD], ["123456"]],
        runs_commands=True,
    )
    environ = {"REMOTE_PASSWORD": PASSWORD, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    with ScriptedServer(folder, script) as server:
        yield Target(server.command(), environ=environ)


@contextmanager
def certificates(folder: Path) -> Iterator[Target]:
    """Know the host and the user by an authority only."""
    authority, host_key, key = (make_key(folder / name) for name in ("authority", "host", "user"))
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "id", "-n"]
    subprocess.run([*sign, "127.0.0.1", "-h", f"{host_key}.pub"], check=True)
    config = [f"HostKey {host_key}", f"HostCertificate {host_key}-cert.pub", f"TrustedUserCAKeys {authority}.pub"]
    with SSHServer(folder / "sshd", config=config) as server:
        subprocess.run([*sign, server.user, f"{key}.pub"], check=True)
        (server.folder / "authorized_keys").write_text("", encoding="utf-8")
        public = Path(f"{authority}.pub").read_text(encoding="utf-8")
        server.known_hosts.write_text(f"@cert-authority * {public}", encoding="utf-8")
        yield Target(server.command("-oStrictHostKeyChecking=yes").replace(str(server.client_key), str(key)))


@contextmanager
def agent(folder: Path) -> Iterator[Target]:
    """Have the key in an ssh-agent and nowhere else."""
    with SSHServer(folder / "sshd") as server, ssh_agent(folder) as environ:
        add_to_agent(environ, server.client_key)
        server.client_key.unlink()
        ssh = server.command().replace(f"-i {server.client_key} -o IdentitiesOnly=yes", "")
        yield Target(ssh, environ={"SSH_AUTH_SOCK": environ["SSH_AUTH_SOCK"]})


@contextmanager
def two_hops(folder: Path) -> Iterator[Target]:
    """Go through two jump hosts that a configuration file describes."""
    config = folder / "config"
    with contextlib.ExitStack() as stack:
        blocks: list[str] = []
        for name, jump in (("outer", "none"), ("middle", "outer"), ("inner", "middle")):
            server = stack.enter_context(SSHServer(folder / name))
            blocks.append(
                f"Host {name}\nHostName 127.0.0.1\nPort {server.port}\nUser {server.user}\n"
                f"IdentityFile {server.client_key}\nUserKnownHostsFile {server.known_hosts}\n"
                f"StrictHostKeyChecking yes\nProxyJump {jump}\n"
            )
        config.write_text("\n".join(blocks), encoding="utf-8")
        yield Target(f"ssh -F {config} inner")


@contextmanager
def delayed(folder: Path) -> Iterator[Target]:
    """Be 100 ms away."""
    with SSHServer(folder / "sshd") as server, DelayProxy("127.0.0.1", server.port, one_way_s=0.05) as proxy:
        yield Target(server.command(port=proxy.port))


@contextmanager
def dropbear(folder: Path) -> Iterator[Target]:
    """Have Dropbear, BusyBox ash and BusyBox's tools, and no SFTP."""
    sh, environment = shell_command("ash", folder)
    busybox = shutil.which("busybox")
    assert busybox
    mounts = {os.path.realpath("/bin/sh"): busybox}
    with DropbearServer(folder / "dropbear", path=environment["PATH"], mounts=mounts) as server:
        assert Path(sh).exists()
        yield Target(server.command(), Path.home())


def login_shell(name: str) -> Start:
    """Return what starts an sshd for an account with this login shell."""

    @contextmanager
    def start(folder: Path) -> Iterator[Target]:
        program = shutil.which(name)
        assert program, f"this test needs {name}"
        with SSHServer(folder / "sshd", login_shell=program) as server:
            yield Target(server.command())

    return start


def call(remote_code: Path, target: Target, folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program in an empty place, with a target and little else in its environment."""
    home, cwd = folder / "home", folder / "cwd"
    for path in (home, cwd):
        path.mkdir()
    plain = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    return subprocess.run(
        [remote_code, "call", "bash", json.dumps({"command": command}), "--yes"],
        cwd=cwd,
        env={**plain, "REMOTE_SSH": target.ssh, **target.environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(sha1_only, id="sha1-only"),
        pytest.param(account_with("PubkeyAuthentication no"), id="password-only", marks=NEEDS_ROOT),
        pytest.param(two_prompts, id="keyboard-interactive-two-prompts"),
        pytest.param(
            account_with("AuthenticationMethods publickey,password"), id="publickey-and-password", marks=NEEDS_ROOT
        ),
        pytest.param(certificates, id="certificates"),
        pytest.param(sshd_with("MaxSessions 1"), id="max-sessions-1"),
        pytest.param(sshd_with("MaxSessions 2"), id="max-sessions-2"),
        pytest.param(sshd_with("MaxSessions 10"), id="max-sessions-10"),
        pytest.param(sshd_with("MaxStartups 1"), id="max-startups-1"),
        pytest.param(sshd_with("Subsystem none /bin/false"), id="no-sftp"),
        pytest.param(two_hops, id="two-hops"),
        pytest.param(delayed, id="delay-100-ms"),
        pytest.param(dropbear, id="dropbear-busybox", marks=NEEDS_ROOT),
        pytest.param(agent, id="ssh-agent"),
        *[pytest.param(login_shell(name), id=name, marks=NEEDS_ROOT) for name in ("fish", "tcsh", "dash", "zsh")],
    ],
)
def test_call_runs_a_command(remote_code: Path, tmp_path: Path, start: Start) -> None:
    with start(tmp_path) as target:
        done = call(remote_code, target, tmp_path, COMMAND)
    home = target.home or Path.home()
    expected = f"{home}\nit's\n{home}\n$HOME\n\nstderr:\noops\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_call_names_an_account_that_has_sftp_and_no_shell(remote_code: Path, tmp_path: Path) -> None:
    """SSH-10: `bash` says why it cannot."""
    with sshd_with("ForceCommand internal-sftp")(tmp_path) as target:
        done = call(remote_code, target, tmp_path, COMMAND)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "remote-code: the remote account starts no POSIX shell for commands: "
        "it ended with status 1 and said 'This service allows sftp connections only.'. "
        "An account for SFTP only, a forced command, or a shell start file that starts another program has this effect"
        "\n"
    )
