"""CFG-5: the passwords are in no process but the engine, in no file, no log, no error and no output, here or there."""

import base64
import os
import secrets
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.account import Account, account_server
from tests.support.engine import EngineClient, EngineError
from tests.support.footprint import processes
from tests.support.ssh_servers import rewrite_key

RUN = secrets.token_hex(6)
"""Tells this run's passwords from those of another one on the same machine."""
ACCOUNT_PASSWORD = f"pl4nted-Acc0unt-{RUN}"
PASSPHRASE = f"pl4nted-Passphr4se-{RUN}"
WRONG = f"pl4nted-Wr0ng-{RUN}"
PLANTED = (ACCOUNT_PASSWORD, PASSPHRASE, WRONG)

PASSWORD_LOGIN = ("PasswordAuthentication yes", "AuthenticationMethods password")
PROMPT_LOGIN = ("UsePAM yes", "KbdInteractiveAuthentication yes", "AuthenticationMethods keyboard-interactive")

RELAY = """\
#!{python}
import os, socket, sys, threading
open({record!r}, "a").write(repr((sys.argv, dict(os.environ))))
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def up():
    while data := os.read(0, 65536):
        sock.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := sock.recv(65536):
    os.write(1, data)
"""


class Watch:
    """Looks at the arguments and the environment of all processes, again and again."""

    def __init__(self) -> None:
        self.hits: set[tuple[int, str, str]] = set()
        """Process, where (`arguments` or `environment`), its command line."""
        self.n_looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def hits_beside(self, engine: int) -> set[tuple[int, str, str]]:
        """Return the hits but for the environment that the engine was started with.

        A child of the engine is a copy of it, environment and arguments included, until it has become its program.
        """
        own = {arguments for pid, where, arguments in self.hits if (pid, where) == (engine, "environment")}
        return {hit for hit in self.hits if hit[1] != "environment" or hit[2] not in own}

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            self.n_looks += 1
            for pid, arguments, environment in processes():
                for where, text in (("arguments", arguments), ("environment", environment)):
                    if any(secret in text for secret in PLANTED):
                        self.hits.add((pid, where, arguments))


def traces(*folders: Path) -> list[str]:
    """Return the files below these folders that hold a planted secret, plain or in base64."""
    needles = [secret.encode() for secret in PLANTED]
    needles += [base64.b64encode(needle)[:12] for needle in needles]
    files = [path for folder in folders for path in folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode)]
    return [str(path) for path in files if any(needle in path.read_bytes() for needle in needles)]


def use_everything(engine: EngineClient) -> str:
    """Call all seven tools, sudo and what fails, and return all that came back."""
    said = []
    calls: list[tuple[str, dict[str, object]]] = [
        ("bash", {"command": "env; cat /proc/self/environ /proc/$$/cmdline; ps -eo args"}),
        ("bash", {"command": 'sudo id -u; sudo -k; sudo sh -c \'env; tr "\\0" " " </proc/$PPID/environ\''}),
        ("write", {"filePath": "a.txt", "content": "one\n"}),
        ("read", {"filePath": "a.txt"}),
        ("edit", {"filePath": "a.txt", "oldString": "one", "newString": "two"}),
        ("glob", {"pattern": "**/*"}),
        ("grep", {"pattern": "pl4nted"}),
        ("apply_patch", {"patchText": "*** Begin Patch\n*** Add File: b.txt\n+b\n*** End Patch"}),
        ("bash", {"command": "sudo false; exit 3"}),
        ("read", {"filePath": "none.txt"}),
        ("bash", {}),
    ]
    for tool, args in calls:
        try:
            said.append(repr(engine.call(tool, args)))
        except EngineError as exc:
            said.append(repr((exc.message, exc.data)))
    said += [repr(engine.request("environment", {})), repr(engine.request("status", {})), repr(engine.initialized)]
    return "\n".join([*said, repr(engine.statuses), repr(engine.questions)])


def password_login(account: Account) -> tuple[str, str]:
    options = "-o PubkeyAuthentication=no -o PreferredAuthentications=password,keyboard-interactive"
    return account.server.command().replace(f"-i {account.key} ", "") + f" {options}", ACCOUNT_PASSWORD


def encrypted_key(account: Account) -> tuple[str, str]:
    rewrite_key(account.key, form="openssh", passphrase=PASSPHRASE)
    return account.server.command(), PASSPHRASE


