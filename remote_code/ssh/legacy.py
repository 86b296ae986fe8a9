"""Algorithms that paramiko has dropped, for old servers and only when asked for by name; and one by its other name."""

from hashlib import sha1

from cryptography.hazmat.primitives import hashes
from paramiko.kex_curve25519 import KexCurve25519
from paramiko.kex_gex import KexGexSHA256
from paramiko.kex_group14 import KexGroup14SHA256
from paramiko.rsakey import RSAKey


class KexGroup14SHA1(KexGroup14SHA256):
    """RFC 4253, 8.2; for old servers, when asked for."""

    name = "diffie-hellman-group14-sha1"
    hash_algo = sha1


class KexGroup1SHA1(KexGroup14SHA256):
    """RFC 4253, 8.1 with the prime of RFC 2409, 6.2; for old servers, when asked for."""

    name = "diffie-hellman-group1-sha1"
    hash_algo = sha1
    P = int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
        16,
    )


class KexGexSHA1(KexGexSHA256):
    """RFC 4419 with SHA-1; for old servers, when asked for."""

    name = "diffie-hellman-group-exchange-sha1"
    hash_algo = sha1
    min_bits = 1024


class PlainKexCurve25519(KexCurve25519):
    """RFC 8731: the registered name of what paramiko knows as curve25519-sha256@libssh.org."""

    name = "curve25519-sha256"


class SHA1RSAKey(RSAKey):
    """An RSA key whose only signature is `ssh-rsa` (RFC 4253, 6.6); for old servers, when asked for."""

    HASHES = {  # type: ignore[misc] # noqa: RUF012 - paramiko reads the table from the class.
        "ssh-rsa": hashes.SHA1,
        "ssh-rsa-cert-v01@openssh.com": hashes.SHA1,
    }
