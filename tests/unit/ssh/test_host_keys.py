"""SSH-1: the known_hosts matcher and the decision on a key."""

import base64
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from remote_code.errors import HostKeyMismatch
from remote_code.ssh.host_keys import HostKey, HostKeyCheck, KnownHosts, Place, hash_name, matches_names
from remote_code.ssh.meaning import HostKeyOptions, StrictHostKeyChecking
from remote_code.ssh.secrets import Ask
from remote_code.ssh.wire import put_string

ED1 = HostKey(put_string(b"ssh-ed25519", b"1" * 32))
ED2 = HostKey(put_string(b"ssh-ed25519", b"2" * 32))
RSA = HostKey(put_string(b"ssh-rsa", b"\1\0\1", b"\0" + b"n" * 128))


def line(names: str, key: HostKey, marker: str = "") -> str:
    return f"{marker} {names} {key.type} {base64.b64encode(key.blob).decode()} comment here\n".lstrip()


def check(
    tmp_path: Path,
    known: str,
    key: HostKey,
    *,
    checking: StrictHostKeyChecking = "ask",
    host: str = "web",
    port: int = 22,
    ask: Ask | None = None,
    hash_new: bool = False,
) -> tuple[list[str], str]:
    """Check a key against a file; return the notices and the file afterwards."""
    file = tmp_path / "ssh" / "known_hosts"
    if known:
        file.parent.mkdir(exist_ok=True)
        file.write_text(known, encoding="utf-8")
    notices: list[str] = []
    options = HostKeyOptions(
        checking=checking, user_files=(str(file),), global_files=(str(tmp_path / "none"),), hash_new=hash_new
    )
    HostKeyCheck(options, Place.of(host, port, None), ask=ask, on_notice=notices.append).check(key)
    return notices, file.read_text(encoding="utf-8") if file.exists() else ""


@pytest.mark.parametrize(
    ("names", "host", "port", "expected"),
    [
        pytest.param("web", "web", 22, True, id="name"),
        pytest.param("WEB", "web", 22, True, id="case"),
        pytest.param("web,10.0.0.1", "10.0.0.1", 22, True, id="list"),
        pytest.param("*.org", "a.org", 22, True, id="wildcard"),
        pytest.param("*.org,!b.org", "b.org", 22, False, id="negated"),
        pytest.param("!b.org,*.org", "b.org", 22, False, id="negated-first"),
        pytest.param("web?", "web1", 22, True, id="question-mark"),
        pytest.param("[web]:2222", "web", 2222, True, id="port"),
        pytest.param("[web]:2222", "web", 22, False, id="port-for-22"),
        pytest.param("[*]:2222", "web", 2222, True, id="wildcard-with-port"),
        pytest.param("[fe80::1]:2222", "fe80::1", 2222, True, id="ipv6-with-port"),
        pytest.param(hash_name("web", salt=b"s" * 20), "web", 22, True, id="hashed"),
        pytest.param(hash_name("[web]:2222", salt=b"s" * 20), "web", 2222, True, id="hashed-with-port"),
        pytest.param(hash_name("other", salt=b"s" * 20), "web", 22, False, id="hashed-other"),
        pytest.param("|1|broken", "web", 22, False, id="broken-hash"),
        pytest.param("|2|YQ==|YQ==", "web", 22, False, id="unknown-hash"),
    ],
)
def test_the_names_of_a_line_match_as_ssh_matches_them(names: str, host: str, port: int, expected: bool) -> None:
    assert matches_names(Place.of(host, port, None).name, names) is expected


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen to compare with")
def test_lookups_agree_with_ssh_keygen(tmp_path: Path) -> None:
    rng = random.Random(7)
    key = base64.b64encode(ED1.blob).decode()
    hosts = ["web", "a.org", "b.org", "[web]:2222", "[a.org]:22", "10.0.0.1"]
    pieces = ["web", "*.org", "!b.org", "a.*", "[web]:2222", "[*]:2222", "10.0.0.?", "*", "!web"]
    for number in range(30):
        file = tmp_path / f"known{number}"
        names = [",".join(rng.choices(pieces, k=rng.randint(1, 3))) for _ in range(4)]
        names.append(hash_name(rng.choice(hosts), salt=rng.randbytes(20)))
        file.write_text("".join(f"{name} ssh-ed25519 {key}\n" for name in names), encoding="utf-8")
        for host in hosts:
            done = subprocess.run(
                ["ssh-keygen", "-F", host, "-f", str(file)], capture_output=True, text=True, check=False
            )
            theirs = [int(row.split()[-1]) for row in done.stdout.splitlines() if row.startswith("# Host")]
            ours = [entry.line for entry in KnownHosts(Place(host), [str(file)]).entries]
            assert ours == theirs, (host, names)


def test_a_known_key_is_accepted_and_nothing_is_written(tmp_path: Path) -> None:
    known = line("web", ED1)
    assert check(tmp_path, known, ED1, checking="yes") == ([], known)


