"""What read shows, what a change keeps, what a result holds; and what each call costs."""

import base64
import os
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from tests.tools.conftest import Site

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.mark.parametrize(
    ("name", "contents", "mime", "text"),
    [
        ("a.png", PNG, "image/png", "Image read successfully"),
        ("odd.txt", PNG, "image/png", "Image read successfully"),
        ("a.pdf", b"%PDF-1.4\n" + bytes(2_000_000), "application/pdf", "PDF read successfully"),
    ],
)
def test_pictures_and_documents_are_attached(site: Site, name: str, contents: bytes, mime: str, text: str) -> None:
    """READ-1: whole, as a data URL."""
    result = site.call("read", filePath=site.put(name, contents))
    assert result.output == text
    (attachment,) = result.attachments
    assert (attachment["type"], attachment["mime"]) == ("file", mime)
    assert base64.b64decode(attachment["url"].partition(";base64,")[2]) == contents


@pytest.mark.parametrize(
    ("encoding", "text", "label"),
    [
        ("utf-16", "Grüße\n世界\n", "UTF-16"),
        ("gb18030", "你好，世界。\n" + "这是一个用于测试编码检测的中文文件。\n" * 5, "GB"),
    ],
)
def test_other_encodings_are_shown_as_text_with_a_note_and_kept(
    site: Site, encoding: str, text: str, label: str
) -> None:
    """READ-2: detected, named, and written back in the same encoding by edit."""
    path = site.put("a.txt", text.encode(encoding))
    output = site.call("read", filePath=path).output
    assert f"1: {text.splitlines()[0]}\n" in output
    assert f"(The file is encoded in {label}" in output
    site.call("edit", filePath=path, oldString="世界", newString="天地")
    assert site.get("a.txt").decode(encoding) == text.replace("世界", "天地")


def test_instructions_of_subdirectories_are_attached_once(site: Site) -> None:
    """READ-1: AGENTS.md between the workspace and the file, as a reminder, once per session."""
    agents = site.put("AGENTS.md", b"Outer rules\n")
    inner = site.put("pkg/CLAUDE.md", b"Inner rules\n")
    path = site.put("pkg/deep/a.py", b"x = 1\n")
    first = site.call("read", filePath=path)
    assert first.output.endswith(
        f"</content>\n\n<system-reminder>\nInstructions from: {inner}\nInner rules\n\n\n"
        f"Instructions from: {agents}\nOuter rules\n\n</system-reminder>"
    )
    assert first.metadata["loaded"] == [inner, agents]
    assert first.round_trips == 1
    second = site.call("read", filePath=path)
    assert (second.metadata["loaded"], second.output.endswith("</content>")) == ([], True)


def test_log_of_many_gigabytes_is_read_at_any_place(site: Site) -> None:
    """READ-3: a sparse file; its lines are not counted."""
    path = Path(site.put("huge.log", b"first\nsecond\n" + b"more\n" * 1000))
    with path.open("r+b") as file:
        file.truncate(10 << 30)
    output = site.call("read", filePath=str(path), limit=2).output
    assert output.endswith("1: first\n2: second\n\n(Showing lines 1-2. Use offset=3 to continue.)\n</content>")


def test_large_file_with_bare_carriage_returns_keeps_its_line_numbers(site: Site) -> None:
    """READ-3: where a line begins is for the remote to say."""
    path = site.put("bar.log", b"10%\r20%\n" * 200_000)
    result = site.call("read", filePath=path, offset=199_999)
    assert result.round_trips <= 3  # The state, then all that is shown; one more when no shell stands ready.
    assert result.output.endswith(
        "199999: 10%\r20%\n200000: 10%\r20%\n\n(End of file - total 200000 lines)\n</content>"
    )
    assert "is out of range" in site.refused("read", filePath=path, offset=200_001).message


def test_result_of_read_is_within_the_limits(site: Site) -> None:
    """READ-1: 2000 lines and 51,200 bytes, all included."""
    for contents in (b"x\n" * 3000, b"y" * 300 + b"\n", b"z" * 300_000, ("ü" * 100 + "\n").encode() * 3000):
        text = site.call("read", filePath=site.put("a.txt", contents * 2)).output
        assert text.count("\n") < 2000
        assert len(text.encode()) <= 51_200


def test_write_keeps_line_ends_mode_and_link(site: Site) -> None:
    """WRITE-1: the newline style of a file that existed, its mode, the link it was reached by."""
    path = site.put("real.txt", b"a\r\nb\r\n")
    Path(path).chmod(0o640)
    (site.folder / "link.txt").symlink_to("real.txt")
    site.call("write", filePath=site.path("link.txt"), content="x\ny\n")
    assert site.get("real.txt") == b"x\r\ny\r\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    assert (site.folder / "link.txt").is_symlink()


