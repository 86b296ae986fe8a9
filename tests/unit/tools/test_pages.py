"""The text of `read` within the limits, and the small pure parts around it."""

import pytest

from remote_code.paths import RemotePath
from remote_code.text.page import Page, page_text
from remote_code.tools.collate import collation_key
from remote_code.tools.context import Limits
from remote_code.tools.instructions import candidates
from remote_code.tools.media import mime_of
from remote_code.tools.pages import Wish, fit_directory, fit_file
from remote_code.tools.verdict import looks_failed


@pytest.mark.parametrize("n_lines", [0, 1, 80, 91, 92, 93, 94, 100, 500])
@pytest.mark.parametrize("width", [0, 1, 30, 3000])
@pytest.mark.parametrize("reminder", ["", "\n\n<system-reminder>\nx\n</system-reminder>"])
def test_file_stays_within_the_limits_at_their_border(n_lines: int, width: int, reminder: str) -> None:
    """READ-1: numbers, footer, note and reminder are counted."""
    text = "".join("ü" * (width // 2) + "\n" for _ in range(n_lines))
    limits = Limits(max_lines=100, max_bytes=3000)

    def choose(limit: int, max_bytes: int) -> Page:
        return page_text(text, offset=1, limit=limit, max_bytes=max_bytes)

    shown, page = fit_file("/a", choose, note="(note)", reminder=reminder, wish=Wish(1, 2000), limits=limits)
    assert len(shown.encode()) <= limits.max_bytes
    assert shown.count("\n") < limits.max_lines
    assert page.lines or n_lines == 0 or width > 2000


@pytest.mark.parametrize("n_names", [0, 90, 93, 94, 95, 1000])
@pytest.mark.parametrize("width", [1, 100])
def test_directory_stays_within_the_limits_at_their_border(n_names: int, width: int) -> None:
    """READ-1: and says where to go on."""
    limits = Limits(max_lines=100, max_bytes=3000)
    names = [f"{n:0{width}}" for n in range(n_names)]
    text, page = fit_directory("/a", names, Wish(1, 2000), limits)
    assert len(text.encode()) <= limits.max_bytes
    assert text.count("\n") < limits.max_lines
    assert page.is_cut == (len(page.entries) < n_names)


def test_names_are_ordered_as_the_original_orders_them() -> None:
    names = ["b", "B", "a", "_x", ".git", "10", "2", "Z", "é", "e", "f", "-a", "A"]
    assert sorted(names, key=collation_key) == ["_x", "-a", ".git", "10", "2", "a", "A", "b", "B", "e", "é", "f", "Z"]


def test_instruction_files_lie_between_the_file_and_the_workspace() -> None:
    """READ-1: nearest first, not the workspace's own."""
    found = candidates(RemotePath("/w/a/b/c.py"), RemotePath("/w"))
    assert found == [f"/w/{d}/{name}" for d in ("a/b", "a") for name in ("AGENTS.md", "CLAUDE.md", "CONTEXT.md")]
    assert candidates(RemotePath("/w/c.py"), RemotePath("/w")) == []
    assert candidates(RemotePath("/c.py"), RemotePath("/")) == []


@pytest.mark.parametrize(
    ("name", "head", "mime"),
    [
        ("a.png", b"text", "image/png"),
        ("a", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("a.png", b"BM", "image/bmp"),
        ("a.bin", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a", b"GIF89a", "image/gif"),
        ("a", b"RIFF1234WEBP", "image/webp"),
        ("a.txt", b"%PDF-1.7", "application/pdf"),
        ("a.svg", b"<svg", "image/svg+xml"),
        ("a.webp", None, "image/webp"),
        ("noext", b"x", "application/octet-stream"),
    ],
)
def test_kind_of_a_file_is_told_by_its_bytes_first(name: str, head: bytes | None, mime: str) -> None:
    assert mime_of(name, head) == mime


@pytest.mark.parametrize(
    ("stderr", "has_failed"),
    [
        ("bash: line 1: foo: command not found\n", True),
        ("sh: foo: not found\n", True),
        ("cat: x: No such file or directory\n", True),
        ("fatal: not a git repository\n", True),
        ("warning: something\n", False),
        ("", False),
    ],
)
def test_failure_is_told_by_clear_words_only(stderr: str, has_failed: bool) -> None:
    """BASH-2: for servers that report no exit status."""
    assert looks_failed(stderr) is has_failed
