"""Files that somebody else changes meanwhile; files reached by links; calls at the same time."""

import os
import threading
from pathlib import Path

import pytest

from tests.support.engine import EngineError, Question
from tests.tools.conftest import Site


def when_asked_to_edit(site: Site, act: list[bytes], path: str) -> None:
    """Have a stranger write the file at each question, before it is granted."""

    def answer(question: Question) -> bool:
        if question.permission == "edit" and act:
            Path(path).write_bytes(act.pop(0))
        return True

    site.engine.answer = answer


def test_edit_is_made_in_what_others_wrote_meanwhile(site: Site) -> None:
    """EDIT-2: the preview differs, so it is asked again."""
    path = site.put("a.txt", b"one\ntwo\nthree\n")
    site.call("read", filePath=path)
    when_asked_to_edit(site, [b"ONE\ntwo\nthree\n"], path)
    site.call("edit", filePath=path, oldString="two", newString="2")
    assert site.get("a.txt") == b"ONE\n2\nthree\n"
    first, second = [question.metadata["diff"] for question in site.asked("edit")]
    assert " one\n-two\n+2\n three\n" in first
    assert " ONE\n-two\n+2\n three\n" in second


def test_edit_whose_preview_stays_the_same_is_asked_once(site: Site) -> None:
    """EDIT-2: a change far away, below."""
    lines = b"".join(b"%d\n" % n for n in range(50))
    path = site.put("a.txt", b"two\n" + lines)
    site.call("read", filePath=path)
    when_asked_to_edit(site, [b"two\n" + lines + b"more\n"], path)
    site.call("edit", filePath=path, oldString="two", newString="2")
    assert site.get("a.txt") == b"2\n" + lines + b"more\n"
    assert len(site.asked("edit")) == 1


def test_edit_that_no_longer_fits_says_what_changed(site: Site) -> None:
    """EDIT-2: nothing is written."""
    path = site.put("a.txt", b"one\ntwo\n")
    site.call("read", filePath=path)
    when_asked_to_edit(site, [b"one\nzwei\n"], path)
    error = site.refused("edit", filePath=path, oldString="two", newString="2")
    assert error.kind == "remote_changed"
    assert "no longer fits" in error.message
    assert "-two\n+zwei" in error.message
    assert site.get("a.txt") == b"one\nzwei\n"


def test_edit_is_asked_three_times_at_most(site: Site) -> None:
    """EDIT-2: a file that changes at every question."""
    path = site.put("a.txt", b"0\ntwo\n")
    site.call("read", filePath=path)
    when_asked_to_edit(site, [b"%d\ntwo\n" % n for n in range(1, 9)], path)
    error = site.refused("edit", filePath=path, oldString="two", newString="2")
    assert error.kind == "remote_changed"
    assert len(site.asked("edit")) == 3
    assert site.get("a.txt") == b"3\ntwo\n"


def test_edit_finds_what_was_written_after_the_last_read(site: Site) -> None:
    """EDIT-2: what does not fit the copy is looked for in the file itself."""
    path = site.put("a.txt", b"old\n")
    site.call("read", filePath=path)
    Path(path).write_bytes(b"new text\n")
    site.call("edit", filePath=path, oldString="new text", newString="done")
    assert site.get("a.txt") == b"done\n"


def test_edits_of_one_file_at_the_same_time_are_all_made(site: Site) -> None:
    """EDIT-1: a lock per file."""
    path = site.put("a.txt", b"".join(b"line %d\n" % n for n in range(12)))
    site.call("read", filePath=path)
    calls = [
        site.engine.start_call(
            "edit", {"filePath": path, "oldString": f"line {n}\n", "newString": f"LINE {n}\n"}, session=site.session
        )
        for n in range(12)
    ]
    for call in calls:
        call.result()
    assert site.get("a.txt") == b"".join(b"LINE %d\n" % n for n in range(12))


def test_write_refuses_what_changed_while_the_person_decided(site: Site) -> None:
    """WRITE-2: between the question and the write."""
    path = site.put("a.txt", b"seen\n")
    site.call("read", filePath=path)
    when_asked_to_edit(site, [b"theirs\n"], path)
    error = site.refused("write", filePath=path, content="mine\n")
    assert error.kind == "remote_changed"
    assert "-seen\n+theirs" in error.message
    assert site.get("a.txt") == b"theirs\n"
    assert site.refused("write", filePath=path, content="mine\n").kind == "remote_changed"


