"""The shortest edit script of two sequences; both kernels."""

import pytest

from tests.twin.conftest import Kernel


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        pytest.param("", "", "", id="both empty"),
        pytest.param("abc", "abc", "00 11 22", id="equal"),
        pytest.param("", "abc", "", id="all added"),
        pytest.param("abc", "", "", id="all deleted"),
        pytest.param("abc", "axc", "00 22", id="one replaced"),
        pytest.param("aa", "aaa", "00 11", id="a repeated line is added at the end"),
        pytest.param("qrr", "r", "10", id="the first of equal lines stays"),
        pytest.param("abcabba", "cbabac", "20 32 43 64", id="Myers' example"),
    ],
)
def test_the_pairs_of_a_shortest_script(kernel: Kernel, old: str, new: str, pairs: str) -> None:
    expected = [(int(pair[0]), int(pair[1])) for pair in pairs.split()]
    assert kernel.greedy_edits([*map(ord, old)], [*map(ord, new)], 20) == expected


def test_a_longer_script_than_allowed_is_none(kernel: Kernel) -> None:
    assert kernel.greedy_edits([1, 2, 3], [4, 5, 6], 5) is None
    assert kernel.greedy_edits([1, 2, 3], [4, 5, 6], 6) == []
    assert kernel.greedy_edits([1], [2], 0) is None
