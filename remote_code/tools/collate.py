"""The order of names in a listed directory: close to JavaScript's `localeCompare` for the root locale. Pure."""

import unicodedata

_PUNCTUATION = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
"""In the order of the Unicode collation, root locale."""

Key = tuple[list[tuple[int, str]], str, list[bool]]


def collation_key(name: str) -> Key:
    """Return a sort key: punctuation, digits, letters whatever their case or accents; lower case first on a tie."""
    plain = "".join(
        character for character in unicodedata.normalize("NFD", name) if not unicodedata.combining(character)
    )
    return [_primary(character) for character in plain], name.casefold(), [c.isupper() for c in plain]


def _primary(character: str) -> tuple[int, str]:
    if character.isspace():
        return (0, character)
    rank = _PUNCTUATION.find(character)
    if rank != -1:
        return (1, chr(rank))
    if character.isdecimal():
        return (2, str(unicodedata.decimal(character)))
    return (3, character.casefold())