def test_file_with_hard_links_is_written_in_place_and_the_result_says_so(site: Site) -> None:
    """WRITE-1: a rename would part the links."""
    path = site.put("a.txt", b"old\n")
    os.link(path, site.path("b.txt"))
    output = site.call("write", filePath=path, content="new\n").output
    assert output == (f"Wrote file successfully.\n\n{path} was written in place, because it has several hard links.")
    assert site.get("b.txt") == b"new\n"


def test_file_without_write_permission_is_refused(site: Site) -> None:
    """WRITE-1: also to its owner."""
    path = site.put("a.txt", b"old\n")
    Path(path).chmod(0o444)
    assert site.refused("write", filePath=path, content="new\n").kind == "permission_denied"
    assert site.get("a.txt") == b"old\n"


def test_edit_keeps_bytes_that_are_not_valid(site: Site) -> None:
    """EDIT-3: they are not turned into U+FFFD; `$` in the new text is itself."""
    path = site.put("a.bin.txt", b"\x80\xfe word \xc3\x28 \x81\n")
    site.call("edit", filePath=path, oldString="word", newString="$& $1")
    assert site.get("a.bin.txt") == b"\x80\xfe $& $1 \xc3\x28 \x81\n"


def test_edit_of_directories_and_missing_files_says_what_is_there(site: Site) -> None:
    """EDIT-1: the errors of the original."""
    assert site.refused("edit", filePath=site.path("no"), oldString="a", newString="b").message == (
        f"File {site.path('no')} not found"
    )
    assert site.refused("edit", filePath=str(site.folder), oldString="a", newString="b").message == (
        f"Path is a directory, not a file: {site.folder}"
    )
    assert site.refused("edit", filePath="x", oldString="a", newString="a").kind == "no_change"
    assert site.refused("edit", filePath="", oldString="a", newString="b").message == "filePath is required"


def test_patch_says_what_is_wrong_in_the_words_of_the_original(site: Site) -> None:
    """PATCH-2: nothing is written."""
    missing = site.path("none.txt")
    cases = {
        "": "patchText is required",
        "nonsense": "apply_patch verification failed: Error: Invalid patch format: missing Begin/End markers",
        "*** Begin Patch\n*** End Patch": "patch rejected: empty patch",
        f"*** Begin Patch\n*** Update File: {missing}\n@@\n-a\n+b\n*** End Patch": (
            f"apply_patch verification failed: Failed to read file to update: {missing}"
        ),
    }
    for patch, message in cases.items():
        assert site.refused("apply_patch", patchText=patch).message == message


def test_unified_diff_adds_deletes_and_renames(site: Site) -> None:
    """PATCH-1: git style."""
    site.put("gone.txt", b"bye\n")
    site.put("old.txt", b"one\ntwo\n")
    name = site.relative
    patch = (
        f"diff --git a/{name('new.txt')} b/{name('new.txt')}\nnew file mode 100644\n--- /dev/null\n"
        f"+++ b/{name('new.txt')}\n@@ -0,0 +1 @@\n+hello\n"
        f"diff --git a/{name('gone.txt')} b/{name('gone.txt')}\ndeleted file mode 100644\n--- a/{name('gone.txt')}\n"
        "+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n"
        f"diff --git a/{name('old.txt')} b/{name('moved.txt')}\nsimilarity index 50%\nrename from {name('old.txt')}\n"
        f"rename to {name('moved.txt')}\n--- a/{name('old.txt')}\n+++ b/{name('moved.txt')}\n"
        "@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n"
    )
    output = site.call("apply_patch", patchText=patch).output
    assert output == (
        f"Success. Updated the following files:\nA {name('new.txt')}\nD {name('gone.txt')}\nM {name('moved.txt')}"
    )
    assert sorted(os.listdir(site.folder)) == ["moved.txt", "new.txt"]
    assert (site.get("new.txt"), site.get("moved.txt")) == (b"hello\n", b"ONE\ntwo\n")


def test_background_process_does_not_hold_the_call(site: Site) -> None:
    """BASH-4: a note names what still holds the output."""
    result = site.call("bash", command="sleep 30.5 & echo started $!")
    pid = int(result.output.split()[1])
    os.kill(pid, signal.SIGTERM)
    assert result.output == (
        f"started {pid}\n\n\n<shell_metadata>\nProcesses that the command left in the background still run and "
        f"hold its output: {pid} sleep 30.5\n</shell_metadata>"
    )


