"""Private keys in files: what can be known of one before its passphrase, loading, signing. Knows no paramiko.

OpenSSH, PEM and PKCS#8 files of RSA, ECDSA and Ed25519 keys; hardware keys (sk-) need the agent or the ssh program.
"""

import base64
import binascii
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from remote_code.ssh.algorithms import CERTIFICATE_SUFFIX
from remote_code.ssh.wire import Reader, put_mpint, put_string

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_OPENSSH_MAGIC = b"openssh-key-v1\0"


class KeyUnusable(Exception):
    """A key file cannot be used; the text says why, and holds nothing of the key."""


class PassphraseNeeded(KeyUnusable):
    """The key is encrypted, and the passphrase was missing or wrong."""


class Signer(Protocol):
    """A key that can prove who we are."""

    @property
    def name(self) -> str:
        """How messages name the key: its file, or the agent's comment."""

    @property
    def blob(self) -> bytes:
        """The public key or certificate, as the protocol carries it."""

    @property
    def key_type(self) -> str:
        """The name in front of `blob`."""

    def sign(self, data: bytes, algorithm: str) -> bytes:
        """Return the signature blob (RFC 4253, 6.6).

        Raises:
            KeyUnusable: the key cannot sign; for example its agent refuses.
        """


@dataclass(frozen=True, slots=True)
class FileKey:
    """A loaded key with its public part, or with a certificate in place of that."""

    name: str
    blob: bytes
    private: PrivateKey

    @property
    def key_type(self) -> str:
        """The name in front of `blob`."""
        return type_of(self.blob)

    def is_smaller_than(self, bits: int) -> bool:
        """Tell whether it is an RSA key of fewer bits."""
        return isinstance(self.private, rsa.RSAPrivateKey) and self.private.key_size < bits

    def with_certificate(self, certificate: bytes, name: str) -> "FileKey":
        """Return the same key, presented by a certificate."""
        return replace(self, blob=certificate, name=name)

    def sign(self, data: bytes, algorithm: str) -> bytes:
        """Return the signature blob of `data` (RFC 4253, 6.6; RFC 5656, 3.1.2; RFC 8332)."""
        plain = algorithm.removesuffix(CERTIFICATE_SUFFIX)
        return put_string(plain.encode("ascii"), self._raw_signature(data, plain))

    def _raw_signature(self, data: bytes, algorithm: str) -> bytes:
        private = self.private
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return private.sign(data)
        if isinstance(private, rsa.RSAPrivateKey):
            return private.sign(data, padding.PKCS1v15(), RSA_HASHES[algorithm]())
        first, second = decode_dss_signature(private.sign(data, ec.ECDSA(curve_hash(private.key_size))))
        return put_mpint(first) + put_mpint(second)


RSA_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "ssh-rsa": hashes.SHA1,
    "rsa-sha2-256": hashes.SHA256,
    "rsa-sha2-512": hashes.SHA512,
}


def curve_hash(bits: int) -> hashes.HashAlgorithm:
    """Return the hash that RFC 5656, 6.2.1 fixes for a curve."""
    if bits <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if bits <= 384 else hashes.SHA512()


def type_of(blob: bytes) -> str:
    """Return the name in front of a public key or certificate; empty when there is none."""
    try:
        return Reader(blob).take_text()
    except ValueError:
        return ""


def load_key(path: Path, passphrase: str | None) -> FileKey:
    """Load a private key file.

    Raises:
        PassphraseNeeded: it is encrypted, and `passphrase` is missing or wrong.
        KeyUnusable: it cannot be read, or is of a kind that we cannot use.
    """
    data = _read(path, is_private=True)
    secret = passphrase.encode() if passphrase is not None and _is_encrypted(data) else None
    private: object
    try:
        if b"BEGIN OPENSSH PRIVATE KEY" in data:
            _refuse_hardware_key(data)
            private = serialization.load_ssh_private_key(data, secret)
        else:
            private = serialization.load_pem_private_key(data, secret)
    except (ValueError, TypeError) as exc:
        # The library's words may quote what it has read, so they are not passed on.
        if _is_encrypted(data):
            raise PassphraseNeeded("the passphrase was not accepted" if secret else "needs a passphrase") from exc
        raise KeyUnusable("is no private key that can be read") from exc
    except UnsupportedAlgorithm as exc:
        raise KeyUnusable("is of a kind that cannot be used here") from exc
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise KeyUnusable("is of a kind that cannot be used here")
    line = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return FileKey(str(path), base64.b64decode(line.split()[1]), private)


