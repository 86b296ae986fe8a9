# cython: language_level=3
# The loops keep to the lengths of the arrays that they index.
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A shortest edit script of two sequences of line numbers, compiled; `diff_py.py` is the twin."""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc


cdef struct Path:
    int32_t start
    int32_t end
    int32_t came_from


cdef Py_ssize_t follow(
    const int64_t *old, Py_ssize_t n_old, const int64_t *new, Py_ssize_t n_new, Py_ssize_t i, Py_ssize_t j
) noexcept nogil:
    while i < n_old and j < n_new and old[i] == new[j]:
        i += 1
        j += 1
    return i


cdef int64_t *numbers(list values) except NULL:
    cdef Py_ssize_t i, n = len(values)
    cdef int64_t *result = <int64_t *> malloc(<size_t> (n + 1) * sizeof(int64_t))
    if result == NULL:
        raise MemoryError
    try:
        for i in range(n):
            result[i] = values[i]
    except BaseException:
        free(result)
        raise
    return result


cdef inline Path *row(Path *paths, Py_ssize_t n_edits) noexcept nogil:
    """Return the paths of round `n_edits`; diagonal k stands at k + n_edits."""
    return paths + n_edits * n_edits


cdef Py_ssize_t search(
    const int64_t *old, Py_ssize_t n_old, const int64_t *new, Py_ssize_t n_new, Py_ssize_t max_edits, Path *paths,
    Py_ssize_t *last_diagonal
) noexcept nogil:
    """Fill the rounds of paths; return the number of edits of a shortest script, or -1."""
    cdef Py_ssize_t d, k, k_last, lowest = -max_edits, highest = max_edits, deletion, insertion, start, end
    cdef Path *before
    cdef Path *here
    end = follow(old, n_old, new, n_new, 0, 0)
    paths[0].start = 0
    paths[0].end = <int32_t> end
    paths[0].came_from = 0
    if end == n_old and end == n_new:
        last_diagonal[0] = 0
        return 0
    for d in range(1, max_edits + 1):
        before = row(paths, d - 1)
        here = row(paths, d)
        for k in range(2 * d + 1):
            here[k].end = -1
        k = lowest if lowest > -d else -d
        k_last = highest if highest < d else d
        while k <= k_last:
            deletion = insertion = -1
            if k - 1 >= -(d - 1) and k - 1 <= d - 1:
                deletion = before[k - 1 + d - 1].end
            if k + 1 <= d - 1 and k + 1 >= -(d - 1):
                insertion = before[k + 1 + d - 1].end
            if deletion >= n_old:
                deletion = -1
            if insertion >= 0 and not (1 <= insertion - k <= n_new):
                insertion = -1
            if insertion >= 0 and deletion < insertion:
                start = insertion
                here[k + d].came_from = <int32_t> (k + 1)
            elif deletion >= 0:
                start = deletion + 1
                here[k + d].came_from = <int32_t> (k - 1)
            else:
                k += 2
                continue
            end = follow(old, n_old, new, n_new, start, start - k)
            here[k + d].start = <int32_t> start
            here[k + d].end = <int32_t> end
            if end >= n_old and end - k >= n_new:
                last_diagonal[0] = k
                return d
            if end >= n_old and highest > k - 1:
                highest = k - 1
            if end - k >= n_new and lowest < k + 1:
                lowest = k + 1
            k += 2
    return -1


def greedy_edits(list old not None, list new not None, Py_ssize_t max_edits):
    """Return the index pairs that a shortest edit script keeps, or None if it needs more than `max_edits` edits."""
    cdef Py_ssize_t n_old = len(old), n_new = len(new), d, k = 0, index
    cdef int64_t *ours = NULL
    cdef int64_t *theirs = NULL
    cdef Path *paths = NULL
    cdef Path path
    cdef list pairs = []
    # No script has more edits than lines, and none is shorter than the difference in length.
    cdef Py_ssize_t most = min(max(max_edits, 0), n_old + n_new)
    try:
        ours = numbers(old)
        theirs = numbers(new)
        paths = <Path *> malloc(<size_t> ((most + 1) * (most + 1)) * sizeof(Path))
        if paths == NULL:
            raise MemoryError
        with nogil:
            d = search(ours, n_old, theirs, n_new, most, paths, &k)
        if d < 0:
            return None
        while d >= 0:
            path = row(paths, d)[k + d]
            for index in range(path.end - 1, path.start - 1, -1):
                pairs.append((index, index - k))
            k = path.came_from
            d -= 1
        pairs.reverse()
        return pairs
    finally:
        free(ours)
        free(theirs)
        free(paths)
