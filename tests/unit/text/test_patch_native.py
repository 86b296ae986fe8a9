"""OpenCode's own patch format."""

import pytest

from remote_code.errors import EncodingUnsupported, PatchRejected
from remote_code.text.patch import PatchedFile, apply, format_of, parse


def patch(body: str) -> str:
    return f"*** Begin Patch\n{body}\n*** End Patch"


def updated(data: bytes, body: str) -> bytes | None:
    """Apply an update of the file "f"."""
    [file] = apply(parse(patch(f"*** Update File: f\n{body}")), {"f": data})
    return file.new


def rejection(text: str, contents: dict[str, bytes | None]) -> PatchRejected:
    with pytest.raises(PatchRejected) as caught:
        apply(parse(text), contents)
    return caught.value


def test_add_update_delete_and_move_in_one_patch() -> None:
    """PATCH-1."""
    text = patch(
        "*** Add File: new/a.txt\n+hello\n+world\n"
        "*** Update File: b.txt\n@@\n one\n-two\n+TWO\n"
        "*** Update File: c.txt\n*** Move to: d.txt\n@@\n-x\n+y\n"
        "*** Delete File: e.txt"
    )
    parsed = parse(text)
    assert parsed.paths == ("new/a.txt", "b.txt", "c.txt", "d.txt", "e.txt")
    assert apply(parsed, {"b.txt": b"one\ntwo\n", "c.txt": b"x\n", "e.txt": b"gone"}) == [
        PatchedFile("add", "new/a.txt", None, None, b"hello\nworld\n"),
        PatchedFile("update", "b.txt", None, b"one\ntwo\n", b"one\nTWO\n"),
        PatchedFile("update", "c.txt", "d.txt", b"x\n", b"y\n"),
        PatchedFile("delete", "e.txt", None, b"gone", None),
    ]


@pytest.mark.parametrize(
    ("data", "body", "result"),
    [
        pytest.param(b"a\nb\nc\n", "@@\n a\n-b\n+B\n c", b"a\nB\nc\n", id="context around"),
        pytest.param(b"a\nb\n", "@@\n-a\n+A\n@@\n-b\n+B", b"A\nB\n", id="two hunks"),
        pytest.param(b"x\nf:\n x\n", "@@ f:\n- x\n+ y", b"x\nf:\n y\n", id="behind a context line"),
        pytest.param(
            b"A\n f\n  x\nB\n f\n  x\n", "@@ B\n@@  f\n-  x\n+  y", b"A\n f\n  x\nB\n f\n  y\n", id="two contexts"
        ),
        pytest.param(b"a\nb\n", "@@\n+c", b"a\nb\nc\n", id="an insertion goes to the end"),
        pytest.param(b"a\nb\n", "@@ a\n+c", b"a\nc\nb\n", id="an insertion behind a context line"),
        pytest.param(b"a\nb", "@@\n+c", b"a\nb\nc\n", id="an insertion behind a line without newline"),
        pytest.param(b"a\n", "@@\n-a", b"", id="every line deleted"),
        pytest.param(b"", "@@\n+a", b"a\n", id="an empty file"),
        pytest.param(b"a\nb", "@@\n-b\n+c", b"a\nc\n", id="a replaced last line ends"),
        pytest.param(b"a\nb", "@@\n-a\n+c\n b", b"c\nb", id="a kept last line stays as it is"),
        pytest.param(b"a\n\nb\n", "@@\n a\n\n-b\n+c", b"a\n\nc\n", id="a bare empty line is context"),
        pytest.param(b"a\nb\n", "@@\n-a\n+c\n\n", b"c\nb\n", id="a bare empty line may mean nothing"),
        pytest.param(b"a\nb\n", "@@\n-b\n-\n+c\n+", b"a\nc\n", id="an empty old line behind the last newline"),
        pytest.param(b"*** x\n", "@@\n-*** x\n+*** y", b"*** y\n", id="stars behind a mark"),
    ],
)
def test_an_update(data: bytes, body: str, result: bytes) -> None:
    assert updated(data, body) == result


