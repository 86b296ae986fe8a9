"""Named targets that a person keeps in `~/.config/remote-code/targets.toml`. No password is ever read from that file.

```toml
[web]
ssh = "ssh -J bastion deploy@web"
workdir = "/srv/app"
password_command = "pass show web"      # prints it; or:
sudo_password_keyring = "web/deploy"    # service/user of the system's keyring
```
"""

import importlib
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from remote_code.config import SECRET_VARIABLES, without_secrets
from remote_code.errors import ConfigError

_VARIABLES = {
    "ssh": "REMOTE_SSH",
    "workdir": "REMOTE_WORKDIR",
    "enter": "REMOTE_ENTER",
    "files": "REMOTE_FILES",
    "transport": "REMOTE_TRANSPORT",
    "pool_command_size": "REMOTE_POOL_COMMAND_SIZE",
    "pool_file_size": "REMOTE_POOL_FILE_SIZE",
    "pool_stagger_ms": "REMOTE_POOL_STAGGER_MS",
    "mirror": "REMOTE_MIRROR",
    "log": "REMOTE_LOG",
}
"""Settings of a target by the variable that each stands for."""


class Target(BaseModel):
    """One table of the file. The values are checked where the variables are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ssh: str
    workdir: str | None = None
    enter: str | None = None
    files: str | None = None
    transport: str | None = None
    pool_command_size: int | None = None
    pool_file_size: int | None = None
    pool_stagger_ms: int | None = None
    mirror: str | None = None
    log: str | None = None
    password_command: str | None = None
    """A command for the shell of this machine that prints the login password."""
    password_keyring: str | None = None
    """`service/user` of an entry in the system's keyring."""
    sudo_password_command: str | None = None
    sudo_password_keyring: str | None = None


class _Keyring(Protocol):
    def get_password(self, service: str, user: str) -> str | None: ...


def targets_file(environ: Mapping[str, str], *, home: Path) -> Path:
    """Return where the targets stand."""
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "remote-code" / "targets.toml"


def read_targets(file: Path) -> dict[str, Target]:
    """Return all targets by name; none where there is no file.

    Raises:
        ConfigError: the file cannot be read, or holds what no target has (a password, for example).
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise ConfigError(f'cannot read "{file}": {exc}', value=str(file)) from exc
    return {name: _target(name, table, file) for name, table in tables.items()}


def with_target(environ: Mapping[str, str], target: Target) -> dict[str, str]:
    """Return the environment with a target's settings; a variable that is set already wins.

    Raises:
        ConfigError: a password cannot be had.
    """
    values = {variable: getattr(target, name) for name, variable in _VARIABLES.items()}
    made = {variable: str(value) for variable, value in values.items() if value is not None}
    settled = made | {name: value for name, value in environ.items() if value or name not in made}
    for variable in SECRET_VARIABLES:
        name = variable.removeprefix("REMOTE_").lower()
        if not settled.get(variable):
            secret = _secret(getattr(target, f"{name}_command"), getattr(target, f"{name}_keyring"), environ)
            settled |= {variable: secret.get_secret_value()} if secret else {}
    return settled


def _target(name: str, table: object, file: Path) -> Target:
    try:
        return Target.model_validate(table)
    except ValidationError as exc:
        first = exc.errors(include_input=False)[0]
        setting = ".".join(str(each) for each in first["loc"])
        hint = ""
        if setting in {"password", "sudo_password"}:
            hint = f"; name a command ({setting}_command) or a keyring entry ({setting}_keyring) instead"
        raise ConfigError(f'target "{name}" in "{file}": {setting}: {first["msg"]}{hint}', variable=setting) from None


def _secret(command: str | None, entry: str | None, environ: Mapping[str, str]) -> SecretStr | None:
    if command is not None:
        return _printed(command, environ)
    return None if entry is None else _kept(entry)


def _printed(command: str, environ: Mapping[str, str]) -> SecretStr:
    ended = subprocess.run(
        command, shell=True, env=without_secrets(environ), stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    lines = ended.stdout.splitlines()
    if ended.returncode != 0 or not lines:
        raise ConfigError(
            f"the password command `{command}` failed (exit status {ended.returncode}) or printed nothing"
        )
    return SecretStr(lines[0])


def _kept(entry: str) -> SecretStr:
    try:
        keyring = cast("_Keyring", importlib.import_module("keyring"))
    except ImportError as exc:
        raise ConfigError(f'"{entry}" names a keyring entry; `pip install keyring` lets us read it') from exc
    service, _, user = entry.rpartition("/")
    password = keyring.get_password(service, user)
    if password is None:
        raise ConfigError(f'the keyring has no entry "{entry}" (service/user)')
    return SecretStr(password)
