"""CFG-3: ssh_config files that ssh -G cannot be asked about: hostile names, broken files, random ones."""

import os
import random
from pathlib import Path

import pytest

from remote_code.errors import ConfigError
from remote_code.ssh.config_words import split_arguments
from remote_code.ssh.options import Options, resolve
from remote_code.ssh.patterns import matches
from remote_code.ssh.settings import read_time
from remote_code.ssh.target import parse_command

N_RANDOM = 100_000 if os.environ.get("REMOTE_CODE_TORTURE") else 1_000


def resolve_text(tmp_path: Path, text: str, words: str = "web") -> Options:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    return resolve(parse_command(f"ssh -F {path} {words}"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("HostName -oProxyCommand=x\n", "web", id="host-name-that-is-an-option"),
        pytest.param("HostName a;id\n", "web", id="shell-in-host-name"),
        pytest.param("User $(id)\n", "web", id="shell-in-user"),
        pytest.param("User -x\n", "web", id="user-that-is-an-option"),
        pytest.param('Match exec "touch @DIR@/ran; echo %r"\n Port 1\n', "-l 'a;id' web", id="before-match-exec"),
    ],
)
def test_hostile_names_are_refused_before_any_command_could_hold_them(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError):
        resolve_text(tmp_path, text.replace("@DIR@", str(tmp_path)), words)
    assert not (tmp_path / "ran").exists()


def test_a_user_configuration_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Port 1\n", encoding="utf-8")
    path.chmod(0o666)
    with pytest.raises(ConfigError) as caught:
        resolve(parse_command("ssh web"), user_config=path, system_config=None)
    assert str(path) in caught.value.message
    path.chmod(0o644)
    assert resolve(parse_command("ssh web"), user_config=path, system_config=None).port == 1


def test_the_users_file_counts_before_the_systems(tmp_path: Path) -> None:
    user, system = tmp_path / "user", tmp_path / "system"
    user.write_text("Port 1\n", encoding="utf-8")
    system.write_text("Port 2\nUser all\n", encoding="utf-8")
    options = resolve(parse_command("ssh web"), user_config=user, system_config=system)
    assert (options.port, options.user) == (1, "all")
    absent = resolve(parse_command("ssh web"), user_config=tmp_path / "absent", system_config=system)
    assert absent.port == 2
    none = resolve(parse_command("ssh -F none web"), user_config=user, system_config=system)
    assert none.port == 22


def test_every_setting_knows_the_line_that_set_it(tmp_path: Path) -> None:
    options = resolve_text(tmp_path, "# c\nHost web\n Port 7\n", "-l me web")
    port, user = options.settings.first("Port"), options.settings.first("User")
    assert port is not None
    assert user is not None
    assert str(port.source) == f"{tmp_path}/config:3"
    assert str(user.source) == "the command line (-l me)"


def test_newer_keywords_and_criteria_of_openssh_are_known(tmp_path: Path) -> None:
    text = "Tag blue\nObscureKeystrokeTiming no\nMatch tagged=blue\n Port 5\nMatch sessiontype exec\n User u\n"
    options = resolve_text(tmp_path, text)
    assert (options.port, options.user) == (5, "u")


@pytest.mark.parametrize(
    ("line", "is_matched"),
    [
        ("localnetwork 127.0.0.0/8", True),
        ("localnetwork 203.0.113.0/24,127.0.0.1/32", True),
        ("localnetwork 203.0.113.0/24", False),
        ("!localnetwork 203.0.113.0/24,2001:db8::/32", True),
        ("!localnetwork 127.0.0.0/8", False),
        ("host web localnetwork=127.0.0.0/8", True),
        ("host other localnetwork 127.0.0.0/8", False),
    ],
)
def test_match_localnetwork_looks_at_the_addresses_of_this_machine(tmp_path: Path, line: str, is_matched: bool) -> None:
    assert resolve_text(tmp_path, f"Match {line}\n Port 5\n").port == (5 if is_matched else 22)


@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0/33", "example.org", "10.0.0.0/8,", "!127.0.0.0/8"])
def test_a_network_that_is_none_is_refused(tmp_path: Path, network: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_text(tmp_path, f"Match localnetwork {network}\n Port 5\n")
    last = network.rpartition(",")[2]
    place = f"{tmp_path}/config:1: Match localnetwork"
    assert caught.value.message == f"{place} cannot be {last!r}; it takes a network such as 10.0.0.0/8"


def test_random_files_are_read_or_refused_and_never_crash(tmp_path: Path) -> None:
    rng = random.Random(20261124)
    pieces = [
        *("Host ", "Match ", "Include ", "Port ", "User ", "IdentityFile ", "ProxyJump ", "SetEnv ", "RekeyLimit "),
        *("ConnectTimeout ", "web", "*", "!", ",", "=", '"', "'", "\\", "#", "%h", "%", "${HOME}", "${", "~", "all"),
        *(
            "final",
            "host",
            "exec false",
            "\t",
            " ",
            "\n",
            "\r\n",
            "\f",
            "22",
            "-1",
            "1m",
            "yes",
            "none",
            "\u00e9",
            "@",
            ":",
        ),
    ]
    for _ in range(N_RANDOM):
        text = "".join(rng.choices(pieces, k=rng.randint(0, 25)))
        try:
            resolve_text(tmp_path, text)
        except ConfigError as exc:
            assert "\n" not in exc.message or "\n" in text


def test_patterns_of_many_stars_take_no_time() -> None:
    assert not matches("a" * 5_000, "*a" * 200 + "b")
    assert matches("a" * 5_000, "*a" * 200)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1m30s", 90), ("1h1", 3601), ("2W", 1209600), ("none", -1), ("", None), ("1x", None), ("m", None)],
)
def test_times_are_read(text: str, seconds: int | None) -> None:
    assert read_time(text) == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", ["a", "b"]),
        ("'a b' c#d #e", ["a b", "c#d"]),
        ('"a \\" b" c', ['a " b', "c"]),
        ("a\\ b", ["a b"]),
        ("a\\nb", ["a\\nb"]),
        ("'open", None),
        ("", []),
    ],
)
def test_arguments_are_split_as_ssh_splits_them(text: str, words: list[str] | None) -> None:
    assert split_arguments(text) == words
