"""The compiled kernels and their twins agree on generated inputs: results, and errors with their texts."""

from collections.abc import Callable

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from tests.twin.conftest import SEED, Kernel

twin_settings = settings(settings.get_profile("twin"))

LINES = [
    "",
    " ",
    "\t",
    "\r",
    "a",
    " a",
    "a ",
    "\ta\r",
    "b",
    "  b",
    "a b",
    "a  b",
    " a\tb ",
    "x = 1",
    "    x = 1",
    "x  =  1",
    "return x",
    "return y",
    "{",
    "}",
    "\\n",
    "a\\",
    "\\\\",
    "\\t\\'",
    "$&",
    "\x00",
    "\x1c",
    "\x85",
    "\u00a0a\u00a0",
    "\ufeffa",
    "\u2028",
    "\u3000b",
    "é",
    "日本",
    "😀",
    "😀 😀",
    "\ud83d",
    "\udc80",
    "alpha beta gamma",
    "alpha beto gamna",
    "alpha delta",
    "some much longer line of text, more than sixty-four characters for the second block of bits",
    "\f\v",
    "some much longer lime of test, more then sixty-four character for the second block of bytes",
]
"""White space of JavaScript and of Python, every newline style, escapes, astral characters, lone surrogates, NUL."""

CHARACTERS = "ab \t\r\n\\n$\x00\x1c\x85\u00a0\ufeffé日😀\ud83d\ude00\udc80"

lines = st.lists(st.sampled_from(LINES), min_size=1, max_size=14)
few_lines = st.lists(st.sampled_from(LINES), min_size=1, max_size=6)
repetitive = st.lists(st.sampled_from(["a", " a", "", "  ", "b"]), min_size=1, max_size=24)


@st.composite
def searches(draw: st.DrawFn) -> tuple[str, str]:
    """A file and a text to find: often a changed part of the file."""
    content = draw(lines | repetitive)
    kind = draw(st.integers(0, 9))
    if kind == 0:
        find = draw(few_lines)
    elif kind == 1:
        return draw(st.text(CHARACTERS, max_size=30)), draw(st.text(CHARACTERS, max_size=8))
    else:
        start = draw(st.integers(0, len(content) - 1))
        find = content[start : start + draw(st.integers(1, 7))]
        find = _changed(find, kind, draw)
    text = "\n".join(find)
    ends = draw(st.sampled_from(["", "", "\n", " ", "\r\n"]))
    return "\n".join(content), draw(st.sampled_from(["", "", " "])) + text + ends


def _changed(find: list[str], kind: int, draw: st.DrawFn) -> list[str]:
    place = draw(st.integers(0, len(find) - 1))
    match kind:
        case 2:
            return [line.strip() for line in find]
        case 3:
            return ["  " + line for line in find]
        case 4:
            return [*find[:place], draw(st.sampled_from(LINES)), *find[place + 1 :]]
        case 5:
            return [*find[:place], draw(st.sampled_from(LINES)), *find[place:]]
        case 6:
            return [line.replace(" ", " \t") for line in find]
        case 7:
            return ["\\n".join(find)]
        case _:
            return find


def outcome(call: Callable[[], object]) -> tuple[str, object]:
    try:
        return "result", call()
    except Exception as exc:  # noqa: BLE001 - whatever it is, both must raise it
        return type(exc).__name__, str(exc)


@seed(SEED)
@twin_settings
@given(search=searches())
def test_the_matchers_agree_on_every_candidate_and_result(search: tuple[str, str], both: tuple[Kernel, Kernel]) -> None:
    """EDIT-1: one behaviour, compiled or not."""
    compiled, twin = both
    content, find = search
    assert list(compiled.places(content, find)) == list(twin.places(content, find))
    assert list(compiled.candidates(content, find)) == list(twin.candidates(content, find))
    for replace_all in (False, True):
        assert outcome(lambda: compiled.replace(content, find, "N$&", replace_all)) == outcome(  # noqa: B023
            lambda: twin.replace(content, find, "N$&", replace_all)  # noqa: B023
        )


@seed(SEED)
@twin_settings
@given(ours=st.text("abc😀é\ud83d", max_size=150), theirs=st.text("abc😀é\ud83d", max_size=150))
def test_the_edit_distances_agree(ours: str, theirs: str, both: tuple[Kernel, Kernel]) -> None:
    compiled, twin = both
    assert compiled.levenshtein(ours, theirs) == twin.levenshtein(ours, theirs)


@seed(SEED)
@twin_settings
@given(
    name=st.sampled_from(["a.txt", "a.ZIP", ".zip", "d.tar/x", "x.", "noext", "a.tar.gz"]),
    head=st.binary(max_size=64)
    | st.lists(st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00", b"ab", b"\x08"])).map(b"".join),
)
def test_the_binary_tests_and_bom_splits_agree(name: str, head: bytes, both: tuple[Kernel, Kernel]) -> None:
    """READ-1: one behaviour, compiled or not."""
    compiled, twin = both
    assert compiled.is_binary(name, head) == twin.is_binary(name, head)
    bom, rest = twin.split_bom(head)
    assert compiled.split_bom(head) == (bom, rest)
    assert compiled.join_bom(bom, rest) == twin.join_bom(bom, rest) == head


@seed(SEED)
@twin_settings
@given(
    old=st.lists(st.integers(0, 4), max_size=30),
    new=st.lists(st.integers(0, 4), max_size=30),
    max_edits=st.integers(0, 60),
)
def test_the_line_diffs_agree(old: list[int], new: list[int], max_edits: int, both: tuple[Kernel, Kernel]) -> None:
    compiled, twin = both
    assert compiled.greedy_edits(old, new, max_edits) == twin.greedy_edits(old, new, max_edits)


def test_wrong_types_are_refused_alike(both: tuple[Kernel, Kernel]) -> None:
    compiled, _ = both
    calls: list[Callable[[], object]] = [
        lambda: compiled.replace(None, "a", "b"),  # type: ignore[arg-type]  # the wrong type is the point
        lambda: compiled.is_binary("a", None),  # type: ignore[arg-type]  # the wrong type is the point
        lambda: compiled.split_bom("a"),  # type: ignore[arg-type]  # the wrong type is the point
    ]
    assert [outcome(call)[0] for call in calls] == ["TypeError"] * 3
