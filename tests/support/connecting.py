"""Short ways to connect and to run one command over a bare connection, for the tests of the ssh room."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from pydantic import SecretStr

from remote_code.errors import ConnectionLost
from remote_code.ssh.connection import Connection, ExecChannel, connect
from remote_code.ssh.options import Options, resolve
from remote_code.ssh.program import ProgramChannel, ProgramLink
from remote_code.ssh.program_login import connect_by_program
from remote_code.ssh.secrets import Ask, Secrets
from remote_code.ssh.target import parse_command


def options_of(command: str, *, environ: Mapping[str, str] | None = None) -> Options:
    """Return the options of an ssh command line."""
    return resolve(parse_command(command), environ=environ if environ is not None else os.environ)


@contextmanager
def connected(
    command: str,
    *,
    password: str | None = None,
    ask: Ask | None = None,
    environ: Mapping[str, str] | None = None,
    notices: list[str] | None = None,
) -> Iterator[Connection]:
    """Connect as the engine does, and close at the end."""
    secrets = Secrets(SecretStr(password) if password is not None else None, ask)
    kept = notices if notices is not None else []
    connection = connect(options_of(command, environ=environ), secrets=secrets, on_notice=kept.append)
    try:
        yield connection
    finally:
        connection.close()


class Opens(Protocol):
    """A link of either kind."""

    def open_exec(self, command: str, *, timeout_s: float) -> "ExecChannel | ProgramChannel":
        """Start a command."""


@contextmanager
def connected_by_program(
    command: str,
    *,
    password: str | None = None,
    ask: Ask | None = None,
    environ: Mapping[str, str] | None = None,
    notices: list[str] | None = None,
) -> Iterator[ProgramLink]:
    """Connect by the user's ssh program, and close at the end."""
    secrets = Secrets(SecretStr(password) if password is not None else None, ask)
    kept = notices if notices is not None else []
    link = connect_by_program(
        parse_command(command),
        secrets=secrets,
        environ=environ if environ is not None else os.environ,
        on_notice=kept.append,
    )
    try:
        yield link
    finally:
        link.close()


def run(connection: Opens, command: str, *, stdin: bytes = b"") -> tuple[bytes, bytes, int | None, str | None]:
    """Run one command; return standard output, standard error, exit status and signal."""
    channel = connection.open_exec(command, timeout_s=20)
    rest = memoryview(stdin)
    while rest:
        rest = rest[channel.send(rest, timeout_s=5) :]
    channel.shutdown_write()
    out, err = b"", b""
    while True:
        channel.wake.clear()
        is_over = channel.is_closed
        received = channel.receive(), channel.receive_stderr()
        out, err = out + received[0], err + received[1]
        if is_over and not any(received):
            break
        assert any(received) or channel.wake.wait(10), "the command did not end"
    if channel.exit_status is not None and not channel.is_at_eof:
        # The server tells the status of a process as soon as it ends; its output may still be on the way.
        raise ConnectionLost("the output was cut", outcome="unknown", retry_safe=False)
    channel.close()
    return out, err, channel.exit_status, channel.exit_signal
