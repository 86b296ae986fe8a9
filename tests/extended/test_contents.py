"""Byte order marks, previews, creation, and edits that change nothing else."""

from tests.support.suite import Bench

BOM = b"\xef\xbb\xbf"
RULE = "=" * 67


def test_bom_is_kept_and_not_shown_by_read(bench: Bench) -> None:
    """READ-1: the mark is no part of the first line."""
    path = bench.put("bom.txt", BOM + b"first\n")
    assert bench.call("read", filePath=path) == (
        f"<path>{path}</path>\n<type>file</type>\n<content>\n1: first\n\n(End of file - total 1 lines)\n</content>"
    )
    assert bench.get("bom.txt") == BOM + b"first\n"


def test_bom_of_an_existing_file_is_kept_by_write(bench: Bench) -> None:
    """WRITE-1: the contents need not bring it."""
    path = bench.put("bom.txt", BOM + b"old\n")
    bench.call("write", filePath=path, content="new\n")
    assert bench.get("bom.txt") == BOM + b"new\n"


def test_bom_in_the_contents_is_written(bench: Bench) -> None:
    """WRITE-1: a new file gets it from the contents, once."""
    bench.call("write", filePath=bench.path("new.txt"), content="\ufeffnew\n")
    assert bench.get("new.txt") == BOM + b"new\n"
    bench.call("write", filePath=bench.path("new.txt"), content="\ufeffagain\n")
    assert bench.get("new.txt") == BOM + b"again\n"


def test_bom_is_kept_by_edit(bench: Bench) -> None:
    """EDIT-1: also when the edit touches the first line."""
    path = bench.put("bom.txt", BOM + b"first\nsecond\n")
    bench.call("edit", filePath=path, oldString="first", newString="1st")
    assert bench.get("bom.txt") == BOM + b"1st\nsecond\n"


def test_preview_of_edit_is_a_unified_diff(bench: Bench) -> None:
    """EDIT-1: in the question and in the result."""
    path = bench.put("a.txt", b"".join(b"line %d\n" % n for n in range(1, 13)))
    args = {"filePath": path, "oldString": "line 6", "newString": "LINE 6"}
    result = bench.engine.call("edit", args, session=bench.session)
    diff = (
        f"Index: {path}\n{RULE}\n--- {path}\n+++ {path}\n@@ -2,9 +2,9 @@\n line 2\n line 3\n line 4\n line 5\n-line 6\n"
        "+LINE 6\n line 7\n line 8\n line 9\n line 10\n"
    )
    (question,) = bench.questions
    assert question.metadata == {"filepath": path, "diff": diff}
    assert result.metadata["diff"] == result.metadata["filediff"]["patch"] == diff


def test_preview_of_write_is_a_unified_diff(bench: Bench) -> None:
    """WRITE-1: of an existing file that this session never saw."""
    path = bench.put("a.txt", b"same\nold\n")
    bench.call("write", filePath=path, content="same\nnew\n")
    (question,) = bench.questions
    assert question.metadata == {
        "filepath": path,
        "diff": f"Index: {path}\n{RULE}\n--- {path}\n+++ {path}\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n",
    }


def test_empty_old_string_creates_the_file(bench: Bench) -> None:
    """EDIT-1: and never replaces one that exists."""
    path = bench.path("made/new.txt")
    assert bench.call("edit", filePath=path, oldString="", newString="made\n") == "Edit applied successfully."
    assert bench.get("made/new.txt") == b"made\n"
    error = bench.refused("edit", filePath=path, oldString="", newString="other\n")
    assert error.message.startswith("oldString cannot be empty when editing an existing file.")
    assert bench.get("made/new.txt") == b"made\n"


def test_empty_old_string_creates_the_file_with_its_bom(bench: Bench) -> None:
    """EDIT-1: a mark in the new text is written once."""
    bench.call("edit", filePath=bench.path("new.txt"), oldString="", newString="\ufeffmade\n")
    assert bench.get("new.txt") == BOM + b"made\n"


