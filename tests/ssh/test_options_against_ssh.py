"""CFG-3: our resolver and `ssh -G` of the installed OpenSSH say the same, hand-made and generated."""

import os
import random
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_code.errors import ConfigError
from remote_code.ssh.options import resolve
from remote_code.ssh.render import lines
from remote_code.ssh.target import parse_command
from remote_code.ssh.tokens import Account

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh program to compare with")

ALGORITHM_LISTS = {
    "ciphers",
    "hostkeyalgorithms",
    "kexalgorithms",
    "casignaturealgorithms",
    "macs",
    "pubkeyacceptedalgorithms",
}

COMPARED = {
    *("user", "hostname", "port", "addressfamily", "batchmode", "compression", "hashknownhosts", "identitiesonly"),
    *("kbdinteractiveauthentication", "nohostauthenticationforlocalhost", "passwordauthentication"),
    *("pubkeyauthentication", "stricthostkeychecking", "tcpkeepalive", "connectionattempts"),
    *("numberofpasswordprompts", "serveralivecountmax", "serveraliveinterval", "requiredrsasize", "bindaddress"),
    *("bindinterface", "hostkeyalias", "identityagent", "preferredauthentications", "identityfile"),
    *("certificatefile", "globalknownhostsfile", "userknownhostsfile", "sendenv", "setenv", "connecttimeout"),
    *("rekeylimit", "proxycommand", "proxyjump", "canonicalizefallbacklocal", "canonicalizehostname"),
    *("canonicalizemaxdots", "canonicaldomains", "canonicalizePermittedcnames"),
}

