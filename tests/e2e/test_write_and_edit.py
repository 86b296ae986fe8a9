"""The tools write and edit on a real machine."""

from tests.support.suite import Bench


def test_write_creates_a_file_and_its_directories(bench: Bench) -> None:
    """WRITE-1: a new file, its parents, one question with the diff."""
    path = bench.path("a/b/new.txt")
    result = bench.engine.call("write", {"filePath": path, "content": "x\ny"}, session=bench.session)
    assert result.output == "Wrote file successfully."
    assert bench.get("a/b/new.txt") == b"x\ny"
    assert {key: result.metadata[key] for key in ("diagnostics", "filepath", "exists")} == {
        "diagnostics": {},
        "filepath": path,
        "exists": False,
    }
    (question,) = bench.questions
    assert (question.permission, question.patterns) == ("edit", [bench.relative("a/b/new.txt")])
    assert question.metadata["diff"] == (
        f"Index: {path}\n{'=' * 67}\n--- {path}\n+++ {path}\n@@ -0,0 +1,2 @@\n+x\n+y\n\\ No newline at end of file\n"
    )


def test_write_replaces_a_file_and_keeps_its_mode(bench: Bench) -> None:
    """WRITE-1: an existing file that was never seen is shown in the diff, then replaced."""
    path = bench.put("run.sh", b"old\n")
    bench.hand.run(f"chmod 751 '{path}'")
    bench.call("write", filePath=path, content="new\n")
    assert bench.get("run.sh") == b"new\n"
    assert bench.hand.run(f"ls -l '{path}' | cut -c 1-10") == "-rwxr-x--x\n"
    assert "\n-old\n+new\n" in bench.questions[0].metadata["diff"]


def test_write_carries_a_large_file(bench: Bench) -> None:
    """WRITE-1: a megabyte arrives whole."""
    content = "".join(f"line {n} of a large file\n" for n in range(45_000))
    bench.call("write", filePath=bench.path("large.txt"), content=content)
    size, lines = bench.hand.run(f"wc -c -l <'{bench.path('large.txt')}'").split(), content.count("\n")
    assert sorted(map(int, size)) == sorted([len(content), lines])
    assert bench.hand.run(f"tail -n 1 '{bench.path('large.txt')}'") == "line 44999 of a large file\n"


def test_edit_replaces_an_exact_text(bench: Bench) -> None:
    """EDIT-1: after a read the edit is one round trip."""
    path = bench.put("main.py", b"def f():\n    return 1\n")
    bench.call("read", filePath=path)
    args = {"filePath": path, "oldString": "return 1", "newString": "return 2"}
    result = bench.engine.call("edit", args, session=bench.session)
    assert result.output == "Edit applied successfully."
    assert bench.get("main.py") == b"def f():\n    return 2\n"
    assert result.round_trips == 1
    assert result.metadata["filediff"]["additions"] == result.metadata["filediff"]["deletions"] == 1


def test_edit_replaces_several_lines(bench: Bench) -> None:
    """EDIT-1: text over lines, with the file's own line ends."""
    path = bench.put("dos.txt", b"a\r\nb\r\nc\r\n")
    bench.call("edit", filePath=path, oldString="a\nb\n", newString="x\ny\nz\n")
    assert bench.get("dos.txt") == b"x\r\ny\r\nz\r\nc\r\n"


def test_edit_tolerates_other_white_space(bench: Bench) -> None:
    """EDIT-1: indentation that differs in every line is found all the same."""
    path = bench.put("tabs.go", b"func f() {\n\tif x {\n\t\treturn\n\t}\n}\n")
    bench.call("edit", filePath=path, oldString="if x {\n  return\n}", newString="\tif y {\n\t\treturn\n\t}")
    assert bench.get("tabs.go") == b"func f() {\n\tif y {\n\t\treturn\n\t}\n}\n"
