"""Command output as a person would have read it in the end."""

import random

import pytest

from remote_code.tools.terminal import Cleaner


def whole(data: bytes) -> str:
    return Cleaner().feed(data, is_end=True)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"plain\ntext", "plain\ntext", id="plain"),
        pytest.param(b"a\r\nb\r\n", "a\nb\n", id="crlf"),
        pytest.param(b"10%\r50%\r100%\ndone\n", "100%\ndone\n", id="progress-bar"),
        pytest.param(b"10%\r50%\r", "50%", id="progress-bar-without-end"),
        pytest.param(b"\x1b[31mred\x1b[0m \x1b[1;2Hx", "red x", id="csi"),
        pytest.param(b"one\x1b[2K\x1b[1Gtwo\n", "two\n", id="column-1"),
        pytest.param(b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "alink\n", id="osc"),
        pytest.param(b"\x1bPq#0\x1b\\after", "after", id="dcs"),
        pytest.param(b"a\x1b(Bb\x1b7c\x1b=d", "abcd", id="two-characters"),
        pytest.param(b"ab\x08c", "ac", id="backspace"),
        pytest.param(b"a\x00b\x07c\x0bd\x7fe\tf", "abcde\tf", id="control"),
        pytest.param("a\u202eb\u2066c\x9b31md".encode(), "abcd", id="direction-and-c1"),
        pytest.param("grüße 🌐\n".encode(), "grüße 🌐\n", id="utf-8"),
        pytest.param(b"caf\xe9\n", "caf\ufffd\n", id="not-utf-8"),
    ],
)
def test_what_drives_a_terminal_is_gone(data: bytes, text: str) -> None:
    """BASH-5: progress bars collapsed, control sequences removed, characters whole."""
    assert whole(data) == text


def test_chunks_make_no_difference() -> None:
    """BASH-5: characters, sequences and progress bars that are split across chunks."""
    data = ("grüße 🌐\r\n\x1b[31mred\x1b[0m\x1b]0;ti\x07\n10%\r20%\r30%\nab\bc\n\x1b[2K\x1b[1Gend\n" * 3).encode()
    expected = whole(data)
    for seed in range(200):
        generator = random.Random(seed)
        cleaner, text, position = Cleaner(), "", 0
        while position < len(data):
            size = generator.randint(1, 9)
            text += cleaner.feed(data[position : position + size])
            position += size
        assert text + cleaner.feed(b"", is_end=True) == expected, seed


def test_long_progress_bar_takes_no_memory() -> None:
    """BASH-5: a bar that is redrawn a million times is one line."""
    cleaner = Cleaner()
    for number in range(2000):
        assert cleaner.feed(b"".join(b"%d of many\r" % (number * 100 + n) for n in range(100))) == ""
        assert len(cleaner.pending) < 100
    assert cleaner.feed(b"\n") == "199999 of many\n"


@pytest.mark.parametrize(
    ("charset", "text"),
    [("iso8859-1", "café\n"), ("euc_jp", "日本語のテキスト\n"), ("gb18030", "你好\n"), ("utf-8", "grüße\n")],
)
def test_other_encodings_are_decoded_by_the_locale_of_the_remote(charset: str, text: str) -> None:
    """BASH-5: line by line, UTF-8 first; characters that are split across chunks are whole."""
    cleaner = Cleaner(charset)
    data = text.encode(charset) + "UTF-8 too: ß\n".encode() + text.encode(charset)
    found = "".join(cleaner.feed(data[n : n + 1]) for n in range(len(data))) + cleaner.feed(b"", is_end=True)
    assert found == text + "UTF-8 too: ß\n" + text
