"""SSH-2: keys, agent, password, prompts and sequences of them; a refusal is final and says what was tried."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from remote_code.errors import AuthenticationFailed, ConnectionFailed
from tests.support.agent import add_to_agent, ssh_agent
from tests.support.connecting import connected, run
from tests.support.ssh_servers import Script, ScriptedServer, rewrite_key
from tests.support.sshd import SSHServer, make_key

SECRET = "a pass phrase with 'quotes'"


def login_command(server: SSHServer, key: Path, *options: str) -> str:
    """Return the server's command line with another key."""
    return server.command(*options).replace(str(server.client_key), str(key))


def trust(server: SSHServer, key: Path) -> None:
    with (server.folder / "authorized_keys").open("a", encoding="utf-8") as stream:
        stream.write(key.with_name(key.name + ".pub").read_text(encoding="utf-8"))


def test_a_plain_key_logs_in_and_runs_a_command(sshd: SSHServer) -> None:
    with connected(sshd.command()) as connection:
        assert run(connection, "cat; echo oops >&2; exit 3", stdin=b"in") == (b"in", b"oops\n", 3, None)
        assert connection.login.methods == ("publickey",)
        assert not connection.login.needed_person
        assert connection.server.startswith("SSH-2.0-OpenSSH")


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("form", ["openssh", "pem", "pkcs8"])
def test_keys_of_every_kind_and_format_log_in(sshd: SSHServer, tmp_path: Path, kind: str, form: str) -> None:
    if kind == "ed25519" and form == "pem":
        pytest.skip("there is no such format")
    key = make_key(tmp_path / "key", kind=kind)
    trust(sshd, key)
    rewrite_key(key, form=form)
    with connected(login_command(sshd, key)) as connection:
        assert connection.login.methods == ("publickey",)


@pytest.mark.parametrize(("kind", "form"), [("ed25519", "openssh"), ("rsa", "pem"), ("ecdsa", "pkcs8")])
def test_the_password_opens_an_encrypted_key(sshd: SSHServer, tmp_path: Path, kind: str, form: str) -> None:
    """CFG-5: REMOTE_PASSWORD is the passphrase when that is what is asked."""
    key = make_key(tmp_path / "key", kind=kind)
    trust(sshd, key)
    rewrite_key(key, form=form, passphrase=SECRET)
    with connected(login_command(sshd, key), password=SECRET) as connection:
        assert connection.login.methods == ("publickey",)
    with pytest.raises(AuthenticationFailed) as caught, connected(login_command(sshd, key), password="wrong"):
        pass
    assert "passphrase" in caught.value.message
    assert "wrong" not in caught.value.message


