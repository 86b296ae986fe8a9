"""CFG-3: canonical host names, by a resolver that knows a few hosts; `ssh -G` and ours are both asked."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh program to compare with"),
    pytest.mark.skipif(os.getuid() != 0, reason="needs root for a hosts file of its own"),
]

HOSTS = """\
127.0.0.1 localhost
10.1.1.1 web.a.example.
10.1.1.2 db.b.example.
10.1.1.3 real.c.example alias.a.example.
10.1.1.4 shared.a.example.
10.1.1.5 shared.b.example.
10.1.1.6 real.d.example plain
"""
DOMAINS = "CanonicalizeHostname yes\nCanonicalDomains a.example b.example\n"
RULE = "CanonicalizePermittedCNAMEs *.b.example:x *.z,*.a.example:*.y,*.c.example\n"

# Each case: a name, the words behind `ssh -F FILE`, and the file.
CASES: list[tuple[str, str, str]] = [
    ("first-domain", "web", DOMAINS),
    ("second-domain", "db", DOMAINS),
    ("first-domain-wins", "shared", DOMAINS),
    ("upper-case", "WEB", DOMAINS),
    ("upper-case-domain", "web", "CanonicalizeHostname yes\nCanonicalDomains A.Example\n"),
    ("domain-with-a-dot-at-the-end", "web", "CanonicalizeHostname yes\nCanonicalDomains a.example.\n"),
    ("nowhere", "elsewhere", DOMAINS),
    ("nowhere-without-fallback", "elsewhere", f"{DOMAINS}CanonicalizeFallbackLocal no\n"),
    ("switched-off", "web", "CanonicalDomains a.example\n"),
    ("no-domains", "web", "CanonicalizeHostname yes\nCanonicalDomains none\n"),
    ("option-on-the-command-line", "-oCanonicalizeHostname=yes web", "CanonicalDomains a.example\n"),
    ("as-many-dots-as-allowed", "web.a", f"{DOMAINS}CanonicalDomains x\nCanonicalizeMaxDots 1\n"),
    ("dots-in-the-name", "web.a", "CanonicalizeHostname yes\nCanonicalDomains example\n"),
    ("too-many-dots", "web.a", "CanonicalizeHostname yes\nCanonicalDomains example\nCanonicalizeMaxDots 0\n"),
    ("too-many-dots-without-fallback", "x.y.z", f"{DOMAINS}CanonicalizeFallbackLocal no\n"),
    ("qualified-name", "web.a.example.", DOMAINS),
    ("qualified-name-that-is-not-there", "no.a.example.", DOMAINS),
    ("qualified-name-without-fallback", "no.a.example.", f"{DOMAINS}CanonicalizeFallbackLocal no\n"),
    ("address", "10.1.1.1", DOMAINS),
    ("alias", "alias", DOMAINS + RULE),
    ("alias-that-no-rule-allows", "alias", f"{DOMAINS}CanonicalizePermittedCNAMEs *.a.example:*.a.example\n"),
    ("alias-that-any-rule-allows", "alias", f"{DOMAINS}CanonicalizePermittedCNAMEs *\n"),
    ("alias-without-rules", "alias", DOMAINS),
    ("alias-of-a-name-that-is-in-no-domain", "plain", f"{DOMAINS}CanonicalizePermittedCNAMEs plain:*.d.example\n"),
    ("alias-and-switched-off", "plain", "CanonicalizePermittedCNAMEs *\n"),
    ("behind-a-jump-host", "web", f"{DOMAINS}ProxyJump j\n"),
    ("behind-a-jump-host-always", "web", "CanonicalizeHostname always\nCanonicalDomains a.example\nProxyJump j\n"),
    ("behind-a-command", "web", f"{DOMAINS}ProxyCommand nc %h %p\n"),
    ("behind-no-command", "web", f"{DOMAINS}ProxyCommand none\n"),
    ("behind-no-jump-host", "web", f"{DOMAINS}ProxyJump none\n"),
    ("behind-no-proxy", "web", f"{DOMAINS}ProxyCommand none\nProxyJump none\n"),
    ("alias-behind-a-command", "alias", f"{DOMAINS}{RULE}ProxyCommand nc %h %p\n"),
    ("host-name", "short", f"{DOMAINS}Host short\n HostName web\n"),
    ("host-name-with-token", "web", f"{DOMAINS}HostName %h.a.example\n"),
    ("match-canonical", "web", f"{DOMAINS}Match canonical host *.a.example\n Port 5\n"),
    ("match-not-canonical", "web", f"{DOMAINS}Match !canonical\n Port 5\n"),
    ("match-original-host", "web", f"{DOMAINS}Match canonical originalhost web\n Port 5\n"),
    ("host-block-of-the-canonical-name", "db", f"Host db.b.example\n User dba\nHost *\n{DOMAINS}User me\n"),
    (
        "first-value-wins-over-both-readings",
        "db",
        f"Host db\n User me\nHost db.b.example\n User dba\nHost *\n{DOMAINS}",
    ),
    ("tokens", "web", f"{DOMAINS}UserKnownHostsFile /k/%h-%n-%k\nIdentityFile /i/%h\n"),
    ("match-exec", "web", f'{DOMAINS}Match canonical exec "test %h-%n = web.a.example-web"\n Port 5\n'),
    ("family-that-the-host-does-not-have", "-6 web", DOMAINS),
]

PROGRAM = """
import json, sys
from remote_code.errors import ConfigError
from remote_code.ssh.options import resolve
from remote_code.ssh.render import render
from remote_code.ssh.target import parse_command
answers = {}
for name, command in json.load(sys.stdin).items():
    try:
        answers[name] = render(resolve(parse_command(command))).splitlines()
    except ConfigError:
        answers[name] = None