# Each case: a name, the words behind `ssh -F FILE`, and the file; `@DIR@` stands for the case's own folder.
CASES: list[tuple[str, str, str]] = [
    ("empty", "host", ""),
    ("host-block", "web", "Host web\n  HostName web.example.org\n  User deploy\n  Port 2222\n"),
    ("first-value-wins", "web", "Host web\n Port 1\nHost *\n Port 2\n User all\n"),
    ("command-line-wins", "-p 9 -l me web", "Host web\n Port 1\n User u\n"),
    ("user-at-host-loses-to-l", "-l first second@web", ""),
    ("last-at-sign-splits", "a@b@web", ""),
    ("port-twice", "-p 1 -p 2 web", ""),
    ("o-before-p", "-o Port=5 -p 6 web", ""),
    ("p-before-o", "-p 6 -oPort=5 web", ""),
    ("options-after-host", "web -p 77 -o User=late", ""),
    ("double-dash", "-p 3 -- web", ""),
    ("uri", "ssh://joe@web:2022", ""),
    ("uri-without-user", "ssh://web:2022", ""),
    ("uri-encoded-user", "ssh://jo%20e@web", ""),
    ("cluster", "-4Cp 22 -vq web", ""),
    ("inet6", "-6 web", ""),
    ("bind", "-b 127.0.0.1 -B lo web", ""),
    ("negated-host", "db1", "Host * !db1\n Port 7\nHost db?\n User dba\n"),
    ("several-patterns", "c", "Host a b c\n Port 3\n"),
    ("question-mark", "ab", "Host a?\n Port 3\nHost a??\n Port 4\n"),
    ("host-is-case-sensitive", "WEB", "Host web\n Port 3\nHost WEB\n Port 4\n"),
    ("equals-sign", "web", "Host=web\nPort=3\nUser = bob\n  HostName= x.y\n"),
    ("quoted-value", "web", 'User "bob"\nHostName "x.y"\n'),
    ("quoted-blanks", "web", 'IdentityFile "~/.ssh/my key"\nIdentityFile ~/a\\ b\n'),
    ("single-quotes", "web", "User 'bob'\nSetEnv 'A=1 2' B=3\n"),
    ("escapes", "web", 'IdentityFile "a\\"b"\nIdentityFile a\\\\b\nIdentityFile a\\nb\n'),
    ("comment-at-end", "web", "Port 3 # three\nUser bob#no\n"),
    ("comments-and-blanks", "web", "# c\n\n   \t\n  # d\nPort 4\n"),
    ("keyword-case", "web", "pOrT 4\nUSER x\n"),
    ("crlf", "web", "Port 4\r\nUser x\r\n"),
    ("tabs", "web", "\tPort\t4\n\tUser\t=\tx\n"),
    ("form-feed-at-end", "web", "Port 4 \f\n"),
    ("hostname-token", "web", "HostName %h.example.org\n"),
    ("hostname-percent", "web", "HostName a%%b\n"),
    ("match-all", "web", "Match all\n Port 5\n"),
    ("match-host", "web", "Match host web\n Port 5\nMatch host other\n User no\n"),
    ("match-host-list", "web", "Match host *.org,web\n Port 5\n"),
    ("match-host-negated-in-list", "web", "Match host *,!web\n Port 5\n"),
    ("match-not-host", "web", "Match !host web\n Port 5\nMatch !host x\n Port 6\n"),
    ("match-host-after-hostname", "web", "Host web\n HostName real.org\nMatch host real.org\n Port 5\n"),
    ("match-originalhost", "web", "HostName real.org\nMatch originalhost web\n Port 5\nMatch host web\n Port 6\n"),
    ("match-host-ignores-case", "WEB", "Match host web\n Port 5\n"),
    ("match-user", "bob@web", "Match user bob\n Port 5\nMatch user al*\n Port 6\n"),
    ("match-user-set-before", "web", "User al\nMatch user al\n Port 6\n"),
    ("match-localuser", "web", "Match localuser root\n Port 5\nMatch localuser nobody\n Port 6\n"),
    ("match-two", "bob@web", "Match host web user bob\n Port 5\n"),
    ("match-two-fails", "al@web", "Match host web user bob\n Port 5\n"),
    ("match-exec-true", "web", 'Match exec "true"\n Port 5\n'),
    ("match-exec-false", "web", "Match exec false\n Port 5\n"),
    ("match-exec-not", "web", "Match !exec false\n Port 5\n"),
    ("match-exec-tokens", "bob@web", 'Match exec "test %h-%n-%p-%r = web-web-22-bob"\n Port 5\n'),
    ("match-exec-pipes", "web", 'Match exec "echo %n | grep -q web"\n Port 5\n'),
    ("match-exec-skipped", "web", 'Match host no exec "touch @DIR@/ran"\n Port 5\n'),
    ("match-final", "web", "Match final\n Port 5\n"),
    ("match-final-host", "web", "Host web\n HostName r.org\nMatch final host r.org\n Port 5\nHost r.org\n User late\n"),
    ("match-not-final", "web", "Match !final\n Port 5\nMatch final\n Port 6\n User u\n"),
    ("match-canonical", "web", "Match canonical\n Port 5\n"),
    ("match-canonical-with-final", "web", "Match canonical\n Port 5\nMatch final\n User f\n"),
    ("match-final-all", "web", "HostName x.org\nMatch final host *.org\n IdentityFile ~/late\n"),
    ("match-ends-host", "web", "Host no\n Port 1\nMatch all\n Port 5\n"),
    ("include", "web", "Include @DIR@/a.conf\nPort 9\n"),
    ("include-glob", "web", "Include @DIR@/*.conf\n"),
    ("include-none", "web", "Include @DIR@/*.nothing\nPort 4\n"),
    ("include-two", "web", "Include @DIR@/b.conf @DIR@/a.conf\n"),
    ("include-in-host", "web", "Host web\n Include @DIR@/a.conf\nHost other\n Include @DIR@/b.conf\n"),
    ("include-in-other-host", "web", "Host other\n Include @DIR@/h.conf\nHost *\n User u\n"),
    ("include-keeps-state", "web", "Host web\n Include @DIR@/h.conf\n User still-web\n"),
    ("include-nested", "web", "Include @DIR@/n.conf\n"),
    ("include-quoted", "web", 'Include "@DIR@/a.conf"\n'),
    ("identity-files", "-i @DIR@/a.conf -i @DIR@/b.conf web", "IdentityFile ~/three\nIdentityFile @DIR@/a.conf\n"),
    ("identity-none", "web", "IdentityFile none\n"),
    ("identity-tokens", "web", "IdentityFile ~/.ssh/%h-%r-%u\nCertificateFile ~/c-%n\nCertificateFile d\n"),
    ("identity-agent", "web", "IdentityAgent ~/agent-%n\n"),
    ("identity-agent-none", "web", "IdentityAgent none\n"),
    ("identity-agent-variable", "web", "IdentityAgent SSH_AUTH_SOCK\n"),
    ("known-hosts", "web", "UserKnownHostsFile ~/k1 /k2 %d/k3\nGlobalKnownHostsFile /g1 /g2\n"),
    ("known-hosts-none", "web", "UserKnownHostsFile none\n"),
    ("known-hosts-token", "web", "UserKnownHostsFile ~/k-%k-%p-%i\nHostKeyAlias al\n"),
    ("strict-yes", "web", "StrictHostKeyChecking yes\n"),
    ("strict-no", "web", "StrictHostKeyChecking no\n"),
    ("strict-off", "web", "StrictHostKeyChecking off\n"),
    ("strict-new", "web", "StrictHostKeyChecking accept-new\n"),
    ("strict-ask", "web", "StrictHostKeyChecking ask\nStrictHostKeyChecking no\n"),
    ("times", "web", "ConnectTimeout 1m30\nServerAliveInterval 1h1m1s\n"),
    ("time-none", "web", "ConnectTimeout none\n"),
    ("times-weeks", "web", "ServerAliveInterval 1w2d\nServerAliveCountMax 7\n"),
    ("rekey", "web", "RekeyLimit 1G 1h\n"),
    ("rekey-size", "web", "RekeyLimit 512K\n"),
    ("rekey-default", "web", "RekeyLimit default 30m\n"),
    ("sendenv", "web", "SendEnv LANG LC_*\nSendEnv FOO\n"),
    ("setenv", "web", "SetEnv A=1 B=2\nSetEnv C=3\n"),
    ("authentications", "web", "PreferredAuthentications password,publickey\nPasswordAuthentication no\n"),
    ("kbd", "web", "KbdInteractiveAuthentication no\n"),
    ("kbd-old-name", "web", "ChallengeResponseAuthentication no\n"),
    ("pubkey-no", "web", "PubkeyAuthentication no\n"),
    ("pubkey-unbound", "web", "PubkeyAuthentication unbound\n"),
    ("misc", "web", "Compression yes\nTCPKeepAlive no\nBatchMode yes\nIdentitiesOnly yes\nHashKnownHosts yes\n"),
    ("numbers", "web", "ConnectionAttempts 3\nNumberOfPasswordPrompts 1\nRequiredRSASize 3072\n"),
    ("address-family", "web", "AddressFamily inet\nBindAddress 10.0.0.1\n"),
    ("proxy-command", "web", "ProxyCommand nc -X 5 %h %p # kept\n"),
    ("proxy-command-equals", "web", "ProxyCommand=nc %h %p\n"),
    ("proxy-command-none", "web", "ProxyCommand none\nProxyJump b\n"),
    ("proxy-command-after-none", "web", "ProxyJump none\nProxyCommand nc %h\nProxyJump b\n"),
    ("proxy-command-first", "web", "ProxyCommand nc %h %p\nProxyJump b\n"),
    ("proxy-jump-first", "web", "ProxyJump b\nProxyCommand nc %h %p\n"),
    ("proxy-jump", "web", "ProxyJump bastion\n"),
    ("proxy-jump-chain", "web", "ProxyJump a,u@b:33,c\n"),
    ("proxy-jump-none", "web", "Host web\n ProxyJump none\nHost *\n ProxyJump b\n"),
    ("proxy-jump-uri", "web", "ProxyJump ssh://u@b:33\n"),
    ("proxy-jump-ipv6", "web", "ProxyJump u@[fe80::1]:22\n"),
    ("proxy-jump-comment", "web", "ProxyJump b # there\n"),
    ("proxy-jump-address", "web", "ProxyJump 10.0.0.1\n"),
    ("proxy-jump-option", "-J x,y@z:5 web", "ProxyJump b\n"),
    ("proxy-jump-none-option", "-J none web", "ProxyJump b\n"),
    ("ignore-unknown", "web", "IgnoreUnknown Foo*,UseKeychain\nFooBar 1\nUseKeychain yes\nPort 5\n"),
    ("meaningless", "web", "RemoteCommand none\nLocalForward 8000 a:80\nRequestTTY yes\nControlMaster auto\nPort 5\n"),
    ("canonical-off", "web", "CanonicalizeHostname no\nPort 5\n"),
    ("canonical-options", "web", "CanonicalDomains a.org b.org\nCanonicalizeMaxDots 3\nCanonicalizeFallbackLocal no\n"),
    ("canonical-none", "web", "CanonicalDomains none\nCanonicalizePermittedCNAMEs none\n"),
    ("canonical-aliases", "localhost", "CanonicalizePermittedCNAMEs *.A.org,x:*.b.org *\n"),
    ("canonical-match", "web", "CanonicalizeHostname yes\nMatch canonical\n Port 5\nMatch !canonical\n User first\n"),
    ("canonical-behind-a-proxy", "web", "CanonicalizeHostname yes\nCanonicalDomains x\nProxyJump b\n"),
    ("address-in-short", "127.1", "Host 127.0.0.1\n Port 5\nMatch final host 127.0.0.1\n Port 6\n"),
    ("address-in-hexadecimal", "0x7f000001", ""),
    ("address-of-version-6", "::0001", ""),
    ("address-in-upper-case", "FE80::A", ""),
    ("address-of-the-other-version", "-6 127.1", ""),
    ("upper-case-host", "Web.Example.ORG", ""),
    ("hostname-upper-case", "web", "HostName Real.ORG\n"),
    ("quoted-keyword-arguments", "web", 'Host "web" "other"\n Port 8\n'),
    ("algorithms", "-c aes128-ctr -m hmac-sha2-256 web", "KexAlgorithms +diffie-hellman-group14-sha1\n"),
    ("environment-in-path", "web", "IdentityFile ${HOME}/k\nUserKnownHostsFile ${HOME}/kh\n"),
    ("no-newline-at-end", "web", "Port 5"),
    ("user-dollar", "-l 'a$b' web", ""),
]

