"""Local names for remote ones, reversibly: the folder of a mirror, and the files in it. Pure, no I/O.

A remote name is any bytes but NUL and `/`; a local one must suit every system that a mirror may lie on. What does not
stands as `%xx`, per byte. A name that is too long goes on in a folder: `first%+/%+rest`. Where the file system does not
tell upper from lower case, a name with capitals says which they are: `README.md` is `README.md%=3f`.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from remote_code.errors import InvalidPath
from remote_code.paths import RemotePath

OWN_FOLDER = ".remote-code"
"""The folder for our own files at the top of a mirror."""
MANIFEST_NAME = "manifest.json"
RESERVED_AT_TOP = frozenset({OWN_FOLDER, MANIFEST_NAME})
"""Names at the top of a mirror that no remote file may get."""

COMPONENT_BYTES = 140
"""The longest local name that we make; eCryptfs allows no more than 143 bytes."""

_FORBIDDEN = frozenset('"%*:<>?\\|\x7f') | {chr(code) for code in range(32)}
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}
)
_PLAIN = re.compile(r"[A-Za-z0-9_.+-]*[A-Za-z0-9_+-]")
_ESCAPE = re.compile(rb"%([0-9a-f]{2})")
_CAPITALS = re.compile(r"%=([0-9a-f]+)\Z")
_MORE = "%+"

_SLUG_SAFE = re.compile(r"[a-z0-9.-]+")
_SLUG_UNSAFE = re.compile(r"[^a-z0-9._@-]+")
_SLUG_LENGTH = 80


def host_slug(user: str, host: str, port: int, enter: str | None = None) -> str:
    """Return the folder name for one place: who logs in where, and what `REMOTE_ENTER` starts there.

    Different places have different slugs; a plain one reads `user@host_port`.
    """
    host = host.lower()
    shown = f"{user}@{host}_{port}"
    is_plain = _SLUG_SAFE.fullmatch(user) and _SLUG_SAFE.fullmatch(host) and not enter
    return _slug(shown, exact=repr((user, host, port, enter or "")), is_plain=bool(is_plain))


def root_slug(workdir: str) -> str:
    """Return the folder name for a workspace: `/srv/app` is `srv_app`, `/` is `_`. Different ones differ."""
    parts = [part for part in workdir.split("/") if part]
    is_plain = all(_SLUG_SAFE.fullmatch(part) for part in parts)
    return _slug("_".join(parts) or "_", exact=workdir, is_plain=is_plain)


def _slug(shown: str, *, exact: str, is_plain: bool) -> str:
    """Return `shown` itself if it can be a folder name anywhere, else a likeness with a digest of `exact`."""
    if is_plain and len(shown) <= _SLUG_LENGTH and encode_component(shown) == shown:
        return shown
    digest = hashlib.sha256(exact.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    likeness = _SLUG_UNSAFE.sub("-", shown.lower())[:_SLUG_LENGTH].rstrip(".")
    # A plain slug never holds a tilde, so the two kinds cannot meet.
    return f"{likeness}~{digest}"


@dataclass(frozen=True, slots=True)
class LocalNames:
    """How names are written on the file system of one mirror."""

    folds_case: bool = False
    """Whether that file system takes `README` and `readme` for one name, as those of macOS and Windows do."""

    def to_parts(self, path: RemotePath) -> list[str]:
        """Return the local names, from the top of the mirror down, that stand for a remote path."""
        names = [name for name in path.split("/") if name]
        parts: list[str] = []
        for depth, name in enumerate(names):
            parts += _split(encode_component(name, folds_case=self.folds_case, is_top=depth == 0))
        return parts

    def to_path(self, parts: list[str]) -> RemotePath:
        """Return the remote path that local names stand for.

        Raises:
            InvalidPath: no remote path has these local names.
        """
        names = [decode_component(name, folds_case=self.folds_case) for name in _join(parts)]
        path = RemotePath("/" + "/".join(names))
        if self.to_parts(path) != parts:
            shown = "/".join(parts)
            raise InvalidPath(f'"{shown}" in the mirror is not the name of a local copy', path=shown)
        return path


def encode_component(name: str, *, folds_case: bool = False, is_top: bool = False) -> str:
    """Return one remote name as a local one, of any length."""
    stem = name.split(".", 1)[0].rstrip(" ").lower()
    is_reserved = stem in _DEVICES or (is_top and name.lower() in RESERVED_AT_TOP)
    if not folds_case and not is_reserved and _PLAIN.fullmatch(name):
        return name
    parts = [_encode_character(character, folds_case=folds_case) for character in name]
    if parts and parts[-1] in {".", " "}:  # Windows drops them at the end.
        parts[-1] = _escape(parts[-1])
    if is_reserved:
        parts[0] = _escape(name[0])
    encoded = "".join(parts)
    if not folds_case:
        return encoded
    capitals = sum(1 << index for index, character in enumerate(encoded) if "A" <= character <= "Z")
    return f"{encoded}%={capitals:x}" if capitals else encoded


def decode_component(encoded: str, *, folds_case: bool = False) -> str:
    """Return the remote name that a local one stands for; it may be no name that `encode_component` gives."""
    capitals = _CAPITALS.search(encoded) if folds_case else None
    if capitals:
        mask = int(capitals[1], 16)
        letters = encoded[: capitals.start()].lower()
        encoded = "".join(letter.upper() if mask >> index & 1 else letter for index, letter in enumerate(letters))
    raw = encoded.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw).decode("utf-8", "surrogateescape")


def _encode_character(character: str, *, folds_case: bool) -> str:
    if character in _FORBIDDEN or "\udc80" <= character <= "\udcff":
        return _escape(character)
    if folds_case and not character.isascii() and not _has_one_form(character):
        return _escape(character)
    return character


def _has_one_form(character: str) -> bool:
    """Tell whether no file system takes this character for another one: it has no case and is not composed."""
    return unicodedata.category(character) == "Lo" and unicodedata.normalize("NFKD", character) == character


def _escape(character: str) -> str:
    return "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _split(encoded: str) -> list[str]:
    """Return a local name as the folders that it is spread over when it is too long, else as itself."""
    if len(encoded) * 4 <= COMPONENT_BYTES or len(encoded.encode("utf-8")) <= COMPONENT_BYTES:
        return [encoded]
    room = COMPONENT_BYTES - 2 * len(_MORE)
    pieces, piece, size = [], "", 0
    for character in encoded:
        width = len(character.encode("utf-8"))
        if size + width > room:
            pieces.append(piece)
            piece, size = "", 0
        piece += character
        size += width
    pieces.append(piece)
    heads = [piece + _MORE if index == 0 else _MORE + piece + _MORE for index, piece in enumerate(pieces[:-1])]
    return [*heads, _MORE + pieces[-1]]


def _join(parts: list[str]) -> list[str]:
    """Return the local names that were spread over folders, whole again."""
    names: list[str] = []
    is_open = False
    for part in parts:
        text = part.removeprefix(_MORE) if is_open else part
        names[-1:] = [names[-1] + text] if is_open else [*names[-1:], text]
        is_open = text.endswith(_MORE)
        names[-1] = names[-1].removesuffix(_MORE)
    return names
