"""The text core, compiled and twin side by side; fixed inputs, sizes in the ids."""

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.kernels import KERNELS
from benchmarks.matcher_cases import Case, quick_cases, slow_cases, worst_cases
from remote_code.errors import RemoteCodeError
from remote_code.text import codec, diff, edit, patch

pytest.importorskip("remote_code._fast._matcher")

MATCHER = [
    pytest.param(kernel, case, id=f"{case.name}-{kernel}")
    for case in [*quick_cases(), *slow_cases(), *worst_cases()]
    for kernel in KERNELS
    if kernel == "compiled" or case.is_for_twin
]

BOTH = pytest.mark.parametrize("kernel", list(KERNELS))


def _attempt(call: Callable[[], object]) -> object:
    try:
        return call()
    except RemoteCodeError as exc:
        return exc.kind


@pytest.mark.parametrize(("kernel", "case"), MATCHER)
def test_matcher(benchmark: BenchmarkFixture, kernel: str, case: Case) -> None:
    replace = KERNELS[kernel].replace
    benchmark.pedantic(  # type: ignore[no-untyped-call]  # pytest-benchmark leaves it untyped
        _attempt, args=(lambda: replace(case.content, case.old, "new"),), rounds=3, warmup_rounds=0, iterations=1
    )


@BOTH
def test_is_binary_4kib(benchmark: BenchmarkFixture, kernel: str) -> None:
    head = ("def f(x):\n    return x\n" * 200).encode()[:4096]
    benchmark(KERNELS[kernel].is_binary, "a.py", head)


@BOTH
def test_split_bom_1mib(benchmark: BenchmarkFixture, kernel: str) -> None:
    data = b"\xef\xbb\xbf" + b"x" * 2**20
    benchmark(KERNELS[kernel].split_bom, data)


@BOTH
def test_line_edits_10000_lines_200_changed(benchmark: BenchmarkFixture, kernel: str) -> None:
    old = list(range(10_000))
    new = [number if number % 100 else -number for number in old]
    benchmark(KERNELS[kernel].greedy_edits, old, new, 500)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "cp1252"])
def test_decode_1mib(benchmark: BenchmarkFixture, encoding: str) -> None:
    text = {"utf-8": "naïve café\n", "gb18030": "配置文件 test\n", "cp1252": "naïve café\n"}[encoding]
    data = (text * (2**20 // len(text.encode(encoding)))).encode(encoding)
    benchmark(codec.decode, data)


def test_edit_10000_lines_exact(benchmark: BenchmarkFixture) -> None:
    case = quick_cases()[0]
    data = case.content.encode()
    benchmark(edit.apply_edit, data, case.old, "new")


def test_diff_10000_lines_one_changed(benchmark: BenchmarkFixture) -> None:
    old = "".join(f"line {number}\n" for number in range(10_000))
    benchmark(diff.unified, "f", old, old.replace("line 5000\n", "changed\n"))


def test_diff_10000_lines_rewritten(benchmark: BenchmarkFixture) -> None:
    old = "".join(f"old line {number}\n" for number in range(10_000))
    benchmark(diff.unified, "f", old, old.replace("old", "new"))


def test_diff_10000_lines_rewritten_around_braces(benchmark: BenchmarkFixture) -> None:
    old = "".join(f"old {number}\n}}\n\n" for number in range(3_334))
    benchmark(diff.unified, "f", old, old.replace("old", "new"))


def test_diff_10000_lines_shuffled(benchmark: BenchmarkFixture) -> None:
    lines = [f"line {number}\n" for number in range(10_000)]
    shuffled = [lines[number * 7919 % 10_000] for number in range(10_000)]
    benchmark(diff.unified, "f", "".join(lines), "".join(shuffled))


def test_patch_10000_lines_50_hunks(benchmark: BenchmarkFixture) -> None:
    old = "".join(f"line {number}\n" for number in range(10_000))
    new = "".join(f"line {number}\n" if number % 200 else "changed\n" for number in range(10_000))
    text = diff.unified("f", old, new)
    benchmark(lambda: patch.apply(patch.parse(text), {"f": old.encode()}))
