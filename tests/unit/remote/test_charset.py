"""Which encoding a locale names."""

import pytest

from remote_code.remote.probe import charset_of

TABLE = [
    ("", "utf-8"),
    ("C", "utf-8"),
    ("C.UTF-8", "utf-8"),
    ("ja_JP.eucJP", "euc_jp"),
    ("de_DE.ISO-8859-15@euro", "iso8859-15"),
    ("xx_XX.nonsense", "utf-8"),
]


@pytest.mark.parametrize(("locale", "charset"), TABLE)
def test_charset_is_the_one_of_the_locale(locale: str, charset: str) -> None:
    """BASH-5: what output that is not UTF-8 is decoded by."""
    assert charset_of(locale) == charset
