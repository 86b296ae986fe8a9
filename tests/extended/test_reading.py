"""Pages, the edge of the workspace, names and texts that a shell could take for its own, braces."""

from tests.support.engine import Question
from tests.support.suite import Bench


def numbered(bench: Bench) -> str:
    return bench.put("n.txt", b"".join(b"%d\n" % n for n in range(1, 11)))


def page(path: str, lines: str, footer: str) -> str:
    return f"<path>{path}</path>\n<type>file</type>\n<content>\n{lines}\n\n{footer}\n</content>"


def test_limit_ends_the_page(bench: Bench) -> None:
    """READ-1: and says where to go on."""
    path = numbered(bench)
    footer = "(Showing lines 1-2 of 10. Use offset=3 to continue.)"
    assert bench.call("read", filePath=path, limit=2) == page(path, "1: 1\n2: 2", footer)


def test_offset_begins_the_page(bench: Bench) -> None:
    """READ-1: numbers count from 1."""
    path = numbered(bench)
    assert bench.call("read", filePath=path, offset=9) == page(path, "9: 9\n10: 10", "(End of file - total 10 lines)")


def test_offset_beyond_the_end_is_an_error(bench: Bench) -> None:
    """READ-1: it says how many lines there are."""
    error = bench.refused("read", filePath=numbered(bench), offset=11)
    assert error.kind == "offset_out_of_range"
    assert error.message == "Offset 11 is out of range for this file (10 lines)"


def test_workspace_itself_is_inside(bench: Bench) -> None:
    """PATH-1: no question of the directory."""
    assert bench.call("read", filePath=bench.workspace).startswith(f"<path>{bench.workspace}</path>\n")
    assert bench.asked("external_directory") == []


def test_subdirectory_is_inside(bench: Bench) -> None:
    """PATH-1: whether absolute or relative."""
    path = bench.put("sub/a.txt", b"inside\n")
    assert "1: inside" in bench.call("read", filePath=path)
    assert "1: inside" in bench.call("read", filePath=bench.relative("sub/a.txt"))
    assert bench.asked("external_directory") == []


def test_directory_that_only_begins_like_the_workspace_is_outside(bench: Bench) -> None:
    """PATH-1: `/srv/app2` is not in `/srv/app`."""
    look_alike = f"{bench.workspace}-look-alike"
    bench.hand.put(f"{look_alike}/a.txt", b"neighbour\n")
    try:
        assert "1: neighbour" in bench.call("read", filePath=f"{look_alike}/a.txt")
    finally:
        bench.hand.run(f"rm -rf '{look_alike}'")
    (question,) = bench.asked("external_directory")
    assert question.patterns == question.always == [f"{look_alike}/*"]
    assert question.metadata == {"filepath": f"{look_alike}/a.txt", "parentDir": look_alike}


def test_path_that_climbs_out_is_outside(bench: Bench) -> None:
    """PATH-1: `..` counts before anything is read; a refusal reads nothing."""
    bench.engine.answer = lambda question: question.permission != "external_directory"
    climb = "../" * (bench.workspace.count("/") + 2) + "etc/passwd"
    error = bench.refused("read", filePath=climb)
    assert error.kind == "permission_rejected"
    assert bench.asked("external_directory")[0].patterns == ["/etc/*"]


def test_reading_outside_is_asked_for_and_a_link_leads_outside_too(bench: Bench) -> None:
    """PATH-1: a link inside that leads out answers its real path only, is asked for, then read."""
    bench.hand.run(f"cd '{bench.folder}' && ln -s /etc/passwd link && ln -s /etc directory")
    asked: list[Question] = []

    def refuse(question: Question) -> bool:
        asked.append(question)
        return question.permission != "external_directory"

    bench.engine.answer = refuse
    for name in ("link", "directory/passwd"):
        error = bench.refused("read", filePath=bench.path(name))
        assert error.kind == "permission_rejected"
        assert "root" not in error.message
        assert asked[-1].patterns == ["/etc/*"]
        assert asked[-1].metadata["filepath"] == "/etc/passwd"
    bench.engine.answer = lambda question: True
    assert "1: root" in bench.call("read", filePath=bench.path("link"))
    assert bench.call("glob", pattern="passw[d]", path=bench.path("directory")).startswith(
        bench.path("directory/passwd")
    )


def test_names_that_are_shell_text_stay_names(bench: Bench) -> None:
    """PATH-1: nothing in a name is run."""
    name = "$(touch injected);`touch injected`&|>x"
    path = bench.path(name)
    bench.call("write", filePath=path, content="safe\n")
    assert "1: safe" in bench.call("read", filePath=path)
    bench.call("edit", filePath=path, oldString="safe", newString="still safe")
    assert path in bench.call("grep", pattern="still", path=bench.folder)
    assert bench.call("glob", pattern="*injected*", path=bench.folder).startswith(path)
    assert bench.hand.run(f"cd '{bench.folder}' && ls -A | wc -l").strip() == "1"


def test_single_quotes_stay_as_they_are(bench: Bench) -> None:
    """PATH-1: in names, contents, patterns and commands."""
    path = bench.path("it's 'quoted'")
    bench.call("write", filePath=path, content="don't\n")
    assert "1: don't" in bench.call("read", filePath=path)
    assert "Line 1: don't" in bench.call("grep", pattern="n't", path=path)
    assert bench.call("bash", command="echo 'a'\\''b' \"it's\"") == "a'b it's\n"


def test_dollar_signs_stay_as_they_are(bench: Bench) -> None:
    """PATH-1: in names, contents and patterns; in commands they are the remote shell's."""
    path = bench.path("$HOME-${x}-$1")
    bench.call("write", filePath=path, content="cost: $5 $HOME\n")
    bench.call("edit", filePath=path, oldString="$5", newString="$10")
    assert "1: cost: $10 $HOME" in bench.call("read", filePath=path)
    assert "Line 1: cost: $10 $HOME" in bench.call("grep", pattern=r"\$1\d", path=bench.folder)
    assert bench.call("bash", command="x=5; echo $x '$x' \"$x\"") == "5 $x 5\n"


def test_braces_in_a_glob_are_alternatives(bench: Bench) -> None:
    """GLOB-1: `*.{ts,tsx}`."""
    bench.hand.run(
        f"cd '{bench.folder}' && mkdir s && touch -t 202001010000 s/a.ts && touch -t 202101010000 s/b.tsx s/c.js"
    )
    output = bench.call("glob", pattern="**/*.{ts,tsx}", path=bench.folder).partition("\n\n(ripgrep ")[0]
    assert output.split("\n") == [bench.path("s/b.tsx"), bench.path("s/a.ts")]
