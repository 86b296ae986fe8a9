"""Huge, degenerate and random input: a correct answer or an error of ours, in bounded memory, never a hang.

Each case runs in its own process, whose peak memory is then the case's.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from remote_code._fast import COMPILED

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read with getrusage")

IS_TORTURE = bool(os.environ.get("REMOTE_CODE_TORTURE"))
SIZE = (64 if COMPILED else 8) * 2**20
"""The twins get less, as they take a minute for the whole."""
ROOT = Path(__file__).parents[3]

PRELUDE = f"""
import random, resource, sys
from remote_code.errors import RemoteCodeError
from remote_code.text import codec, diff, edit, page, patch
SIZE = {SIZE}
INPUTS = {{
    "one-line": lambda: b"a" * SIZE,
    "newlines-only": lambda: b"\\n" * SIZE,
    "deeply-repeated": lambda: b"ab\\n" * (SIZE // 3),
    "source-like": lambda: b"    the quick brown fox jumps over the lazy dog, line after line\\n" * (SIZE // 65),
    "random": lambda: random.Random(1).randbytes(SIZE),
    "random-with-utf16-mark": lambda: b"\\xff\\xfe" + random.Random(1).randbytes(SIZE - 2),
}}
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform != "darwin" else 1)
def attempt(call):
    try:
        return call()
    except RemoteCodeError as exc:
        return exc.kind
data = INPUTS[sys.argv[1]]()
base = peak() - len(data)
"""

CASES = {
    "decode-and-encode": """
decoded = codec.decode(data)
assert codec.encode(decoded.text, like=decoded) == data
result = "unchanged"
""",
    "edit-not-found": """result = attempt(lambda: edit.apply_edit(data, "  not\\n\\tthere at all\\n", "x"))""",
    "edit-of-the-end": """
encoding = "utf-16-le" if data.startswith(b"\\xff\\xfe") else "ascii"
data += "\\nend here\\n".encode(encoding)
result = attempt(lambda: edit.apply_edit(data, "end here", "done").contents.endswith("done\\n".encode(encoding)))
""",
    "page": """
text = codec.decode(data).text
result = attempt(lambda: len(page.page_text(text, offset=1000, limit=2000, max_bytes=51200).lines) > 0)
""",
    "preview": """
old = codec.decode(data).text
new = old + "\\nmore\\n"
del data
result = diff.count_changes(old, new)[0] > 0 and len(diff.unified("f", old, new)) > 0
""",
    "patch": """
parsed = patch.parse("*** Begin Patch\\n*** Update File: f\\n@@\\n-not there\\n+x\\n*** End Patch")
result = attempt(lambda: patch.apply(parsed, {"f": data}))
""",
    "patch-text": """
text = data.decode("latin-1")
result = attempt(lambda: patch.parse(text))
""",
}

EXPECTED = {
    "decode-and-encode": {"unchanged"},
    "edit-not-found": {"edit_not_found"},
    "edit-of-the-end": {"True"},
    "page": {"True", "offset_out_of_range"},
    "preview": {"True"},
    "patch": {"patch_rejected"},
    "patch-text": {"patch_rejected"},
}

FEW = [("decode-and-encode", "random"), ("edit-not-found", "source-like"), ("edit-not-found", "newlines-only")]
"""Always run; the other combinations with REMOTE_CODE_TORTURE only, as they take minutes."""

ALL = [(case, kind) for case in CASES for kind in (
    "one-line", "newlines-only", "deeply-repeated", "source-like", "random", "random-with-utf16-mark"
)]  # fmt: skip


@pytest.mark.parametrize(("case", "kind"), ALL if IS_TORTURE else FEW)
def test_huge_input_takes_at_most_eight_times_its_size(case: str, kind: str) -> None:
    code = PRELUDE + CASES[case] + "\nprint(result, (peak() - base) / SIZE)"
    run = subprocess.run(
        [sys.executable, "-c", code, kind],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600 if IS_TORTURE else 100,
    )
    assert run.returncode == 0, run.stderr
    result, times = run.stdout.rsplit(maxsplit=1)
    assert result in EXPECTED[case]
    assert float(times) < 8
