"""Logging in by the user's ssh program: its master process, the answers to its prompts, its failures by their names."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from remote_code.config import without_secrets
from remote_code.errors import (
    AlgorithmUnsupported,
    AuthenticationFailed,
    ConfigError,
    ConnectionFailed,
    ConnectTimeout,
    HostKeyMismatch,
    ServerBusy,
)
from remote_code.ssh.askpass_server import AskpassServer
from remote_code.ssh.program import ProgramLink, program, words_of
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import SSHCommand

LOGIN_TIMEOUT_S = 60.0
"""How long the program may take to log in; a person may have to touch a key."""
_ALIVE_INTERVAL_S = 7
"""ServerAliveInterval with one answer missed: a silent link is lost after 14 s. The user's own setting wins."""


def connect_by_program(
    command: SSHCommand, *, secrets: Secrets, environ: Mapping[str, str], on_notice: Callable[[str], None]
) -> ProgramLink:
    """Log in by the user's ssh program; blocks, bounded by `LOGIN_TIMEOUT_S`.

    Raises:
        ConfigError: there is no such program, or it does not accept the command.
        HostKeyMismatch, AuthenticationFailed, ServerBusy, AlgorithmUnsupported, ConnectTimeout, ConnectionFailed: as
            the program's own words say.
    """
    if sys.platform == "win32" or shutil.which("ssh", path=environ.get("PATH")) is None:
        raise ConfigError(
            "REMOTE_TRANSPORT=ssh needs an ssh program that can share connections, and none was found",
            variable="REMOTE_TRANSPORT",
            value="ssh",
            accepted="auto or paramiko, or an installed OpenSSH",
        )
    settings = _ask_settings(command, environ)
    folder = Path(tempfile.mkdtemp(prefix="remote-code-"))
    answers = _Answers(secrets)
    askpass = AskpassServer(folder, answers.answer)
    # An old ssh asks by the program only where a display is set.
    ours = {"SSH_ASKPASS": str(askpass.program), "SSH_ASKPASS_REQUIRE": "force"}
    clean = {"DISPLAY": ":0"} | without_secrets(environ)
    try:
        master = subprocess.Popen(
            [
                *program("-M", "-S", str(folder / "master"), "-N", "-T", "-v", *_master_options(settings, secrets)),
                *words_of(command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=clean | ours,
            start_new_session=True,
        )
        link = ProgramLink(command, folder, master, clean)
        link.logged_in.wait(LOGIN_TIMEOUT_S)
    finally:
        askpass.close()
    if not link.is_logged_in or not link.is_alive:
        timed_out = link.is_alive
        link.close()
        raise _explain(command, settings, link.complaint, answers, timed_out=timed_out)
    link.needed_person = answers.needed_person
    if "Permanently added" in link.complaint:
        on_notice(f"recorded the host key of {command.host} at its first use")
    return link


class _Answers:
    """Answers the program's prompts, in the askpass server's thread."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._used: set[str] = set()
        self.needed_person = False
        self.unanswered = ""
        """The prompt that nothing could answer."""

    def answer(self, prompt: str) -> str | None:
        kind = "passphrase" if "passphrase" in prompt.lower() else "password" if "assword" in prompt else ""
        if kind and self._secrets.password is not None and prompt not in self._used:
            self._used.add(prompt)
            return self._secrets.password.get_secret_value()
        if "continue connecting" in prompt and not self._secrets.asks_about_hosts:
            return None
        found = self._secrets.ask(prompt, not kind) if self._secrets.ask is not None else None
        if found is None:
            self.unanswered = prompt
        elif "continue connecting" not in prompt:
            self.needed_person = True
        return found


def _master_options(settings: Mapping[str, str], secrets: Secrets) -> list[str]:
    options = ["-o", "ControlPersist=no"]
    has_person = secrets.ask is not None and secrets.asks_about_hosts
    if settings.get("stricthostkeychecking") == "ask" and not has_person:
        options += ["-o", "StrictHostKeyChecking=accept-new"]
    elif settings.get("stricthostkeychecking") == "false":
        # `no` would go on with a changed key.
        options += ["-o", "StrictHostKeyChecking=accept-new"]
    if settings.get("serveraliveinterval", "0") == "0":
        options += ["-o", f"ServerAliveInterval={_ALIVE_INTERVAL_S}", "-o", "ServerAliveCountMax=1"]
    if settings.get("connecttimeout", "none") == "none":
        options += ["-o", "ConnectTimeout=15"]
    return options


def _ask_settings(command: SSHCommand, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what `ssh -G` says of the command."""
    try:
        done = subprocess.run(
            [*program("-G"), *words_of(command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=without_secrets(environ),
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise _bad_command("the ssh program did not answer", command) from exc
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:500]
        raise _bad_command(f"the ssh program does not accept REMOTE_SSH: {said}", command)
    rows = (line.partition(" ") for line in done.stdout.decode("utf-8", "replace").splitlines())
    return {name: value for name, _, value in rows}


def _bad_command(message: str, command: SSHCommand) -> ConfigError:
    return ConfigError(message, variable="REMOTE_SSH", value=command.host, accepted="an ssh command")


def _explain(
    command: SSHCommand, settings: Mapping[str, str], said: str, answers: _Answers, *, timed_out: bool
) -> ConnectionFailed:
    """Turn the program's words into the error that names the cause."""
    host = command.host
    text = "".join(char if char.isprintable() else " " for char in said)[:1000]
    if timed_out or "timed out" in text:
        return ConnectTimeout(
            f"{host!r} was not reached in time: {text}",
            host=host,
            port=int(settings.get("port", "22")),
            timeout_s=LOGIN_TIMEOUT_S,
        )
    found = re.search(r"Permission denied \(([^)]*)\)", text)
    if found:
        asked = f"; it asks {answers.unanswered!r}, and nothing here can answer" if answers.unanswered else ""
        return AuthenticationFailed(
            f"{host!r} refused the login: {text}{asked}",
            host=host,
            user=settings.get("user", ""),
            offered=found[1].split(","),
            tried=[],
        )
    if "HOST IDENTIFICATION HAS CHANGED" in text or "Host key verification failed" in text:
        line = re.search(r"(?:Offending|offending) .* in (\S+):(\d+)", text)
        return HostKeyMismatch(
            f"the host key of {host!r} is changed, revoked or unknown: {text}",
            host=host,
            file=line[1] if line else None,
            line=int(line[2]) if line else None,
            expected=None,
            found=None,
        )
    offer = re.search(r"no matching (.*) found\. Their offer: (\S+)", text)
    if offer:
        return AlgorithmUnsupported(
            f"{host!r} and the ssh program have no {offer[1]} in common: {text}",
            host=host,
            ours=[],
            theirs=offer[2].split(","),
            option="",
        )
    if "Exceeded MaxStartups" in text or "Not allowed at this time" in text:
        return ServerBusy(f"{host!r} takes no further login at the moment: {text}", host=host, said=text)
    return ConnectionFailed(f"cannot connect to {host!r}: {text}", host=host, port=int(settings.get("port", "22")))
