"""Paging, limits and numbering of `read`, character by character."""

import pytest

from remote_code.errors import OffsetOutOfRange
from remote_code.text.page import EntryPage, Page, page_entries, page_text, render_directory, render_file

MAX_BYTES = 51_200


def paged(text: str, offset: int = 1, limit: int = 2000) -> Page:
    return page_text(text, offset=offset, limit=limit, max_bytes=MAX_BYTES)


def test_a_whole_file() -> None:
    """READ-1: OpenCode's layout."""
    page = paged("one\ntwo\n")
    assert page == Page(("one", "two"), 1, 2, 2, None)
    assert render_file("/w/a", page) == (
        "<path>/w/a</path>\n<type>file</type>\n<content>\n1: one\n2: two\n\n(End of file - total 2 lines)\n</content>"
    )


def test_an_empty_file() -> None:
    assert render_file("/w/a", paged("")) == (
        "<path>/w/a</path>\n<type>file</type>\n<content>\n\n\n(End of file - total 0 lines)\n</content>"
    )


def test_a_note_stands_below_the_footer() -> None:
    """READ-2."""
    assert render_file("/w/a", paged("x"), "(The file is …)").endswith(
        "1: x\n\n(End of file - total 1 lines)\n(The file is …)\n</content>"
    )


def test_a_limit_tells_where_to_go_on() -> None:
    page = paged("a\nb\nc\nd\n", offset=2, limit=2)
    assert page == Page(("b", "c"), 2, 3, 4, "limit")
    assert "2: b\n3: c\n\n(Showing lines 2-3 of 4. Use offset=4 to continue.)" in render_file("/w/a", page)


def test_a_limit_at_the_end_of_the_file_cuts_nothing() -> None:
    assert paged("a\nb\n", limit=2).cut is None


def test_a_limit_of_zero_shows_nothing() -> None:
    assert paged("a\nb\n", limit=0) == Page((), 1, 0, 2, "limit")


def test_offset_zero_is_one() -> None:
    assert paged("a\n", offset=0).first == 1


@pytest.mark.parametrize("text", ["a\nb", "a\nb\n", "a\r\nb\r\n", "a\rb\r", "a\rb\n"])
def test_lines_end_at_lf_crlf_or_a_lone_cr(text: str) -> None:
    assert paged(text).lines == ("a", "b")


def test_other_separators_do_not_end_a_line() -> None:
    assert paged("a\u2028b\x0bc\x85d").total == 1


def test_the_byte_cap_counts_utf8_and_joins() -> None:
    """A join costs one byte: 51200 bytes are 10240 lines of four bytes, less the first line's missing join."""
    lines = ["abcd"] * 20_000
    page = page_text("\n".join(lines), offset=1, limit=20_000, max_bytes=MAX_BYTES)
    assert (page.last, page.cut) == (10_240, "bytes")
    assert render_file("/w/a", page).endswith(
        "(Output capped at 50 KB. Showing lines 1-10240. Use offset=10241 to continue.)\n</content>"
    )
    assert page_text("é" * 10 + "\nb", offset=1, limit=9, max_bytes=21).cut == "bytes"
    assert page_text("é" * 10 + "\nb", offset=1, limit=9, max_bytes=22).cut is None


def test_a_long_line_is_cut_at_2000_code_units() -> None:
    suffix = "... (line truncated to 2000 chars)"
    assert paged("x" * 2000).lines == ("x" * 2000,)
    assert paged("x" * 2001).lines == ("x" * 2000 + suffix,)
    assert paged("😀" * 1000).lines == ("😀" * 1000,)
    assert paged("😀" * 1001).lines == ("😀" * 1000 + suffix,)
    assert paged("x" + "😀" * 1001).lines == ("x" + "😀" * 999 + suffix,)


@pytest.mark.parametrize(("text", "offset", "lines"), [("a\nb\n", 3, 2), ("", 2, 0)])
def test_an_offset_beyond_the_end_is_refused(text: str, offset: int, lines: int) -> None:
    with pytest.raises(OffsetOutOfRange) as caught:
        paged(text, offset=offset)
    assert caught.value.message == f"Offset {offset} is out of range for this file ({lines} lines)"
    assert caught.value.facts == {"offset": offset, "lines": lines}


def test_a_part_of_a_large_file_is_numbered_as_in_the_file() -> None:
    """READ-3: the total is left out where nobody counted."""
    page = page_text("x\ny\nz\n", offset=1_000, limit=2, max_bytes=MAX_BYTES, first_line=1_000, is_partial=True)
    assert page == Page(("x", "y"), 1_000, 1_001, None, "limit")
    assert "(Showing lines 1000-1001. Use offset=1002 to continue.)" in render_file("/w/a", page)


def test_a_part_with_a_known_total() -> None:
    page = page_text("x\ny\n", offset=9, limit=2, max_bytes=MAX_BYTES, first_line=9, total=10)
    assert page == Page(("x", "y"), 9, 10, 10, None)


def test_a_line_far_into_a_large_file_is_found() -> None:
    text = "".join(f"{number}\n" for number in range(1, 200_001))
    assert paged(text, offset=150_000, limit=2).lines == ("150000", "150001")


def test_a_directory() -> None:
    assert render_directory("/w", page_entries(["a.txt", "sub/"], offset=1, limit=2000)) == (
        "<path>/w</path>\n<type>directory</type>\n<entries>\na.txt\nsub/\n\n(2 entries)\n</entries>"
    )


def test_a_cut_directory_tells_opencodes_entry() -> None:
    page = page_entries(["a", "b", "c"], offset=1, limit=2)
    assert page == EntryPage(("a", "b"), 1, 3, True)
    assert render_directory("/w", page) == (
        "<path>/w</path>\n<type>directory</type>\n<entries>\na\nb\n\n"
        "(Showing 2 of 3 entries. Use 'offset' parameter to read beyond entry 3)\n</entries>"
    )


def test_an_offset_beyond_a_directory_shows_none() -> None:
    assert render_directory("/w", page_entries(["a"], offset=5, limit=2)) == (
        "<path>/w</path>\n<type>directory</type>\n<entries>\n\n\n(1 entries)\n</entries>"
    )
