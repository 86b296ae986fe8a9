"""SSH-1: host certificates of an authority that a known_hosts file names."""

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_code.errors import HostKeyMismatch
from remote_code.ssh.certificates import find_objection, parse_certificate
from remote_code.ssh.keys import read_public_line
from tests.support.connecting import connected
from tests.support.sshd import SSHServer, make_key


@dataclass(frozen=True)
class Certified:
    """A server that shows a certificate, and its authority's public key."""

    server: SSHServer
    authority: Path

    def command(self, marker: str = "@cert-authority", names: str = "*", *, key: Path | None = None) -> str:
        """Return a command line whose known_hosts file names the authority."""
        public = (key or self.authority).with_suffix(".pub").read_text(encoding="utf-8")
        known = self.server.folder / "authorities"
        known.write_text(f"{marker} {names} {public}", encoding="utf-8")
        strict = self.server.command("-oStrictHostKeyChecking=yes")
        return strict.replace(str(self.server.known_hosts), str(known))


def sign(authority: Path, key: Path, *options: str) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-s", str(authority), "-I", "id", *options, f"{key}.pub"], check=True)
    return key.with_name(key.name + "-cert.pub")


@pytest.fixture(scope="module", params=["ed25519", "ecdsa", "rsa"])
def certified(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    folder = tmp_path_factory.mktemp("certified")
    authority = make_key(folder / "authority", kind=request.param)
    key = make_key(folder / "certified_key", kind=request.param)
    certificate = sign(authority, key, "-h", "-n", "127.0.0.1,web.example.org")
    config = [f"HostKey {key}", f"HostCertificate {certificate}"]
    with SSHServer(folder / "server", config=config) as server:
        yield Certified(server, authority)


def test_a_certificate_of_a_known_authority_is_trusted(certified: Certified) -> None:
    with connected(certified.command()) as connection:
        assert connection.is_alive


def test_a_certificate_of_another_authority_is_not(certified: Certified, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    with pytest.raises(HostKeyMismatch), connected(certified.command(key=other)):
        pass


def test_an_authority_for_other_hosts_does_not_count(certified: Certified) -> None:
    with pytest.raises(HostKeyMismatch), connected(certified.command(names="*.example.com")):
        pass


def test_a_certificate_for_another_name_is_refused(certified: Certified) -> None:
    command = certified.command().replace("-oStrict", "-oHostKeyAlias=db.example.org -oStrict")
    with pytest.raises(HostKeyMismatch) as caught, connected(command):
        pass
    assert "web.example.org" in caught.value.message


def test_a_revoked_authority_is_refused(certified: Certified) -> None:
    public = certified.authority.with_suffix(".pub").read_text(encoding="utf-8")
    command = certified.command()
    with (certified.server.folder / "authorities").open("a", encoding="utf-8") as stream:
        stream.write(f"@revoked * {public}")
    with pytest.raises(HostKeyMismatch) as caught, connected(command):
        pass
    assert "revoked" in caught.value.message


def test_objections_are_named(tmp_path: Path) -> None:
    authority, key = make_key(tmp_path / "ca"), make_key(tmp_path / "key")
    known = [read_public_line(Path(f"{authority}.pub"))]
    algorithms = ("ssh-ed25519",)

    def objection(*options: str, host: str = "web", allowed: tuple[str, ...] = algorithms) -> str | None:
        return find_objection(read_public_line(sign(authority, key, *options)), host, known, algorithms=allowed)

    assert objection("-h", "-n", "web") is None
    assert objection("-h", "-n", "*.org", host="a.org") is None
    assert "users" in (objection("-n", "web") or "")
    assert "not valid now" in (objection("-h", "-n", "web", "-V", "20200101:20210101") or "")
    assert "not valid now" in (objection("-h", "-n", "web", "-V", "20900101:20910101") or "")
    assert "no host" in (objection("-h") or "")
    assert "signature" in (objection("-h", "-n", "web", allowed=("rsa-sha2-512",)) or "")


def test_no_changed_byte_of_a_certificate_passes(tmp_path: Path) -> None:
    authority, key = make_key(tmp_path / "ca"), make_key(tmp_path / "key")
    known = [read_public_line(Path(f"{authority}.pub"))]
    blob = read_public_line(sign(authority, key, "-h", "-n", "web"))
    rng = random.Random(3)
    for place in rng.sample(range(len(blob)), 200):
        changed = bytearray(blob)
        changed[place] ^= 1 << rng.randrange(8)
        assert find_objection(bytes(changed), "web", known, algorithms=("ssh-ed25519",)) is not None
    for length in range(0, len(blob), 7):
        assert parse_certificate(blob[:length]) is None