def through_children(account: Account) -> tuple[str, str]:
    """Log in by password through a ProxyCommand, chosen by a `Match exec`; both write down what they inherit."""
    folder = account.server.folder
    relay = folder / "relay.py"
    relay.write_text(RELAY.format(python=sys.executable, record=str(folder / "inherited")), encoding="utf-8")
    relay.chmod(0o755)
    config = folder / "client_config"
    config.write_text(
        f'Match exec "env >>{folder}/inherited"\n'
        f"ProxyCommand {relay} %p\nUserKnownHostsFile {account.server.known_hosts}\n"
        "PubkeyAuthentication no\nPreferredAuthentications password\n",
        encoding="utf-8",
    )
    return f"ssh -F {config} -p {account.server.port} {account.server.user}@127.0.0.1", ACCOUNT_PASSWORD


@pytest.mark.root
@pytest.mark.parametrize(
    ("config", "prepare", "more"),
    [
        pytest.param(PASSWORD_LOGIN, password_login, {}, id="password"),
        pytest.param(PROMPT_LOGIN, password_login, {}, id="keyboard-interactive"),
        pytest.param((), encrypted_key, {}, id="passphrase"),
        pytest.param(PASSWORD_LOGIN, through_children, {}, id="ProxyCommand and Match exec"),
        pytest.param(PASSWORD_LOGIN, password_login, {"REMOTE_TRANSPORT": "ssh"}, id="the ssh program"),
    ],
)
def test_planted_passwords_leave_no_trace(
    config: tuple[str, ...], prepare: object, more: dict[str, str], tmp_path: Path
) -> None:
    """CFG-5."""
    assert callable(prepare)
    home, watch = tmp_path / "home", Watch()
    with account_server(ACCOUNT_PASSWORD, config=[*config, "LogLevel DEBUG3"]) as account:
        command, password = prepare(account)
        environ = {
            "REMOTE_SSH": command,
            "REMOTE_WORKDIR": str(account.home),
            "REMOTE_PASSWORD": password,
            "REMOTE_SUDO_PASSWORD": ACCOUNT_PASSWORD,
            "REMOTE_LOG": f"{home}/debug.log,debug",
            **more,
        }
        with watch(), EngineClient(environ, home=home) as engine:
            if not more:  # The ssh program gives no terminals to ask on.
                assert engine.call("bash", {"command": "sudo id -u"}).output == "0\n"
            said = use_everything(engine)
            pid = engine.pid
        assert engine.close() == 0
        hits = watch.hits_beside(pid)
        left = traces(home, account.server.folder, account.home)
        inherited = account.server.folder / "inherited"
        assert inherited.exists() == (prepare is through_children)
    assert watch.n_looks > 10
    assert [secret for secret in PLANTED if secret in said] == []
    assert hits == set()
    assert left == []
    assert (home / "debug.log").stat().st_size > 0


@pytest.mark.root
@pytest.mark.parametrize("config", [PASSWORD_LOGIN, PROMPT_LOGIN, ()], ids=["password", "prompts", "passphrase"])
def test_a_refused_password_is_in_no_error_and_no_log(config: tuple[str, ...], tmp_path: Path) -> None:
    """CFG-5, SSH-2."""
    home, watch = tmp_path / "home", Watch()
    with account_server(ACCOUNT_PASSWORD, config=config) as account:
        command, _ = password_login(account) if config else encrypted_key(account)
        environ = {"REMOTE_SSH": command, "REMOTE_PASSWORD": WRONG, "REMOTE_LOG": f"{home}/debug.log,debug"}
        with watch(), EngineClient(environ, home=home) as engine:
            with pytest.raises(EngineError) as refused:
                engine.call("bash", {"command": "true"})
            pid = engine.pid
        assert refused.value.kind == "authentication_failed"
        assert WRONG not in refused.value.message + repr(refused.value.data) + repr(engine.statuses)
        assert watch.hits_beside(pid) == set()
        assert traces(home, account.server.folder, account.home) == []


def test_bad_settings_beside_a_password_do_not_show_it(tmp_path: Path) -> None:
    """CFG-6: a bad value is one clear error line, and a password is never quoted."""
    environ = {"REMOTE_SSH": "ssh -Z host", "REMOTE_PASSWORD": WRONG, "REMOTE_SUDO_PASSWORD": WRONG}
    with EngineClient(environ, home=tmp_path / "home") as engine:
        with pytest.raises(EngineError) as refused:
            engine.call("bash", {"command": "true"})
        assert WRONG not in refused.value.message + repr(refused.value.data) + repr(engine.initialized)
    assert traces(tmp_path) == []
    assert os.environ.get("REMOTE_PASSWORD") is None