def test_cancelled_command_ends_and_keeps_its_output(site: Site) -> None:
    """BASH-3: OpenCode's abort."""
    call = site.engine.start_call("bash", {"command": "echo begun; sleep 60; echo never"}, session=site.session)
    deadline = time.monotonic() + 10
    while not any("begun" in one["output"] for one in call.progress) and time.monotonic() < deadline:
        call.progressed.wait(0.1)
    site.engine.cancel(call)
    result = call.result(10)
    assert result.output == "begun\n\n\n<shell_metadata>\nUser aborted the command\n</shell_metadata>"
    assert result.metadata["exit"] is None


def test_text_of_errors_is_within_the_limits(site: Site) -> None:
    """BASH-2: an error of a command with a long output, and a long command."""
    filler = "# " + "x" * 90_000
    error = site.refused("bash", command=f"seq 1 50000; seq 1 50000 >&2; exit 3\n{filler}")
    assert len(error.message.encode()) <= 51_200
    assert error.message.count("\n") < 2000
    assert error.message.startswith("The command ended with exit status 3.")
    assert error.message.endswith("49999\n50000\n")
    assert "remote-code:output/" in error.message


def test_command_killed_by_a_signal_names_it(site: Site) -> None:
    """BASH-2: the signal's name."""
    error = site.refused("bash", command="kill -KILL $$")
    assert error.data["signal"] == "KILL"
    assert error.message.startswith("The command ended with signal KILL.")


def test_permission_denied_on_stderr_is_no_failure(site: Site) -> None:
    """BASH-2: the exit status decides."""
    result = site.call("bash", command="echo 'permission denied' >&2")
    assert result.metadata["exit"] == 0


def test_file_calls_cost_one_round_trip(site: Site) -> None:
    """SYNC-3: counted by the workers, whatever the number of files of the session."""
    path = site.put("a.txt", b"one\n")
    patch = f"*** Begin Patch\n*** Update File: {path}\n@@\n-three\n+four\n*** End Patch"
    costs = {
        "read": site.call("read", filePath=path),
        "edit": site.call("edit", filePath=path, oldString="one", newString="two"),
        "write": site.call("write", filePath=path, content="three\n"),
        "patch": site.call("apply_patch", patchText=patch),
    }
    assert {tool: result.round_trips for tool, result in costs.items()} == dict.fromkeys(costs, 1)
    assert site.get("a.txt") == b"four\n"


@pytest.mark.parametrize(
    ("tool", "args"),
    [("glob", {"pattern": "*.txt"}), ("grep", {"pattern": "x"}), ("bash", {"command": "true"})],
)
def test_searches_and_commands_cost_one_round_trip(site: Site, tool: str, args: dict[str, object]) -> None:
    """SSH-5: when a shell stands ready; after a burst of calls the engine opens the next ones, and tells nobody."""
    moment = threading.Event()
    for _ in range(10):
        if site.call(tool, **args).round_trips == 1:
            return
        moment.wait(0.3)
    pytest.fail("each of ten calls took more than one round trip")


def test_name_that_is_not_utf8_is_found_as_the_model_sees_it(site: Site) -> None:
    """PATH-1: a model gets U+FFFD for such bytes, and can send nothing else back."""
    directory = os.fsencode(site.folder) + b"/caf\xe9"
    os.mkdir(directory)
    path = site.path("caf\ufffd/na\ufffdve.txt")
    Path(os.fsdecode(directory + b"/na\xefve.txt")).write_bytes(b"one\n")
    assert "1: one" in site.call("read", filePath=path).output
    site.call("edit", filePath=path, oldString="one", newString="two")
    assert "Line 1: two" in site.call("grep", pattern="two", path=path).output
    assert site.call("glob", pattern="*", path=site.path("caf\ufffd")).metadata["count"] == 1
    assert os.listdir(directory) == [b"na\xefve.txt"]
    assert Path(os.fsdecode(directory + b"/na\xefve.txt")).read_bytes() == b"two\n"


def test_slash_behind_a_file_name_is_no_hindrance(site: Site) -> None:
    """READ-1: as the original resolves paths."""
    path = site.put("a.txt", b"text\n")
    assert site.call("read", filePath=path + "/").output == site.call("read", filePath=path).output


def test_timeout_beyond_all_clocks_is_taken(site: Site) -> None:
    """BASH-3: OpenCode knows no maximum."""
    assert site.call("bash", command="echo done", timeout=2**53 - 1).output == "done\n"
