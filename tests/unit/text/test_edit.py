"""What an edit or a write makes of a file's bytes."""

import pytest

from remote_code.errors import (
    EditAmbiguous,
    EditNotFound,
    EditTooLarge,
    EncodingUnsupported,
    NoChange,
    OldStringEmpty,
)
from remote_code.text.edit import Edited, LineRange, apply_edit, new_contents
from remote_code.text.newline import prevailing_style, style_of, to_lf, to_style


def test_an_edit_gives_bytes_count_ranges_and_texts() -> None:
    assert apply_edit(b"one\ntwo\nthree\n", "two", "2\n2b") == Edited(
        contents=b"one\n2\n2b\nthree\n",
        count=1,
        ranges=(LineRange(2, 3),),
        before="one\ntwo\nthree\n",
        after="one\n2\n2b\nthree\n",
    )


def test_the_texts_for_a_preview_have_lf_and_no_mark() -> None:
    edited = apply_edit(b"\xef\xbb\xbfa\r\nb\r\n", "b", "c")
    assert (edited.old_text, edited.new_text) == ("a\nb\n", "a\nc\n")


def test_all_occurrences_are_counted_and_located() -> None:
    edited = apply_edit(b"a\nb\na\na", "a", "x\ny", replace_all=True)
    assert edited.contents == b"x\ny\nb\nx\ny\nx\ny"
    assert edited.count == 3
    assert edited.ranges == (LineRange(1, 2), LineRange(4, 5), LineRange(6, 7))


@pytest.mark.parametrize(
    ("data", "old", "new", "result"),
    [
        pytest.param(b"a\r\nb\r\nc\r\n", "a\nb", "x\ny", b"x\r\ny\r\nc\r\n", id="texts take the file's CRLF"),
        pytest.param(b"a\nb\n", "a\r\nb", "x\r\ny", b"x\ny\n", id="texts take the file's LF"),
        pytest.param(b"a\rb\nc\n", "c", "x", b"a\rb\nx\n", id="a lone CR stays"),
        pytest.param(b"a\r\nb\nc\rd\r\ne", "e", "x\ny", b"a\r\nb\nc\rd\r\nx\r\ny", id="mixed styles stay"),
        pytest.param(b"\xef\xbb\xbfa\n", "a", "x", b"\xef\xbb\xbfx\n", id="a byte order mark stays"),
        pytest.param(b"a\n", "a", "\ufeffx", b"\xef\xbb\xbfx\n", id="a byte order mark is added"),
        pytest.param(b"\xef\xbb\xbfa\n", "a", "\ufeffx", b"\xef\xbb\xbfx\n", id="a byte order mark is not doubled"),
        pytest.param(b"\xff\xfea\x00b\x00", "b", "é", b"\xff\xfea\x00\xe9\x00", id="UTF-16"),
        pytest.param("# 配置文件 a\n".encode("gbk"), "a", "值", "# 配置文件 值\n".encode("gbk"), id="GBK"),
        pytest.param(b"caf\xe9 = 1\n", "1", "2", b"caf\xe9 = 2\n", id="Latin-1"),
        pytest.param(
            "äöüß ä".encode() + b"\xff\n", "ß", "s", "äöüs ä".encode() + b"\xff\n", id="an invalid byte stays"
        ),
        pytest.param(b"price\n", "price", "$& $$", b"$& $$\n", id="dollars mean themselves"),
        pytest.param(b"a", "a", "", b"", id="everything deleted"),
    ],
)
def test_every_untouched_byte_stays(data: bytes, old: str, new: str, result: bytes) -> None:
    """EDIT-1, EDIT-3."""
    assert apply_edit(data, old, new).contents == result


@pytest.mark.parametrize(
    ("data", "old", "new", "result"),
    [
        pytest.param(b"  a\r\n  b\r\nc\r\n", "a\nb\n", "X\nY", b"X\r\nY\r\nc\r\n", id="several lines"),
        pytest.param(b"  a  \r\nb\r\n", "a", "X", b"  X  \r\nb\r\n", id="an exact match has none to lose"),
        pytest.param(b"x = a  b\r\nc\r\n", "x = a b", "y", b"y\r\nc\r\n", id="one line"),
        pytest.param(b"a  b\r", "a b", "y", b"y\r", id="a lone CR at the end"),
    ],
)
def test_a_fuzzy_match_leaves_the_last_carriage_return(data: bytes, old: str, new: str, result: bytes) -> None:
    """EDIT-3: OpenCode turns that line end into LF."""
    assert apply_edit(data, old, new).contents == result


@pytest.mark.parametrize("replace_all", [False, True])
def test_fuzzy_places_that_differ_are_ambiguous(replace_all: bool) -> None:
    """EDIT-3: OpenCode edits the first of them."""
    with pytest.raises(EditAmbiguous) as caught:
        apply_edit(b"  a\n  b\nx\n\ta\n\tb\n", "a\nb", "N", replace_all=replace_all)
    assert caught.value.facts == {"matches": ["1", "4"]}


