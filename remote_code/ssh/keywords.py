"""The keywords of ssh_config(5) up to OpenSSH 10: how the value of each is read, and what we do with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How the words behind a keyword make its value."""

    CHOICE = "one of a few words"
    NUMBER = "a whole number"
    TIME = "a time such as 90, 1m30s or none"
    WORD = "one word"
    WORDS = "one or more words"
    EACH = "one word, and every line adds one"
    EACH_OF = "words, and every line adds all of them"
    REST = "the rest of the line"
    ALGORITHMS = "a list of algorithms, maybe behind + - ^"
    ANYTHING = "anything"


class Effect(Enum):
    """What a keyword does to a connection of ours."""

    HONOURED = "honoured"
    MEANINGLESS = "without meaning for channels that run commands"
    BY_SSH_PROGRAM = "done by the ssh program only, and the choice or the trust of the host depends on it"
    BY_SSH_PROGRAM_OPTIONALLY = "done by the ssh program only, and what is left without it still logs in"


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword; `name` is in the spelling of ssh_config(5)."""

    name: str
    kind: Kind
    effect: Effect
    choices: Mapping[str, str] | None = None
    """For CHOICE: each accepted word and the word that it means."""
    harmless: tuple[str, ...] = ()
    """For what only the ssh program does: values that ask for nothing, so that they are accepted."""


_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_TRUE_FALSE = {"yes": "true", "true": "true", "no": "false", "false": "false"}


def _yes_no(name: str, effect: Effect = Effect.HONOURED) -> Keyword:
    return Keyword(name, Kind.CHOICE, effect, choices=_YES_NO, harmless=("no",))


def _keywords() -> list[Keyword]:
    honoured = Effect.HONOURED
    by_program = Effect.BY_SSH_PROGRAM
    return [
        Keyword("AddressFamily", Kind.CHOICE, honoured, {"any": "any", "inet": "inet", "inet6": "inet6"}),
        _yes_no("BatchMode"),
        Keyword("BindAddress", Kind.WORD, honoured),
        Keyword("BindInterface", Kind.WORD, honoured),
        Keyword("CanonicalDomains", Kind.WORDS, honoured),
        _yes_no("CanonicalizeFallbackLocal"),
        Keyword("CanonicalizeHostname", Kind.CHOICE, honoured, _TRUE_FALSE | {"always": "always"}),
        Keyword("CanonicalizeMaxDots", Kind.NUMBER, honoured),
        Keyword("CanonicalizePermittedCNAMEs", Kind.WORDS, honoured),
        Keyword("CASignatureAlgorithms", Kind.ALGORITHMS, honoured),
        Keyword("CertificateFile", Kind.EACH, honoured),
        Keyword("Ciphers", Kind.ALGORITHMS, honoured),
        _yes_no("Compression"),
        Keyword("ConnectionAttempts", Kind.NUMBER, honoured),
        Keyword("ConnectTimeout", Kind.TIME, honoured),
        Keyword("GlobalKnownHostsFile", Kind.WORDS, honoured),
        _yes_no("HashKnownHosts"),
        Keyword("HostKeyAlgorithms", Kind.ALGORITHMS, honoured),
        Keyword("HostKeyAlias", Kind.WORD, honoured),
        Keyword("HostName", Kind.WORD, honoured),
        _yes_no("IdentitiesOnly"),
        Keyword("IdentityAgent", Kind.WORD, honoured),
        Keyword("IdentityFile", Kind.EACH, honoured),
        _yes_no("KbdInteractiveAuthentication"),
        Keyword("KexAlgorithms", Kind.ALGORITHMS, honoured),
        Keyword("LogLevel", Kind.WORD, Effect.MEANINGLESS),
        Keyword("MACs", Kind.ALGORITHMS, honoured),
        _yes_no("NoHostAuthenticationForLocalhost"),
        Keyword("NumberOfPasswordPrompts", Kind.NUMBER, honoured),
        _yes_no("PasswordAuthentication"),
        Keyword("Port", Kind.NUMBER, honoured),
        Keyword("PreferredAuthentications", Kind.WORD, honoured),
        Keyword("ProxyCommand", Kind.REST, honoured),
        Keyword("ProxyJump", Kind.REST, honoured),
        _yes_no("ProxyUseFdpass", by_program),
        Keyword("PubkeyAcceptedAlgorithms", Kind.ALGORITHMS, honoured),
        Keyword(
            "PubkeyAuthentication",
            Kind.CHOICE,
            honoured,
            _TRUE_FALSE | {"unbound": "unbound", "host-bound": "host-bound"},
        ),
        Keyword("RekeyLimit", Kind.WORDS, honoured),
        Keyword("RequiredRSASize", Kind.NUMBER, honoured),
        Keyword("RevokedHostKeys", Kind.WORD, by_program, harmless=("none",)),
        Keyword("SendEnv", Kind.EACH_OF, honoured),
        Keyword("ServerAliveCountMax", Kind.NUMBER, honoured),
        Keyword("ServerAliveInterval", Kind.TIME, honoured),
        Keyword("SetEnv", Kind.WORDS, honoured),
        Keyword(
            "StrictHostKeyChecking",
            Kind.CHOICE,
            honoured,
            _TRUE_FALSE | {"off": "false", "ask": "ask", "accept-new": "accept-new"},
        ),
        Keyword("Tag", Kind.WORD, honoured),
        _yes_no("TCPKeepAlive"),
        Keyword("User", Kind.WORD, honoured),
        Keyword("UserKnownHostsFile", Kind.WORDS, honoured),
        Keyword("IgnoreUnknown", Kind.WORD, honoured),
        # What the ssh program can do and we cannot.
        _yes_no("GSSAPIAuthentication", Effect.BY_SSH_PROGRAM_OPTIONALLY),
        _yes_no("HostbasedAuthentication", Effect.BY_SSH_PROGRAM_OPTIONALLY),
        Keyword("KnownHostsCommand", Kind.REST, by_program, harmless=("none",)),
        Keyword("PKCS11Provider", Kind.WORD, by_program, harmless=("none",)),
        # A stricter check than ours is impossible without DNSSEC; leaving it out never trusts more.
        Keyword("VerifyHostKeyDNS", Kind.CHOICE, Effect.MEANINGLESS, _TRUE_FALSE | {"ask": "ask"}),
        Keyword("ForwardAgent", Kind.WORD, Effect.BY_SSH_PROGRAM_OPTIONALLY, harmless=("no", "false")),
        *[Keyword(name, Kind.ANYTHING, Effect.MEANINGLESS) for name in _MEANINGLESS],
    ]


_MEANINGLESS = (
    *("AddKeysToAgent", "AfsTokenPassing", "ChannelTimeout", "CheckHostIP", "Cipher"),
    *("ClearAllForwardings", "CompressionLevel", "ControlMaster", "ControlPath", "ControlPersist"),
    *("DynamicForward", "EnableEscapeCommandline", "EnableSSHKeysign", "EscapeChar", "ExitOnForwardFailure"),
    *("FallbackToRsh", "FingerprintHash", "ForkAfterAuthentication", "ForwardX11", "ForwardX11Timeout"),
    *("ForwardX11Trusted", "GatewayPorts", "GlobalKnownHostsFile2", "GSSAPIClientIdentity"),
    *("GSSAPIDelegateCredentials", "GSSAPIKexAlgorithms", "GSSAPIKeyExchange", "GSSAPIRenewalForcesRekey"),
    *("GSSAPIServerIdentity", "GSSAPITrustDns", "HostbasedAcceptedAlgorithms", "HostbasedKeyTypes", "IPQoS"),
    *("KbdInteractiveDevices", "KeepAlive", "KerberosAuthentication", "KerberosTgtPassing", "LocalCommand"),
    *("LocalForward", "LogVerbose", "ObscureKeystrokeTiming", "PermitLocalCommand", "PermitRemoteOpen"),
    *("Protocol", "RefuseConnection", "RemoteCommand", "RemoteForward", "RequestTTY", "RhostsAuthentication"),
    *("RhostsRSAAuthentication", "RSAAuthentication", "SecurityKeyProvider", "SessionType"),
    *("SmartcardDevice", "StdinNull", "StreamLocalBindMask", "StreamLocalBindUnlink", "SyslogFacility"),
    *("Tunnel", "TunnelDevice", "UpdateHostKeys", "UseKeychain", "UsePrivilegedPort", "UserKnownHostsFile2"),
    *("UseRsh", "VersionAddendum", "VisualHostKey", "WarnWeakCrypto", "XAuthLocation"),
)

_ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
    "hostbasedkeytypes": "hostbasedacceptedalgorithms",
    "identityfile2": "identityfile",
    "keepalive": "tcpkeepalive",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "skeyauthentication": "kbdinteractiveauthentication",
    "tisauthentication": "kbdinteractiveauthentication",
}

KEYWORDS: Mapping[str, Keyword] = {keyword.name.lower(): keyword for keyword in _keywords()}
"""Every known keyword by its name in lower case."""


def find_keyword(name: str) -> Keyword | None:
    """Return the keyword that a name in any case, or an older name of it, stands for."""
    lower = name.lower()
    return KEYWORDS.get(_ALIASES.get(lower, lower))
