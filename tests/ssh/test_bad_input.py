"""CFG-2, SSH-1, SSH-2, SSH-3: bad input gets one whole error, which says what was asked, found, and would help."""

import subprocess
from pathlib import Path

import pytest

from remote_code.errors import (
    AlgorithmUnsupported,
    AuthenticationFailed,
    ConfigError,
    ConnectionFailed,
    ConnectTimeout,
    HostKeyMismatch,
    RemoteCodeError,
)
from tests.support.connecting import connected
from tests.support.ssh_servers import RawServer, Script, ScriptedServer, says
from tests.support.sshd import SSHServer, free_port, make_key

ACCEPTED = "one ssh command without a remote command, for example `ssh -p 2222 user@host`"


def attempt(command: str, *, password: str | None = None) -> RemoteCodeError:
    with pytest.raises(RemoteCodeError) as caught, connected(command, password=password):
        pass
    return caught.value


def fingerprint(public: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(public)], check=True, capture_output=True, text=True).stdout
    return shown.split()[1]


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        pytest.param('ssh "me@host', "cannot be split into words: no closing quotation", id="unparsable"),
        pytest.param("ssh -p 22", "names no host", id="no-host"),
        pytest.param("ssh -Z me@host", "holds option -Z, which ssh does not know", id="unknown-option"),
        pytest.param("ssh -p", "gives option -p no argument", id="no-argument"),
        pytest.param(
            "ssh host ls -l",
            "ends with a remote command ('ls'), but commands are given to the tools",
            id="remote-command",
        ),
        pytest.param("ssh $host", "holds the host name '$host', which ssh does not accept", id="shell-in-the-host"),
    ],
)
def test_a_command_that_is_none_is_named(command: str, complaint: str) -> None:
    error = attempt(command)
    assert type(error) is ConfigError
    assert error.message == f"REMOTE_SSH {command!r} {complaint}; it takes {ACCEPTED}"
    assert error.facts == {"variable": "REMOTE_SSH", "value": command, "accepted": ACCEPTED}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-p abc", "the command line (-p abc): Port cannot be 'abc'; it takes a number up to 65535"),
        ("-o Frobnicate=yes", "the command line (-o Frobnicate=yes): 'Frobnicate' is no keyword of ssh_config"),
        (
            "-oStrictHostKeyChecking=perhaps",
            "the command line (-o StrictHostKeyChecking=perhaps): StrictHostKeyChecking cannot be 'perhaps'; it takes "
            "yes, true, no, false, off, ask, accept-new",
        ),
        (
            "-oConnectTimeout=soon",
            "the command line (-o ConnectTimeout=soon): ConnectTimeout cannot be 'soon'; it takes a time such as 90 or "
            "1m30s",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options: str, message: str) -> None:
    assert attempt(f"ssh -F none {options} web").message == message


def test_a_missing_key_file_is_named(sshd: SSHServer, tmp_path: Path) -> None:
    error = attempt(sshd.command().replace(str(sshd.client_key), str(tmp_path / "absent")))
    assert type(error) is AuthenticationFailed
    assert error.message == (
        f"'127.0.0.1' refused the login of {sshd.user!r}; it offers publickey; tried: key {tmp_path}/absent "
        "(no such file); name the right key with -i, or add it to ssh-agent"
    )


def test_wrong_permissions_of_a_key_are_named(sshd: SSHServer, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    key.chmod(0o644)
    error = attempt(sshd.command().replace(str(sshd.client_key), str(key)))
    assert type(error) is AuthenticationFailed
    assert error.message == (
        f"'127.0.0.1' refused the login of {sshd.user!r}; it offers publickey; tried: key {key} (may be read by other "
        f'users; run `chmod go= "{key}"`); name the right key with -i, or add it to ssh-agent'
    )


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    with ScriptedServer(tmp_path, Script()) as server:
        error = attempt(server.command(), password="hunter2")
    assert type(error) is AuthenticationFailed
    assert error.message == (
        "'127.0.0.1' refused the login of 'someone'; it offers password; tried: password; check REMOTE_PASSWORD and "
        "the user's name"
    )


def test_an_unknown_host_is_named() -> None:
    error = attempt("ssh -F none me@no-such-host.invalid")
    assert type(error) is ConnectionFailed
    assert error.message in [
        f"cannot resolve the host name 'no-such-host.invalid': {reason}; check the spelling, or HostName in "
        "~/.ssh/config"
        for reason in ("Name or service not known", "Temporary failure in name resolution")
    ]


def test_a_refused_port_is_named() -> None:
    port = free_port()
    error = attempt(f"ssh -F none -p {port} me@127.0.0.1")
    assert type(error) is ConnectionFailed
    assert error.message == (
        f"cannot connect to '127.0.0.1' port {port}: 127.0.0.1: Connection refused; check host, port and that an SSH "
        "server runs there"
    )


def test_a_changed_host_key_is_told_with_both_fingerprints(tmp_path: Path) -> None:
    with SSHServer(tmp_path / "server") as server:
        known = Path(f"{make_key(tmp_path / 'other')}.pub")
        place = f"[127.0.0.1]:{server.port}"
        server.known_hosts.write_text(f"{place} {known.read_text(encoding='utf-8')}", encoding="utf-8")
        error = attempt(server.command())
    assert type(error) is HostKeyMismatch
    assert error.message == (
        f'the host key of {place!r} has changed: "{server.known_hosts}" line 1 holds ssh-ed25519 {fingerprint(known)}, '
        f"the server shows ssh-ed25519 {fingerprint(Path(f'{server.host_key}.pub'))}. This is an attack or a host that "
        "was set up anew; if you know the new key to be right, remove the line with "
        f'`ssh-keygen -R "{place}" -f "{server.known_hosts}"`'
    )


def test_no_common_algorithm_is_told_with_both_lists(tmp_path: Path) -> None:
    with SSHServer(tmp_path / "server", config=["Ciphers aes128-cbc,3des-cbc"]) as server:
        error = attempt(server.command("-oCiphers=aes256-ctr"))
    assert type(error) is AlgorithmUnsupported
    assert error.message == (
        "'127.0.0.1' and we have no Ciphers in common: we offer aes256-ctr; it offers aes128-cbc, 3des-cbc; add "
        "-oCiphers=+aes128-cbc,3des-cbc to REMOTE_SSH"
    )


def test_a_banner_that_never_comes_is_a_timeout() -> None:
    with RawServer(says(b"", ending="silence")) as server:
        error = attempt(f"ssh -F none -oConnectTimeout=1 -p {server.port} me@127.0.0.1")
    assert type(error) is ConnectTimeout
    assert error.message == (
        f"'127.0.0.1' port {server.port} did not identify itself as an SSH server within 1 s; check host and port, and "
        "the log of the SSH server there, or raise ConnectTimeout"
    )