@pytest.mark.parametrize("checking", ["ask", "accept-new", "yes", "no"])
def test_a_changed_key_is_refused_whatever_the_settings(tmp_path: Path, checking: StrictHostKeyChecking) -> None:
    known = "# comment\n" + line("web", ED1)
    with pytest.raises(HostKeyMismatch) as caught:
        check(tmp_path, known, ED2, checking=checking, ask=lambda prompt, echo: "yes")
    facts = caught.value.facts
    assert facts["line"] == 2
    assert facts["file"] == str(tmp_path / "ssh" / "known_hosts")
    assert (facts["expected"], facts["found"]) == (str(ED1), str(ED2))
    for fact in (ED1.fingerprint, ED2.fingerprint, str(facts["file"]), "line 2"):
        assert fact in caught.value.message


@pytest.mark.parametrize("checking", ["ask", "accept-new", "yes", "no"])
def test_a_revoked_key_is_refused_even_when_it_is_known(tmp_path: Path, checking: StrictHostKeyChecking) -> None:
    known = line("web", ED1) + line("*", ED1, "@revoked")
    with pytest.raises(HostKeyMismatch) as caught:
        check(tmp_path, known, ED1, checking=checking)
    assert caught.value.facts["line"] == 2


def test_a_new_host_is_recorded_when_nobody_can_be_asked(tmp_path: Path) -> None:
    notices, text = check(tmp_path, "", ED1)
    assert text == f"web ssh-ed25519 {base64.b64encode(ED1.blob).decode()}\n"
    assert len(notices) == 1
    assert ED1.fingerprint in notices[0]
    assert (tmp_path / "ssh" / "known_hosts").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ssh").stat().st_mode & 0o777 == 0o700


def test_a_new_host_is_recorded_behind_a_line_without_an_end(tmp_path: Path) -> None:
    _, text = check(tmp_path, line("other", ED2).rstrip("\n"), ED1, port=2222)
    assert text.splitlines()[1].startswith("[web]:2222 ssh-ed25519 ")
    assert len(text.splitlines()) == 2


def test_a_new_host_is_recorded_hashed_when_asked_for(tmp_path: Path) -> None:
    _, text = check(tmp_path, "", ED1, hash_new=True)
    assert text.startswith("|1|")
    assert check(tmp_path, text, ED1, checking="yes") == ([], text)


def test_strict_checking_refuses_a_new_host(tmp_path: Path) -> None:
    with pytest.raises(HostKeyMismatch) as caught:
        check(tmp_path, "", ED1, checking="yes")
    assert ED1.fingerprint in caught.value.message
    assert not (tmp_path / "ssh").exists()


@pytest.mark.parametrize("answer", ["yes", ED1.fingerprint])
def test_a_person_may_accept_a_new_host(tmp_path: Path, answer: str) -> None:
    prompts: list[str] = []

    def ask(prompt: str, echo: bool) -> str:
        prompts.append(prompt)
        return answer

    _, text = check(tmp_path, "", ED1, ask=ask)
    assert text
    assert ED1.fingerprint in prompts[0]


@pytest.mark.parametrize("answer", ["no", None, "maybe", ED2.fingerprint])
def test_a_person_may_refuse_a_new_host(tmp_path: Path, answer: str | None) -> None:
    with pytest.raises(HostKeyMismatch):
        check(tmp_path, "", ED1, ask=lambda prompt, echo: answer)
    assert not (tmp_path / "ssh").exists()


def test_a_known_host_with_a_key_of_another_type_is_refused_when_nobody_can_be_asked(tmp_path: Path) -> None:
    with pytest.raises(HostKeyMismatch):
        check(tmp_path, line("web", RSA), ED1)


def test_a_key_recorded_without_port_is_good_for_every_port(tmp_path: Path) -> None:
    known = line("web", ED1)
    assert check(tmp_path, known, ED1, port=2222, checking="yes") == ([], known)


def test_lines_that_cannot_be_read_hide_no_others(tmp_path: Path) -> None:
    known = "garbage\n@strange web ssh-ed25519 AAAA\nweb ssh-ed25519 !!!\nweb ssh-rsa " + (
        base64.b64encode(ED1.blob).decode() + "\n" + line("*.org", RSA, "@cert-authority") + line("web", ED1)
    )
    assert check(tmp_path, known, ED1, checking="yes") == ([], known)


def test_random_lines_never_crash(tmp_path: Path) -> None:
    rng = random.Random(11)
    file = tmp_path / "known"
    pieces = [
        b"web",
        b" ",
        b"\t",
        b"|1|",
        b"|",
        b"ssh-ed25519",
        b"AAAA",
        b"@revoked",
        b"@",
        b"\xff",
        b"#",
        b",",
        b"!",
        b"*",
    ]
    for _ in range(2_000 if os.environ.get("REMOTE_CODE_TORTURE") else 100):
        file.write_bytes(b"\n".join(b"".join(rng.choices(pieces, k=rng.randint(0, 8))) for _ in range(50)))
        KnownHosts(Place("web"), [str(file)])


def test_a_file_that_is_a_directory_is_passed_over(tmp_path: Path) -> None:
    assert KnownHosts(Place("web"), [str(tmp_path)]).entries == []
