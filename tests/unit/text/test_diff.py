"""Previews as OpenCode makes them, counts, and speed in steps that do not grow with what was rewritten."""

import random

import pytest

from remote_code.text.diff import count_changes, short, unified
from remote_code.text.linediff import Match, matching_runs


def numbered(first: int, last: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, last + 1))


def test_a_preview_is_what_jsdiff_and_trim_make() -> None:
    old = "def f():\n    a\n    b\n    c\n"
    new = "def f():\n    a\n    B\n    c\n"
    assert unified("/w/f.py", old, new) == (
        "Index: /w/f.py\n"
        "===================================================================\n"
        "--- /w/f.py\n"
        "+++ /w/f.py\n"
        "@@ -1,4 +1,4 @@\n"
        " def f():\n"
        "     a\n"
        "-    b\n"
        "+    B\n"
        "     c\n"
    )


def test_common_indentation_is_cut_but_not_from_headers() -> None:
    old = "".join(f"    {number}\n" for number in range(10))
    new = old.replace("    7\n", "      seven\n")
    assert unified("f", old, new) == (
        "Index: f\n" + "=" * 67 + "\n--- f\n+++ f\n@@ -4,7 +4,7 @@\n 3\n 4\n 5\n 6\n-7\n+  seven\n 8\n 9\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "hunks"),
    [
        pytest.param("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n", id="a new file"),
        pytest.param("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n", id="an emptied file"),
        pytest.param("a", "a\n", "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n", id="a final newline added"),
        pytest.param(
            "a\nb",
            "a\nc",
            "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n",
            id="no final newline on either side",
        ),
        pytest.param(
            "a\nb", "x\nb", "@@ -1,2 +1,2 @@\n-a\n+x\n b\n\\ No newline at end of file\n", id="nor in context"
        ),
        pytest.param("a\n", "a\n", "", id="equal"),
        pytest.param("a\r\nb\r\n", "a\r\nc\r\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n", id="CR belongs to the line"),
    ],
)
def test_hunks(old: str, new: str, hunks: str) -> None:
    assert unified("f", old, new) == "Index: f\n" + "=" * 67 + "\n--- f\n+++ f\n" + hunks


@pytest.mark.parametrize(("gap", "n_hunks"), [(8, 1), (9, 2)])
def test_changes_share_a_hunk_up_to_eight_lines_apart(gap: int, n_hunks: int) -> None:
    old = "x\n" + numbered(1, gap) + "y\n"
    assert unified("f", old, old.replace("x", "X").replace("y", "Y")).count("@@ -") == n_hunks


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("", "", (0, 0)), ("a\n", "a\n", (0, 0)), ("", "a\nb", (2, 0)), ("a\nb\n", "", (0, 2)), ("a\n", "b\n", (1, 1)),
        ("a", "a\n", (1, 1)), ("a\nb\nc\n", "a\nc\nd\n", (1, 1)), ("a\r\n", "a\n", (1, 1)),
    ],
)  # fmt: skip
def test_additions_and_deletions(old: str, new: str, counts: tuple[int, int]) -> None:
    assert count_changes(old, new) == counts


def test_a_short_difference_is_bounded() -> None:
    old, new = numbered(1, 100), numbered(1, 100).replace("line", "row")
    lines = short(old, new, max_lines=5, max_line_length=10).split("\n")
    assert lines == ["@@ -1,100 …", "-line 1", "-line 2", "-line 3", "-line 4", "… 196 more lines of difference"]
    assert short("a\nb\nc\n", "a\nB\nc\n") == "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c"
    assert short("a\n", "a\n") == ""


def applied(old: list[str], new: list[str], runs: list[Match]) -> list[str]:
    """Rebuild the new lines from the runs that stay, checking that these are equal and ascend."""
    old_end = new_end = 0
    result: list[str] = []
    for run in runs:
        assert run.old_start >= old_end
        assert run.new_start >= new_end
        result += new[new_end : run.new_start] + old[run.old_start : run.old_start + run.size]
        old_end, new_end = run.old_start + run.size, run.new_start + run.size
    return result + new[new_end:]


@pytest.mark.parametrize("seed", range(20))
def test_the_runs_that_stay_rebuild_the_new_text(seed: int) -> None:
    source = random.Random(seed)
    vocabulary = [f"line {number}" for number in range(source.choice([2, 20, 400, 5000]))]
    old = source.choices(vocabulary, k=source.choice([10, 700, 3000]))
    new = [line for line in old if source.random() > 0.4]
    for _ in range(source.choice([3, 600, 2000])):
        new.insert(source.randrange(len(new) + 1), source.choice(vocabulary))
    assert applied(old, new, matching_runs(old, new)) == new


def test_a_rewritten_file_keeps_what_is_unique_in_both() -> None:
    old = [f"old {number}" if number % 10 else f"kept {number}" for number in range(10_000)]
    new = [f"new {number}" if number % 10 else f"kept {number}" for number in range(10_000)]
    assert matching_runs(old, new) == [Match(number, number, 1) for number in range(0, 10_000, 10)]
