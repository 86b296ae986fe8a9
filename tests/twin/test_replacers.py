"""Each replacer, threshold by threshold, worked out by hand; both kernels."""

import pytest

from remote_code.errors import EditAmbiguous, EditNotFound, EditTooLarge, NoChange, OldStringEmpty
from tests.twin.conftest import Kernel


def found_by(kernel: Kernel, replacer: str, content: str, find: str) -> list[str]:
    return [text for name, text in kernel.candidates(content, find) if name == replacer]


def row(name: str, content: str, find: str, *texts: str) -> object:
    return pytest.param(content, find, list(texts), id=name)


@pytest.mark.parametrize(
    ("content", "find", "texts"),
    [
        row("first place only", "a b a", "a", "a"),
        row("not there", "abc", "x"),
        row("over lines", "a\nb\nc", "a\nb", "a\nb"),
    ],
)
def test_simple_yields_the_text_itself(kernel: Kernel, content: str, find: str, texts: list[str]) -> None:
    assert found_by(kernel, "Simple", content, find) == texts


@pytest.mark.parametrize(
    ("content", "find", "texts"),
    [
        row("indentation and trailing blanks", "  a\n  b \nc", "a\nb", "  a\n  b "),
        row("a final newline matches without being taken", "  a\n  b\nc\n", "a\nb\n", "  a\n  b"),
        row("only one empty line is dropped", "a\n\nb", "a\n\n", "a\n"),
        row("the carriage return of the last line is taken", "  a\r\n  b\r\nc\r\n", "a\r\nb\r\n", "  a\r\n  b\r"),
        row("the byte order mark is white space", "\ufeffa\nb", "a", "\ufeffa"),
        row("U+0085 and U+001C are not", "\x85a\n\x1cb", "a"),
        row("no-break and ideographic space are", "\u00a0a\u3000", "a", "\u00a0a\u3000"),
        row("each differing text once", " a\na\n a\n", "a", " a", "a"),
        row("at the end of the file", "x\n a", "a", " a"),
        row("longer than the file", "a", "a\nb"),
        row("overlapping runs", "a\n a\na", "a\na", "a\n a", " a\na"),
    ],
)
def test_line_trimmed(kernel: Kernel, content: str, find: str, texts: list[str]) -> None:
    assert found_by(kernel, "LineTrimmed", content, find) == texts


# A distance of 7 in 20 characters is a similarity of 0.65 exactly; 8 in 20 is 0.6.
TWENTY = "abcdefghijklmnopqrst"
SEVEN_OFF = "XXXXXXXhijklmnopqrst"
EIGHT_OFF = "XXXXXXXXijklmnopqrst"


@pytest.mark.parametrize(
    ("content", "find", "texts"),
    [
        row("one block at 0.65", f"s\n{SEVEN_OFF}\ne", f"s\n{TWENTY}\ne", f"s\n{SEVEN_OFF}\ne"),
        row("one block below 0.65", f"s\n{EIGHT_OFF}\ne", f"s\n{TWENTY}\ne"),
        row(
            "best of two at 0.65",
            f"s\n{SEVEN_OFF}\ne\ns\n{EIGHT_OFF}\ne",
            f"s\n{TWENTY}\ne",
            f"s\n{SEVEN_OFF}\ne",
        ),
        row("two blocks below 0.65", f"s\n{EIGHT_OFF}\ne\ns\n{EIGHT_OFF}\ne", f"s\n{TWENTY}\ne"),
        row("the earliest of equals", "s\nab\n e\ns\nab\ne", "s\nabc\ne", "s\nab\n e"),
        row("the strictly greatest", "s\nabX\ne\ns\nabcX\ne", "s\nabcd\ne", "s\nabcX\ne"),
        row("two lines are too few", "s\nx\ne", "s\ne"),
        row("two lines and a newline take any line between", "s\nanything\ne", "s\ne\n", "s\nanything\ne"),
        row("an end in the next line is none", "s\ne\n e", "s\ne\ne", "s\ne\n e"),
        row("only the nearest end counts", "s\na\ne\nb\ne", "s\na\nX\nb\ne"),
        row("tolerance 1 for three lines, longer", "s\na\nb\ne", "s\na\ne", "s\na\nb\ne"),
        row("tolerance 1 for three lines, two longer", "s\na\nb\nc\ne", "s\na\ne"),
        row("tolerance 1 for seven lines", "s\na\nb\nc\nd\nf\ng\nh\ne", "s\na\nb\nc\nd\nf\ne"),
        row(
            "tolerance 2 for eight lines",
            "s\na\nb\nc\nd\nf\ng\nh\ni\ne",
            "s\na\nb\nc\nd\nf\ng\ne",
            "s\na\nb\nc\nd\nf\ng\nh\ni\ne",
        ),
        row("a shorter block", "s\na\ne", "s\na\nb\ne", "s\na\ne"),
        row("blank pairs add nothing: 2 of 4 is 0.5", "s\na\n\n\nb\ne", "s\na\n \n \nb\ne."[:-1]),
        row("blank pairs add nothing: 2 of 3 is 0.67", "s\na\n\nb\ne", "s\na\n \nb\n e", "s\na\n\nb\ne"),
        row("a blank against a text is 0", "s\na\nb\n\ne", "s\na\nb\nc\ne", "s\na\nb\n\ne"),
        row("one of two lines is 0.5", "s\na\n\ne", "s\na\nc\ne"),
        row("enough before the end of one block", "s\na\nb\nc\nzzz\ne", "s\na\nb\nc\nd\n e", "s\na\nb\nc\nzzz\ne"),
        row("an astral character is two units: 1 - 2/5", "s\nabc😀\ne", "s\nabc\ne"),
        row("an astral character is two units: 1 - 2/6", "s\nabcd😀\ne", "s\nabcd\ne", "s\nabcd😀\ne"),
        row("half an astral character in common", "s\nab😀\ne", "s\nab😁\ne", "s\nab😀\ne"),
    ],
)
def test_block_anchor(kernel: Kernel, content: str, find: str, texts: list[str]) -> None:
    assert found_by(kernel, "BlockAnchor", content, find) == texts


