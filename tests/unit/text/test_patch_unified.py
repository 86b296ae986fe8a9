"""Unified diffs, plain and git's."""

import pytest

from remote_code.errors import PatchRejected
from remote_code.text.diff import unified
from remote_code.text.patch import PatchedFile, apply, format_of, parse

GIT = """\
diff --git a/b.txt b/b.txt
index 5626abf..f719efd 100644
--- a/b.txt
+++ b/b.txt
@@ -1,2 +1,2 @@
 one
-two
+TWO
diff --git a/new.txt b/new.txt
new file mode 100755
index 0000000..ce01362
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+hello
diff --git a/old.txt b/renamed.txt
similarity index 66%
rename from old.txt
rename to renamed.txt
index 1..2 100644
--- a/old.txt
+++ b/renamed.txt
@@ -1,2 +1,2 @@
 x
-y
+z
diff --git a/same.txt b/moved.txt
similarity index 100%
rename from same.txt
rename to moved.txt
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
index ce01362..0000000
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-bye
diff --git a/script b/script
old mode 100644
new mode 100755
"""


def test_a_git_diff_with_all_extras() -> None:
    """PATCH-1."""
    parsed = parse(GIT)
    assert parsed.format == "unified"
    contents: dict[str, bytes | None] = {
        "b.txt": b"one\ntwo\n", "old.txt": b"x\ny\n", "same.txt": b"s", "gone.txt": b"bye\n", "script": b"#!",
    }  # fmt: skip
    assert apply(parsed, contents) == [
        PatchedFile("update", "b.txt", None, b"one\ntwo\n", b"one\nTWO\n"),
        PatchedFile("add", "new.txt", None, None, b"hello\n"),
        PatchedFile("update", "old.txt", "renamed.txt", b"x\ny\n", b"x\nz\n"),
        PatchedFile("update", "same.txt", "moved.txt", b"s", b"s"),
        PatchedFile("delete", "gone.txt", None, b"bye\n", None),
    ]


def updated(data: bytes, hunks: str) -> bytes | None:
    [file] = apply(parse(f"--- f\n+++ f\n{hunks}"), {"f": data})
    return file.new


@pytest.mark.parametrize(
    ("data", "hunks", "result"),
    [
        pytest.param(b"a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n", b"a\nc\n", id="at its place"),
        pytest.param(b"0\n0\na\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n", b"0\n0\na\nc\n", id="moved down"),
        pytest.param(b"a\nb\n", "@@ -9,2 +9,2 @@\n a\n-b\n+c\n", b"a\nc\n", id="moved up"),
        pytest.param(
            b"x\n1\nx\n2\nx\n", "@@ -4 +4 @@\n-x\n+y\n", b"x\n1\ny\n2\nx\n", id="the nearest, the earlier of two"
        ),
        pytest.param(b"x\n1\nx\n2\nx\n", "@@ -5 +5 @@\n-x\n+y\n", b"x\n1\nx\n2\ny\n", id="the named line"),
        pytest.param(b"a\nb\n", "@@ -1,0 +2 @@\n+x\n", b"a\nx\nb\n", id="an insertion behind a line"),
        pytest.param(b"a\n", "@@ -0,0 +1 @@\n+x\n", b"x\na\n", id="an insertion at the top"),
        pytest.param(
            b"a\nb", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n", b"a\nc\n", id="a newline added"
        ),
        pytest.param(
            b"a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n", b"a\nc", id="a newline taken"
        ),
        pytest.param(
            b"a\nb", "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n", b"c\nb", id="none before or after"
        ),
        pytest.param(b"a\r\nb \r\n", "@@ -1,2 +1,3 @@\n a\n b\n+c\n", b"a\r\nb \r\nc\r\n", id="the file's own bytes"),
        pytest.param(
            b"a\n\nb\n", "@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n", b"a\n\nc\n", id="an empty line that lost its blank"
        ),
        pytest.param(
            b"-- x\n++ y\n", "@@ -1,2 +1,2 @@\n--- x\n-++ y\n+-- z\n+++ z\n", b"-- z\n++ z\n", id="lines like headers"
        ),
    ],
)
def test_hunks_are_applied(data: bytes, hunks: str, result: bytes) -> None:
    """PATCH-1, PATCH-2."""
    assert updated(data, hunks) == result