def test_native_patch_moves_a_file(bench: Bench) -> None:
    """PATCH-1: new name, changed contents, the mode kept, the old name gone."""
    bench.put("old.sh", b"echo 1\n")
    bench.hand.run(f"chmod 750 '{bench.path('old.sh')}'")
    old, new = bench.relative("old.sh"), bench.relative("sub/new.sh")
    patch = f"*** Begin Patch\n*** Update File: {old}\n*** Move to: {new}\n@@\n-echo 1\n+echo 2\n*** End Patch"
    result = bench.engine.call("apply_patch", {"patchText": patch}, session=bench.session)
    assert result.output == f"Success. Updated the following files:\nM {new}"
    assert bench.get("sub/new.sh") == b"echo 2\n"
    assert not bench.hand.exists(bench.path("old.sh"))
    assert bench.hand.run(f"ls -l '{bench.path('sub/new.sh')}' | cut -c 1-10") == "-rwxr-x---\n"
    (file,) = result.metadata["files"]
    assert (file["type"], file["filePath"], file["movePath"]) == (
        "move",
        bench.path("old.sh"),
        bench.path("sub/new.sh"),
    )


def test_exact_edit_has_no_side_effects(bench: Bench) -> None:
    """EDIT-1: every byte but the text stays: line ends of both kinds, blanks, no newline at the end, odd bytes."""
    path = bench.put("odd.txt", b"a \r\nb\t\n\xff\xfe target \x00\r\nlast")
    bench.call("edit", filePath=path, oldString="target", newString="result")
    assert bench.get("odd.txt") == b"a \r\nb\t\n\xff\xfe result \x00\r\nlast"


def test_exact_edit_over_lines_has_no_side_effects(bench: Bench) -> None:
    """EDIT-1: `$` in the new text is no pattern, neighbours stay."""
    path = bench.put("a.txt", b"  one\n  two\n  three\n")
    bench.call("edit", filePath=path, oldString="  one\n  two\n", newString="  $& $1 $$\n")
    assert bench.get("a.txt") == b"  $& $1 $$\n  three\n"


def test_replace_all_changes_every_place_and_nothing_else(bench: Bench) -> None:
    """EDIT-1: without replaceAll several places are an error that changes nothing."""
    path = bench.put("a.txt", b"x = x + xx\n")
    assert bench.refused("edit", filePath=path, oldString="x", newString="y").kind == "edit_ambiguous"
    assert bench.get("a.txt") == b"x = x + xx\n"
    bench.call("edit", filePath=path, oldString="x", newString="y", replaceAll=True)
    assert bench.get("a.txt") == b"y = y + yy\n"


def test_block_with_equal_first_and_last_lines_is_found(bench: Bench) -> None:
    """EDIT-1: the replacer BlockAnchor: the inner lines may differ a little."""
    path = bench.put("a.py", b"def f():\n    total = compute(a, b)\n    log(total)\n    return total\n")
    old = "def f():\n    total = compute(a, c)\n    log(total)\n    return total"
    bench.call("edit", filePath=path, oldString=old, newString="def f():\n    return 0")
    assert bench.get("a.py") == b"def f():\n    return 0\n"


def test_lines_with_other_blanks_around_them_are_found(bench: Bench) -> None:
    """EDIT-1: the replacer LineTrimmed."""
    path = bench.put("a.txt", b"\tone  \n\ttwo\nthree\n")
    bench.call("edit", filePath=path, oldString="one\ntwo", newString="1\n2")
    assert bench.get("a.txt") == b"1\n2\nthree\n"


def test_every_occurrence_of_a_block_is_replaced(bench: Bench) -> None:
    """EDIT-1: the replacer MultiOccurrence, with replaceAll."""
    path = bench.put("a.txt", b"begin\nend\n--\nbegin\nend\n")
    bench.call("edit", filePath=path, oldString="begin\nend\n", newString="all\n", replaceAll=True)
    assert bench.get("a.txt") == b"all\n--\nall\n"