def peek_public(path: Path) -> bytes | None:
    """Return the public part of a key file without its passphrase: from the file itself, or from `.pub` beside it."""
    try:
        data = _read(path)
        if _OPENSSH_MAGIC in _armoured(data)[: len(_OPENSSH_MAGIC)]:
            return _openssh_public(data)
        return read_public_line(path.with_name(path.name + ".pub"))
    except KeyUnusable:
        return None


def read_public_line(path: Path) -> bytes:
    """Return the key or certificate of a `.pub` file.

    Raises:
        KeyUnusable: there is none.
    """
    words = _read(path).split()
    if len(words) < 2:
        raise KeyUnusable("is no public key")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError) as exc:
        raise KeyUnusable("is no public key") from exc
    if type_of(blob).encode() != words[0]:
        raise KeyUnusable("is no public key")
    return blob


def certified_key(certificate: bytes) -> bytes | None:
    """Return the public key that a certificate is about, as a blob of its own; None when it cannot be read.

    Source: OpenSSH's PROTOCOL.certkeys: the key's own fields follow the type and a nonce.
    """
    reader = Reader(certificate)
    try:
        name = reader.take_text()
        reader.take_string()
        plain = name.removesuffix(CERTIFICATE_SUFFIX)
        fields = {"ssh-rsa": 2, "ssh-ed25519": 1}.get(plain, 2 if plain.startswith("ecdsa-sha2-") else 0)
        if plain == name or not fields:
            return None
        return put_string(plain.encode(), *(reader.take_string() for _ in range(fields)))
    except ValueError:
        return None


def _read(path: Path, *, is_private: bool = False) -> bytes:
    try:
        with path.open("rb") as stream:
            info = os.fstat(stream.fileno())
            if is_private and os.name != "nt" and info.st_uid == os.getuid() and info.st_mode & 0o077:
                # As ssh: a key that others can read is not used.
                raise KeyUnusable(f'may be read by other users; run `chmod go= "{path}"`')
            return stream.read(1 << 20)
    except OSError as exc:
        raise KeyUnusable(f"cannot be read: {exc.strerror}") from exc


def _armoured(data: bytes) -> bytes:
    found = re.search(rb"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END", data, re.DOTALL)
    if found is None:
        return b""
    try:
        return base64.b64decode(b"".join(found[1].split()))
    except (binascii.Error, ValueError):
        return b""


def _openssh_public(data: bytes) -> bytes:
    """Source: OpenSSH's PROTOCOL.key."""
    try:
        reader = _openssh_reader(data)
        reader.take_int()
        return reader.take_string()
    except ValueError as exc:
        raise KeyUnusable("is no private key that can be read") from exc


def _openssh_reader(data: bytes) -> Reader:
    reader = Reader(_armoured(data))
    reader.take(len(_OPENSSH_MAGIC))
    for _ in range(3):  # cipher, key derivation, its options
        reader.take_string()
    return reader


def _refuse_hardware_key(data: bytes) -> None:
    if type_of(_openssh_public(data)).startswith("sk-"):
        raise KeyUnusable("is a hardware key: add it to ssh-agent, or use REMOTE_TRANSPORT=ssh")


def _is_encrypted(data: bytes) -> bool:
    armoured = _armoured(data)
    if armoured:
        try:
            reader = Reader(armoured)
            reader.take(len(_OPENSSH_MAGIC))
            return reader.take_string() != b"none"
        except ValueError:
            return False
    return b"ENCRYPTED" in data
