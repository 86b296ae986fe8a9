"""Bytes to text and back without loss, whatever the file's encoding.

Bytes that are wrong in the encoding become lone surrogates (`surrogateescape`) and turn into the same bytes again.
"""

from dataclasses import dataclass

from remote_code._fast import is_binary, split_bom
from remote_code.errors import EncodingUnsupported
from remote_code.text.detect import LABELS, guess_legacy_encoding

_BY_BOM = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\x00\x00\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
BOM_CHARACTER = "\ufeff"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text without its byte order mark, and all that is needed to write it back."""

    text: str
    encoding: str
    """Python's name of the encoding."""
    bom: bytes = b""


def decode(data: bytes) -> Decoded:
    """Return the text of a file: by its BOM, as UTF-8, or in the legacy encoding that fits best.

    Always succeeds, and `encode` gives back exactly `data`. What fits nothing is UTF-8 with escaped bytes; of a binary
    file every byte is a character.
    """
    bom, rest = split_bom(data)
    if bom:
        decoded = _decode_marked(rest, bom)
        if decoded is not None:
            return decoded
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass
    if is_binary("", data):
        return Decoded(data.decode("latin-1"), "latin_1")
    encoding = guess_legacy_encoding(data)
    if encoding is not None:
        text = data.decode(encoding, "surrogateescape")
        if _encodes_to(text, encoding, data):
            return Decoded(text, encoding)
    return Decoded(data.decode("utf-8", "surrogateescape"), "utf-8")


def encode(text: str, *, like: Decoded) -> bytes:
    """Return `text` as bytes in the encoding and with the BOM of `like`.

    Raises:
        EncodingUnsupported: a character cannot be written in that encoding; nothing is replaced by "?".
    """
    try:
        return like.bom + text.encode(like.encoding, _error_handler(like.encoding))
    except UnicodeEncodeError as exc:
        character = text[exc.start]
        label = LABELS.get(like.encoding, like.encoding.upper())
        shown = f'"{character}" (U+{ord(character):04X})' if character.isprintable() else f"U+{ord(character):04X}"
        raise EncodingUnsupported(
            f"cannot write {shown} at position {exc.start}: the file is in {label}, which has no such character",
            character=character.encode("utf-8", "replace").decode() if "\ud800" <= character <= "\udfff" else character,
            encoding=like.encoding,
            position=exc.start,
        ) from exc


def encoding_note(decoded: Decoded) -> str | None:
    """Return the sentence that tells a reader of a file in another encoding than UTF-8, or None."""
    if decoded.encoding == "utf-8":
        return None
    label = LABELS.get(decoded.encoding, decoded.encoding.upper())
    return f"(The file is encoded in {label}; edits and writes keep that encoding.)"


def _decode_marked(rest: bytes, bom: bytes) -> Decoded | None:
    encoding = _BY_BOM[bom]
    if encoding == "utf-8":
        return Decoded(rest.decode(encoding, "surrogateescape"), encoding, bom)
    try:
        text = rest.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return None
    return Decoded(text, encoding, bom) if _encodes_to(text, encoding, rest) else None


def _encodes_to(text: str, encoding: str, data: bytes) -> bool:
    try:
        return text.encode(encoding, _error_handler(encoding)) == data
    except UnicodeEncodeError:
        return False


def _error_handler(encoding: str) -> str:
    return "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
