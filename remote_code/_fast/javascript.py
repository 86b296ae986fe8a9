"""JavaScript's idea of white space and of string length, which OpenCode's matcher is defined by."""

import re

WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What `trim()` strips and `\\s` matches. Python also strips U+001C..U+001F and U+0085, and keeps U+FEFF."""

_RUN = re.compile(f"[{WHITE_SPACE}]+")


def trim(text: str) -> str:
    """Return `text` without white space at both ends."""
    return text.strip(WHITE_SPACE)


def split_words(text: str) -> list[str]:
    """Split at runs of white space, as `split(/\\s+/)` does: an empty text gives one empty word."""
    return _RUN.split(text)


def collapse(text: str) -> str:
    """Return `text` trimmed, every run of white space replaced by one space."""
    return trim(_RUN.sub(" ", text))


def indent_width(line: str) -> int:
    """Return the number of white space characters that `line` starts with."""
    return len(line) - len(line.lstrip(WHITE_SPACE))


def code_units(text: str) -> list[int]:
    """Return the UTF-16 code units of `text`; lone surrogates stand for themselves."""
    data = text.encode("utf-16-le", "surrogatepass")
    return [low | high << 8 for low, high in zip(data[::2], data[1::2], strict=True)]


def length(text: str) -> int:
    """Return the length of `text` in UTF-16 code units."""
    if text.isascii():
        return len(text)
    return len(text) + sum(1 for character in text if character > "\uffff")
