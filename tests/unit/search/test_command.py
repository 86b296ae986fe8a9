"""What a search sends, and how its answer begins."""

import pytest

from remote_code.paths import RemotePath
from remote_code.remote.state import Kind
from remote_code.search.command import command, has_ripgrep, read_answer
from remote_code.search.grep import Hit, read_hits


@pytest.mark.parametrize(
    ("version", "serves"),
    [(None, False), ((11, 0, 2), False), ((12, 1, 1), False), ((13, 0, 0), True), ((15, 1, 0), True)],
)
def test_ripgrep_before_13_counts_as_none(version: tuple[int, ...] | None, serves: bool) -> None:
    """GLOB-1, GREP-1: it lacks options that are used here."""
    assert has_ripgrep(version) is serves


def test_text_of_a_search_quotes_what_it_is_given() -> None:
    """PATH-1: a place and roots that look like shell text."""
    place, root = RemotePath("/a/$(touch x)"), RemotePath("/it's")
    text = command("posix", "true", place=place, roots=[root]).text
    assert text.endswith("\nenter '/a/$(touch x)' '/it'\\''s'\ntrue")


def test_answer_is_read_in_its_parts() -> None:
    answer = read_answer(b"d/srv/app\0./a\x001:foo\n", b"rg: warning\nsearch-status rg 2\n")
    assert (answer.kind, answer.real_path, answer.program_status) == (Kind.DIRECTORY, "/srv/app", 2)
    assert (answer.body, answer.complaint) == (b"./a\x001:foo\n", "rg: warning")


@pytest.mark.parametrize("stdout", [b"", b"no beginning", b"\0x"])
def test_answer_without_its_beginning_is_an_error(stdout: bytes) -> None:
    with pytest.raises(ValueError, match="beginning"):
        read_answer(stdout, b"")


def test_hit_that_was_cut_is_left_out() -> None:
    """GREP-1: a bound on the output may fall anywhere."""
    whole = b"d/a\0./x\x001:one\n./new\nline\x0022:tw:o\n"
    for cut in range(len(whole) - len(b"./new\nline\x0022:tw:o\n"), len(whole)):
        assert read_hits(read_answer(whole[:cut], b"")).hits == [Hit("x", 1, "one")]
    assert read_hits(read_answer(whole, b"")).hits == [Hit("x", 1, "one"), Hit("new\nline", 22, "tw:o")]