REFUSED: list[tuple[str, str, str]] = [
    ("bad-port", "web", "Port abc\n"),
    ("port-zero", "-p 0 web", ""),
    ("port-too-high", "-p 65536 web", ""),
    ("no-argument", "web", "Port\n"),
    ("unknown-keyword", "web", "Frobnicate yes\n"),
    ("bad-flag", "web", "Compression maybe\n"),
    ("open-quote", "web", 'User "bob\n'),
    ("two-arguments", "web", "Port 22 23\n"),
    ("match-nothing", "web", "Match host\n"),
    ("match-all-and", "web", "Match all host web\n"),
    ("match-unknown", "web", "Match planet earth\n"),
    ("bad-in-other-host", "web", "Host other\n Port abc\n"),
    ("bad-jump", "web", "ProxyJump a:b:c\n"),
    ("bad-jump-user", "web", "ProxyJump @host\n"),
    ("jump-loop-include", "web", "Include @DIR@/loop.inc\n"),
    ("bad-time", "web", "ConnectTimeout 1x\n"),
    ("host-option", "-o Host=web web", ""),
    ("match-option", "-o 'Match all' web", ""),
    ("include-option", "-o Include=x web", ""),
    ("bad-rekey", "web", "RekeyLimit lots\n"),
    ("bad-strict", "web", "StrictHostKeyChecking perhaps\n"),
    ("jump-and-no-host", "-J b", ""),
    ("bad-uri", "ssh://web:port", ""),
    ("uri-path", "ssh://web/path", ""),
    ("empty-user", "@web", ""),
    ("unknown-option", "-Z web", ""),
    ("two-jumps", "-J a -J b web", ""),
    ("canonical-none-and-more", "web", "CanonicalDomains none a.org\n"),
    ("canonical-bad-domain", "web", "CanonicalDomains -x\n"),
    ("canonical-bad-rule", "web", "CanonicalizePermittedCNAMEs x\n"),
    ("canonical-empty-rule", "web", "CanonicalizePermittedCNAMEs x:\n"),
    ("canonical-bad-word", "web", "CanonicalizeHostname maybe\n"),
    ("canonical-bad-dots", "web", "CanonicalizeMaxDots few\n"),
]

