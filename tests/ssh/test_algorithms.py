"""SSH-3: old servers work when their algorithms are asked for, and a failed negotiation says which option helps."""

import shlex
import socket
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from paramiko import packet
from paramiko.buffered_pipe import BufferedPipe

from remote_code.errors import AlgorithmUnsupported, AuthenticationFailed
from remote_code.ssh import algorithms, packets, transport
from tests.support.connecting import connected, run
from tests.support.sshd import SSHServer, make_key

OLD = [
    "HostKeyAlgorithms ssh-rsa",
    "Ciphers aes128-cbc",
    "MACs hmac-sha1",
    "PubkeyAcceptedAlgorithms ssh-rsa",
]
ASKED = "-oHostKeyAlgorithms=+ssh-rsa -oPubkeyAcceptedAlgorithms=+ssh-rsa -oCiphers=+aes128-cbc -oMACs=+hmac-sha1"


@pytest.mark.parametrize(
    "kex",
    ["diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"],
)
def test_a_server_with_nothing_but_sha1_works_when_asked_for(tmp_path: Path, kex: str) -> None:
    with SSHServer(tmp_path / "old", config=[*OLD, f"KexAlgorithms {kex}"], host_key_kind="rsa") as server:
        key = make_key(tmp_path / "key", kind="rsa")
        (server.folder / "authorized_keys").write_bytes((tmp_path / "key.pub").read_bytes())
        options = shlex.split(f"{ASKED} -oKexAlgorithms=+{kex}")
        command = server.command(*options).replace(str(server.client_key), str(key))
        with connected(command) as connection:
            assert run(connection, "echo old")[0] == b"old\n"


@pytest.mark.parametrize(
    ("config", "option"),
    [
        ("KexAlgorithms diffie-hellman-group14-sha1", "-oKexAlgorithms=+diffie-hellman-group14-sha1"),
        ("HostKeyAlgorithms ssh-rsa", "-oHostKeyAlgorithms=+ssh-rsa"),
        ("Ciphers aes256-cbc", "-oCiphers=+aes256-cbc"),
        ("MACs hmac-md5", "-oMACs=+hmac-md5"),
        ("Ciphers chacha20-poly1305@openssh.com", "REMOTE_TRANSPORT=ssh"),
    ],
)
def test_no_common_algorithm_names_both_sides_and_the_option_that_helps(
    tmp_path: Path, config: str, option: str
) -> None:
    extra = ["Ciphers aes128-ctr"] if config.startswith("MACs") else []  # gcm needs no MAC
    kind = "rsa" if "ssh-rsa" in config else "ed25519"
    with SSHServer(tmp_path / "server", config=[config, *extra], host_key_kind=kind) as server:
        with pytest.raises(AlgorithmUnsupported) as caught, connected(server.command()):
            pass
        assert caught.value.facts["option"] == option
        theirs = caught.value.facts["theirs"]
        assert isinstance(theirs, list)
        assert config.split()[1] in theirs
        for text in (config.split()[1], option):
            assert text in caught.value.message
        if option.startswith("-o"):
            with connected(server.command(option)) as connection:
                assert run(connection, "echo now")[0] == b"now\n"