print(json.dumps(answers))
"""
COMPARED = {"user", "hostname", "port", "identityfile", "userknownhostsfile", "canonicalizehostname", "proxycommand"}

Run = Callable[[Sequence[str], str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run programs where nothing but the hosts file above resolves names."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "hosts").write_text(HOSTS, encoding="utf-8")
    (folder / "nsswitch").write_text("passwd: files\nhosts: files\n", encoding="utf-8")
    binds = [f"mount --bind {folder}/hosts /etc/hosts", f"mount --bind {folder}/nsswitch /etc/nsswitch.conf"]
    inside = ["unshare", "--mount", "--", "/bin/sh", "-c", f'{" && ".join(binds)} && exec "$@"', "sh"]

    def run_it(words: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*inside, *words], input=text, capture_output=True, text=True, timeout=60)

    return run_it


@pytest.fixture(scope="module")
def answers(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, list[str] | None]]:
    """Each case's ssh command and what our resolver says of it; None for a refusal."""
    folder = tmp_path_factory.mktemp("configurations")
    commands: dict[str, str] = {}
    for name, words, text in CASES:
        (folder / name).write_text(text, encoding="utf-8")
        commands[name] = f"ssh -F {folder / name} {words}"
    done = run([sys.executable, "-c", PROGRAM], json.dumps(commands))
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str] | None] = json.loads(done.stdout)
    return {name: (command, found[name]) for name, command in commands.items()}


def compared(lines: list[str] | None) -> list[str] | None:
    return lines and [line for line in lines if line.split(" ", 1)[0] in COMPARED]


@pytest.mark.parametrize("name", [case[0] for case in CASES])
def test_a_name_is_made_canonical_as_ssh_makes_it(
    run: Run, answers: dict[str, tuple[str, list[str] | None]], name: str
) -> None:
    command, found = answers[name]
    program, *words = shlex.split(command)
    asked = run([program, "-G", *words], "")
    assert compared(found) == compared(asked.stdout.splitlines() if asked.returncode == 0 else None)


def test_the_cases_show_what_they_are_about(answers: dict[str, tuple[str, list[str] | None]]) -> None:
    """A resolver that knew none of the hosts would agree with itself on everything."""
    names = {
        name: next(line for line in found if line.startswith("hostname "))
        for name, (_, found) in answers.items()
        if found
    }
    assert names["first-domain"] == "hostname web.a.example"
    assert names["second-domain"] == "hostname db.b.example"
    assert names["alias"] == "hostname real.c.example"
    assert names["nowhere"] == "hostname elsewhere"
    assert answers["nowhere-without-fallback"][1] is None
    assert "port 5" in (answers["match-canonical"][1] or [])


def test_a_name_that_is_nowhere_is_named(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"{DOMAINS}CanonicalizeFallbackLocal no\n", encoding="utf-8")
    done = run([sys.executable, "-m", "remote_code.cli", "config", "--", "ssh", "-F", str(config), "elsewhere"], "")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "remote-code: no address was found for 'elsewhere' in elsewhere.a.example., elsewhere.b.example., and "
        "CanonicalizeFallbackLocal is no\n"
    )