INCLUDED = {
    "a.conf": "Port 31\nUser from-a\n",
    "b.conf": "Port 32\nUser from-b\nIdentityFile ~/b\n",
    "h.conf": "Host other\n Port 33\nHost web\n Compression yes\nMatch all\n BatchMode yes\n",
    "n.conf": "Include @DIR@/a.conf\nConnectTimeout 3\n",
    "loop.inc": "Include @DIR@/loop.inc\n",
}


def account() -> Account:
    return Account.current()


def prepare(folder: Path, text: str) -> Path:
    for name, contents in INCLUDED.items():
        (folder / name).write_text(contents.replace("@DIR@", str(folder)), encoding="utf-8")
    (folder / "loop.inc").touch()
    path = folder / "main"
    path.write_text(text.replace("@DIR@", str(folder)), encoding="utf-8", newline="")
    return path


def ask_ssh(path: Path, words: str) -> list[str] | None:
    """Return the compared lines of `ssh -G`, or None when it refuses."""
    done = subprocess.run(
        ["ssh", "-G", "-F", str(path), *shlex.split(words)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode:
        return None
    found = [line for line in done.stdout.splitlines() if line.split(" ", 1)[0] in COMPARED]
    if "batchmode yes" in found and "serveraliveinterval 300" in found:
        # Debian's ssh has another default there in batch mode.
        found[found.index("serveraliveinterval 300")] = "serveraliveinterval 0"
    return found


def ask_us(path: Path, words: str) -> list[str]:
    options = resolve(parse_command(f"ssh -F {shlex.quote(str(path))} {words}"), account=account())
    return [str(line) for line in lines(options) if line.keyword not in ALGORITHM_LISTS]


@pytest.mark.parametrize(("words", "text"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_a_hand_made_configuration_resolves_as_ssh_resolves_it(words: str, text: str, tmp_path: Path) -> None:
    """CFG-2, CFG-3."""
    path = prepare(tmp_path, text)
    words = words.replace("@DIR@", str(tmp_path))
    assert ask_us(path, words) == ask_ssh(path, words)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("words", "text"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED])
def test_what_ssh_refuses_is_refused_with_one_line(words: str, text: str, tmp_path: Path) -> None:
    """CFG-2, CFG-3."""
    path = prepare(tmp_path, text)
    assert ask_ssh(path, words) is None
    with pytest.raises(ConfigError) as caught:
        ask_us(path, words)
    assert "\n" not in caught.value.message


HOSTS = ("web", "db1", "db2.example.org", "Mixed.Case", "10.0.0.7")
PATTERNS = ("*", "web", "db?", "db*", "!db1", "*.org", "!*.org", "10.*", "mixed.*", "Mixed.*", "w*b", "???")
SETTINGS = (
    *("Port 2{n}", "User u{n}", "HostName h{n}.example.org", "HostName %h.x{n}", "Compression yes", "Compression no"),
    *("IdentityFile ~/.ssh/k{n}", "IdentityFile /k/%h{n}", "CertificateFile ~/c{n}", "SendEnv A{n} B*"),
    *("SetEnv X=${n}", "ProxyJump j{n}", "ProxyJump a{n},b@c:{n}2", "ProxyJump none", "ProxyCommand nc{n} %h %p"),
    *("ProxyCommand none", "ConnectTimeout {n}m", "ServerAliveInterval {n}", "HostKeyAlias alias{n}"),
    *("UserKnownHostsFile ~/kh{n} /x/%n", "StrictHostKeyChecking no", "StrictHostKeyChecking accept-new"),
    *("IdentitiesOnly yes", "PreferredAuthentications password", "AddressFamily inet", "RekeyLimit {n}M {n}h"),
    *('User "q {n}"', "HashKnownHosts yes", "BindAddress 10.0.0.{n}", "IdentityAgent ~/agent{n}", "BatchMode yes"),
)
CRITERIA = (
    *("host {p}", "!host {p}", "originalhost {p}", "user u1,u2", "!user u1", "localuser *", "exec true"),
    *("exec false", "!exec false", "final", "!final", "canonical", 'exec "test %p = 22"'),
)


def generate(rng: random.Random, folder: Path, depth: int = 0) -> str:
    """Return a configuration of a few blocks; at depth 0 some of it stands in an included file."""
    out: list[str] = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.random()
        if kind < 0.4:
            out.append("Host " + " ".join(rng.choices(PATTERNS, k=rng.randint(1, 3))))
        elif kind < 0.75:
            patterns = ",".join(rng.choices(PATTERNS, k=rng.randint(1, 2)))
            chosen = rng.choices(CRITERIA, k=rng.randint(1, 3))
            out.append("Match " + rng.choice([" ".join(chosen), " ".join(chosen), "all"]).replace("{p}", patterns))
        elif kind < 0.85 and not depth:
            name = f"part{rng.randint(0, 9)}.inc"
            (folder / name).write_text(generate(rng, folder, 1), encoding="utf-8")
            out.append(f"Include {folder}/{rng.choice([name, 'part*.inc'])}")
        for setting in rng.choices(SETTINGS, k=rng.randint(0, 4)):
            indent = rng.choice(["", "  ", "\t"])
            out.append(indent + setting.replace("{n}", str(rng.randint(1, 9))))
    return "\n".join(out) + "\n"


def generated_words(rng: random.Random) -> str:
    words = rng.choices(["-p 2{n}", "-l me{n}", "-o User=o{n}", "-i /dev/null", "-J jj{n}", "-C", "-oPort=4{n}"], k=2)
    chosen = [word.replace("{n}", str(rng.randint(1, 9))) for word in words if rng.random() < 0.4]
    if sum(word.startswith("-J") for word in chosen) > 1:
        chosen = chosen[:1]
    user = rng.choice(["", "", "at@"])
    return " ".join([*chosen, user + rng.choice(HOSTS)])


def test_generated_configurations_resolve_as_ssh_resolves_them(tmp_path: Path) -> None:
    """CFG-3; set REMOTE_CODE_SEED to repeat a run."""
    seed = int(os.environ.get("REMOTE_CODE_SEED") or time.time_ns() % 10**9)
    print(f"REMOTE_CODE_SEED={seed}")
    rng = random.Random(seed)
    n_resolved = 0
    for number in range(2_000 if os.environ.get("REMOTE_CODE_TORTURE") else 200):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "main"
        path.write_text(generate(rng, folder), encoding="utf-8")
        words = generated_words(rng)
        expected = ask_ssh(path, words)
        found = next(_resolved(path, words), None)
        assert found == expected, f"seed {seed}, ssh -F {path} {words}\n{path.read_text(encoding='utf-8')}"
        n_resolved += expected is not None
    assert n_resolved > 20


def _resolved(path: Path, words: str) -> Iterator[list[str]]:
    """Yield our lines, or nothing when we refuse."""
    try:
        yield ask_us(path, words)
    except ConfigError:
        return
