"""Which lines two texts have in common: a shortest edit script where that is cheap, a good one where it is not.

Small differences are found by Myers' greedy algorithm with the choices of jsdiff, so that previews look as in OpenCode.
Beyond `MAX_EDITS` edits the lines that occur in one text only are set aside first, and the rest is cut at lines that
are unique in both (patience), so that a rewritten file costs no more than reading it.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from remote_code._fast import greedy_edits

MAX_EDITS = 500
"""Above this many inserted and deleted lines a stretch is cut up instead of searched for a shortest script."""


@dataclass(frozen=True, slots=True)
class Match:
    """A run of equal lines: `old[old_start:]` and `new[new_start:]`, 0-based, for `size` lines."""

    old_start: int
    new_start: int
    size: int


def matching_runs(old: Sequence[str], new: Sequence[str]) -> list[Match]:
    """Return the runs of lines that stay, in order, none touching the next."""
    numbers: dict[str, int] = {}
    ours = [numbers.setdefault(line, len(numbers)) for line in old]
    theirs = [numbers.setdefault(line, len(numbers)) for line in new]
    pairs: list[tuple[int, int]] = []
    n_prefix = _common_prefix(ours, theirs)
    pairs += zip(range(n_prefix), range(n_prefix), strict=True)
    _match_stretch(_Stretch(ours, range(n_prefix, len(ours))), _Stretch(theirs, range(n_prefix, len(theirs))), pairs)
    return _runs(pairs)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Some lines of one text: their numbers are `ids[i]` for the `i` in `at`, which ascend."""

    ids: list[int]
    at: Sequence[int]

    def numbers(self) -> list[int]:
        return [self.ids[index] for index in self.at]

    def part(self, start: int, end: int) -> "_Stretch":
        return _Stretch(self.ids, self.at[start:end])


def _match_stretch(old: _Stretch, new: _Stretch, pairs: list[tuple[int, int]]) -> None:
    """Append the pairs of equal lines within two stretches. Work is kept on a list: texts decide its depth."""
    waiting = [(old, new)]
    while waiting:
        old, new = waiting.pop()
        ours, theirs = old.numbers(), new.numbers()
        if not ours or not theirs:
            continue
        matched = _shortest(ours, theirs)
        if matched is not None:
            pairs += [(old.at[i], new.at[j]) for i, j in matched]
            continue
        shared = set(ours) & set(theirs)
        kept_old = [i for i, number in enumerate(ours) if number in shared]
        kept_new = [j for j, number in enumerate(theirs) if number in shared]
        if len(kept_old) < len(ours) or len(kept_new) < len(theirs):
            waiting.append(
                (
                    _Stretch(old.ids, [old.at[i] for i in kept_old]),
                    _Stretch(new.ids, [new.at[j] for j in kept_new]),
                )
            )
            continue
        anchors = _anchors(ours, theirs)
        pairs += [(old.at[i], new.at[j]) for i, j in anchors]
        bounds = [(-1, -1), *anchors, (len(ours), len(theirs))]
        if anchors:
            for (i, j), (next_i, next_j) in zip(reversed(bounds[:-1]), reversed(bounds[1:]), strict=True):
                waiting.append((old.part(i + 1, next_i), new.part(j + 1, next_j)))


def _shortest(ours: list[int], theirs: list[int]) -> list[tuple[int, int]] | None:
    """Return the pairs of a shortest edit script, or None where it has more than `MAX_EDITS` edits."""
    shared = set(ours) & set(theirs)
    n_single = sum(1 for n in ours if n not in shared) + sum(1 for n in theirs if n not in shared)
    if n_single > MAX_EDITS or abs(len(ours) - len(theirs)) > MAX_EDITS:
        return [] if not shared else None
    return greedy_edits(ours, theirs, MAX_EDITS)


def _anchors(ours: list[int], theirs: list[int]) -> list[tuple[int, int]]:
    """Return pairs that split both sides: lines unique in both, the longest run of them that keeps its order.

    Where no line is unique the rarest lines are paired in order of occurrence.
    """
    where_ours, where_theirs = _where(ours), _where(theirs)
    rarest = min(max(len(places), len(where_theirs[number])) for number, places in where_ours.items())
    pairs = sorted(
        pair
        for number, places in where_ours.items()
        if max(len(places), len(where_theirs[number])) == rarest
        for pair in zip(places, where_theirs[number], strict=False)
    )
    return _longest_ascending(pairs)


def _where(numbers: list[int]) -> dict[int, list[int]]:
    where: dict[int, list[int]] = {}
    for index, number in enumerate(numbers):
        where.setdefault(number, []).append(index)
    return where


def _longest_ascending(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest subsequence whose second members ascend. Source: Fredman, 1975."""
    tails: list[int] = []
    tail_pairs: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        length = bisect.bisect_left(tails, j)
        before.append(tail_pairs[length - 1] if length else -1)
        tails[length : length + 1] = [j]
        tail_pairs[length : length + 1] = [index]
    result: list[tuple[int, int]] = []
    index = tail_pairs[-1] if tail_pairs else -1
    while index >= 0:
        result.append(pairs[index])
        index = before[index]
    return result[::-1]


def _common_prefix(ours: list[int], theirs: list[int]) -> int:
    return next(
        (index for index, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
        min(len(ours), len(theirs)),
    )


def _runs(pairs: list[tuple[int, int]]) -> list[Match]:
    runs: list[Match] = []
    start: tuple[int, int] | None = None
    size = 0
    for i, j in sorted(pairs):
        if start is not None and (i, j) == (start[0] + size, start[1] + size):
            size += 1
            continue
        if start is not None:
            runs.append(Match(*start, size))
        start, size = (i, j), 1
    if start is not None:
        runs.append(Match(*start, size))
    return runs
