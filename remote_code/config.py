"""The `REMOTE_*` variables as one frozen model; what the values mean is for the rooms that use them."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, SecretStr

from remote_code.errors import ConfigError

SECRET_VARIABLES = ("REMOTE_PASSWORD", "REMOTE_SUDO_PASSWORD")
"""Variables that no process which we start may inherit."""

LogLevel = Literal["debug", "info", "warning", "error"]

_LOG_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")


class Config(BaseModel):
    """All settings of one engine. Made by `from_environment`; the field names follow the variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    remote_ssh: str
    """One ssh command, as typed in a terminal."""
    workdir: str | None = None
    """An absolute remote directory, `~` or `~/x`; None means the remote home."""
    password: SecretStr | None = None
    sudo_password: SecretStr | None = None
    pool_command_size: int = 3
    pool_file_size: int = 2
    pool_stagger_ms: int = 0
    """The pause between two handshakes with the server."""
    enter: str | None = None
    """A command on the login host that starts a shell somewhere else."""
    files: Literal["auto", "sftp"] = "auto"
    transport: Literal["auto", "paramiko", "ssh"] = "auto"
    mirror: Path | None = None
    """An absolute local directory; None means the usual place."""
    log: str | None = None
    """The file that log lines are appended to; None means standard error."""
    log_level: LogLevel = "warning"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as unset.

        Raises:
            ConfigError: REMOTE_SSH is unset, or a value cannot be used.
        """
        read = _Reader(environ)
        remote_ssh = read.text("REMOTE_SSH")
        if remote_ssh is None:
            raise ConfigError(
                "REMOTE_SSH is not set; set it to an ssh command, for example `ssh -p 2222 user@host`",
                variable="REMOTE_SSH",
                value="",
                accepted="an ssh command",
            )
        log, log_level = read.log("REMOTE_LOG")
        return cls(
            remote_ssh=remote_ssh,
            workdir=read.workdir("REMOTE_WORKDIR"),
            password=read.secret("REMOTE_PASSWORD"),
            sudo_password=read.secret("REMOTE_SUDO_PASSWORD"),
            pool_command_size=read.integer("REMOTE_POOL_COMMAND_SIZE", default=3, lowest=1, highest=64),
            pool_file_size=read.integer("REMOTE_POOL_FILE_SIZE", default=2, lowest=1, highest=64),
            pool_stagger_ms=read.integer("REMOTE_POOL_STAGGER_MS", default=0, lowest=0, highest=60_000),
            enter=read.text("REMOTE_ENTER"),
            files="sftp" if read.choice("REMOTE_FILES", ("auto", "sftp")) == "sftp" else "auto",
            transport=read.transport("REMOTE_TRANSPORT"),
            mirror=read.directory("REMOTE_MIRROR"),
            log=log,
            log_level=log_level,
        )


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of an environment for a process that we start: the passwords are taken out."""
    return {name: value for name, value in environ.items() if name not in SECRET_VARIABLES}


class _Reader:
    """Reads one variable by each method; every complaint names variable, value and what is accepted."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, variable: str) -> str | None:
        value = self._environ.get(variable, "").strip()
        if "\0" in value or "\n" in value:
            raise _refusal(variable, value, "one line of text")
        return value or None

    def secret(self, variable: str) -> SecretStr | None:
        value = self._environ.get(variable, "")
        return SecretStr(value) if value else None

    def integer(self, variable: str, *, default: int, lowest: int, highest: int) -> int:
        value = self.text(variable)
        if value is None:
            return default
        if re.fullmatch(r"[0-9]{1,9}", value) is None or not lowest <= int(value) <= highest:
            raise _refusal(variable, value, f"a whole number from {lowest} to {highest}")
        return int(value)

    def choice(self, variable: str, accepted: tuple[str, ...]) -> str:
        value = self.text(variable)
        if value is None:
            return accepted[0]
        if value not in accepted:
            raise _refusal(variable, value, " or ".join(f"`{word}`" for word in accepted))
        return value

    def transport(self, variable: str) -> Literal["auto", "paramiko", "ssh"]:
        value = self.choice(variable, ("auto", "paramiko", "ssh"))
        if value == "paramiko":
            return "paramiko"
        return "ssh" if value == "ssh" else "auto"

    def workdir(self, variable: str) -> str | None:
        value = self.text(variable)
        if value is None or value.startswith("/") or value == "~" or value.startswith("~/"):
            return value
        raise _refusal(variable, value, "an absolute directory on the remote machine, `~` or `~/directory`")

    def directory(self, variable: str) -> Path | None:
        value = self.text(variable)
        if value is None:
            return None
        path = Path(os.path.expanduser(value))
        if not path.is_absolute():
            raise _refusal(variable, value, "an absolute directory on this machine, or one that starts with `~/`")
        return path

    def log(self, variable: str) -> tuple[str | None, LogLevel]:
        """Read `FILE`, `LEVEL` or `FILE,LEVEL`."""
        value = self.text(variable)
        if value is None:
            return None, "warning"
        file, comma, level = value.rpartition(",")
        if not comma:
            file, level = ("", value) if value in _LOG_LEVELS else (value, "info")
        for known in _LOG_LEVELS:
            if level.strip() == known:
                return (os.path.expanduser(file.strip()) or None), known
        raise _refusal(variable, value, "`FILE`, `LEVEL` or `FILE,LEVEL`; a level is debug, info, warning or error")


def _refusal(variable: str, value: str, accepted: str) -> ConfigError:
    return ConfigError(
        f"{variable}={value!r} cannot be used; it must be {accepted}",
        variable=variable,
        value=value,
        accepted=accepted,
    )