@pytest.mark.parametrize(
    ("content", "find", "texts"),
    [
        row("a whole line", "  a\t b  \nc", "a b", "  a\t b  "),
        row("part of a line", "x = a   b + c", "a b", "a   b"),
        row("the first part of a line only", "a  b a b", "a b", "a  b"),
        row("words may be parts of words", "xa  by", "a b", "a  b"),
        row("special characters mean themselves", "f(x)  *  [y]", "f(x) * [y]", "f(x)  *  [y]"),
        row("a line for a text of two lines", "a  b\nc", "a\nb", "a  b"),
        row("a block", "a \n  b\nc", "a\n b", "a \n  b"),
        row("a block with blank lines", "a\n\nb\nc", "a\nb\n", "a\n\nb"),
        row("a block needs as many lines", "a\n\n\nb", "a\nb"),
        row("white space only is like blank lines", "a\n \nb", "\t", " "),
        row("the byte order mark separates words", "a\ufeffb", "a b", "a\ufeffb"),
        row("U+0085 does not", "a\x85b", "a b"),
    ],
)
def test_white_space_normalized(kernel: Kernel, content: str, find: str, texts: list[str]) -> None:
    assert found_by(kernel, "WhitespaceNormalized", content, find) == texts


@pytest.mark.parametrize(
    ("content", "find", "texts"),
    [
        row("shifted", "    a\n      b\n", "a\n  b", "    a\n      b"),
        row("the shape must be the same", "    a\n     b\n", "a\n  b"),
        row("trailing blanks count", "  a \n", "a"),
        row("blank lines stay as they are", "  a\n\n  b", "a\n\nb", "  a\n\n  b"),
        row("a blank line of other width", "  a\n \n  b", "a\n\nb"),
        row("a final newline wants an empty line", "  a\nb", "a\n"),
        row("a final newline at the end of the file", "  a\n", "a\n", "  a\n"),
        row("tabs and spaces are not the same", "\t\ta\n\tb", " a\nb"),
        row("the least indented line decides", "   a\n  b", " a\nb", "   a\n  b"),
        row("all blank is unchanged", "a\n \nb", "  "),
    ],
)
def test_indentation_flexible(kernel: Kernel, content: str, find: str, texts: list[str]) -> None:
    assert found_by(kernel, "IndentationFlexible", content, find) == texts


