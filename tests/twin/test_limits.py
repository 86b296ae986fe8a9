"""What bounds the work of the matcher; both kernels."""

import random

import pytest

from remote_code._fast import replacers_py
from remote_code._fast.limits import MAX_BLOCK_COMPARISONS
from remote_code.errors import EditAmbiguous
from tests.twin.conftest import Kernel


@pytest.mark.parametrize("n_lines", [63, 64, 65, 66, 200])
def test_among_many_candidates_the_one_that_is_unique_is_found(kernel: Kernel, n_lines: int) -> None:
    """Each indented line stands within the next; only the last stands alone."""
    content = "\n".join(" " * number + "x" for number in range(1, n_lines + 1))
    assert kernel.locate(content, "x\t") == (len(content) - n_lines - 1, len(content))


def test_among_many_candidates_none_is_unique(kernel: Kernel) -> None:
    content = "\n".join(" " * min(number, 150) + "x" for number in range(1, 152))
    with pytest.raises(EditAmbiguous):
        kernel.locate(content, "x\t")


@pytest.mark.parametrize("seed", range(30))
def test_many_repeated_candidates_are_told_apart_alike(both: tuple[Kernel, Kernel], seed: int) -> None:
    """The index of repeated pieces, made after some tests, says what searching says."""
    source = random.Random(seed)
    lines = [
        "".join(source.choices(" \t\u00a0\u3000"[: source.choice([1, 2, 4])], k=source.randrange(9))) + "x"
        for _ in range(400)
    ]
    content = "😀\n" * (seed % 2) + "\n".join(lines * 2 if seed % 3 else lines)
    compiled, twin = both
    found = []
    for kernel in (compiled, twin):
        try:
            found.append(kernel.locate(content, "x\u2003"))
        except EditAmbiguous:
            found.append((-1, -1))
    assert found[0] == found[1]


def test_blocks_are_passed_over_where_too_many_lines_would_be_compared(both: tuple[Kernel, Kernel]) -> None:
    """Each "a" begins a block that ends at the one "z"; about half as many as the text has lines are near enough."""
    n_lines = 4400
    find = "a\n" * (n_lines - 2) + "b\nz"
    assert (n_lines // 2) * (n_lines - n_lines // 8) > MAX_BLOCK_COMPARISONS
    content = "a\n" * (n_lines + n_lines // 4) + "z"
    assert [name for name, _ in both[0].candidates(content, find)] == ["ContextAware"]
    assert list(replacers_py.block_anchor(content, find)) == []


def test_few_blocks_of_many_lines_are_compared(kernel: Kernel) -> None:
    find = "a\n" * 48 + "b\nz"
    names = [name for name, _ in kernel.candidates("a\n" * 60 + "z", find)]
    assert names == ["BlockAnchor", "ContextAware"]