def test_a_person_may_give_the_passphrase(sshd: SSHServer, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    trust(sshd, key)
    rewrite_key(key, form="openssh", passphrase=SECRET)
    prompts: list[str] = []

    def ask(prompt: str, echo: bool) -> str:
        prompts.append(prompt)
        assert not echo
        return "no" if len(prompts) == 1 else SECRET

    with connected(login_command(sshd, key), ask=ask) as connection:
        assert connection.login.needed_person
    assert len(prompts) == 2
    assert str(key) in prompts[0]


def test_a_key_that_is_refused_is_named_with_what_the_server_offers(sshd: SSHServer, tmp_path: Path) -> None:
    key = make_key(tmp_path / "stranger")
    with pytest.raises(AuthenticationFailed) as caught, connected(login_command(sshd, key)):
        pass
    assert caught.value.facts["offered"] == ["publickey"]
    assert caught.value.facts["tried"] == [f"key {key}"]
    assert caught.value.facts["user"] == sshd.user


def test_a_missing_key_file_is_named(sshd: SSHServer, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationFailed) as caught, connected(login_command(sshd, tmp_path / "absent")):
        pass
    assert f"key {tmp_path / 'absent'} (no such file)" in caught.value.message


def test_a_key_that_others_can_read_is_not_used(sshd: SSHServer, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    trust(sshd, key)
    key.chmod(0o644)
    with pytest.raises(AuthenticationFailed) as caught, connected(login_command(sshd, key)):
        pass
    assert "chmod" in caught.value.message


def test_batch_mode_asks_nobody(tmp_path: Path) -> None:
    with (
        ScriptedServer(tmp_path, Script()) as server,
        pytest.raises(AuthenticationFailed),
        connected(server.command("-oBatchMode=yes"), ask=lambda prompt, echo: pytest.fail("somebody was asked")),
    ):
        pass


def test_the_second_key_is_tried_when_the_first_is_refused(sshd: SSHServer, tmp_path: Path) -> None:
    first = make_key(tmp_path / "first")
    with connected(sshd.command().replace("-i ", f"-i {first} -i ", 1)) as connection:
        assert connection.login.methods == ("publickey",)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a real ssh-agent without keys."""
    with ssh_agent(tmp_path) as environ:
        yield environ


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_agent_logs_in(sshd: SSHServer, tmp_path: Path, agent: dict[str, str], kind: str) -> None:
    key = make_key(tmp_path / "held", kind=kind)
    trust(sshd, key)
    add_to_agent(agent, make_key(tmp_path / "unrelated"))
    add_to_agent(agent, key)
    key.unlink()
    command = login_command(sshd, key).replace("IdentitiesOnly=yes", "IdentitiesOnly=no")
    with connected(command, environ=agent) as connection:
        assert connection.login.methods == ("publickey",)


def test_identities_only_picks_the_named_key_of_the_agent(
    sshd: SSHServer, tmp_path: Path, agent: dict[str, str]
) -> None:
    for number in range(8):  # More than the server's MaxAuthTries.
        add_to_agent(agent, make_key(tmp_path / f"unrelated{number}"))
    key = make_key(tmp_path / "held")
    trust(sshd, key)
    add_to_agent(agent, key)
    key.unlink()  # The public key beside it is enough.
    with connected(login_command(sshd, key), environ=agent) as connection:
        assert connection.login.methods == ("publickey",)


def test_an_agent_that_cannot_be_reached_is_passed_over(sshd: SSHServer, tmp_path: Path) -> None:
    environ = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "nothing")}
    with connected(sshd.command(), environ=environ) as connection:
        assert connection.login.methods == ("publickey",)


def test_a_certificate_logs_in(tmp_path: Path) -> None:
    """SSH-2: certificates beside the key and by CertificateFile, from a file and from the agent."""
    authority = make_key(tmp_path / "ca", kind="ed25519")
    with SSHServer(tmp_path / "server", config=[f"TrustedUserCAKeys {authority}.pub"]) as server:
        (server.folder / "authorized_keys").write_text("", encoding="utf-8")
        for kind in ("ed25519", "rsa"):
            key = make_key(tmp_path / f"certified-{kind}", kind=kind)
            subprocess.run(
                ["ssh-keygen", "-q", "-s", str(authority), "-I", "id", "-n", server.user, f"{key}.pub"], check=True
            )
            with connected(login_command(server, key)) as connection:
                assert connection.login.methods == ("publickey",)
            elsewhere = tmp_path / f"elsewhere-{kind}"
            shutil.move(f"{key}-cert.pub", elsewhere)
            with connected(login_command(server, key, "-o", f"CertificateFile={elsewhere}")) as connection:
                assert connection.login.methods == ("publickey",)


def test_a_password_logs_in(tmp_path: Path) -> None:
    with (
        ScriptedServer(tmp_path, Script()) as server,
        connected(server.command(), password="correct horse") as connection,
    ):
        assert connection.login.methods == ("password",)
        assert run(connection, "true")[0] == b"ran: true"


def test_a_wrong_password_is_tried_once_and_never_shown(tmp_path: Path) -> None:
    script = Script()
    with (
        ScriptedServer(tmp_path, script) as server,
        pytest.raises(AuthenticationFailed) as caught,
        connected(server.command(), password="hunter2"),
    ):
        pass
    assert [row for row in script.seen if row.startswith("password")] == ["password wrong"]
    assert caught.value.facts["offered"] == ["password"]
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in str(caught.value.facts)


def test_a_missing_password_is_asked_for_by_name(tmp_path: Path) -> None:
    with (
        ScriptedServer(tmp_path, Script()) as server,
        pytest.raises(AuthenticationFailed) as caught,
        connected(server.command()),
    ):
        pass
    assert "REMOTE_PASSWORD" in caught.value.message


def test_a_person_may_give_the_password_at_the_second_try(tmp_path: Path) -> None:
    answers = iter(["wrong", "correct horse"])
    with (
        ScriptedServer(tmp_path, Script()) as server,
        connected(server.command(), ask=lambda prompt, echo: next(answers)) as connection,
    ):
        assert connection.login.needed_person


def test_two_prompts_are_answered_by_password_and_person(tmp_path: Path) -> None:
    script = Script(
        steps=["keyboard-interactive"],
        prompts=[[("Password: ", False)], [("Verification code: ", True)]],
        answers=[["correct horse"], ["123456"]],
    )
    prompts: list[str] = []

    def ask(prompt: str, echo: bool) -> str:
        prompts.append(prompt)
        assert echo
        return "123456"

    with (
        ScriptedServer(tmp_path, script) as server,
        connected(server.command(), password="correct horse", ask=ask) as connection,
    ):
        assert connection.login.methods == ("keyboard-interactive",)
        assert connection.login.needed_person
    assert prompts == ["Verification code: "]


def test_both_prompts_may_come_in_one_request(tmp_path: Path) -> None:
    script = Script(
        steps=["keyboard-interactive"],
        prompts=[[("Password: ", False), ("One-time code: ", False)]],
        answers=[["correct horse", "1"]],
    )
    with (
        ScriptedServer(tmp_path, script) as server,
        connected(server.command(), password="correct horse", ask=lambda prompt, echo: "1") as connection,
    ):
        assert connection.login.needed_person


def test_a_prompt_that_nothing_can_answer_is_named(tmp_path: Path) -> None:
    """CFG-5: the error names the prompt."""
    script = Script(
        steps=["keyboard-interactive"],
        prompts=[[("Password: ", False)], [("Enter your \x1b[31mTOKEN code", False)]],
        answers=[["correct horse"], ["1"]],
    )
    with (
        ScriptedServer(tmp_path, script) as server,
        pytest.raises(AuthenticationFailed) as caught,
        connected(server.command(), password="correct horse"),
    ):
        pass
    assert "TOKEN code" in caught.value.message
    assert "\x1b" not in caught.value.message


def test_a_server_that_asks_nonsense_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(steps=["keyboard-interactive"], prompts=[[("x", False)]], answers=[["x"]])
    add_int = paramiko.Message.add_int

    def too_many(message: paramiko.Message, number: int) -> paramiko.Message:
        is_count = message.asbytes()[:1] == b"\x3c" and number == 1
        return add_int(message, 1_000_000 if is_count else number)

    monkeypatch.setattr(paramiko.Message, "add_int", too_many)
    with (
        ScriptedServer(tmp_path, script) as server,
        pytest.raises(ConnectionFailed) as caught,
        connected(server.command(), password="x"),
    ):
        pass
    assert "protocol" in caught.value.message


def test_a_key_and_then_a_password_log_in(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    script = Script(steps=["publickey", "password"])
    with (
        ScriptedServer(tmp_path, script) as server,
        connected(server.command("-i", shlex.quote(str(key))), password="correct horse") as connection,
    ):
        assert connection.login.methods == ("publickey", "password")
    assert script.seen == ["publickey right", "password right"]


def test_preferred_authentications_set_the_order(tmp_path: Path) -> None:
    script = Script(also_offered=["publickey"])
    key = make_key(tmp_path / "key")
    with ScriptedServer(tmp_path, script) as server:
        command = server.command("-i", str(key), "-o", "PreferredAuthentications=password")
        with connected(command, password="correct horse") as connection:
            assert connection.login.methods == ("password",)
    assert script.seen == ["none", "password right"]


def test_a_method_that_is_switched_off_is_not_used(tmp_path: Path) -> None:
    script = Script()
    with (
        ScriptedServer(tmp_path, script) as server,
        pytest.raises(AuthenticationFailed),
        connected(server.command("-o", "PasswordAuthentication=no"), password="correct horse"),
    ):
        pass
    assert script.seen == ["none"]
