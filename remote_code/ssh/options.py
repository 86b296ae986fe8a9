"""From an ssh command and the configuration files to the options of one connection, by one function: `resolve`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from remote_code.ssh.algorithms import Algorithms
from remote_code.ssh.canonical import canonical_name, is_wanted
from remote_code.ssh.config_file import ConfigReader
from remote_code.ssh.keywords import KEYWORDS, Effect
from remote_code.ssh.meaning import Builder, HostKeyOptions, LoginOptions, NetworkOptions, refusal
from remote_code.ssh.settings import Settings, Source, Value, parse_jump
from remote_code.ssh.target import CommandLineOption, SSHCommand, is_valid_host, is_valid_user
from remote_code.ssh.tokens import Account, expand, expand_home, tokens

USER_CONFIG = Path(".ssh") / "config"
"""Below the home directory."""
SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
if os.name == "nt":
    SYSTEM_CONFIG = Path(os.environ.get("PROGRAMDATA", "C:\\ProgramData")) / "ssh" / "ssh_config"


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that one connection needs to know; paths are absolute, tokens expanded."""

    host: str
    """As typed."""
    host_name: str
    """The name or address that is connected to."""
    user: str
    port: int
    algorithms: Algorithms
    network: NetworkOptions = field(default_factory=NetworkOptions)
    host_keys: HostKeyOptions = field(default_factory=HostKeyOptions)
    login: LoginOptions = field(default_factory=LoginOptions)
    environment: tuple[tuple[str, str], ...] = ()
    """What SetEnv and SendEnv ask the server to set for our commands."""
    settings: Settings = field(default_factory=Settings, repr=False)
    """The lines that all this was made from."""
    context: "Context | None" = field(default=None, repr=False)
    """What a jump host's own options are resolved with."""
    notes: tuple[str, ...] = ()
    """Settings that are not honoured, for the log."""
    needs_program: tuple[str, ...] = ()
    """Settings that only the ssh program can honour, and that must not be passed over."""
    command: SSHCommand | None = field(default=None, repr=False)
    """What was resolved."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where `resolve` looks: the two files, this machine's account and environment."""

    user_config: Path | None
    system_config: Path | None
    account: Account
    environ: Mapping[str, str] = field(repr=False)
    config_file: str | None = None


def resolve(
    command: SSHCommand,
    *,
    user_config: Path | None = None,
    system_config: Path | None = SYSTEM_CONFIG,
    account: Account | None = None,
    environ: Mapping[str, str] | None = None,
) -> Options:
    """Return the options that ssh would use for a command.

    `user_config` None means `~/.ssh/config`; `system_config` None means no system-wide file. `-F` overrides both.
    Runs the commands of `Match exec`.

    Raises:
        ConfigError: something cannot be read.
    """
    account = account or Account.current()
    context = Context(
        user_config or account.home / USER_CONFIG,
        system_config,
        account,
        os.environ if environ is None else environ,
        command.config_file,
    )
    return _resolve(command, context)


def resolve_jump(options: Options) -> Options:
    """Return the options of the jump host that `options` goes through, by its own configuration.

    As with ssh, only `-F` carries over from the command line to a jump host, and the earlier hops of the chain are the
    jump host's own ProxyJump.
    """
    jump, context = options.network.proxy_jump, options.context
    if jump is None or context is None:
        raise ValueError("these options have no jump host")
    given = [("User", jump.user), ("Port", jump.port), ("ProxyJump", jump.before)]
    command = SSHCommand(
        host=jump.host,
        options=tuple(
            CommandLineOption(f'{name}="{value}"' if name == "User" else f"{name}={value}", f"jump host {jump.host}")
            for name, value in given
            if value is not None
        ),
        config_file=context.config_file,
    )
    return _resolve(command, context)


