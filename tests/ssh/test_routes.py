"""CFG-3, SSH-1: jump chains, ProxyCommand, and the host key check of every hop."""

import base64
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from remote_code.errors import ConfigError, ConnectionFailed, HostKeyMismatch
from remote_code.ssh.connection import Connection, connect
from remote_code.ssh.dial import ProxyProcess
from remote_code.ssh.link import needs_program, open_link
from remote_code.ssh.options import resolve, resolve_jump
from remote_code.ssh.program import ProgramLink
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from remote_code.ssh.wire import put_string
from tests.support.connecting import connected, options_of, run
from tests.support.processes import wait_until
from tests.support.sshd import SSHServer, free_port, make_key


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    with SSHServer(tmp_path_factory.mktemp("bastion")) as server:
        yield server


def host_block(name: str, server: SSHServer, *lines: str) -> str:
    rows = [
        f"Host {name}",
        "HostName 127.0.0.1",
        f"Port {server.port}",
        f"User {server.user}",
        f"IdentityFile {server.client_key}",
        "IdentitiesOnly yes",
        f"UserKnownHostsFile {server.known_hosts}",
        "GlobalKnownHostsFile none",
        "StrictHostKeyChecking yes",
        *lines,
    ]
    return "\n".join(rows) + "\n"


def write_config(folder: Path, *blocks: str) -> str:
    path = folder / "config"
    path.write_text("".join(blocks), encoding="utf-8")
    return f"ssh -F {path}"


def test_a_jump_host_with_its_own_settings_carries_the_connection(
    sshd: SSHServer, bastion: SSHServer, tmp_path: Path
) -> None:
    ssh = write_config(tmp_path, host_block("inner", sshd, "ProxyJump middle"), host_block("middle", bastion))
    with connected(f"{ssh} inner") as connection:
        out, _, status, _ = run(connection, 'echo "$SSH_CONNECTION"; cat', stdin=b"x" * 300_000)
        assert status == 0
        assert out.endswith(b"x" * 300_000)
        assert f" {sshd.port}\n".encode() in out


def test_a_chain_of_jumps_on_the_command_line_works(sshd: SSHServer, bastion: SSHServer, tmp_path: Path) -> None:
    ssh = write_config(tmp_path, host_block("inner", sshd), host_block("one", bastion), host_block("two", sshd))
    with connected(f"{ssh} -J one,two inner") as connection:
        assert run(connection, "echo deep")[0] == b"deep\n"


def test_the_hops_of_a_chain_resolve_as_ssh_resolves_them(tmp_path: Path) -> None:
    ssh = write_config(tmp_path, "Host c\n User carol\nHost b\n Port 44\nHost *\n User all\n")
    last = resolve(parse_command(f"{ssh} -p 9 -i /k -J a,b,carl@c:7 target"))
    third = resolve_jump(last)
    second = resolve_jump(third)
    first = resolve_jump(second)
    assert [(hop.user, hop.host_name, hop.port) for hop in (third, second, first)] == [
        ("carl", "c", 7),
        ("all", "b", 44),
        ("all", "a", 22),
    ]
    assert not first.network.proxy_jump
    assert not third.login.has_identity_files


