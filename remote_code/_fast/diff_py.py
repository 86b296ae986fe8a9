"""A shortest edit script of two sequences of line numbers: the twin of `_diff.pyx`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Path:
    """The furthest path on one diagonal after some edits: counts of old lines used."""

    start: int
    """Behind its last edit."""
    end: int
    """Behind the equal lines that follow."""
    came_from: int
    """The diagonal it was on before its last edit."""


def greedy_edits(old: list[int], new: list[int], max_edits: int) -> list[tuple[int, int]] | None:
    """Return the index pairs that a shortest edit script keeps, or None if it needs more than `max_edits` edits.

    Of scripts of equal length it takes jsdiff's: equal lines as early as possible, deletions before insertions.
    Source: Myers, 1986, as in jsdiff 8. Diagonal k holds the points with k more old lines used than new ones.
    """
    n_old, n_new = len(old), len(new)
    end = _follow(old, new, 0, 0)
    rounds = [{0: _Path(0, end, 0)}]
    if end == n_old == n_new:
        return [(index, index) for index in range(end)]
    lowest, highest = -max_edits, max_edits
    for n_edits in range(1, max_edits + 1):
        before, reached = rounds[-1], {}
        for k in range(max(lowest, -n_edits), min(highest, n_edits) + 1, 2):
            step = _step(before, k, n_old, n_new)
            if step is None:
                continue
            start, came_from = step
            end = _follow(old, new, start, start - k)
            reached[k] = _Path(start, end, came_from)
            if end >= n_old and end - k >= n_new:
                return _walk_back([*rounds, reached], k)
            if end >= n_old:
                highest = min(highest, k - 1)
            if end - k >= n_new:
                lowest = max(lowest, k + 1)
        rounds.append(reached)
    return None


def _step(before: dict[int, _Path], k: int, n_old: int, n_new: int) -> tuple[int, int] | None:
    """Return how many old lines the better of a deletion and an insertion onto diagonal `k` uses, and its origin."""
    deletion, insertion = before.get(k - 1), before.get(k + 1)
    if deletion is not None and deletion.end >= n_old:
        deletion = None
    if insertion is not None and not 1 <= insertion.end - k <= n_new:
        insertion = None
    if insertion is not None and (deletion is None or deletion.end < insertion.end):
        return insertion.end, k + 1
    if deletion is not None:
        return deletion.end + 1, k - 1
    return None


def _follow(old: list[int], new: list[int], i: int, j: int) -> int:
    """Return how many old lines are used once the equal lines from `old[i]` and `new[j]` on are."""
    while i < len(old) and j < len(new) and old[i] == new[j]:
        i += 1
        j += 1
    return i


def _walk_back(rounds: list[dict[int, _Path]], k: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for reached in reversed(rounds):
        path = reached[k]
        pairs += ((index, index - k) for index in range(path.end - 1, path.start - 1, -1))
        k = path.came_from
    return pairs[::-1]