def test_the_lines_of_a_text_that_is_there_twice_are_named() -> None:
    with pytest.raises(EditAmbiguous) as caught:
        apply_edit(b"a b\nc\nb\n", "b", "N")
    assert caught.value.facts == {"matches": ["1", "3"]}
    assert caught.value.message == (
        "Found multiple matches for oldString. Provide more surrounding context to make the match unique."
    )


def test_an_exact_match_is_not_ambiguous_for_fuzzy_ones() -> None:
    """EDIT-3: the first replacer that finds anything finds one text."""
    assert apply_edit(b"a\nb\n  a\n  b\n", "a\nb", "N").contents == b"N\n  a\n  b\n"


def test_the_best_block_counts_as_the_only_one() -> None:
    """EDIT-3: BlockAnchor chooses among several."""
    data = b"s\nabcdef\ne\ns\nabcdeX\ne\n"
    assert apply_edit(data, "s\nabcdeZ\ne", "N").contents == b"N\ns\nabcdeX\ne\n"


def test_a_trimmed_text_and_its_line_are_one_place() -> None:
    """EDIT-3: only places that differ are ambiguous."""
    assert apply_edit(b"x\n  foo(1)  \ny\n", "  foo(1)\t", "N").contents == b"x\nN\ny\n"


@pytest.mark.parametrize(
    ("data", "old", "new", "error"),
    [
        pytest.param(b"a", "a", "a", NoChange, id="equal"),
        pytest.param(b"a", "", "b", OldStringEmpty, id="empty"),
        pytest.param(b"", "x", "b", EditNotFound, id="not found in an empty file"),
        pytest.param(b"a a", "a", "b", EditAmbiguous, id="twice"),
        pytest.param(b"a\nb\nc\nd", "a\\nb\\nc\\nd", "N", EditTooLarge, id="out of proportion"),
        pytest.param(b"caf\xe9\n", "caf", "日", EncodingUnsupported, id="not in the encoding"),
    ],
)
def test_an_edit_is_refused(data: bytes, old: str, new: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        apply_edit(data, old, new)


@pytest.mark.parametrize(
    ("existing", "content", "result"),
    [
        pytest.param(None, "a\r\nb\n", b"a\r\nb\n", id="a new file as it is"),
        pytest.param(None, "\ufeffa", b"\xef\xbb\xbfa", id="a new file with its mark"),
        pytest.param(b"x\r\ny\r\n", "a\nb\n", b"a\r\nb\r\n", id="CRLF stays"),
        pytest.param(b"x\ny\n", "a\r\nb\n", b"a\nb\n", id="LF stays"),
        pytest.param(b"x\r\ny\r\nz\n", "a\nb", b"a\r\nb", id="the prevailing style"),
        pytest.param(b"x", "a\r\nb\n", b"a\r\nb\n", id="no style to keep"),
        pytest.param(b"", "a\n", b"a\n", id="an empty file"),
        pytest.param(b"\xef\xbb\xbfx", "a", b"\xef\xbb\xbfa", id="a mark stays"),
        pytest.param(b"\xef\xbb\xbfx", "\ufeffa", b"\xef\xbb\xbfa", id="a mark is not doubled"),
        pytest.param(b"x", "\ufeffa", b"\xef\xbb\xbfa", id="a mark is added"),
        pytest.param(b"\xff\xfex\x00", "é", b"\xff\xfe\xe9\x00", id="UTF-16 stays"),
        pytest.param("配置文件测试".encode("gbk"), "新的", "新的".encode("gbk"), id="GBK stays"),
        pytest.param("配置文件测试".encode("gbk"), "\ufeff新的", "新的".encode("gbk"), id="GBK takes no mark"),
    ],
)
def test_a_whole_file_keeps_mark_encoding_and_newlines(existing: bytes | None, content: str, result: bytes) -> None:
    """WRITE-1."""
    assert new_contents(content, existing=existing) == result


def test_a_whole_file_that_the_encoding_cannot_hold_is_refused() -> None:
    with pytest.raises(EncodingUnsupported):
        new_contents("日本", existing=b"caf\xe9\n")


@pytest.mark.parametrize(
    ("text", "style", "prevailing"),
    [("", "\n", None), ("a\rb", "\n", None), ("a\nb", "\n", "\n"), ("a\r\nb", "\r\n", "\r\n"),
     ("a\r\nb\nc", "\r\n", "\n"), ("a\r\nb\r\nc\n", "\r\n", "\r\n"), ("a\nb\nc\r\n", "\r\n", "\n")],
)  # fmt: skip
def test_newline_styles(text: str, style: str, prevailing: str | None) -> None:
    assert (style_of(text), prevailing_style(text)) == (style, prevailing)


def test_newlines_are_converted_but_a_lone_cr_is_not() -> None:
    assert to_lf("a\r\nb\rc\n") == "a\nb\rc\n"
    assert to_style("a\r\nb\rc\n", "\r\n") == "a\r\nb\rc\r\n"
