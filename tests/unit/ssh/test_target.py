"""CFG-2: REMOTE_SSH is one ssh command as typed in a terminal."""

import os
import random
import shlex

import pytest

from remote_code.errors import ConfigError
from remote_code.ssh.target import CommandLineOption, SSHCommand, parse_command


def options_of(text: str) -> list[str]:
    return [option.line for option in parse_command(text).options]


@pytest.mark.parametrize(
    "text", ["host", "ssh host", "/usr/bin/ssh host", "  ssh   host ", "'ssh' \"host\"", "SSH.EXE host"]
)
def test_the_program_in_front_is_optional(text: str) -> None:
    assert parse_command(text) == SSHCommand(host="host")


def test_a_whole_command_is_read_in_order() -> None:
    command = parse_command(
        "ssh -oHostKeyAlgorithms=+ssh-rsa -i '~/my key' -J bastion -4 -vvC -E log -F cfg me@host -p 2222"
    )
    assert command == SSHCommand(
        host="host",
        options=(
            CommandLineOption("HostKeyAlgorithms=+ssh-rsa", "-o HostKeyAlgorithms=+ssh-rsa"),
            CommandLineOption('IdentityFile="~/my key"', "-i ~/my key"),
            CommandLineOption("ProxyJump=bastion", "-J bastion"),
            CommandLineOption("AddressFamily=inet", "-4"),
            CommandLineOption("Compression=yes", "-C"),
            CommandLineOption('User="me"', "me@"),
            CommandLineOption('Port="2222"', "-p 2222"),
        ),
        config_file="cfg",
        verbosity=2,
        log_file="log",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("-Cp22 h", ["Compression=yes", 'Port="22"'], id="cluster-with-argument"),
        pytest.param("-tp 22 h", ['Port="22"'], id="argument-in-the-next-word"),
        pytest.param("-i a -i b h", ['IdentityFile="a"', 'IdentityFile="b"'], id="several-keys"),
        pytest.param("ssh://me@h:22", ['User="me"', "Port=22"], id="uri"),
        pytest.param("ssh://me;fingerprint=x@h/", ['User="me"'], id="uri-with-parameters"),
        pytest.param("a@b@h", ['User="a@b"'], id="last-at-sign"),
        pytest.param("-- h", [], id="double-dash"),
        pytest.param("-c aes128-cbc -m hmac-sha1 h", ['Ciphers="aes128-cbc"', 'MACs="hmac-sha1"'], id="lists"),
        pytest.param('-l "a b" h', ['User="a b"'], id="blank-in-user"),
        pytest.param("-b 10.0.0.1 -B lo h", ['BindAddress="10.0.0.1"', 'BindInterface="lo"'], id="bind"),
    ],
)
def test_options_become_the_keywords_that_they_stand_for(text: str, expected: list[str]) -> None:
    assert options_of(text) == expected


def test_options_without_meaning_here_are_kept_as_ignored() -> None:
    command = parse_command("-tTNnqfx -e none -L 80:a:80 -R 1:b:1 -D 1080 -M -S path h")
    assert command.options == ()
    assert command.ignored[:3] == ("-t", "-T", "-N")
    assert "-L 80:a:80" in command.ignored


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("", "no host", id="empty"),
        pytest.param("ssh", "no host", id="program-alone"),
        pytest.param("ssh -p 22", "no host", id="no-host"),
        pytest.param("ssh host uptime", "'uptime'", id="remote-command"),
        pytest.param("ssh host -- uptime", "'uptime'", id="remote-command-after-dashes"),
        pytest.param("ssh -- host -v", "'-v'", id="option-after-dashes-is-a-command"),
        pytest.param("ssh 'host", "quot", id="open-quote"),
        pytest.param("ssh host\\", "escape", id="backslash-at-end"),
        pytest.param("ssh -p", "-p", id="missing-argument"),
        pytest.param("ssh -Z host", "-Z", id="unknown-option"),
        pytest.param("ssh -W a:1 host", "-W", id="stdio-forward"),
        pytest.param("ssh -s host", "-s", id="subsystem"),
        pytest.param("ssh -G host", "-G", id="print"),
        pytest.param("ssh -O exit host", "-O", id="control"),
        pytest.param("ssh -1 host", "-1", id="protocol-1"),
        pytest.param("ssh -J a -J b host", "-J", id="two-jumps"),
        pytest.param("ssh ssh://h/path", "ssh://h/path", id="uri-with-path"),
        pytest.param("ssh ssh://h:99999", "ssh://h:99999", id="uri-with-bad-port"),
        pytest.param("ssh @host", "user name", id="empty-user"),
        pytest.param("ssh 'a@-oProxyCommand=x'", "host name", id="host-that-is-an-option"),
        pytest.param("ssh 'h;id'", "host name", id="shell-in-host"),
        pytest.param("ssh 'h`id`'", "host name", id="backquote-in-host"),
        pytest.param("ssh 'h$x'", "host name", id="variable-in-host"),
        pytest.param("ssh 'a b'", "host name", id="blank-in-host"),
        pytest.param("ssh 'a;b@h'", "user name", id="shell-in-user"),
        pytest.param("ssh 'a -x@h'", "user name", id="option-in-user"),
        pytest.param("ssh -l '' h", "-l", id="empty-argument"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_it(text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_command(text)
    assert named in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.facts["variable"] == "REMOTE_SSH"


def test_line_breaks_and_nul_are_refused() -> None:
    for text in ("ssh 'a\nb'", "ssh -l 'a\0b' h", "ssh -o 'User=a\nPort=1' h"):
        with pytest.raises(ConfigError):
            parse_command(text)


def test_random_words_are_read_or_refused_and_never_crash() -> None:
    rng = random.Random(20261124)
    pieces = [
        "-",
        "--",
        "-p",
        "-o",
        "-i",
        "ssh",
        "host",
        "@",
        "u@h",
        "ssh://",
        "[::1]:22",
        "'",
        '"',
        "\\",
        "-vC",
        "%",
        "é",
        "",
    ]
    for _ in range(100_000 if os.environ.get("REMOTE_CODE_TORTURE") else 5_000):
        words = ["".join(rng.choices(pieces, k=rng.randint(0, 3))) for _ in range(rng.randint(0, 5))]
        for text in (shlex.join(words), " ".join(words)):
            try:
                command = parse_command(text)
            except ConfigError:
                continue
            assert command.host
            assert not command.host.startswith("-")
