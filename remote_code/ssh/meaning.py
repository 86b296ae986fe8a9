"""What the lines of ssh_config(5) mean: how the bytes travel, who is trusted as the host, how the user logs in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from remote_code.config import without_secrets
from remote_code.errors import ConfigError
from remote_code.ssh.algorithms import KEYWORD, Algorithms, Kind, assemble
from remote_code.ssh.patterns import match_list
from remote_code.ssh.settings import Jump, Settings, read_rekey_limit
from remote_code.ssh.tokens import Account, expand, expand_environment, expand_home

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


class Builder:
    """Makes the typed options from the lines; every method reads its own keywords."""

    def __init__(
        self, settings: Settings, *, account: Account, environ: Mapping[str, str], values: Mapping[str, str]
    ) -> None:
        """Read from `settings`; `values` are what the tokens stand for."""
        self._settings = settings
        self._account = account
        self._environ = environ
        self._tokens = values
        self.unspeakable: tuple[str, ...] = ()
        """Lists of algorithms of which we know none."""

    def algorithms(self) -> Algorithms:
        """Return what is offered; fills `unspeakable`."""
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
        """Return how the bytes travel, but for the jump host."""
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
        """Return who is trusted to be the host."""
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
        """Return how the user is proven to the host."""
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
        """Return the agent's socket, the name of the variable that holds it, or None for no agent."""
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
        sent = without_secrets(self._environ) if patterns else {}
        pairs = {name: text for name, text in sent.items() if match_list(name, patterns)}
        given = self._settings.first("SetEnv")
        for word in given.words if given else ():
            name, equals, text = word.partition("=")
            if not equals or not name:
                raise refusal("SetEnv", word, "NAME=value", self._settings)
            pairs[name] = text
        return tuple(pairs.items())

    def _path(self, word: str, keyword: str) -> str:
        text = expand_home(word, self._account)
        text = expand_environment(text, self._environ, what=keyword)
        return expand(text, self._tokens, what=keyword)

    def _number(self, keyword: str, default: int) -> int:
        word = self._settings.word(keyword)
        return default if word is None else int(word)


def refusal(keyword: str, value: str, accepted: str, settings: Settings) -> ConfigError:
    """Return the error of a value that cannot be used, with the place that it stands at."""
    given = settings.first(keyword)
    place = f"{given.source}: " if given else ""
    return ConfigError(
        f"{place}{keyword} {value!r} cannot be used; it must be {accepted}",
        variable="REMOTE_SSH",
        value=value,
        accepted=accepted,
    )