@pytest.mark.parametrize(
    ("data", "body", "result"),
    [
        pytest.param(b"a  \nb\n", "@@\n a\n-b\n+c", b"a  \nc\n", id="trailing blanks"),
        pytest.param(b"\ta\nb\n", "@@\n a\n-b\n+c", b"\ta\nc\n", id="indentation"),
        pytest.param(
            "“a” – b…\u00a0c\nd\n".encode(),
            '@@\n "a" - b... c\n-d\n+e',
            "“a” – b…\u00a0c\ne\n".encode(),
            id="typography",
        ),
        pytest.param(b"a\r\nb\r\n", "@@\n a\n-b\n+c\n+d", b"a\r\nc\r\nd\r\n", id="CRLF"),
        pytest.param(b"a\nb\r\nc\n", "@@\n a\n-b\n+x\n c", b"a\nx\r\nc\n", id="the replaced line's newline"),
        pytest.param(b"\xef\xbb\xbfa\n", "@@\n-a\n+b", b"\xef\xbb\xbfb\n", id="byte order mark"),
        pytest.param(
            "配置 文件\n测试\n".encode("gbk"),
            "@@\n 配置 文件\n-测试\n+编码",
            "配置 文件\n编码\n".encode("gbk"),
            id="GBK",
        ),
        pytest.param(b"a\x0c\nb\n", "@@\n-b\n+c", b"a\x0c\nc\n", id="other control characters"),
    ],
)
def test_context_lines_keep_the_files_own_bytes(data: bytes, body: str, result: bytes) -> None:
    """PATCH-2: OpenCode puts the patch's text there."""
    assert updated(data, body) == result


def test_exact_lines_win_over_nearly_equal_ones_before_them() -> None:
    assert updated(b"a \nx\na\nx\n", "@@\n a\n-x\n+y") == b"a \nx\na\ny\n"


def test_hunks_must_be_in_the_order_of_the_file() -> None:
    assert rejection(patch("*** Update File: f\n@@\n-b\n@@\n-a"), {"f": b"a\nb\n"}).facts == {
        "path": "f",
        "hunk": 2,
        "line": 5,
    }


def test_end_of_file_means_the_last_place() -> None:
    """PATCH-2."""
    assert updated(b"x\ny\nx\n", "@@\n-x\n+z\n*** End of File") == b"x\ny\nz\n"
    assert updated(b"x\ny\nx\n", "@@\n-x\n+z") == b"z\ny\nx\n"
    assert updated(b"x\ny\n", "@@ x\n+z\n*** End of File") == b"x\ny\nz\n"


def test_sections_on_one_file_build_on_each_other() -> None:
    """PATCH-2: in OpenCode the first is lost."""
    text = patch("*** Update File: f\n@@\n-a\n+b\n*** Update File: f\n@@\n-b\n+c")
    assert apply(parse(text), {"f": b"a\n"}) == [PatchedFile("update", "f", None, b"a\n", b"c\n")]


@pytest.mark.parametrize(
    ("body", "contents", "result"),
    [
        pytest.param(
            "*** Add File: f\n+a\n*** Update File: f\n@@\n-a\n+b", {}, [PatchedFile("add", "f", None, None, b"b\n")],
            id="add and update",
        ),
        pytest.param(
            "*** Delete File: f\n*** Add File: f\n+b", {"f": b"a"}, [PatchedFile("update", "f", None, b"a", b"b\n")],
            id="delete and add",
        ),
        pytest.param("*** Add File: f\n+a\n*** Delete File: f", {}, [], id="add and delete"),
        pytest.param(
            "*** Update File: f\n*** Move to: g\n*** Update File: g\n@@\n-a\n+b", {"f": b"a"},
            [PatchedFile("update", "f", "g", b"a", b"b\n")], id="move and update",
        ),
        pytest.param("*** Add File: f\n+b", {"f": b"a"}, [PatchedFile("add", "f", None, b"a", b"b\n")], id="add over"),
        pytest.param("*** Add File: f", {}, [PatchedFile("add", "f", None, None, b"")], id="add an empty file"),
        pytest.param(
            "*** Add File: f\n+a\n\n+b\n\n*** Delete File: g", {"g": b""},
            [PatchedFile("add", "f", None, None, b"a\n\nb\n"), PatchedFile("delete", "g", None, b"", None)],
            id="empty lines between added ones",
        ),
    ],
)  # fmt: skip
def test_sections_together(body: str, contents: dict[str, bytes | None], result: list[PatchedFile]) -> None:
    assert apply(parse(patch(body)), contents) == result


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("noise\n *** Begin Patch \n*** Add File: f\n+a\n*** End Patch\nnoise", id="text around"),
        pytest.param("cat <<'EOF'\n*** Begin Patch\n*** Add File: f\n+a\n*** End Patch\nEOF", id="here-document"),
        pytest.param("```patch\n*** Begin Patch\n*** Add File: f\n+a\n*** End Patch\n```", id="Markdown fence"),
        pytest.param("*** Begin Patch\r\n*** Add File: f\r\n+a\r\n*** End Patch\r\n", id="CRLF"),
        pytest.param("*** Begin Patch\n\n*** Add File:   f  \n+a\n\n*** End Patch", id="gaps"),
    ],
)
def test_what_stands_around_a_patch_does_not_matter(text: str) -> None:
    assert format_of(text) == "native"
    assert apply(parse(text), {}) == [PatchedFile("add", "f", None, None, b"a\n")]


