"""The tools glob and grep on a real machine."""

import pytest

from tests.support.suite import Bench


@pytest.fixture
def tree(bench: Bench) -> Bench:
    bench.hand.run(
        f"cd '{bench.folder}' && mkdir -p src/deep .git && printf 'alpha one\\n' >a.py && printf 'x\\nalpha 22\\n' "
        ">src/b.py && printf 'ALPHA\\n' >src/deep/c.txt && echo alpha >.git/config && "
        "touch -t 202001010000 a.py && touch -t 202101010000 src/b.py && touch -t 202201010000 src/deep/c.txt"
    )
    return bench


def plain(output: str) -> str:
    """Return the output without the note that ignore files were not read."""
    return output.partition("\n\n(ripgrep ")[0]


def test_glob_finds_files_of_one_directory(tree: Bench) -> None:
    """GLOB-1: a pattern with a slash fits from the place on."""
    args = {"pattern": "src/*.py", "path": tree.folder}
    result = tree.engine.call("glob", args, session=tree.session)
    assert plain(result.output) == tree.path("src/b.py")
    assert (result.metadata["count"], result.metadata["truncated"]) == (1, False)
    (question,) = tree.questions
    assert (question.permission, question.patterns, question.metadata) == ("glob", ["src/*.py"], args)


def test_glob_finds_files_below_newest_first(tree: Bench) -> None:
    """GLOB-1: all directories but `.git`, by modification time."""
    output = plain(tree.call("glob", pattern="**/*", path=tree.folder))
    assert output.split("\n") == [tree.path(name) for name in ("src/deep/c.txt", "src/b.py", "a.py")]


def test_glob_says_when_nothing_is_found(tree: Bench) -> None:
    """GLOB-1: no file is no error; a missing place is."""
    assert plain(tree.call("glob", pattern="*.nothing", path=tree.folder)) == "No files found"
    assert tree.refused("glob", pattern="*", path=tree.path("none")).kind == "no_such_file"


def test_grep_finds_lines_by_file_and_number(tree: Bench) -> None:
    """GREP-1: by byte order of paths, `.git` left out."""
    result = tree.engine.call("grep", {"pattern": "alpha", "path": tree.folder}, session=tree.session)
    assert plain(result.output) == (
        f"Found 2 matches\n{tree.path('a.py')}:\n  Line 1: alpha one\n\n\n{tree.path('src/b.py')}:\n"
        "  Line 2: alpha 22\n"
    )
    assert (result.metadata["matches"], result.metadata["truncated"]) == (2, False)


def test_grep_takes_regular_expressions(tree: Bench) -> None:
    """GREP-1: classes, repetition, anchors."""
    output = plain(tree.call("grep", pattern=r"^a\w+\s+\d{2}$", path=tree.folder))
    assert output == f"Found 1 matches\n{tree.path('src/b.py')}:\n  Line 2: alpha 22\n"


def test_grep_keeps_to_the_included_files(tree: Bench) -> None:
    """GREP-1: braces in `include`."""
    output = plain(tree.call("grep", pattern="(?i)alpha", path=tree.folder, include="*.{txt,md}"))
    assert output == f"Found 1 matches\n{tree.path('src/deep/c.txt')}:\n  Line 1: ALPHA\n"


def test_grep_says_when_nothing_is_found(tree: Bench) -> None:
    """GREP-1: no line is no error; a missing place is, and so is a pattern that does not compile."""
    assert plain(tree.call("grep", pattern="omega", path=tree.folder)) == "No files found"
    assert tree.refused("grep", pattern="x", path=tree.path("none")).kind == "no_such_file"
    assert tree.refused("grep", pattern="(", path=tree.folder).kind == "search_failed"
