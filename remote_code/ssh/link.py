"""Which way a link is made: by paramiko, or by the user's own ssh program for what nothing else can do."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from remote_code.ssh.connection import Connection, connect
from remote_code.ssh.options import Options, resolve_jump
from remote_code.ssh.secrets import Secrets

if TYPE_CHECKING:
    from remote_code.ssh.program import ProgramLink

_log = logging.getLogger(__name__)


def open_link(
    options: Options,
    *,
    secrets: Secrets,
    on_notice: Callable[[str], None],
    transport: Literal["auto", "paramiko", "ssh"],
) -> "Connection | ProgramLink":
    """Make a link as `connection.connect` does, by the transport that REMOTE_TRANSPORT names.

    `auto` takes the ssh program only when the configuration of the target or of one of its jump hosts demands it.

    Raises:
        ConfigError: the options ask for what only the ssh program can do, and it is not to be used or not there.
        ConnectionFailed: and its subclasses, as `connection.connect` describes.
    """
    environ = options.context.environ if options.context is not None else os.environ
    reasons = needs_program(options) if transport == "auto" else ()
    is_installed = shutil.which("ssh", path=environ.get("PATH")) is not None
    if options.command is not None and (transport == "ssh" or (reasons and is_installed)):
        from remote_code.ssh.program_login import connect_by_program

        _log.info("event=connect_by_program reason=%s", "; ".join(reasons) or "REMOTE_TRANSPORT")
        return connect_by_program(options.command, secrets=secrets, environ=environ, on_notice=on_notice)
    return connect(options, secrets=secrets, on_notice=on_notice)


def needs_program(options: Options) -> tuple[str, ...]:
    """Return what only the ssh program can do, of the target or of the first jump host that asks for it."""
    hop: Options | None = options
    while hop is not None:
        reasons = hop.needs_program or _hardware_keys(hop)
        if reasons:
            return reasons
        hop = resolve_jump(hop) if hop.network.proxy_jump is not None else None
    return ()


def _hardware_keys(options: Options) -> tuple[str, ...]:
    """Return a reason when hardware keys are the only key files that there are; the agent may hold others."""
    from remote_code.ssh.keys import peek_public, type_of

    found = {path: peek_public(Path(path)) for path in options.login.identity_files if Path(path).exists()}
    if not found or any(blob is None or not type_of(blob).startswith("sk-") for blob in found.values()):
        return ()
    return tuple(f"{path} is a hardware key" for path in found)
