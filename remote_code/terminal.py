"""The person at the terminal: an engine that may ask them, their permission, log lines, the words of an error."""

import getpass
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from remote_code.config import Config
from remote_code.errors import ConnectionFailed, HostKeyMismatch, PermissionRejected
from remote_code.logs import configure_logging
from remote_code.process import take_environment
from remote_code.ssh.target import parse_command

if TYPE_CHECKING:
    from remote_code.app import Engine


def terminal_engine() -> "Engine":
    """Return an engine that connects now and may ask the person at this terminal."""
    from remote_code.app import Engine

    environ = take_environment()
    configure_logging(environ, unset_level="error")
    engine = Engine(environ, home=Path.home(), prompt=prompt if sys.stdin.isatty() else None)
    engine.start()
    return engine


def meet_hosts(environ: Mapping[str, str]) -> None:
    """Ask about host keys that are not known yet, while there is a terminal to ask on; connects only then.

    Raises:
        HostKeyMismatch: the person does not trust the key.
    """
    if not sys.stdin.isatty():
        return
    from remote_code.ssh.link import open_link
    from remote_code.ssh.meeting import knows_all_hosts
    from remote_code.ssh.options import resolve
    from remote_code.ssh.secrets import Secrets

    config = Config.from_environment(environ)
    options = resolve(parse_command(config.remote_ssh))
    if knows_all_hosts(options):
        return
    try:
        link = open_link(
            options,
            secrets=Secrets(config.password, prompt),
            on_notice=lambda notice: None,
            transport=config.transport,
        )
    except HostKeyMismatch:
        raise
    except ConnectionFailed as exc:
        # Whatever else is wrong is told in the session, by every tool.
        logging.getLogger(__name__).warning("event=not_met error=%s", exc.message)
        return
    link.close()


def prompt(text: str, is_shown: bool) -> str | None:
    """Ask the person at the terminal, on standard error; None when they end the input."""
    try:
        if not is_shown:
            return getpass.getpass(text, stream=sys.stderr)
        sys.stderr.write(text)
        sys.stderr.flush()
        line = sys.stdin.readline()
    except (EOFError, KeyboardInterrupt):
        return None
    return line.rstrip("\n") if line else None


class TerminalQuestion:
    """Asks permission questions on the terminal; without one they are rejected, unless `--yes` granted all."""

    def __init__(self, *, is_granted: bool) -> None:
        self._is_granted = is_granted

    def __call__(
        self, permission: str, *, patterns: Sequence[str], always: Sequence[str], metadata: Mapping[str, object]
    ) -> None:
        """Ask and return when granted; see `tools.context.Ask`."""
        if self._is_granted:
            return
        what = f"{permission}: {', '.join(patterns)}"
        if not sys.stdin.isatty():
            raise PermissionRejected(
                f"nobody can be asked for permission ({what}); pass --yes to grant it",
                permission=permission,
                patterns=list(patterns),
            )
        diff = metadata.get("diff")
        if isinstance(diff, str):
            typer.echo(diff, err=True)
        if not typer.confirm(f"allow {what}?", err=True):
            raise PermissionRejected(f"you rejected {what}", permission=permission, patterns=list(patterns))


def fail(message: str) -> int:
    """Print an error for the person and return the exit status that goes with it."""
    typer.echo(f"remote-code: {message}", err=True)
    return 1
