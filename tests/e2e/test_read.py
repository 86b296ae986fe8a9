"""The tool read on a real machine."""

from tests.support.suite import Bench


def test_directory_is_listed_with_slashes_behind_directories(bench: Bench) -> None:
    """READ-1: names in order, directories and links to them marked."""
    bench.hand.run(f"cd '{bench.folder}' && mkdir sub && touch b.txt A.txt .hidden && ln -s sub link")
    assert bench.call("read", filePath=bench.folder) == (
        f"<path>{bench.folder}</path>\n<type>directory</type>\n<entries>\n"
        ".hidden\nA.txt\nb.txt\nlink/\nsub/\n\n(5 entries)\n</entries>"
    )


def test_text_is_numbered(bench: Bench) -> None:
    """READ-1: the layout of a text file, its title and its question."""
    path = bench.put("a.txt", b"one\ntwo\r\n\nlast")
    result = bench.engine.call("read", {"filePath": path}, session=bench.session)
    assert result.output == (
        f"<path>{path}</path>\n<type>file</type>\n<content>\n1: one\n2: two\n3: \n4: last\n\n"
        "(End of file - total 4 lines)\n</content>"
    )
    assert result.title == bench.relative("a.txt")
    assert result.metadata["display"]["totalLines"] == 4
    (question,) = bench.questions
    assert (question.permission, question.patterns, question.always) == ("read", [bench.relative("a.txt")], ["*"])


def test_large_file_is_read_at_any_place(bench: Bench) -> None:
    """READ-3: only what is shown travels; the first page, one in the middle, and the last line."""
    bench.hand.run(f"seq 1 400000 >'{bench.path('big.log')}'")
    path = bench.path("big.log")
    first = bench.engine.call("read", {"filePath": path}, session=bench.session).output
    assert first.startswith(f"<path>{path}</path>\n<type>file</type>\n<content>\n1: 1\n2: 2\n")
    assert len(first.split("\n")) <= 2000
    assert bench.call("read", filePath=path, offset=300000, limit=2) == (
        f"<path>{path}</path>\n<type>file</type>\n<content>\n300000: 300000\n300001: 300001\n\n"
        "(Showing lines 300000-300001 of 400000. Use offset=300002 to continue.)\n</content>"
    )
    assert bench.call("read", filePath=path, offset=400000).endswith(
        "400000: 400000\n\n(End of file - total 400000 lines)\n</content>"
    )


def test_missing_file_is_told_with_names_that_may_be_meant(bench: Bench) -> None:
    """READ-1: `Did you mean` from the remote directory."""
    bench.put("config.yaml", b"a: 1\n")
    error = bench.refused("read", filePath=bench.path("config.yam"))
    assert error.kind == "no_such_file"
    assert error.message == (
        f"File not found: {bench.path('config.yam')}\n\nDid you mean one of these?\n{bench.path('config.yaml')}"
    )
    assert bench.refused("read", filePath=bench.path("zzz")).message == f"File not found: {bench.path('zzz')}"


def test_binary_file_is_refused(bench: Bench) -> None:
    """READ-1: a NUL in the first 4 KiB, or the extension."""
    for name, contents in (("data", b"abc\0def"), ("empty.zip", b"")):
        path = bench.put(name, contents)
        error = bench.refused("read", filePath=path)
        assert (error.kind, error.message) == ("binary_file", f"Cannot read binary file: {path}")