@pytest.mark.parametrize(
    ("content", "find", "texts"),
    [
        row("newline", "a\nb", "a\\nb", "a\nb"),
        row("tab, return, quotes, backslash, dollar", "\t\r'\"`\\$", "\\t\\r\\'\\\"\\`\\\\\\$", "\t\r'\"`\\$"),
        row("backslash and newline", "a\nb", "a\\\nb", "a\nb"),
        row("others stay", "a\\xb", "a\\xb", "a\\xb"),
        row("the file's escapes too", "say \\'hi\\'", "say 'hi'", "say \\'hi\\'"),
        row("whole lines of the file only", "x say \\'hi\\'", "say 'hi'"),
        row("a line that ends with a backslash", "a\\\nb\nc", "a\nb", "a\\\nb"),
        row("a backslash left over at the end", "a\\", "a\\\\", "a\\"),
    ],
)
def test_escape_normalized(kernel: Kernel, content: str, find: str, texts: list[str]) -> None:
    assert found_by(kernel, "EscapeNormalized", content, find) == texts


@pytest.mark.parametrize(
    ("content", "find", "texts"),
    [
        row("trimmed", "x = foo(bar);", "\n  foo(bar) \n", "foo(bar)"),
        row("nothing to trim", "foo", "foo"),
        row("then the lines around it", "a\n  foo \nb", " foo", "foo", "  foo "),
        row("as many lines as the text has", "\nfoo\n\n", "foo\n", "foo", "\nfoo", "foo\n"),
        row("white space only", "a\n \nb", "  ", " "),
    ],
)
def test_trimmed_boundary(kernel: Kernel, content: str, find: str, texts: list[str]) -> None:
    assert found_by(kernel, "TrimmedBoundary", content, find) == texts


@pytest.mark.parametrize(
    ("content", "find", "texts"),
    [
        row("half of the lines is enough", "s\na\nX\ne", "s\na\nb\ne", "s\na\nX\ne"),
        row("less than half is not", "s\na\nX\nY\ne", "s\na\nb\nc\ne"),
        row("no line between counts when all are blank", "s\n\n \ne", "s\n \n\ne", "s\n\n \ne"),
        row("a blank against a text counts as different", "s\n\na\ne", "s\nb\na\ne", "s\n\na\ne"),
        row("the number of lines must be the same", "s\na\nb\ne", "s\na\ne"),
        row("every block", "s\na\ne\n s\na\ne", "s\na\ne", "s\na\ne", " s\na\ne"),
        row("two lines are too few", "s\ne", "s\ne"),
        row("two lines and a newline: never two lines on", "s\ne\n", "s\ne\n"),
    ],
)
def test_context_aware(kernel: Kernel, content: str, find: str, texts: list[str]) -> None:
    assert found_by(kernel, "ContextAware", content, find) == texts


def test_multi_occurrence_repeats_what_simple_found(kernel: Kernel) -> None:
    assert found_by(kernel, "MultiOccurrence", "aXa", "a") == ["a"]
    assert found_by(kernel, "MultiOccurrence", "aXa", "b") == []


def test_replacers_come_in_opencodes_order(kernel: Kernel) -> None:
    names = [name for name, _ in kernel.candidates(" s\na\ne", "s\na\ne\n"[:-1])]
    assert names == [
        "Simple", "LineTrimmed", "BlockAnchor", "WhitespaceNormalized", "EscapeNormalized", "ContextAware",
        "MultiOccurrence",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "old", "new", "replace_all", "result"),
    [
        pytest.param("a b c", "b", "X", False, "a X c", id="exact"),
        pytest.param("a b a", "a", "X", True, "X b X", id="every exact occurrence"),
        pytest.param("a", "a", "$&$$$`$'", True, "$&$$$`$'", id="dollars mean themselves"),
        pytest.param("  a\n  b\nc\n", "a\nb\n", "X\nY\n", False, "X\nY\n\nc\n", id="OpenCode's extra newline"),
        pytest.param("  a\r\n  b\r\nc\r\n", "a\r\nb\r\n", "X\r\nY", False, "X\r\nY\nc\r\n", id="OpenCode's lost CR"),
        pytest.param(" a\n b\n\ta\n\tb", "a\nb", "X", False, "X\n\ta\n\tb", id="the first of differing places"),
        pytest.param("a-a\n a\n", "a", "X", False, "a-a\nX\n", id="on to a text that is there once"),
        pytest.param(" a\n\ta\n a", "a ", "X", True, "X\n\ta\nX", id="all of the first candidate only"),
    ],
)
def test_replace(kernel: Kernel, content: str, old: str, new: str, replace_all: bool, result: str) -> None:
    """EDIT-1: the result is OpenCode's."""
    assert kernel.replace(content, old, new, replace_all) == result


