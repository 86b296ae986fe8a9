"""Measures the text core against its twins and against JavaScript, and writes the table in docs/performance.md.

Run it as `python -m benchmarks.text_report`; without node the column of JavaScript stays empty.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable

from benchmarks.kernels import KERNELS
from benchmarks.matcher_cases import Case, quick_cases, slow_cases, worst_cases
from benchmarks.page import ROOT, machine, write_section
from remote_code.errors import RemoteCodeError
from remote_code.text import codec, diff, patch

Row = tuple[str, float | None, float | None, float | None]
"""Name; milliseconds compiled, twin, JavaScript."""


def main() -> None:
    """Measure everything and put the tables into the page."""
    slow, quick, worst = slow_cases(), quick_cases(), worst_cases()
    javascript = _javascript([*slow, *quick])
    write_section(
        "text core",
        [
            "## Text core",
            "",
            f"{machine()}. Milliseconds of processor time, the best of several rounds, by `python -m "
            "benchmarks.text_report`. JavaScript is `benchmarks/matcher.js` in node, a plain transcription of "
            "OpenCode's matcher; of its processor time and its wall time the smaller one counts.",
            "",
            *_table("Where OpenCode's matcher is slow", [_matcher_row(case, javascript) for case in slow]),
            *_table("Where it is quick", [_matcher_row(case, javascript) for case in quick]),
            *_table("The worst files of 1 MB, texts of up to 64 kB", [_matcher_row(case, {}) for case in worst]),
            *_table("The rest", _other_rows()),
        ],
    )


def _milliseconds(call: Callable[[], object]) -> float:
    """Return the best time of a call, repeated for about half a second: the least disturbed by other programs."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - began < 0.5 and len(times) < 200):
        start = time.thread_time()
        call()
        times.append((time.thread_time() - start) * 1000)
        if times[-1] > 2000:
            break
    return min(times)


def _javascript(cases: list[Case]) -> dict[str, float]:
    node = shutil.which("node")
    if node is None:
        return {}
    lines = [json.dumps([case.name, case.content, case.old, "new", False, case.js_rounds]) for case in cases]
    run = subprocess.run(
        [node, str(ROOT / "benchmarks" / "matcher.js")],
        input="\n".join(lines), capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    return {name: time_ms for name, time_ms, _ in map(json.loads, run.stdout.splitlines())}


def _matcher_row(case: Case, javascript: dict[str, float]) -> Row:
    def measure(kernel: str) -> float:
        return _milliseconds(lambda: _attempt(lambda: KERNELS[kernel].replace(case.content, case.old, "new")))

    return case.name, measure("compiled"), measure("twin") if case.is_for_twin else None, javascript.get(case.name)


def _attempt(call: Callable[[], object]) -> None:
    try:
        call()
    except RemoteCodeError:
        return


def _other_rows() -> list[Row]:
    head = ("def f(x):\n    return x\n" * 200).encode()[:4096]
    marked = b"\xef\xbb\xbf" + b"x" * 2**20
    numbers = list(range(10_000))
    changed = [number if number % 100 else -number for number in numbers]
    old = "".join(f"old line {number}\n" for number in numbers)
    few = "".join(f"old line {number}\n" if number % 200 else "new\n" for number in numbers)
    text = diff.unified("f", old, few)
    chinese = ("配置文件 test\n" * 70_000).encode("gb18030")
    both: list[tuple[str, Callable[[str], object]]] = [
        ("binary test, 4 KiB", lambda kernel: KERNELS[kernel].is_binary("a.py", head)),
        ("BOM split, 1 MiB", lambda kernel: KERNELS[kernel].split_bom(marked)),
        ("line edits, 10,000 lines, 100 changed", lambda kernel: KERNELS[kernel].greedy_edits(numbers, changed, 500)),
    ]
    rows: list[Row] = [
        (name, _milliseconds(lambda: call("compiled")), _milliseconds(lambda: call("twin")), None)  # noqa: B023
        for name, call in both
    ]
    single: list[tuple[str, Callable[[], object]]] = [
        ("decode UTF-8, 1 MiB", lambda: codec.decode(old.encode() * 5)),
        ("detect and decode GB18030, 1 MB", lambda: codec.decode(chinese)),
        ("diff, 10,000 lines, 50 changed", lambda: diff.unified("f", old, few)),
        ("diff, 10,000 lines rewritten", lambda: diff.unified("f", old, old.replace("old", "new"))),
        ("patch, 10,000 lines, 50 hunks", lambda: patch.apply(patch.parse(text), {"f": old.encode()})),
    ]
    return rows + [(name, _milliseconds(call), None, None) for name, call in single]


def _table(title: str, rows: list[Row]) -> list[str]:
    lines = [
        f"### {title}",
        "",
        "| | compiled | twin | JavaScript | compiled against JavaScript |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, compiled, twin, javascript in rows:
        ratio = f"{javascript / compiled:.1f} x" if javascript and compiled else ""
        lines.append(f"| {name} | {_shown(compiled)} | {_shown(twin)} | {_shown(javascript)} | {ratio} |")
    return [*lines, ""]


def _shown(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.3g}" if milliseconds < 1000 else f"{milliseconds:.0f}"


if __name__ == "__main__":
    main()
