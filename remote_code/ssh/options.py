"""From an ssh command and the configuration files to the options of one connection, by one function: `resolve`."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from remote_code.config import without_secrets
from remote_code.errors import ConfigError
from remote_code.ssh.algorithms import KEYWORD, Algorithms, Kind, assemble
from remote_code.ssh.config_file import ConfigReader, Jump, Settings, Source, Value, parse_jump, read_time
from remote_code.ssh.keywords import KEYWORDS, Effect
from remote_code.ssh.patterns import match_list
from remote_code.ssh.target import CommandLineOption, SSHCommand, is_valid_host, is_valid_user
from remote_code.ssh.tokens import Account, expand, expand_environment, expand_home, tokens

_log = logging.getLogger(__name__)

USER_CONFIG = Path(".ssh") / "config"
"""Below the home directory."""
SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
if os.name == "nt":
    SYSTEM_CONFIG = Path(os.environ.get("PROGRAMDATA", "C:\\ProgramData")) / "ssh" / "ssh_config"

DEFAULT_IDENTITY_FILES = (
    "~/.ssh/id_rsa",
    "~/.ssh/id_ecdsa",
    "~/.ssh/id_ecdsa_sk",
    "~/.ssh/id_ed25519",
    "~/.ssh/id_ed25519_sk",
    "~/.ssh/id_xmss",
    "~/.ssh/id_dsa",
)
DEFAULT_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
DEFAULT_USER_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
DEFAULT_AUTHENTICATIONS = ("publickey", "keyboard-interactive", "password")

StrictHostKeyChecking = Literal["ask", "accept-new", "yes", "no"]


@dataclass(frozen=True, slots=True)
class HostKeyOptions:
    """Who is trusted to be the host."""

    checking: StrictHostKeyChecking = "ask"
    alias: str | None = None
    user_files: tuple[str, ...] = ()
    global_files: tuple[str, ...] = ()
    hash_new: bool = False
    skip_on_localhost: bool = False
    ca_signatures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoginOptions:
    """How the user is proven to the host."""

    identity_files: tuple[str, ...] = ()
    """Absolute paths, in the order in which they are tried."""
    has_identity_files: bool = False
    """Whether the configuration names them, so that a missing one is worth a word."""
    certificate_files: tuple[str, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = "SSH_AUTH_SOCK"
    """The agent's socket, the name of the variable that holds it, or None for no agent."""
    methods: tuple[str, ...] = DEFAULT_AUTHENTICATIONS
    password_prompts: int = 3
    required_rsa_bits: int = 1024
    batch_mode: bool = False


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """How the bytes travel."""

    connect_timeout_s: float | None = None
    connection_attempts: int = 1
    address_family: Literal["any", "inet", "inet6"] = "any"
    bind_address: str | None = None
    bind_interface: str | None = None
    tcp_keep_alive: bool = True
    server_alive_interval_s: float | None = None
    """None when the configuration does not say; 0 for never."""
    server_alive_count_max: int = 3
    compression: bool = False
    rekey_bytes: int = 0
    """0 for the default."""
    rekey_interval_s: float = 0
    proxy_command: str | None = None
    """With its tokens expanded."""
    proxy_jump: Jump | None = None


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
    network: NetworkOptions = NetworkOptions()
    host_keys: HostKeyOptions = HostKeyOptions()
    login: LoginOptions = LoginOptions()
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
    if not _is_address(host_name):
        host_name = host_name.lower()
    if reader.wants_final_pass:
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
    build = _Builder(settings, context, values)
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
        raise _refusal("HostName", host_name, "a host name without shell characters", settings)
    if user is not None and not is_valid_user(user):
        raise _refusal("User", user, "a user name without shell characters", settings)


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