@pytest.mark.parametrize(
    ("content", "old", "new", "error"),
    [
        pytest.param("a", "a", "a", NoChange, id="nothing to change"),
        pytest.param("a", "", "b", OldStringEmpty, id="empty"),
        pytest.param("a", "x", "b", EditNotFound, id="not there"),
        pytest.param("a\na", "a", "b", EditAmbiguous, id="there twice"),
        pytest.param("aaa", "aa", "b", EditAmbiguous, id="there twice, overlapping"),
        pytest.param("abc\n", "  ", "-", EditNotFound, id="an empty candidate is none"),
    ],
)
def test_replace_refuses(kernel: Kernel, content: str, old: str, new: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        kernel.replace(content, old, new)


def test_an_empty_candidate_is_dropped_when_all_are_replaced(kernel: Kernel) -> None:
    """EDIT-3: OpenCode makes "-a-b-c-\\n-" of this."""
    with pytest.raises(EditNotFound):
        kernel.replace("abc\n", "  ", "-", replace_all=True)


# Two lines to find may match at most four lines; three lines at most five; twelve at most 23.
@pytest.mark.parametrize(
    ("n_spaces", "is_refused"),
    [pytest.param(497, False, id="500 more"), pytest.param(498, True, id="501 more")],
)
def test_a_match_much_longer_than_the_text_is_refused(kernel: Kernel, n_spaces: int, is_refused: bool) -> None:
    """The trimmed match may have 500 units more than the trimmed text, or four times as many."""
    # "a\nb" has 3 units. The match is "a", a newline, the spaces, "b".
    content = "a\n" + " " * n_spaces + "\u3000" * 3 + "b"
    if is_refused:
        with pytest.raises(EditTooLarge):
            kernel.replace(content, "a\nb", "N")
    else:
        assert kernel.replace(content, "a\nb", "N") == "N"


def test_four_times_the_units_are_allowed(kernel: Kernel) -> None:
    line = "x" * 200
    content = f"{line}\n{' ' * 1203}{line}"
    assert kernel.replace(content, f"{line}\n{line}", "N") == "N"
    with pytest.raises(EditTooLarge):
        kernel.replace(f"{line}\n{' ' * 1204}{line}", f"{line}\n{line}", "N")


def test_white_space_around_the_match_does_not_count(kernel: Kernel) -> None:
    assert kernel.replace(" " * 2000 + "a\nb" + " " * 2000, "a \nb", "N") == "N"


def test_one_line_may_match_any_length(kernel: Kernel) -> None:
    assert kernel.replace("a" + " " * 5000 + "b", "a b", "N") == "N"


def test_a_match_of_too_many_lines_is_refused(kernel: Kernel) -> None:
    """A text of one line may become three lines of the file, not four."""
    assert kernel.replace("a\nb\nc", "a\\nb\\nc", "N") == "N"
    with pytest.raises(EditTooLarge):
        kernel.replace("a\nb\nc\nd", "a\\nb\\nc\\nd", "N")


def test_the_size_guard_ends_the_search_at_once(kernel: Kernel) -> None:
    """A later candidate that would be fine is not tried."""
    content = "a\n" + " " * 600 + "b\na\n b"
    with pytest.raises(EditTooLarge):
        kernel.replace(content, "a\nb", "N")


def test_astral_characters_count_twice_in_the_size_guard(kernel: Kernel) -> None:
    # Trimmed: 2 * 100 + 1 + 1 units, so at most 808: 100 emoji, a newline, 606 spaces, "b" are 808.
    find = "😀" * 100 + "\nb"
    assert kernel.replace("😀" * 100 + "\n" + " " * 606 + "b", find, "N") == "N"
    with pytest.raises(EditTooLarge):
        kernel.replace("😀" * 100 + "\n" + " " * 607 + "b", find, "N")


@pytest.mark.parametrize(
    ("ours", "theirs", "distance"),
    [
        ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("😀", "😁", 1),
        ("😀", "a", 2), ("😀", "", 2), ("\ud83d", "😀", 1), ("a" * 64, "a" * 65, 1), ("a" * 200, "b" * 200, 200),
        ("ab" * 100, "ba" * 100, 2), ("x" + "a" * 128, "a" * 128 + "x", 2),
    ],
)  # fmt: skip
def test_levenshtein_in_code_units(kernel: Kernel, ours: str, theirs: str, distance: int) -> None:
    assert kernel.levenshtein(ours, theirs) == distance
    assert kernel.levenshtein(theirs, ours) == distance
