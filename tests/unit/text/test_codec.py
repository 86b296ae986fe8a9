"""Bytes to text and back: every encoding, damage, and what cannot be written."""

import random

import pytest

from remote_code.errors import EncodingUnsupported
from remote_code.text.codec import Decoded, decode, encode, encoding_note

TEXTS = {
    "gb18030": ["这是一个配置文件，用于测试编码", "十个中文字符在文件里", "日志"],
    "big5": ["這是一個設定檔案，用於測試編碼", "使用者名稱", "中文說明"],
    "cp932": ["これは設定ファイルです。日本語テスト", "設定ファイル", "日本語"],
    "euc_jp": ["これは設定ファイルです。日本語テスト", "設定ファイル", "日本語"],
    "cp949": ["이것은 설정 파일입니다 한국어", "사용자 이름", "한국어"],
    "koi8_r": ["Это файл настроек для сервера", "Привет, мир", "ПРИВЕТ МИР"],
    "cp1251": ["Это файл настроек для сервера", "Привет, мир", "ПРИВЕТ МИР"],
    "cp1252": ["Größe für café, naïve – “déjà vu”", "café", "price 5€", "© 2020 Müller", "Año"],
}
ASCII = {
    "alone": "",
    "in-a-short-file": "# config file for server\nname = x\nport = 22\n" * 3,
    "in-a-large-ascii-file": "def f(x):\n    return x\n" * 5000,
}


@pytest.mark.parametrize("before", ASCII.values(), ids=ASCII.keys())
@pytest.mark.parametrize(
    ("encoding", "text"), [(encoding, text) for encoding, texts in TEXTS.items() for text in texts]
)
def test_a_legacy_encoding_is_detected_and_written_back(encoding: str, text: str, before: str) -> None:
    """READ-2: few foreign characters are enough, also among much ASCII."""
    data = f"{before}# {text}\n".encode(encoding)
    decoded = decode(data)
    assert decoded == Decoded(f"{before}# {text}\n", encoding)
    assert encode(decoded.text, like=decoded) == data


@pytest.mark.parametrize(
    ("data", "decoded"),
    [
        pytest.param(b"", Decoded("", "utf-8"), id="empty"),
        pytest.param("é😀\r\n".encode(), Decoded("é😀\r\n", "utf-8"), id="UTF-8"),
        pytest.param(b"\xef\xbb\xbfa", Decoded("a", "utf-8", b"\xef\xbb\xbf"), id="UTF-8 with mark"),
        pytest.param(b"\xff\xfea\x00", Decoded("a", "utf-16-le", b"\xff\xfe"), id="UTF-16LE"),
        pytest.param(b"\xfe\xff\x00a", Decoded("a", "utf-16-be", b"\xfe\xff"), id="UTF-16BE"),
        pytest.param(b"\xff\xfe\x00\x00a\x00\x00\x00", Decoded("a", "utf-32-le", b"\xff\xfe\x00\x00"), id="UTF-32LE"),
        pytest.param(b"\xff\xfe\x3d\xd8", Decoded("\ud83d", "utf-16-le", b"\xff\xfe"), id="half a surrogate pair"),
        pytest.param(b"\xef\xbb\xbf\xff", Decoded("\udcff", "utf-8", b"\xef\xbb\xbf"), id="damage behind a mark"),
        pytest.param("äöü äöü ".encode() + b"\xff", Decoded("äöü äöü \udcff", "utf-8"), id="damaged UTF-8"),
    ],
)
def test_unicode_is_decoded_and_written_back(data: bytes, decoded: Decoded) -> None:
    assert decode(data) == decoded
    assert encode(decoded.text, like=decoded) == data


@pytest.mark.parametrize("size", [1, 2, 3, 10, 100, 5000])
def test_random_bytes_come_back_unchanged(size: int) -> None:
    source = random.Random(size)
    for _ in range(50):
        data = source.randbytes(size)
        for variant in (data, b"\xff\xfe" + data, b"\xef\xbb\xbf" + data, b"\x00\x00\xfe\xff" + data):
            decoded = decode(variant)
            assert encode(decoded.text, like=decoded) == variant


def test_utf8_is_never_taken_for_something_else() -> None:
    for texts in TEXTS.values():
        for text in texts:
            assert decode(text.encode()) == Decoded(text, "utf-8")


def test_one_long_line_is_sampled_within_its_characters() -> None:
    text = "配置文件测试编码" * 20_000
    assert decode(text.encode("gb18030")) == Decoded(text, "gb18030")


def test_a_character_that_the_encoding_has_not_is_named() -> None:
    with pytest.raises(EncodingUnsupported) as caught:
        encode("préfix 日", like=Decoded("", "cp1252"))
    assert caught.value.facts == {"character": "日", "encoding": "cp1252", "position": 7}
    assert '"日" (U+65E5)' in caught.value.message


def test_a_lone_surrogate_is_named_by_its_number() -> None:
    with pytest.raises(EncodingUnsupported, match="U\\+D83D at position 1"):
        encode("a\ud83d", like=Decoded("", "utf-8"))


def test_only_a_legacy_or_wide_encoding_gets_a_note() -> None:
    assert encoding_note(Decoded("", "utf-8", b"\xef\xbb\xbf")) is None
    assert (
        encoding_note(Decoded("", "gb18030"))
        == "(The file is encoded in GB18030 (GBK); edits and writes keep that encoding.)"
    )
    assert encoding_note(Decoded("", "utf-16-le")) == (
        "(The file is encoded in UTF-16LE; edits and writes keep that encoding.)"
    )
