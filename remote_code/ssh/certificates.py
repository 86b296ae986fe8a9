"""Host certificates: does an authority that is known for the host vouch for the key that it shows.

Source: OpenSSH's PROTOCOL.certkeys. Knows no paramiko.
"""

import base64
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from remote_code.ssh.algorithms import CERTIFICATE_SUFFIX
from remote_code.ssh.keys import RSA_HASHES, certified_key, curve_hash, type_of
from remote_code.ssh.patterns import matches
from remote_code.ssh.wire import Reader

_HOST = 2


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate taken apart; nothing in it is proven yet."""

    key: bytes
    """The certified public key, as a blob of its own."""
    kind: int
    """1 for users, 2 for hosts."""
    principals: tuple[str, ...]
    valid_after_s: int
    valid_before_s: int
    critical_options: bytes
    authority: bytes
    """The public key of who signed it."""
    signed: bytes
    signature: bytes


def is_certificate(blob: bytes) -> bool:
    """Tell whether a host key is a certificate."""
    return type_of(blob).endswith(CERTIFICATE_SUFFIX)


def parse_certificate(blob: bytes) -> Certificate | None:
    """Take a certificate apart; None when it cannot be read."""
    key = certified_key(blob)
    if key is None:
        return None
    reader, inner = Reader(blob), Reader(key)
    try:
        reader.take_string()
        reader.take_string()
        inner.take_string()
        while inner.rest:
            inner.take_string()
            reader.take_string()
        reader.take_long()
        kind = reader.take_int()
        reader.take_string()
        principals = _take_all(reader.take_string())
        after_s, before_s = reader.take_long(), reader.take_long()
        critical = reader.take_string()
        reader.take_string()
        reader.take_string()
        authority = reader.take_string()
        signed = reader.taken
        signature = reader.take_string()
    except ValueError:
        return None
    return Certificate(key, kind, principals, after_s, before_s, critical, authority, signed, signature)


def find_objection(
    blob: bytes, host: str, authorities: Iterable[bytes], *, algorithms: Sequence[str], now_s: float | None = None
) -> str | None:
    """Return why a host certificate is not good, or None when it is.

    `authorities` are the keys that may vouch for the host; `algorithms` the signatures that are allowed of them.
    """
    certificate = parse_certificate(blob)
    if certificate is None:
        return "its certificate cannot be read"
    if certificate.authority not in set(authorities):
        return "its certificate is signed by an authority that is not known for it"
    if certificate.kind != _HOST:
        return "its certificate is one for users"
    now_s = time.time() if now_s is None else now_s
    if not certificate.valid_after_s <= now_s < certificate.valid_before_s:
        return "its certificate is not valid now"
    if not any(matches(host.lower(), principal.lower()) for principal in certificate.principals):
        return f"its certificate is for {', '.join(certificate.principals) or 'no host at all'}"
    if certificate.critical_options:
        return "its certificate has critical options that are not known"
    if not _verify(certificate.authority, certificate.signed, certificate.signature, algorithms):
        return "the signature of its certificate is wrong or of a kind that is not allowed (CASignatureAlgorithms)"
    return None


def _take_all(packed: bytes) -> tuple[str, ...]:
    reader = Reader(packed)
    found: list[str] = []
    while reader.rest:
        found.append(reader.take_text())
    return tuple(found)


def _verify(key: bytes, data: bytes, signature: bytes, algorithms: Sequence[str]) -> bool:
    try:
        reader = Reader(signature)
        algorithm, raw = reader.take_text(), reader.take_string()
        if algorithm not in algorithms:
            return False
        public = load_ssh_public_key(type_of(key).encode() + b" " + base64.b64encode(key))
        if isinstance(public, ed25519.Ed25519PublicKey) and algorithm == "ssh-ed25519":
            public.verify(raw, data)
        elif isinstance(public, rsa.RSAPublicKey) and algorithm in RSA_HASHES:
            public.verify(raw, data, padding.PKCS1v15(), RSA_HASHES[algorithm]())
        elif isinstance(public, ec.EllipticCurvePublicKey) and algorithm == type_of(key):
            numbers = Reader(raw)
            first, second = (int.from_bytes(numbers.take_string(), "big") for _ in range(2))
            public.verify(encode_dss_signature(first, second), data, ec.ECDSA(curve_hash(public.key_size)))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