def _resolve(command: SSHCommand, context: Context) -> Options:
    settings = Settings()
    reader = _reader(settings, command.host, command.host, context)
    for option in command.options:
        reader.read_option(option.line, written=option.written)
    # Before any file is read: what stands there may put both into commands.
    _check_names(command.host, settings)
    _read_files(reader, context)
    host_name = command.host
    given = settings.first("HostName")
    if given is not None:
        host_name = expand(given.words[0], {"h": command.host}, what="HostName")
    host_name = canonical_name(host_name, settings)
    if reader.wants_final_pass or is_wanted(settings):
        source = given.source if given else Source(command.host, 0)
        settings.values["hostname"] = [Value((host_name,), source)]
        final = _reader(settings, host_name, command.host, context, is_final=True)
        _read_files(final, context)
        if given is None:
            # It was there for the second reading only; no line set it.
            del settings.values["hostname"]
    options = _build(command.host, host_name, settings, context)
    ignored = tuple(f"the command line: {written} means nothing here" for written in command.ignored)
    return replace(options, command=command, notes=options.notes + ignored)


def _reader(settings: Settings, host: str, original: str, context: Context, *, is_final: bool = False) -> ConfigReader:
    return ConfigReader(
        settings,
        host=host,
        original_host=original,
        account=context.account,
        environ=context.environ,
        is_final=is_final,
    )


def _read_files(reader: ConfigReader, context: Context) -> None:
    if context.config_file is not None:
        if context.config_file.lower() != "none":
            path = Path(expand_home(context.config_file, context.account))
            reader.read_file(path, is_user=True, check_owner=False, is_required=True)
        return
    if context.user_config is not None:
        reader.read_file(context.user_config, is_user=True, check_owner=True)
    if context.system_config is not None:
        reader.read_file(context.system_config, is_user=False, check_owner=False)


def _build(host: str, host_name: str, settings: Settings, context: Context) -> Options:
    notes, needs_program = _check_effects(settings)
    account = context.account
    user = settings.word("User") or account.name
    port = int(settings.word("Port") or 22)
    _check_names(host_name, settings)
    jump_value = settings.first("ProxyJump")
    jump = parse_jump(jump_value.words[0], jump_value.source) if jump_value else None
    values = tokens(
        account,
        host=host_name,
        original=host,
        port=port,
        user=user,
        alias=settings.word("HostKeyAlias") or host,
        jump=jump.host if jump else "",
    )
    build = Builder(settings, account=account, environ=context.environ, values=values)
    algorithms = build.algorithms()
    needs_program += build.unspeakable
    return Options(
        host=host,
        host_name=host_name,
        user=user,
        port=port,
        algorithms=algorithms,
        network=replace(build.network(), proxy_jump=jump),
        host_keys=build.host_keys(algorithms),
        login=build.login(),
        environment=build.environment(),
        settings=settings,
        context=context,
        notes=notes,
        needs_program=needs_program,
    )


def _check_names(host_name: str, settings: Settings) -> None:
    user = settings.word("User")
    if not is_valid_host(host_name):
        raise refusal("HostName", host_name, "a host name without shell characters", settings)
    if user is not None and not is_valid_user(user):
        raise refusal("User", user, "a user name without shell characters", settings)


def _check_effects(settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return notes on what is not honoured, and what of it would change route, identity or trust.

    What the person typed on the command line is never passed over.
    """
    notes: list[str] = []
    needs: list[str] = []
    for name, values in settings.values.items():
        keyword, value = KEYWORDS[name], values[0]
        word = value.words[0] if value.words else ""
        if keyword.effect not in (Effect.BY_SSH_PROGRAM, Effect.BY_SSH_PROGRAM_OPTIONALLY):
            continue
        if word.lower() in keyword.harmless:
            continue
        if keyword.effect is Effect.BY_SSH_PROGRAM or value.source.line == 0:
            needs.append(f"{value.source}: {keyword.name} {word}")
        else:
            notes.append(f"{value.source}: {keyword.name} {word} is not honoured")
    return tuple(notes), tuple(needs)