def test_conflict_of_a_large_file_is_told_without_a_difference(site: Site) -> None:
    """WRITE-2: nothing is shown that was not compared."""
    path = site.put("a.txt", b"x\n" * 700_000)
    site.call("read", filePath=path, limit=1)
    Path(path).write_bytes(b"y\n" * 700_000)
    error = site.refused("write", filePath=path, content="mine\n")
    assert error.message == (
        f'"{path}" changed on the remote machine since this session last saw it; nothing was written. '
        "Read it again, then write."
    )


def test_write_refuses_a_file_that_came_meanwhile(site: Site) -> None:
    """WRITE-2: a new file that somebody else creates first."""
    path = site.path("new.txt")
    when_asked_to_edit(site, [b"theirs\n"], path)
    assert site.refused("write", filePath=path, content="mine\n").kind == "remote_changed"
    assert site.get("new.txt") == b"theirs\n"


def test_what_one_session_saw_is_not_seen_by_another(site: Site) -> None:
    """WRITE-2: seen is kept per session; the other one is shown the diff of what is there."""
    path = site.put("a.txt", b"first\n")
    site.call("read", filePath=path)
    other = f"{site.session}-other"
    site.engine.call("write", {"filePath": path, "content": "by the other\n"}, session=other)
    assert "-first\n+by the other" in site.asked("edit")[-1].metadata["diff"]
    assert site.refused("write", filePath=path, content="mine\n").kind == "remote_changed"
    assert site.get("a.txt") == b"by the other\n"


def test_patch_is_made_in_what_others_wrote_meanwhile(site: Site) -> None:
    """PATCH-1: as an edit, with a second question."""
    path = site.put("a.txt", b"one\ntwo\nthree\n")
    site.call("read", filePath=path)
    when_asked_to_edit(site, [b"ONE\ntwo\nthree\n"], path)
    patch = f"*** Begin Patch\n*** Update File: {path}\n@@\n-two\n+2\n three\n*** End Patch"
    site.call("apply_patch", patchText=patch)
    assert site.get("a.txt") == b"ONE\n2\nthree\n"
    assert len(site.asked("edit")) == 2


def test_patch_refuses_what_it_no_longer_fits(site: Site) -> None:
    """PATCH-1: all or nothing, also when one of two files changed."""
    a, b = site.put("a.txt", b"a\n"), site.put("b.txt", b"b\n")
    when_asked_to_edit(site, [b"other\n"], b)
    patch = f"*** Begin Patch\n*** Update File: {a}\n@@\n-a\n+A\n*** Update File: {b}\n@@\n-b\n+B\n*** End Patch"
    error = site.refused("apply_patch", patchText=patch)
    assert error.kind == "remote_changed"
    assert (site.get("a.txt"), site.get("b.txt")) == (b"a\n", b"other\n")


def test_rejected_change_writes_nothing(site: Site) -> None:
    """OC-5: a no is its own kind of error, and leaves everything as it was."""
    path = site.put("a.txt", b"one\n")
    site.engine.answer = lambda question: question.permission != "edit"
    patch = f"*** Begin Patch\n*** Delete File: {path}\n*** End Patch"
    for tool, args in (
        ("edit", {"filePath": path, "oldString": "one", "newString": "1"}),
        ("write", {"filePath": path, "content": "1\n"}),
        ("apply_patch", {"patchText": patch}),
    ):
        assert site.refused(tool, **args).kind == "permission_rejected"
    assert site.get("a.txt") == b"one\n"


@pytest.mark.parametrize("tool", ["read", "write", "edit", "apply_patch"])
def test_link_that_leads_outside_is_asked_for_by_its_real_path(site: Site, tmp_path: Path, tool: str) -> None:
    """PATH-1: inside by its text, outside by a link: no byte travels or is written before the answer."""
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"secret\n")
    (site.folder / "link").symlink_to(secret)
    path = site.path("link")
    args = {
        "read": {"filePath": path},
        "write": {"filePath": path, "content": "written\n"},
        "edit": {"filePath": path, "oldString": "secret", "newString": "written"},
        "apply_patch": {"patchText": f"*** Begin Patch\n*** Update File: {path}\n@@\n-secret\n+written\n*** End Patch"},
    }[tool]
    site.engine.answer = lambda question: question.permission != "external_directory"
    error = site.refused(tool, **args)
    assert error.kind == "permission_rejected"
    assert "secret\n" not in error.message
    assert [question.permission for question in site.questions if "diff" in question.metadata] == []
    assert secret.read_bytes() == b"secret\n"
    question = site.asked("external_directory")[-1]
    assert question.patterns == question.always == [f"{tmp_path}/*"]
    site.engine.answer = lambda question: True
    result = site.call(tool, **args)
    assert ("1: secret" in result.output) if tool == "read" else (secret.read_bytes() == b"written\n")
    assert (site.folder / "link").is_symlink()