class _Builder:
    """Makes the typed options from the lines; every method reads its own keywords."""

    def __init__(self, settings: Settings, context: Context, values: Mapping[str, str]) -> None:
        self._settings = settings
        self._context = context
        self._tokens = values
        self.unspeakable: tuple[str, ...] = ()
        """Lists of algorithms of which we know none."""

    def algorithms(self) -> Algorithms:
        return Algorithms(
            kex=self._list("kex"),
            host_keys=self._list("host_keys"),
            ciphers=self._list("ciphers"),
            macs=self._list("macs"),
            pubkeys=self._list("pubkeys"),
            ca_signatures=self._list("ca_signatures"),
            is_host_key_order_given=self._gives_order("HostKeyAlgorithms"),
        )

    def _list(self, kind: Kind) -> tuple[str, ...]:
        value = self._settings.first(KEYWORD[kind])
        found = assemble(kind, value.words[0] if value else None)
        if not found and value is not None and kind not in ("pubkeys", "ca_signatures"):
            self.unspeakable += (f"{value.source}: {KEYWORD[kind]} {value.words[0]}",)
        return found

    def _gives_order(self, keyword: str) -> bool:
        word = self._settings.word(keyword)
        return word is not None and word[0] not in "+-"

    def network(self) -> NetworkOptions:
        timeout = self._settings.word("ConnectTimeout")
        interval = self._settings.word("ServerAliveInterval")
        family = self._settings.word("AddressFamily")
        rekey_bytes, rekey_interval_s = self._rekey()
        return NetworkOptions(
            connect_timeout_s=float(timeout) if timeout not in (None, "none", "0") else None,
            connection_attempts=max(1, self._number("ConnectionAttempts", 1)),
            address_family="inet" if family == "inet" else "inet6" if family == "inet6" else "any",
            bind_address=self._settings.word("BindAddress"),
            bind_interface=self._settings.word("BindInterface"),
            tcp_keep_alive=self._settings.word("TCPKeepAlive") != "no",
            server_alive_interval_s=float(interval) if interval not in (None, "none") else None,
            server_alive_count_max=self._number("ServerAliveCountMax", 3),
            compression=self._settings.word("Compression") == "yes",
            rekey_bytes=rekey_bytes,
            rekey_interval_s=rekey_interval_s,
            proxy_command=self._proxy_command(),
        )

    def _proxy_command(self) -> str | None:
        command = self._settings.word("ProxyCommand")
        if command is None or command.lower() == "none":
            return None
        known = {letter: self._tokens[letter] for letter in "hnpr"}
        return expand(command, known, what="ProxyCommand")

    def _rekey(self) -> tuple[int, float]:
        value = self._settings.first("RekeyLimit")
        if value is None:
            return 0, 0.0
        return read_rekey_limit(value)

    def host_keys(self, algorithms: Algorithms) -> HostKeyOptions:
        checking: Mapping[str | None, StrictHostKeyChecking] = {
            "true": "yes",
            "false": "no",
            "accept-new": "accept-new",
        }
        return HostKeyOptions(
            checking=checking.get(self._settings.word("StrictHostKeyChecking"), "ask"),
            alias=self._settings.word("HostKeyAlias"),
            user_files=self._known_hosts("UserKnownHostsFile", DEFAULT_USER_KNOWN_HOSTS),
            global_files=self._known_hosts("GlobalKnownHostsFile", DEFAULT_GLOBAL_KNOWN_HOSTS),
            hash_new=self._settings.word("HashKnownHosts") == "yes",
            skip_on_localhost=self._settings.word("NoHostAuthenticationForLocalhost") == "yes",
            ca_signatures=algorithms.ca_signatures,
        )

    def _known_hosts(self, keyword: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self._settings.first(keyword)
        words = value.words if value else default
        if len(words) == 1 and words[0].lower() == "none":
            return ()
        return tuple(self._path(word, keyword) for word in words)

    def login(self) -> LoginOptions:
        named = [value.words[0] for value in self._settings.values.get("identityfile", ())]
        words = tuple(dict.fromkeys(named)) or DEFAULT_IDENTITY_FILES
        certificates = [value.words[0] for value in self._settings.values.get("certificatefile", ())]
        return LoginOptions(
            identity_files=tuple(self._path(word, "IdentityFile") for word in words if word.lower() != "none"),
            has_identity_files=bool(named),
            certificate_files=tuple(
                self._path(word, "CertificateFile") for word in certificates if word.lower() != "none"
            ),
            identities_only=self._settings.word("IdentitiesOnly") == "yes",
            identity_agent=self.identity_agent(),
            methods=self._methods(),
            password_prompts=self._number("NumberOfPasswordPrompts", 3),
            required_rsa_bits=self._number("RequiredRSASize", 1024),
            batch_mode=self._settings.word("BatchMode") == "yes",
        )

    def _methods(self) -> tuple[str, ...]:
        preferred = self._settings.word("PreferredAuthentications")
        names = tuple(preferred.split(",")) if preferred else DEFAULT_AUTHENTICATIONS
        switches = {
            "publickey": self._settings.word("PubkeyAuthentication") != "false",
            "keyboard-interactive": self._settings.word("KbdInteractiveAuthentication") != "no",
            "password": self._settings.word("PasswordAuthentication") != "no",
        }
        return tuple(name for name in names if switches.get(name, False))

    def identity_agent(self) -> str | None:
        word = self._settings.word("IdentityAgent")
        if word is None or word == "SSH_AUTH_SOCK":
            return "SSH_AUTH_SOCK"
        if word.lower() == "none":
            return None
        if word.startswith("$") and not word.startswith("${"):
            return word[1:]
        return self._path(word, "IdentityAgent")

    def environment(self) -> tuple[tuple[str, str], ...]:
        """Return SetEnv's pairs and those of our environment that SendEnv names; passwords never travel."""
        patterns: list[str] = []
        for value in self._settings.values.get("sendenv", ()):
            for word in value.words:
                if word.startswith("-"):  # It takes earlier patterns back.
                    patterns = [kept for kept in patterns if not match_list(kept, [word[1:]])]
                else:
                    patterns.append(word)
        sent = without_secrets(self._context.environ) if patterns else {}
        pairs = {name: text for name, text in sent.items() if match_list(name, patterns)}
        given = self._settings.first("SetEnv")
        for word in given.words if given else ():
            name, equals, text = word.partition("=")
            if not equals or not name:
                raise _refusal("SetEnv", word, "NAME=value", self._settings)
            pairs[name] = text
        return tuple(pairs.items())

    def _path(self, word: str, keyword: str) -> str:
        text = expand_home(word, self._context.account)
        text = expand_environment(text, self._context.environ, what=keyword)
        return expand(text, self._tokens, what=keyword)

    def _number(self, keyword: str, default: int) -> int:
        word = self._settings.word(keyword)
        return default if word is None else int(word)


def read_rekey_limit(value: Value) -> tuple[int, float]:
    """Read `RekeyLimit BYTES [TIME]` into bytes and seconds; 0 stands for the default of either.

    Raises:
        ConfigError: it cannot be read.
    """
    size, *rest = value.words
    factor = {"k": 1024, "m": 1024**2, "g": 1024**3}.get(size[-1:].lower(), 1)
    digits = size if factor == 1 else size[:-1]
    seconds = read_time(rest[0]) if rest else 0
    is_default = size.lower() == "default"
    if len(rest) > 1 or seconds is None or not (is_default or (digits.isascii() and digits.isdigit())):
        raise ConfigError(
            f"{value.source}: RekeyLimit cannot be {' '.join(value.words)!r}",
            variable="REMOTE_SSH",
            value=" ".join(value.words),
            accepted="a size such as 1G, and a time such as 1h",
        )
    return 0 if is_default else int(digits) * factor, float(max(0, seconds))


def _refusal(keyword: str, value: str, accepted: str, settings: Settings) -> ConfigError:
    given = settings.first(keyword)
    place = f"{given.source}: " if given else ""
    return ConfigError(
        f"{place}{keyword} {value!r} cannot be used; it must be {accepted}",
        variable="REMOTE_SSH",
        value=value,
        accepted=accepted,
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