def test_an_rsa_key_for_an_old_server_names_the_option(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key", kind="rsa")
    config = ["PubkeyAcceptedAlgorithms ssh-rsa", "HostKeyAlgorithms ssh-rsa"]
    with SSHServer(tmp_path / "server", config=config, host_key_kind="rsa") as server:
        (server.folder / "authorized_keys").write_bytes((tmp_path / "key.pub").read_bytes())
        command = server.command("-oHostKeyAlgorithms=+ssh-rsa").replace(str(server.client_key), str(key))
        with pytest.raises(AuthenticationFailed) as caught, connected(command):
            pass
        assert "-oPubkeyAcceptedAlgorithms=+ssh-rsa" in caught.value.message


@pytest.mark.parametrize("kex", ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"])
def test_a_server_with_one_key_exchange_works_without_options(tmp_path: Path, kex: str) -> None:
    with SSHServer(tmp_path / "server", config=[f"KexAlgorithms {kex}"]) as server, connected(server.command()) as link:
        assert link.is_alive


def test_compression_and_frequent_rekeying_work(sshd: SSHServer) -> None:
    data = b"0123456789abcdef" * 65_536
    with connected(sshd.command("-C", "-o", "RekeyLimit=128K")) as connection:
        assert run(connection, "cat", stdin=data)[0] == data


def test_known_keys_decide_which_host_key_is_asked_for(tmp_path: Path) -> None:
    """A host that is known by its RSA key is asked for that one, though it has others."""
    other = make_key(tmp_path / "other", kind="ecdsa")
    with (
        SSHServer(tmp_path / "server", config=[f"HostKey {other}"], host_key_kind="rsa") as server,
        connected(server.command("-o", "StrictHostKeyChecking=yes")) as connection,
    ):
        assert connection.is_alive


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("macs", None, algorithms.DEFAULT["macs"]),
        ("macs", "hmac-sha1,hmac-md5", ("hmac-sha1", "hmac-md5")),
        ("macs", "+hmac-md5", (*algorithms.DEFAULT["macs"], "hmac-md5")),
        ("macs", "-*etm*,hmac-sha1", ("hmac-sha2-256", "hmac-sha2-512")),
        ("ciphers", "^aes256-ctr,3des-cbc", ("aes256-ctr", "3des-cbc", *algorithms.DEFAULT["ciphers"][:-1])),
        ("ciphers", "chacha20-poly1305@openssh.com,aes128-ctr", ("aes128-ctr",)),
        ("host_keys", "ssh-rsa", ("ssh-rsa",)),
    ],
)
def test_lists_follow_the_arithmetic_of_ssh(kind: algorithms.Kind, spec: str | None, expected: tuple[str, ...]) -> None:
    assert algorithms.assemble(kind, spec) == expected


def test_every_algorithm_that_we_claim_is_known_to_the_transport() -> None:
    """Fails loudly when a new paramiko moves what the transport builds on."""
    link = transport.LinkTransport
    tables: dict[algorithms.Kind, set[str]] = {
        "kex": set(link._kex_info),
        "host_keys": set(link._key_info),
        "ciphers": set(link._cipher_info),  # type: ignore[attr-defined] # private
        "macs": set(link._mac_info),  # type: ignore[attr-defined] # private
    }
    for kind, known in tables.items():
        claimed = {*algorithms.DEFAULT[kind], *algorithms.ON_REQUEST[kind]}
        assert claimed <= known, f"paramiko {paramiko.__version__} no longer knows {claimed - known}"


def test_what_the_transport_overrides_is_still_there() -> None:
    """Fails loudly when a new paramiko moves what the transport builds on."""
    parts: list[tuple[type, tuple[str, ...]]] = [
        (
            paramiko.Transport,
            (
                *("_check_banner", "_parse_kex_init", "_really_parse_kex_init", "_parse_disconnect", "_verify_key"),
                *("_send_user_message", "_send_message", "_auth_trigger", "_channel_handler_table", "preferred_keys"),
                *("_parse_newkeys", "_unlink_channel", "_next_channel", "_parse_channel_open_success"),
                "_parse_channel_open_failure",
            ),
        ),
        (
            paramiko.Channel,
            (
                *("_handle_request", "_event_pending", "_wait_for_send_window", "_check_add_window", "_send_eof"),
                *("_close_internal", "_handle_close", "_set_transport", "_set_window", "_set_remote_channel"),
            ),
        ),
        (
            packet.Packetizer,
            (
                *("read_message", "write_all", "start_handshake", "handshake_timed_out", "complete_handshake"),
                *("_trigger_rekey", "read_all", "send_message"),
            ),
        ),
        (BufferedPipe, ("feed", "read_ready", "read", "empty", "close", "__len__")),
    ]
    for owner, names in parts:
        missing = [name for name in names if not hasattr(owner, name)]
        assert not missing, f"paramiko {paramiko.__version__}: {owner.__name__} lost {missing}"


def test_the_private_state_of_the_packets_is_still_there() -> None:
    """Fails loudly when a new paramiko moves what `packets.py` builds on: names, and the cipher behind them."""
    near, far = socket.socketpair()
    with near, far:
        state = vars(packet.Packetizer(near))
    used = {name for name in packets.WatchedPacketizer.__annotations__ if name.startswith("_")}
    assert used <= set(state), f"paramiko {paramiko.__version__}: Packetizer lost {used - set(state)}"
    ciphers = transport.LinkTransport._cipher_info  # type: ignore[attr-defined] # private
    sealed = {name for name, info in ciphers.items() if info.get("is_aead")}
    assert {ciphers[name]["class"] for name in sealed} == {AESGCM}
