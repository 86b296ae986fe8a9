"""The tool apply_patch, and what the mirror promises, on a real machine."""

from tests.support.suite import Bench


def test_unified_diff_changes_one_file(bench: Bench) -> None:
    """PATCH-1: as `git diff` prints it."""
    bench.put("a.txt", b"one\ntwo\nthree\n")
    name = bench.relative("a.txt")
    patch = f"--- a/{name}\n+++ b/{name}\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"
    assert bench.call("apply_patch", patchText=patch) == f"Success. Updated the following files:\nM {name}"
    assert bench.get("a.txt") == b"one\nTWO\nthree\n"


def test_native_patch_adds_a_file(bench: Bench) -> None:
    """PATCH-1: parents are made, the text ends in a newline."""
    name = bench.relative("new/file.txt")
    patch = f"*** Begin Patch\n*** Add File: {name}\n+first\n+second\n*** End Patch"
    assert bench.call("apply_patch", patchText=patch) == f"Success. Updated the following files:\nA {name}"
    assert bench.get("new/file.txt") == b"first\nsecond\n"


def test_native_patch_updates_several_files_with_one_question(bench: Bench) -> None:
    """PATCH-1: all diffs in one question; a patch that does not fit one file changes none."""
    bench.put("a.txt", b"a1\na2\n")
    bench.put("b.txt", b"b1\nb2\n")
    a, b = bench.relative("a.txt"), bench.relative("b.txt")
    patch = (
        f"*** Begin Patch\n*** Update File: {a}\n@@\n-a1\n+A1\n a2\n*** Update File: {b}\n@@\n b1\n-{{}}\n+B2\n"
        "*** End Patch"
    )
    error = bench.refused("apply_patch", patchText=patch.format("nothing"))
    assert error.kind == "patch_rejected"
    assert error.message.startswith(
        "apply_patch verification failed: Error: "
        f"Failed to find expected lines in {bench.path('b.txt')}:\nb1\nnothing\n"
    )
    assert (bench.get("a.txt"), bench.get("b.txt")) == (b"a1\na2\n", b"b1\nb2\n")
    result = bench.engine.call("apply_patch", {"patchText": patch.format("b2")}, session=bench.session)
    assert result.output == f"Success. Updated the following files:\nM {a}\nM {b}"
    assert (bench.get("a.txt"), bench.get("b.txt")) == (b"A1\na2\n", b"b1\nB2\n")
    (question,) = bench.questions
    assert (question.permission, question.patterns) == ("edit", [a, b])
    assert [file["relativePath"] for file in result.metadata["files"]] == [a, b]


def test_pull_sees_what_others_changed(bench: Bench) -> None:
    """SYNC-3: a second read brings the new contents, though a copy is held."""
    path = bench.put("shared.txt", b"first\n")
    assert "1: first\n" in bench.call("read", filePath=path)
    bench.hand.put(path, b"second\n")
    assert "1: second\n" in bench.call("read", filePath=path)


def test_push_refuses_to_overwrite_what_others_changed(bench: Bench) -> None:
    """WRITE-2: nothing is written, the difference is shown; after a read the write is made."""
    path = bench.put("shared.txt", b"mine\n")
    bench.call("read", filePath=path)
    bench.hand.put(path, b"theirs\n")
    error = bench.refused("write", filePath=path, content="new\n")
    assert error.kind == "remote_changed"
    assert "-mine\n+theirs" in error.message
    assert bench.get("shared.txt") == b"theirs\n"
    bench.call("read", filePath=path)
    bench.call("write", filePath=path, content="new\n")
    assert bench.get("shared.txt") == b"new\n"
