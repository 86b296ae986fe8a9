"""The algorithms that we can speak, and OpenSSH's `+ - ^` arithmetic on their lists; pure, knows no paramiko."""

import fnmatch
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kex", "host_keys", "ciphers", "macs", "pubkeys", "ca_signatures"]

_HOST_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
CERTIFICATE_SUFFIX = "-cert-v01@openssh.com"
_HOST_CERTIFICATES = tuple(name + CERTIFICATE_SUFFIX for name in _HOST_KEYS)

_HARDWARE_KEYS = (
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
)
"""Keys that an agent can sign with; only it knows how."""

_MLKEM = ("mlkem768x25519-sha256",)


def _default_kex() -> tuple[str, ...]:
    # paramiko speaks ML-KEM when the installed `cryptography` has it (46 and later).
    has_mlkem = importlib.util.find_spec("cryptography.hazmat.primitives.asymmetric.mlkem") is not None
    return (_MLKEM if has_mlkem else ()) + (
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group14-sha256",
    )


DEFAULT: Mapping[Kind, tuple[str, ...]] = {
    "kex": _default_kex(),
    "host_keys": _HOST_CERTIFICATES + _HOST_KEYS,
    # aes128-gcm first: the cheapest one for paramiko.
    "ciphers": (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
    ),
    "macs": (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
        "hmac-sha1",
    ),
    "pubkeys": _HOST_CERTIFICATES + _HOST_KEYS + _HARDWARE_KEYS,
    "ca_signatures": _HOST_KEYS,
}
"""What is offered when the configuration says nothing, in order of preference."""

ON_REQUEST: Mapping[Kind, tuple[str, ...]] = {
    "kex": (
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group1-sha1",
    ),
    "host_keys": ("ssh-rsa", "ssh-rsa" + CERTIFICATE_SUFFIX),
    "ciphers": ("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"),
    "macs": ("hmac-md5", "hmac-sha1-96", "hmac-md5-96"),
    "pubkeys": ("ssh-rsa", "ssh-rsa" + CERTIFICATE_SUFFIX),
    "ca_signatures": ("ssh-rsa",),
}
"""What is offered only when the configuration asks for it by name, for old servers."""

KEYWORD: Mapping[Kind, str] = {
    "kex": "KexAlgorithms",
    "host_keys": "HostKeyAlgorithms",
    "ciphers": "Ciphers",
    "macs": "MACs",
    "pubkeys": "PubkeyAcceptedAlgorithms",
    "ca_signatures": "CASignatureAlgorithms",
}


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What one connection offers, each list in order of preference."""

    kex: tuple[str, ...]
    host_keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    pubkeys: tuple[str, ...]
    ca_signatures: tuple[str, ...]
    is_host_key_order_given: bool = False
    """Whether the user set the order of `host_keys`, so that known keys are not moved to the front."""


def assemble(kind: Kind, spec: str | None) -> tuple[str, ...]:
    """Return our list for a configured value: `a,b` replaces, `+a` appends, `-a` removes, `^a` puts in front.

    Names may hold `*` and `?`. A name that we cannot speak is left out; the result may be empty.
    """
    default = DEFAULT[kind]
    if not spec:
        return default
    known = default + ON_REQUEST[kind]
    operator = spec[0] if spec[0] in "+-^" else ""
    names = [name.strip() for name in spec[len(operator) :].split(",") if name.strip()]
    if operator == "-":
        return tuple(name for name in default if not any(fnmatch.fnmatchcase(name, item) for item in names))
    asked = _expand(names, known)
    if operator == "+":
        return default + tuple(name for name in asked if name not in default)
    if operator == "^":
        return asked + tuple(name for name in default if name not in asked)
    return asked


def _expand(patterns: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for pattern in patterns:
        found += [name for name in known if name not in found and fnmatch.fnmatchcase(name, pattern)]
    return tuple(found)


def key_type(algorithm: str) -> str:
    """Return the type of the key that a signature algorithm uses: `ssh-rsa` for the three of RSA."""
    plain = algorithm.removesuffix(CERTIFICATE_SUFFIX)
    return "ssh-rsa" if plain in ("rsa-sha2-256", "rsa-sha2-512") else plain


def with_known_first(algorithms: tuple[str, ...], known_types: frozenset[str]) -> tuple[str, ...]:
    """Move the algorithms whose keys are known for a host to the front, behind the certificates.

    Source: OpenSSH's sshconnect2.c, order_hostkeyalgs.
    """
    first = tuple(name for name in algorithms if key_type(name) in known_types and CERTIFICATE_SUFFIX not in name)
    certificates = tuple(name for name in algorithms if CERTIFICATE_SUFFIX in name)
    rest = tuple(name for name in algorithms if name not in first and name not in certificates)
    return certificates + first + rest
