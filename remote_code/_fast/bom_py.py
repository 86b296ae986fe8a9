"""Byte order marks: the twin of `_bom.pyx`."""

BOMS = (b"\xef\xbb\xbf", b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff", b"\xff\xfe", b"\xfe\xff")
"""UTF-8, UTF-32 little and big endian, UTF-16 little and big endian; the longer of two that fit stands first."""


def split_bom(data: bytes) -> tuple[bytes, bytes]:
    """Split `data` into its byte order mark, empty if it has none, and the rest."""
    for bom in BOMS:
        if data.startswith(bom):
            return bom, data[len(bom) :]
    return b"", data


def join_bom(bom: bytes, data: bytes) -> bytes:
    """Return `data` with `bom` in front: the inverse of `split_bom`."""
    return bom + data