@pytest.mark.parametrize(
    ("header", "path"),
    [
        pytest.param("--- a/x.py\n+++ b/x.py\n", "x.py", id="prefixes"),
        pytest.param("--- x.py\n+++ x.py\n", "x.py", id="no prefixes"),
        pytest.param("--- a/b/x.py\n+++ a/b/x.py\n", "a/b/x.py", id="a directory called a"),
        pytest.param("--- x.py\t2024-01-01 00:00:00\n+++ x.py\t2024-01-01 00:00:01\n", "x.py", id="times"),
        pytest.param('--- "a/\\303\\251\\t.py"\n+++ "b/\\303\\251\\t.py"\n', "é\t.py", id="quoted"),
        pytest.param("Index: x.py\n=======\n--- x.py\n+++ x.py\n", "x.py", id="Index line"),
        pytest.param("diff --git a/a b.py b/a b.py\n--- a/a b.py\n+++ b/a b.py\n", "a b.py", id="a blank in the name"),
        pytest.param("--- /etc/x\n+++ /etc/x\n", "/etc/x", id="absolute"),
    ],
)
def test_the_path_is_read_from_the_header(header: str, path: str) -> None:
    assert apply(parse(f"{header}@@ -1 +1 @@\n-a\n+b\n"), {path: b"a\n"}) == [
        PatchedFile("update", path, None, b"a\n", b"b\n")
    ]


def test_our_own_preview_can_be_applied() -> None:
    old = "".join(f"{number}\n" for number in range(100))
    new = old.replace("7\n", "seven\n", 3).replace("90\n", "")
    [file] = apply(parse(unified("f", old, new)), {"f": old.encode()})
    assert file.new == new.encode()


def test_a_patch_in_a_fence_or_with_crlf() -> None:
    for text in ("```diff\n--- f\n+++ f\n@@ -1 +1 @@\n-a\n+b\n```", "--- f\r\n+++ f\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n"):
        assert format_of(text.replace("\r", "")) == "unified"
        assert apply(parse(text), {"f": b"a\n"})[0].new == b"b\n"


@pytest.mark.parametrize(
    ("text", "contents", "message", "facts"),
    [
        pytest.param(
            "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n", {"f": b"a\nb\n"},
            "Invalid unified diff: Hunk is shorter than expected (line 6 of the patch)", {"line": 6},
            id="fewer lines than the header says",
        ),
        pytest.param(
            "@@ -1 +1 @@\n-a\n+b\n", {},
            "Invalid unified diff: Unexpected hunk found: @@ -1 +1 @@ (line 1 of the patch)", {"line": 1}, id="no file",
        ),
        pytest.param(
            "--- f\n+++ f\n@@ -1 +1 @@\n-x\n+b\n", {"f": b"a\n"},
            "Failed to find expected lines in f:\nx\n(hunk 1, line 3 of the patch)",
            {"path": "f", "hunk": 1, "line": 3}, id="lines not found",
        ),
        pytest.param(
            "--- f\n+++ f\n@@ -9,0 +9 @@\n+b\n", {"f": b"a\n"},
            "Failed to find expected lines in f:\n\n(hunk 1, line 3 of the patch)",
            {"path": "f", "hunk": 1, "line": 3}, id="an insertion beyond the end",
        ),
        pytest.param(
            "--- /dev/null\n+++ f\n@@ -0,0 +1 @@\n+b\n", {"f": b"a\n"}, 'cannot add "f": it exists already',
            {"path": "f", "line": 2}, id="a new file that exists",
        ),
        pytest.param(
            "--- f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", {"f": b"a\nb\n"},
            'cannot delete "f": it has lines that the patch does not name', {"path": "f", "line": 2},
            id="a deletion that leaves lines",
        ),
        pytest.param(
            "--- f\n+++ f\n@@ -1 +1 @@\n-a\n+b\n", {"f": None}, "Failed to read file to update: f",
            {"path": "f", "line": 2}, id="no file to update",
        ),
        pytest.param(
            "diff --git a/f b/f\nindex 1..2 100644\nBinary files a/f and b/f differ\n", {"f": b""},
            'cannot patch "f": binary differences are not supported', {"path": "f", "line": 1}, id="binary",
        ),
        pytest.param(
            "diff --git a/f b/g\nsimilarity index 100%\ncopy from f\ncopy to g\n", {"f": b""},
            'cannot patch "f": copies are not supported', {"path": "f", "line": 1}, id="copy",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error(
    text: str, contents: dict[str, bytes | None], message: str, facts: dict[str, object]
) -> None:
    with pytest.raises(PatchRejected) as caught:
        apply(parse(text), contents)
    assert (caught.value.message, caught.value.facts) == (message, facts)


def test_nothing_is_returned_when_a_later_file_does_not_fit() -> None:
    """PATCH-1: all or nothing across files."""
    text = "--- f\n+++ f\n@@ -1 +1 @@\n-a\n+b\n--- g\n+++ g\n@@ -1 +1 @@\n-x\n+y\n"
    with pytest.raises(PatchRejected):
        apply(parse(text), {"f": b"a\n", "g": b"a\n"})
