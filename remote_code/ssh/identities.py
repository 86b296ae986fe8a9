"""The keys that may prove who we are, in the order in which ssh tries them: the agent's, files, their certificates."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from remote_code.ssh.agent import Agent, AgentKey
from remote_code.ssh.algorithms import CERTIFICATE_SUFFIX
from remote_code.ssh.keys import (
    FileKey,
    KeyUnusable,
    PassphraseNeeded,
    Signer,
    certified_key,
    load_key,
    peek_public,
    read_public_line,
    type_of,
)
from remote_code.ssh.meaning import LoginOptions


@dataclass(slots=True)
class Candidate:
    """A key that may be tried; `load` gives the key that signs, and may need the passphrase."""

    name: str
    blob: bytes | None
    load: Callable[[], Signer]
    is_costly: bool = False
    """Whether the server is asked first: the key needs a passphrase or a touch."""
    algorithm: str | None = None
    """The signature algorithm to use; None for the best."""


class Identities:
    """Finds the keys for one login.

    `passphrase` gives the passphrase to try for a file, by the number of the attempt; `on_unusable` is told of keys
    that the configuration names and that cannot be used.
    """

    def __init__(
        self,
        options: LoginOptions,
        agent: Agent | None,
        *,
        passphrase: Callable[[Path, int], str | None],
        on_unusable: Callable[[str], None],
    ) -> None:
        self._options = options
        self._agent = agent
        self._passphrase = passphrase
        self._on_unusable = on_unusable

    def find(self) -> Iterator[Candidate]:
        """Yield keys in ssh's order: the agent's that the configuration names, the agent's others, files."""
        files = [Path(name) for name in self._options.identity_files]
        public = self._public_of_bare_files(files)
        public |= {path: blob for path in files if (blob := peek_public(path)) is not None}
        held = self._agent.keys() if self._agent is not None else []
        named = {blob: path for path, blob in public.items()}
        certificates = self._certificates(files)
        known = set(named) | set(certificates.values())
        ordered = sorted((key for key in held if key.blob in known), key=lambda key: _place_of(key, files, named))
        if not self._options.identities_only:
            ordered += [key for key in held if key.blob not in known]
        for key in ordered:
            yield from self._certified(key, certificates)
            yield Candidate(key.name, key.blob, partial(itself, key), key.may_need_a_person)
        in_agent = {key.blob for key in held}
        for path in files:
            if public.get(path) not in in_agent:
                yield from self._file_candidates(path, public.get(path), certificates)

    def _public_of_bare_files(self, files: list[Path]) -> dict[Path, bytes]:
        """Return the keys of IdentityFile entries that are public keys themselves, to pick one of the agent's."""
        found: dict[Path, bytes] = {}
        for path in files:
            for place in (path, path.with_name(path.name + ".pub")):
                try:
                    found[path] = read_public_line(place)
                    break
                except KeyUnusable:
                    continue
        return found

    def _certificates(self, files: list[Path]) -> dict[str, bytes]:
        """Return the certificates to present, by file: CertificateFile, and `-cert.pub` beside each key."""
        places = [Path(name) for name in self._options.certificate_files]
        places += [path.with_name(path.name + "-cert.pub") for path in files]
        found: dict[str, bytes] = {}
        for place in places:
            try:
                found[str(place)] = read_public_line(place)
            except KeyUnusable:
                continue
        return found

    def _certified(self, key: AgentKey, certificates: Mapping[str, bytes]) -> Iterator[Candidate]:
        for name, certificate in certificates.items():
            if certified_key(certificate) == key.blob:
                signer = _CertifiedSigner(f"certificate {name}", certificate, key)
                yield Candidate(signer.name, certificate, partial(itself, signer), key.may_need_a_person)

    def _file_candidates(
        self, path: Path, public: bytes | None, certificates: Mapping[str, bytes]
    ) -> Iterator[Candidate]:
        if not path.exists():
            if self._options.has_identity_files:
                self._on_unusable(f"key {path} (no such file)")
            return
        try:
            key: FileKey | None = load_key(path, None)
        except PassphraseNeeded:
            key = None
        except KeyUnusable as exc:
            self._on_unusable(f"key {path} ({exc})")
            return
        public = key.blob if key is not None else public
        if key is not None and key.is_smaller_than(self._options.required_rsa_bits):
            self._on_unusable(f"key {path} (smaller than RequiredRSASize)")
            return
        loader = _Loader(path, key, self._passphrase)
        for name, certificate in certificates.items():
            if certified_key(certificate) == public:
                yield Candidate(
                    f"certificate {name}",
                    certificate,
                    partial(loader.load_certified, certificate, name),
                    key is None,
                )
        yield Candidate(f"key {path}", public, loader, key is None)


def itself(signer: Signer) -> Signer:
    """Return the key: for one that is there already."""
    return signer


def _place_of(key: AgentKey, files: list[Path], named: Mapping[bytes, Path]) -> int:
    path = named.get(key.blob)
    return files.index(path) if path is not None else len(files)


@dataclass(frozen=True, slots=True)
class _CertifiedSigner:
    """A key of the agent, presented by a certificate."""

    name: str
    blob: bytes
    key: AgentKey

    @property
    def key_type(self) -> str:
        return type_of(self.blob)

    def sign(self, data: bytes, algorithm: str) -> bytes:
        return self.key.sign(data, algorithm.removesuffix(CERTIFICATE_SUFFIX))


@dataclass(slots=True)
class _Loader:
    """Loads a key file when it is needed, with the passphrases that can be had."""

    path: Path
    key: FileKey | None
    passphrase: Callable[[Path, int], str | None]

    def __call__(self) -> FileKey:
        attempt = 0
        while self.key is None:
            passphrase = self.passphrase(self.path, attempt)
            if passphrase is None:
                raise PassphraseNeeded(
                    "the passphrase was not accepted" if attempt else "needs a passphrase; set REMOTE_PASSWORD to it"
                )
            try:
                self.key = load_key(self.path, passphrase)
            except PassphraseNeeded:
                attempt += 1
        return self.key

    def load_certified(self, certificate: bytes, name: str) -> FileKey:
        return self().with_certificate(certificate, name)