def test_path_outside_is_asked_for_under_both_its_names(site: Site, tmp_path: Path) -> None:
    """PATH-1: what is granted is where it really leads."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_bytes(b"x\n")
    (tmp_path / "by-link").symlink_to("real")
    site.call("read", filePath=str(tmp_path / "by-link" / "a.txt"))
    (question,) = site.asked("external_directory")
    assert question.patterns == [f"{tmp_path}/by-link/*", f"{tmp_path}/real/*"]
    assert site.questions[0].permission == "external_directory"
    assert site.questions[1].permission == "read"


def test_bash_asks_for_directories_outside_first(site: Site, tmp_path: Path) -> None:
    """PATH-1: arguments of file commands, and the directory to run in; then for the command."""
    (tmp_path / "a.txt").write_bytes(b"x\n")
    command = f"cat {tmp_path}/a.txt && ls"
    site.call("bash", command=command)
    first, second = site.questions
    assert (first.permission, first.patterns) == ("external_directory", [f"{tmp_path}/*"])
    assert first.metadata == {"command": command, "directories": [str(tmp_path)], "patterns": [f"{tmp_path}/*"]}
    assert (second.permission, second.patterns) == ("bash", [f"cat {tmp_path}/a.txt", "ls"])
    site.call("bash", command="true", workdir=str(tmp_path))
    assert site.asked("external_directory")[-1].patterns == [f"{tmp_path}/*"]


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "two words",
        "-dash",
        "it's",
        '"q"',
        "$HOME",
        "`x`",
        "a\\b",
        "new\nline",
        "star*",
        "[x]",
        "caf\udce9",
        "ü",
        "#",
        "~",
    ],
)
def test_every_name_works_in_every_tool(site: Site, name: str) -> None:
    """PATH-1: blanks, quotes, `$`, leading `-`, newlines, bytes that are not UTF-8."""
    path = f"{site.folder}/{name}"
    site.call("write", filePath=path, content="first line\n")
    assert "1: first line" in site.call("read", filePath=path).output
    site.call("edit", filePath=path, oldString="first", newString="second")
    assert f"{path}:\n  Line 1: second line" in site.call("grep", pattern="second", path=str(site.folder)).output
    assert "Line 1: second line" in site.call("grep", pattern="second", path=path).output
    assert site.call("glob", pattern="*", path=str(site.folder)).output == path
    if "\n" not in name:
        patch = f"*** Begin Patch\n*** Update File: {path}\n@@\n-second line\n+third line\n*** End Patch"
        site.call("apply_patch", patchText=patch)
    assert os.listdir(os.fsencode(site.folder)) == [os.fsencode(name)]


@pytest.mark.parametrize("tool", ["read", "write", "edit", "glob", "grep", "bash"])
def test_nul_in_a_path_is_refused(site: Site, tool: str) -> None:
    """PATH-1: no remote path can hold one."""
    key = {"glob": "path", "grep": "path", "bash": "workdir"}.get(tool, "filePath")
    args = {"pattern": "x", "command": "true", "content": "x", "oldString": "a", "newString": "b", key: "a\0b"}
    with pytest.raises(EngineError) as caught:
        site.engine.call(tool, args, session=site.session)
    assert caught.value.kind == "invalid_path"


def test_call_that_waits_for_another_ones_question_can_be_cancelled(site: Site) -> None:
    """EDIT-1: the lock of the file is held while a person decides; a cancelled call does not wait for that."""
    path = site.put("a.txt", b"one\ntwo\n")
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer(question: Question) -> bool:
        if question.permission == "edit":
            is_asked.set()
            may_answer.wait(10)
        return True

    site.engine.answer = answer
    args = {"filePath": path, "oldString": "one", "newString": "1"}
    first = site.engine.start_call("edit", args, session=site.session)
    assert is_asked.wait(10)
    second = site.engine.start_call("edit", {**args, "oldString": "two"}, session=site.session)
    site.engine.cancel(second)
    with pytest.raises(EngineError) as caught:
        second.result(5)
    assert caught.value.kind == "cancelled"
    may_answer.set()
    first.result()
    assert site.get("a.txt") == b"1\ntwo\n"