def test_an_end_marker_within_context_does_not_end_the_patch() -> None:
    text = "*** Begin Patch\n*** Update File: f\n@@\n *** End Patch\n-a\n+b\n*** End Patch"
    assert apply(parse(text), {"f": b"*** End Patch\na\n"})[0].new == b"*** End Patch\nb\n"


@pytest.mark.parametrize(
    ("text", "message", "facts"),
    [
        pytest.param("hello", "Invalid patch format: missing Begin/End markers", {}, id="no patch"),
        pytest.param("*** Begin Patch\n", "Invalid patch format: missing Begin/End markers", {}, id="no end"),
        pytest.param(patch(""), "patch rejected: empty patch", {}, id="empty"),
        pytest.param(
            patch("*** Update File: f"), "Invalid update hunk for f: expected at least one @@ chunk",
            {"path": "f", "line": 2}, id="no hunk",
        ),
        pytest.param(
            patch("*** Update File: f\n-a\n@@\n+b"),
            "Invalid update file line: -a (a hunk starts with @@) (line 3 of the patch)", {"line": 3},
            id="text before the first hunk",
        ),
        pytest.param(
            patch("*** Update File: f\n@@\nfoo"), "Invalid update chunk line: foo (line 4 of the patch)", {"line": 4},
            id="a line without mark",
        ),
        pytest.param(
            patch("*** Add File: f\nfoo"), "Invalid add file line: foo (line 3 of the patch)", {"line": 3},
            id="an added line without mark",
        ),
        pytest.param(
            patch("*** Upd File: f"), "Invalid patch line: *** Upd File: f (line 2 of the patch)", {"line": 2},
            id="a header that is none",
        ),
        pytest.param(patch("*** Add File: "), "Invalid add file path (line 2 of the patch)", {"line": 2}, id="no path"),
    ],
)  # fmt: skip
def test_what_cannot_be_parsed_is_an_error(text: str, message: str, facts: dict[str, object]) -> None:
    """PATCH-2: OpenCode drops such lines without a word."""
    error = rejection(text, {"f": b"a\n"})
    assert (error.message, error.facts) == (message, facts)


@pytest.mark.parametrize(
    ("body", "contents", "message", "facts"),
    [
        pytest.param(
            "*** Update File: f\n@@\n-x\n+y", {"f": b"a\n"},
            "Failed to find expected lines in f:\nx\n(hunk 1, line 3 of the patch)",
            {"path": "f", "hunk": 1, "line": 3}, id="lines not found",
        ),
        pytest.param(
            "*** Update File: f\n@@ def g\n-x", {"f": b"a\n"},
            "Failed to find context 'def g' in f\n(hunk 1, line 3 of the patch)",
            {"path": "f", "hunk": 1, "line": 3}, id="context not found",
        ),
        pytest.param(
            "*** Update File: f\n@@\n-x", {"f": None}, "Failed to read file to update: f", {"path": "f", "line": 2},
            id="no file to update",
        ),
        pytest.param(
            "*** Delete File: f", {}, "Failed to read file to delete: f", {"path": "f", "line": 2},
            id="no file to delete",
        ),
        pytest.param(
            "*** Delete File: g\n*** Update File: g\n@@\n-x", {"g": b"x"}, "Failed to read file to update: g",
            {"path": "g", "line": 3}, id="deleted before",
        ),
        pytest.param(
            "*** Update File: f\n*** Move to: g", {"f": b"a", "g": b"b"},
            'cannot move "f" to "g": a file of that name exists; delete it in the patch first if it is to be replaced',
            {"path": "f", "line": 2}, id="moved onto another file",
        ),
        pytest.param(
            "*** Update File: f\n*** Move to: g\n*** Add File: f\n+a", {"f": b"a"},
            'cannot apply: "f" was moved away earlier in the patch', {"path": "f", "line": 4}, id="moved away",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_applied_is_an_error(
    body: str, contents: dict[str, bytes | None], message: str, facts: dict[str, object]
) -> None:
    error = rejection(patch(body), contents)
    assert (error.message, error.facts) == (message, facts)


def test_a_line_that_the_files_encoding_cannot_hold_is_refused() -> None:
    with pytest.raises(EncodingUnsupported):
        updated(b"caf\xe9\nb\n", "@@\n-b\n+日")
