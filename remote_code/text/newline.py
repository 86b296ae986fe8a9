"""Line endings: which style a text has, and texts in the style of another."""

CRLF = "\r\n"
LF = "\n"


def style_of(text: str) -> str:
    """Return the style that an edit's texts take: CRLF as soon as one line ends so, as in OpenCode, else LF."""
    return CRLF if CRLF in text else LF


def prevailing_style(text: str) -> str | None:
    """Return the style of most lines, LF where both are as frequent, None where no line ends."""
    n_crlf = text.count(CRLF)
    n_lf = text.count(LF) - n_crlf
    if n_crlf == n_lf == 0:
        return None
    return CRLF if n_crlf > n_lf else LF


def to_lf(text: str) -> str:
    """Return `text` with CRLF replaced by LF; a lone CR stays."""
    return text.replace(CRLF, LF)


def to_style(text: str, newline: str) -> str:
    """Return `text` with all line ends in one style; a lone CR stays."""
    plain = to_lf(text)
    return plain if newline == LF else plain.replace(LF, newline)