def test_a_changed_key_of_a_jump_host_is_refused(sshd: SSHServer, bastion: SSHServer, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong_known_hosts"
    key = sshd.known_hosts.read_text(encoding="utf-8").split(maxsplit=1)[1]
    wrong.write_text(f"[127.0.0.1]:{bastion.port} {key}", encoding="utf-8")
    middle = host_block("middle", bastion).replace(str(bastion.known_hosts), str(wrong))
    ssh = write_config(tmp_path, host_block("inner", sshd, "ProxyJump middle"), middle)
    with pytest.raises(HostKeyMismatch) as caught, connected(f"{ssh} inner"):
        pass
    assert caught.value.facts["file"] == str(wrong)


def test_a_jump_host_that_cannot_reach_the_target_is_named(bastion: SSHServer, tmp_path: Path) -> None:
    port = free_port()
    ssh = write_config(tmp_path, host_block("middle", bastion))
    with pytest.raises(ConnectionFailed) as caught, connected(f"{ssh} -J middle -p {port} 127.0.0.1"):
        pass
    assert "middle" in caught.value.message
    assert str(port) in caught.value.message


def test_a_jump_host_that_forbids_forwarding_is_named(sshd: SSHServer, tmp_path: Path) -> None:
    with SSHServer(tmp_path / "strict", config=["AllowTcpForwarding no"]) as strict:
        ssh = write_config(tmp_path, host_block("inner", sshd, "ProxyJump middle"), host_block("middle", strict))
        with pytest.raises(ConnectionFailed) as caught, connected(f"{ssh} inner"):
            pass
        assert "prohibited" in caught.value.message


def test_closing_ends_the_jump_connections_too(sshd: SSHServer, tmp_path: Path) -> None:
    with SSHServer(tmp_path / "bastion") as middle:
        ssh = write_config(tmp_path, host_block("inner", sshd, "ProxyJump middle"), host_block("middle", middle))
        with connected(f"{ssh} inner"):
            assert middle.session_pids()
        wait_until(lambda: not middle.session_pids())


def test_a_jump_host_that_goes_away_ends_the_connection(sshd: SSHServer, tmp_path: Path) -> None:
    with SSHServer(tmp_path / "bastion") as middle:
        ssh = write_config(tmp_path, host_block("inner", sshd, "ProxyJump middle"), host_block("middle", middle))
        with connected(f"{ssh} inner") as connection:
            middle.drop_sessions()
            wait_until(lambda: not connection.is_alive)


def test_a_proxy_command_carries_the_connection_without_our_passwords(sshd: SSHServer, tmp_path: Path) -> None:
    """CFG-5: no process that the engine starts inherits the passwords."""
    relay = tmp_path / "relay.py"
    relay.write_text(
        "import os, socket, sys, threading\n"
        f"open({str(tmp_path / 'environ')!r}, 'w').write(repr(dict(os.environ)))\n"
        "sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): sock.sendall(data)\n"
        "    sock.shutdown(socket.SHUT_WR)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := sock.recv(65536): os.write(1, data)\n",
        encoding="utf-8",
    )
    environ = {**os.environ, "REMOTE_PASSWORD": "hunter2", "REMOTE_SUDO_PASSWORD": "swordfish"}
    command = sshd.command("-o", f"ProxyCommand=python3 {relay} %h %p")
    with connected(command, password="hunter2", environ=environ) as connection:
        assert run(connection, "cat", stdin=b"y" * 200_000)[0] == b"y" * 200_000
    seen = (tmp_path / "environ").read_text(encoding="utf-8")
    assert "hunter2" not in seen
    assert "swordfish" not in seen


def test_a_proxy_command_may_be_closed_by_two_threads_at_once() -> None:
    """The transport's thread does when it ends, beside whoever ends the connection."""
    with ThreadPoolExecutor(2) as executor:
        for _ in range(100):
            proxy = ProxyProcess("cat", os.environ)
            barrier = threading.Barrier(2)

            def close(proxy: ProxyProcess = proxy, barrier: threading.Barrier = barrier) -> None:
                barrier.wait(20)
                proxy.close()

            for closed in [executor.submit(close) for _ in range(2)]:
                closed.result(20)


def test_match_exec_does_not_inherit_our_passwords(tmp_path: Path) -> None:
    """CFG-5."""
    ssh = write_config(tmp_path, f'Match exec "env > {tmp_path}/environ"\n Port 5\n')
    environ = {**os.environ, "REMOTE_PASSWORD": "hunter2", "REMOTE_SUDO_PASSWORD": "swordfish"}
    assert resolve(parse_command(f"{ssh} web"), environ=environ).port == 5
    seen = (tmp_path / "environ").read_text(encoding="utf-8")
    assert "hunter2" not in seen
    assert "swordfish" not in seen


def test_sent_environment_never_holds_our_passwords(tmp_path: Path) -> None:
    """CFG-5."""
    ssh = write_config(tmp_path, "SendEnv *\n")
    environ = {"REMOTE_PASSWORD": "hunter2", "REMOTE_SUDO_PASSWORD": "swordfish", "LANG": "C"}
    assert resolve(parse_command(f"{ssh} web"), environ=environ).environment == (("LANG", "C"),)


def test_a_proxy_command_that_fails_gives_its_own_words(tmp_path: Path, sshd: SSHServer) -> None:
    command = sshd.command("-o", "ProxyCommand=echo cannot go there >&2; exit 1")
    with pytest.raises(ConnectionFailed) as caught, connected(command):
        pass
    assert "cannot go there" in caught.value.message


def test_a_hardware_key_alone_goes_through_the_ssh_program(tmp_path: Path) -> None:
    """SSH-4."""
    public = put_string(b"sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:")
    private = b"openssh-key-v1\0" + put_string(b"none", b"none", b"") + b"\0\0\0\1" + put_string(public, b"")
    key = tmp_path / "id_ed25519_sk"
    begin, end = (f"-----{word} OPENSSH PRIVATE KEY-----" for word in ("BEGIN", "END"))
    key.write_text(f"{begin}\n{base64.b64encode(private).decode()}\n{end}\n", encoding="utf-8")
    key.chmod(0o600)
    plain = make_key(tmp_path / "plain")
    assert needs_program(options_of(f"ssh -F none -i {key} web")) == (f"{key} is a hardware key",)
    assert needs_program(options_of(f"ssh -F none -i {key} -i {plain} web")) == ()
    assert needs_program(options_of(f"ssh -F none -i {tmp_path}/absent web")) == ()


@pytest.mark.parametrize(
    "line",
    ["PKCS11Provider /lib/x.so", "KnownHostsCommand /bin/x", "RevokedHostKeys /x"],
)
def test_settings_that_change_route_identity_or_trust_and_are_not_honoured_are_refused(
    tmp_path: Path, line: str
) -> None:
    ssh = write_config(tmp_path, f"Host other\n Port 1\nHost *\n {line}\n")
    with pytest.raises(ConfigError) as caught:
        connect(options_of(f"{ssh} web"), secrets=Secrets(), on_notice=print)
    assert line.split()[0] in caught.value.message
    assert "config:4" in caught.value.message
    assert "REMOTE_TRANSPORT=ssh" in caught.value.message


def test_gssapi_is_noted_in_files_and_refused_on_the_command_line(tmp_path: Path) -> None:
    """Stock Debian has GSSAPIAuthentication in its system-wide file."""
    ssh = write_config(tmp_path, "GSSAPIAuthentication yes\n")
    assert "GSSAPIAuthentication" in resolve(parse_command(f"{ssh} web")).notes[0]
    assert "-L 80:a:80" in resolve(parse_command("ssh -F none -L 80:a:80 web")).notes[0]
    with pytest.raises(ConfigError) as caught:
        connect(options_of("ssh -F none -K web"), secrets=Secrets(), on_notice=print)
    assert "-K" in caught.value.message


def test_what_only_the_ssh_program_can_do_goes_through_it(sshd: SSHServer, tmp_path: Path) -> None:
    """SSH-4: on its own when the configuration demands it, also that of a jump host."""
    ssh = write_config(
        tmp_path,
        host_block("plain", sshd),
        host_block("canonical", sshd, "CanonicalizeHostname yes"),
        host_block("chacha", sshd, "Ciphers chacha20-poly1305@openssh.com"),
        host_block("revoked", sshd, "RevokedHostKeys /dev/null"),
        host_block("behind", sshd, "ProxyJump revoked"),
    )
    for host, kind in [
        ("plain", Connection),
        ("canonical", Connection),
        ("revoked", ProgramLink),
        ("chacha", ProgramLink),
        ("behind", ProgramLink),
        ("-A plain", ProgramLink),
    ]:
        link = open_link(options_of(f"{ssh} {host}"), secrets=Secrets(), on_notice=print, transport="auto")
        try:
            assert type(link) is kind, host
            assert run(link, "echo there")[0] == b"there\n"
        finally:
            link.close()
    link = open_link(options_of(f"{ssh} plain"), secrets=Secrets(), on_notice=print, transport="ssh")
    assert type(link) is ProgramLink
    link.close()
