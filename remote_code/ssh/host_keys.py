"""Is this the host that it claims to be: known_hosts files, and the decision on a key. Knows no paramiko.

A key is decided on by a file, by a person at a terminal, or by first use; never by a model. A changed or revoked key
is refused whatever the settings are. Source for the file format: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from remote_code.errors import HostKeyMismatch
from remote_code.ssh.meaning import HostKeyOptions
from remote_code.ssh.patterns import matches_list
from remote_code.ssh.secrets import Ask

_log = logging.getLogger(__name__)

Marker = Literal["", "@cert-authority", "@revoked"]


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key as the protocol carries it (RFC 4253, 6.6)."""

    blob: bytes

    @property
    def type(self) -> str:
        """The name in front of the key: `ssh-ed25519`, `ssh-rsa`, …; empty when it cannot be read."""
        length = int.from_bytes(self.blob[:4], "big")
        return self.blob[4 : 4 + length].decode("ascii", "replace") if length < 100 else ""

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint in OpenSSH's spelling."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode("ascii")
        return "SHA256:" + digest.rstrip("=")

    def __str__(self) -> str:
        return f"{self.type} {self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a known_hosts file that speaks of our host."""

    file: str
    line: int
    marker: Marker
    key: HostKey


@dataclass(frozen=True, slots=True)
class Place:
    """The names under which a host stands in known_hosts files."""

    name: str
    """What a new key is recorded for: the alias, the host, or `[host]:port`."""
    without_port: str | None = None
    """The bare host, when the port is not 22: a key recorded for it is good for every port of it."""

    principal: str = ""
    """The name that a certificate has to be for."""
    is_localhost: bool = False

    @staticmethod
    def of(host_name: str, port: int, alias: str | None) -> "Place":
        """Return the place of a host; `HostKeyAlias` replaces host and port."""
        host = host_name.lower()
        is_localhost = host in ("localhost", "::1") or host.startswith("127.")
        if alias is not None:
            return Place(alias.lower(), None, alias.lower(), is_localhost)
        if port == 22:
            return Place(host, None, host, is_localhost)
        return Place(f"[{host}]:{port}", host, host, is_localhost)


class KnownHosts:
    """What the files say about one place. Lines that cannot be read are passed over, as ssh does."""

    def __init__(self, place: Place, files: Iterable[str]) -> None:
        self.place = place
        self.entries: list[Entry] = []
        self._bare: list[Entry] = []
        for file in dict.fromkeys(files):
            self._load(file)

    @property
    def key_types(self) -> frozenset[str]:
        """The types of the keys that are known for the place."""
        return frozenset(entry.key.type for entry in [*self.entries, *self._bare] if not entry.marker)

    @property
    def authorities(self) -> list[Entry]:
        """The certificate authorities that may vouch for the place."""
        return [entry for entry in self.entries if entry.marker == "@cert-authority"]

    def find_revoked(self, key: HostKey) -> Entry | None:
        """Return the line that revokes `key`."""
        return next((entry for entry in self.entries if entry.marker == "@revoked" and entry.key == key), None)

    def is_known(self, key: HostKey) -> bool:
        """Tell whether a line holds just this key for the place, or for its host without the port."""
        return any(not entry.marker and entry.key == key for entry in [*self.entries, *self._bare])

    def find_other(self, key: HostKey) -> Entry | None:
        """Return a line that holds another key for the place, one of the same type if there is any."""
        others = [entry for entry in self.entries if not entry.marker]
        same_type = [entry for entry in others if entry.key.type == key.type]
        return next(iter(same_type or others), None)

    def _load(self, file: str) -> None:
        try:
            lines = Path(file).read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as exc:
            _log.warning("event=known_hosts_unreadable file=%s error=%s", file, exc.strerror)
            return
        for number, raw in enumerate(lines, 1):
            parsed = parse_line(raw.decode("utf-8", "replace"))
            if parsed is None:
                continue
            marker, names, key = parsed
            entry = Entry(file, number, marker, key)
            if matches_names(self.place.name, names):
                self.entries.append(entry)
            elif self.place.without_port and not marker and matches_names(self.place.without_port, names):
                self._bare.append(entry)


def parse_line(line: str) -> tuple[Marker, str, HostKey] | None:
    """Split a known_hosts line into marker, host patterns and key; None for a comment or what is no such line."""
    words = line.split()
    marker: Marker = ""
    if words and words[0].startswith("@"):
        if words[0] == "@cert-authority":
            marker = "@cert-authority"
        elif words[0] == "@revoked":
            marker = "@revoked"
        else:
            return None
        words = words[1:]
    if len(words) < 3 or words[0].startswith("#"):
        return None
    try:
        key = HostKey(base64.b64decode(words[2], validate=True))
    except (binascii.Error, ValueError):
        return None
    return (marker, words[0], key) if key.type == words[1] else None


def matches_names(name: str, patterns: str) -> bool:
    """Tell whether a host name fits the first field of a line: a hashed name, or patterns with negation."""
    if not patterns.startswith("|"):
        return matches_list(name, patterns, ignore_case=True)
    fields = patterns.split("|")
    if len(fields) != 4 or fields[1] != "1":
        return False
    try:
        salt, digest = base64.b64decode(fields[2], validate=True), base64.b64decode(fields[3], validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def hash_name(name: str, *, salt: bytes) -> str:
    """Return a host name as `HashKnownHosts` records it."""
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode('ascii')}|{base64.b64encode(digest).decode('ascii')}"


