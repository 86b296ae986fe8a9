"""The text of a command's result, always within the limits."""

import stat
from pathlib import Path

import pytest

from remote_code.tools.context import Limits
from remote_code.tools.output import Output, clamp
from remote_code.tools.spill import OutputStore, Spool


@pytest.fixture
def store(tmp_path: Path) -> OutputStore:
    return OutputStore(tmp_path / "outputs")


def kept(store: OutputStore, name: str) -> str:
    path = store.find(name)
    assert path is not None
    return path.read_text(encoding="utf-8")


def rendered(store: OutputStore, stdout: bytes, stderr: bytes, limits: Limits, notes: tuple[str, ...] = ()) -> str:
    output = Output(store, limits)
    output.feed("stdout", stdout)
    output.feed("stderr", stderr)
    output.finish()
    text = output.render(notes=notes).text
    output.close()
    assert len(text.encode()) <= limits.max_bytes
    assert text.count("\n") < limits.max_lines
    return text


@pytest.mark.parametrize(
    ("stdout", "stderr", "text"),
    [
        pytest.param(b"", b"", "(no output)", id="nothing"),
        pytest.param(b"out\n", b"", "out\n", id="stdout"),
        pytest.param(b"", b"err\n", "stderr:\nerr\n", id="stderr"),
        pytest.param(b"out\n", b"err\n", "out\n\nstderr:\nerr\n", id="both"),
        pytest.param(b"out", b"err", "out\n\nstderr:\nerr", id="without-newlines"),
    ],
)
def test_stdout_comes_first_then_stderr_under_its_name(
    store: OutputStore, stdout: bytes, stderr: bytes, text: str
) -> None:
    """BASH-1: a blank line between them."""
    assert rendered(store, stdout, stderr, Limits()) == text


def test_notes_stand_behind_the_output(store: OutputStore) -> None:
    """BASH-3: in the wrapper of the original."""
    text = rendered(store, b"out\n", b"", Limits(), ("first", "second"))
    assert text == "out\n\n\n<shell_metadata>\nfirst\nsecond\n</shell_metadata>"


@pytest.mark.parametrize("n_lines", range(90, 104))
@pytest.mark.parametrize("n_err", [0, 1, 50, 200])
def test_lines_stay_within_the_limit_at_its_border(store: OutputStore, n_lines: int, n_err: int) -> None:
    """BASH-5: with notes, prefixes and stderr counted."""
    stdout = b"".join(b"%d\n" % n for n in range(n_lines))
    text = rendered(store, stdout, b"e\n" * n_err, Limits(max_lines=100), ("note",))
    assert text.startswith("0\n") or text.startswith(
        "...output truncated...\n\nFull output saved to: remote-code:output/"
    )


@pytest.mark.parametrize("size", range(900, 1100, 7))
@pytest.mark.parametrize("character", ["x", "ü", "🌐"])
def test_bytes_stay_within_the_limit_at_its_border(store: OutputStore, size: int, character: str) -> None:
    """BASH-5: one long line, whole characters."""
    text = rendered(store, (character * (size // len(character.encode()))).encode(), b"", Limits(max_bytes=1000))
    assert "\ufffd" not in text


def test_shortened_output_keeps_head_tail_and_stderr_and_names_what_is_left_out(store: OutputStore) -> None:
    """BASH-5: the whole text is kept, 0600 in a 0700 directory."""
    stdout = b"".join(b"line %d\n" % n for n in range(1000))
    text = rendered(store, stdout, b"last words\n", Limits(max_lines=60))
    lines = text.split("\n")
    name = lines[2].removeprefix("Full output saved to: ")
    assert lines[5] == "line 0"
    assert text.endswith("line 999\n\nstderr:\nlast words\n")
    assert any(line.startswith("... ") and "left out here" in line for line in lines)
    assert kept(store, name) == stdout.decode() + "\n\nstderr:\nlast words\n"
    path = store.find(name)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_disk_that_takes_nothing_costs_the_full_output_only(tmp_path: Path) -> None:
    """BASH-5: the command goes on, the result says why."""
    (tmp_path / "file").write_bytes(b"")
    text = rendered(OutputStore(tmp_path / "file"), b"line\n" * 500, b"", Limits(max_lines=50, max_bytes=1000))
    assert text.split("\n")[2] == "The full output could not be kept on this machine: File exists"
    assert text.endswith("line\n")


def test_outputs_are_numbered_across_stores_and_names_of_others_find_nothing(tmp_path: Path) -> None:
    first, second = OutputStore(tmp_path), OutputStore(tmp_path)
    names = []
    for store in (first, second, first):
        spool = store.create()
        spool.close()
        names.append(spool.name)
    assert names == [f"remote-code:output/{n}" for n in (1, 2, 3)]
    assert all(first.find(name) is None for name in ("remote-code:output/../1", "remote-code:output/9", "/etc/passwd"))


def test_old_outputs_are_removed(tmp_path: Path) -> None:
    """BASH-5: seven days."""
    store = OutputStore(tmp_path)
    store.create().close()
    later = OutputStore(tmp_path, clock=lambda: (tmp_path / "1").stat().st_mtime + 7 * 24 * 3600 + 1)
    later.create().close()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


@pytest.mark.parametrize("size", [0, 9, 10, 19, 20, 21, 29, 30, 31, 55])
@pytest.mark.parametrize("piece", [1, 7, 100])
def test_spool_keeps_both_ends_and_names_the_gap(tmp_path: Path, size: int, piece: int) -> None:
    """BASH-5: the first and the last part."""
    data = bytes(ord("a") + n % 26 for n in range(size))
    spool = Spool((tmp_path / "spool").open("w+b"), name="", end_bytes=10)
    for start in range(0, size, piece):
        spool.write(data[start : start + piece])
    spool.finish()
    found = b"".join(spool.blocks())
    spool.close()
    gap = size - 20
    assert found == (data if gap <= 0 else data[:10] + b"\n... %d bytes are not kept ...\n" % gap + data[-10:])


def test_clamped_text_is_within_both_limits() -> None:
    limits = Limits(max_lines=10, max_bytes=200)
    for text in ("x" * 500, "ü" * 500, "a\n" * 500, "\n" * 9, "short"):
        cut = clamp(text, limits)
        assert len(cut.encode()) <= 200
        assert cut.count("\n") < 10
    assert clamp("short", limits) == "short"