class HostKeyCheck:
    """Decides on the key that a server has shown, for one connection."""

    def __init__(
        self,
        options: HostKeyOptions,
        place: Place,
        *,
        ask: Ask | None,
        on_notice: Callable[[str], None],
    ) -> None:
        self.known = KnownHosts(place, [*options.user_files, *options.global_files])
        self._options = options
        self._place = place
        self._ask = ask
        self._on_notice = on_notice

    def check(self, key: HostKey) -> None:
        """Return when the key may be trusted; a new one is recorded.

        Raises:
            HostKeyMismatch: the key is changed, revoked, or unknown and not to be accepted.
        """
        self._refuse_revoked(key)
        if self._skips_localhost or self.known.is_known(key):
            return
        other = self.known.find_other(key)
        if other is not None and (other.key.type == key.type or not self._accepts_new_type()):
            raise self._mismatch(f"the host key of {self._place.name!r} has changed", key, other)
        self._decide_on_unknown(key)

    def check_certificate(self, key: HostKey, authority: HostKey, objection: str | None) -> None:
        """Return when a certificate of a known authority may be trusted, which covers `key`.

        Raises:
            HostKeyMismatch: either key is revoked, or there is an objection to the certificate.
        """
        self._refuse_revoked(key)
        self._refuse_revoked(authority)
        if objection is not None:
            raise self._unknown(key, objection)

    @property
    def _skips_localhost(self) -> bool:
        return self._options.skip_on_localhost and self._place.is_localhost

    def _refuse_revoked(self, key: HostKey) -> None:
        revoked = self.known.find_revoked(key)
        if revoked is not None:
            raise self._mismatch(f"the host key of {self._place.name!r} is revoked", key, revoked)

    def _accepts_new_type(self) -> bool:
        """Tell whether a host that is known by keys of other types may show one of a new type."""
        return self._options.checking in ("accept-new", "no") or (
            self._options.checking == "ask" and self._ask is not None
        )

    def _decide_on_unknown(self, key: HostKey) -> None:
        checking = self._options.checking
        if checking == "yes":
            raise self._unknown(key, "StrictHostKeyChecking is yes")
        if checking == "ask" and self._ask is not None:
            self._ask_person(key, self._ask)
        self._record(key)
        _log.info("event=host_key_recorded host=%s key=%s", self._place.name, key)
        self._on_notice(f"recorded the host key of {self._place.name} at its first use: {key}")

    def _ask_person(self, key: HostKey, ask: Ask) -> None:
        prompt = (
            f"The host {self._place.name!r} is not known.\nIts key is {key}\n"
            "Connect and remember it (yes, no, or the fingerprint)? "
        )
        for _ in range(3):
            answer = ask(prompt, True)
            if answer is None or answer.strip().lower() == "no":
                break
            if answer.strip().lower() == "yes" or answer.strip() == key.fingerprint:
                return
            prompt = "Type yes, no, or the fingerprint: "
        raise self._unknown(key, "it was not accepted")

    def _record(self, key: HostKey) -> None:
        file = next(iter(self._options.user_files), None)
        if file is None or file == os.devnull:
            return
        name = self._place.name
        if self._options.hash_new:
            name = hash_name(name, salt=os.urandom(20))
        line = f"{name} {key.type} {base64.b64encode(key.blob).decode('ascii')}\n"
        try:
            append_line(Path(file), line)
        except OSError as exc:
            self._on_notice(f'cannot record the host key in "{file}": {exc.strerror}')

    def _mismatch(self, what: str, key: HostKey, entry: Entry) -> HostKeyMismatch:
        return HostKeyMismatch(
            f'{what}: "{entry.file}" line {entry.line} holds {entry.key}, the server shows {key}. This is an attack '
            "or a host that was set up anew; if you know the new key to be right, remove the line with "
            f'`ssh-keygen -R "{self._place.name}" -f "{entry.file}"`',
            host=self._place.name,
            file=entry.file,
            line=entry.line,
            expected=str(entry.key),
            found=str(key),
        )

    def _unknown(self, key: HostKey, reason: str) -> HostKeyMismatch:
        files = list(self._options.user_files) + list(self._options.global_files)
        return HostKeyMismatch(
            f"the host key of {self._place.name!r} is unknown ({reason}): the server shows {key}; log in once with "
            f"ssh to record it, or add a line to {_spell(files)}",
            host=self._place.name,
            file=files[0] if files else None,
            line=None,
            expected=None,
            found=str(key),
        )


def append_line(path: Path, line: str) -> None:
    """Append one line to a known_hosts file, which is made if need be, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "rb+", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        if size:
            stream.seek(size - 1)
            if stream.read(1) != b"\n":
                line = "\n" + line
        stream.write(line.encode())


def _spell(files: Sequence[str]) -> str:
    return " or ".join(f'"{file}"' for file in files) or "a known_hosts file"
