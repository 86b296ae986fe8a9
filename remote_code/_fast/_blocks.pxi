# The replacers that compare whole lines between two anchors, or under a shift of indentation.


cdef int anchored(_Index index, Ints *firsts, Ints *lasts) except -1:
    """Collect the blocks from each first anchor to the nearest last anchor, two lines on or further."""
    cdef Py_ssize_t a, g = 0, n = index.n_lines
    cdef int32_t first = index.wanted.ids[0], last = index.wanted.ids[index.n_wanted - 1]
    with nogil:
        for a in range(n):
            if index.ids[a] != first:
                continue
            if g < a + 2:
                g = a + 2
            while g < n and index.ids[g] != last:
                g += 1
            if g >= n:
                break
            append(firsts, <int32_t> a)
            append(lasts, <int32_t> g)
    if firsts.has_failed or lasts.has_failed:
        raise MemoryError
    return 0


cdef list context_aware(_Index index):
    """The twin of `replacers_py.context_aware`."""
    cdef Ints firsts, lasts, fitting
    cdef Py_ssize_t i, k, n = index.n_wanted
    cdef int32_t ours, theirs
    cdef Py_ssize_t n_counted, n_equal
    cdef bint is_blank
    if index.n_find_lines < 3:
        return []
    memset(&firsts, 0, sizeof(Ints))
    memset(&lasts, 0, sizeof(Ints))
    memset(&fitting, 0, sizeof(Ints))
    try:
        anchored(index, &firsts, &lasts)
        with nogil:
            for i in range(firsts.size):
                if lasts.items[i] - firsts.items[i] + 1 != n:
                    continue
                n_counted = n_equal = 0
                for k in range(1, n - 1):
                    ours = index.ids[firsts.items[i] + k]
                    theirs = index.wanted.ids[k]
                    is_blank = theirs == index.wanted.blank_id
                    if is_blank and ours == theirs:
                        continue
                    n_counted += 1
                    n_equal += ours == theirs
                if n_counted == 0 or <double> n_equal / <double> n_counted >= 0.5:
                    append(&fitting, firsts.items[i])
        if fitting.has_failed:
            raise MemoryError
        return index.distinct_windows(&fitting, n)
    finally:
        free(firsts.items)
        free(lasts.items)
        free(fitting.items)


cdef struct Scores:
    # The blocks that are compared, line by line of the text to find.
    Py_ssize_t n_blocks
    int32_t *firsts
    int32_t *n_lines
    double *totals
    uint8_t *is_alive
    Pattern pattern
    uint16_t *units
    # Room for the longest line of the file that is compared.
    Py_ssize_t room


cdef list block_anchor(_Index index):
    """The twin of `replacers_py.block_anchor`."""
    cdef Ints firsts, lasts
    cdef Scores scores
    cdef Py_ssize_t i, n = index.n_wanted, tolerance, n_lines, best, n_pairs = 0
    if index.n_find_lines < 3:
        return []
    memset(&firsts, 0, sizeof(Ints))
    memset(&lasts, 0, sizeof(Ints))
    memset(&scores, 0, sizeof(Scores))
    try:
        anchored(index, &firsts, &lasts)
        tolerance = max(1, n // 4)
        for i in range(firsts.size):
            n_lines = lasts.items[i] - firsts.items[i] + 1
            if n - tolerance <= n_lines <= n + tolerance:
                firsts.items[scores.n_blocks] = firsts.items[i]
                lasts.items[scores.n_blocks] = <int32_t> n_lines
                scores.n_blocks += 1
                n_pairs += min(n, n_lines) - 2
        if n_pairs > MAX_BLOCK_COMPARISONS:
            return []
        scores.firsts = firsts.items
        scores.n_lines = lasts.items
        best = best_block(index, &scores)
        if best < 0:
            return []
        i = firsts.items[best]
        return [(index.starts[i], index.end(i + lasts.items[best] - 1), False)]
    finally:
        release_pattern(&scores.pattern)
        free(scores.pattern.symbol_of)
        free(scores.units)
        free(scores.totals)
        free(scores.is_alive)
        free(firsts.items)
        free(lasts.items)


cdef Py_ssize_t best_block(_Index index, Scores *scores) except -2:
    """Return which block is the one that fits, or -1."""
    cdef Py_ssize_t c, best = -1, n_compared, k
    cdef Py_ssize_t n = index.n_wanted
    cdef double similarity, best_similarity = -1.0
    cdef const uint32_t *s
    cdef int status = 0
    if scores.n_blocks == 0:
        return -1
    if n <= 2:
        return 0
    s = index.chars()
    scores.totals = <double *> checked(calloc(<size_t> scores.n_blocks, sizeof(double)))
    scores.is_alive = <uint8_t *> checked(malloc(<size_t> scores.n_blocks))
    scores.pattern.symbol_of = <int32_t *> checked(calloc(65536, sizeof(int32_t)))
    memset(scores.is_alive, 1, <size_t> scores.n_blocks)
    with nogil:
        for k in range(1, n - 1):
            status = score_line(index, s, scores, k)
            if status:
                break
    if status < 0:
        raise MemoryError
    for c in range(scores.n_blocks):
        if not scores.is_alive[c]:
            continue
        similarity = scores.totals[c]
        if scores.n_blocks > 1:
            n_compared = scores.n_lines[c] - 2 if scores.n_lines[c] < n else n - 2
            similarity = similarity / <double> n_compared
        if similarity > best_similarity:
            best, best_similarity = c, similarity
    return best if best_similarity >= <double> ACCEPTED else -1


cdef double ACCEPTED = ACCEPTED_SIMILARITY
cdef double MARGIN = 1e-9
"""More than the rounding of a sum, so that nothing is given up for it."""


cdef int score_line(_Index index, const uint32_t *s, Scores *scores, Py_ssize_t k) noexcept nogil:
    """Add to every block's total what its line `k` is like that of the text to find.

    Blocks that can no longer reach what is accepted are given up. Returns 1 when there is nothing left to compare,
    -1 if memory is short. Each total is added up in the order of lines, as OpenCode does, for the same rounding.
    """
    cdef Wanted *w = &index.wanted
    cdef Py_ssize_t c, n_compared, line, ours, theirs, a, b, n_units, limit, longest, found
    cdef Py_ssize_t n_alive = 0
    cdef bint is_prepared = False, is_single = scores.n_blocks == 1
    cdef double needed, share, similarity
    theirs = w.trimmed_ends[k] - w.trimmed_starts[k]
    for c in range(scores.n_blocks):
        if not scores.is_alive[c]:
            continue
        n_compared = (scores.n_lines[c] if scores.n_lines[c] < index.n_wanted else index.n_wanted) - 2
        if k > n_compared:
            continue
        n_alive += 1
        share = <double> n_compared if is_single else 1.0
        # What this line must give at least, should all later ones be equal.
        needed = ACCEPTED * n_compared - (scores.totals[c] * share if is_single else scores.totals[c])
        needed -= <double> (n_compared - k) + MARGIN * n_compared
        line = scores.firsts[c] + k
        similarity = 0.0
        if index.ids[line] >= 0 and index.ids[line] == w.ids[k]:
            similarity = 1.0 if theirs else 0.0
        elif theirs and not index.is_blank(line):
            a, b = index.starts[line], index.end(line)
            while a < b and is_space(s[a]):
                a += 1
            while b > a and is_space(s[b - 1]):
                b -= 1
            if 2 * (b - a) > scores.room:
                free(scores.units)
                scores.room = 4 * (b - a)
                scores.units = <uint16_t *> malloc(<size_t> scores.room * sizeof(uint16_t))
                if scores.units == NULL:
                    scores.room = 0
                    return -1
            if not is_prepared:
                release_pattern(&scores.pattern)
                if prepare_pattern(&scores.pattern, w.chars, w.trimmed_starts[k], w.trimmed_ends[k]):
                    return -1
                is_prepared = True
            n_units = to_units(s, a, b, scores.units)
            longest = n_units if n_units > scores.pattern.size else scores.pattern.size
            limit = longest
            if needed > 0:
                limit = <Py_ssize_t> ((1.0 - needed) * <double> longest + 1e-6) if needed < 1.0 else 0
            found = distance(&scores.pattern, scores.units, n_units, limit)
            if found > limit:
                scores.is_alive[c] = 0
                continue
            similarity = 1.0 - <double> found / <double> longest
        if similarity < needed:
            scores.is_alive[c] = 0
            continue
        if is_single:
            if theirs or not index.is_blank(line):
                scores.totals[c] += similarity / share
            if scores.totals[c] >= ACCEPTED:
                return 1
        else:
            scores.totals[c] += similarity
    return 0 if n_alive else 1


cdef list indentation_flexible(_Index index):
    """The twin of `replacers_py.indentation_flexible`: some of the runs that are equal when trimmed."""
    cdef Ints longer
    cdef Ints *firsts = index.line_trimmed()
    cdef Py_ssize_t i, first, n = index.n_find_lines
    cdef list found = []
    cdef const uint32_t *s
    if firsts.size == 0:
        return found
    memset(&longer, 0, sizeof(Ints))
    try:
        if n > index.n_wanted:
            # The text to find ends with a newline: the line after must be empty to the last character.
            for i in range(firsts.size):
                first = firsts.items[i] + n - 1
                if first < index.n_lines and index.starts[first] == index.end(first):
                    append(&longer, firsts.items[i])
            if longer.has_failed:
                raise MemoryError
            firsts = &longer
        s = index.chars()
        for start, end, is_repeated in index.distinct_windows(firsts, n):
            if is_shifted(index, s, line_of(index, start)):
                found.append((start, end, is_repeated))
        return found
    finally:
        free(longer.items)


cdef Py_ssize_t line_of(_Index index, Py_ssize_t start) noexcept:
    """Return the line that starts at `start`."""
    cdef Py_ssize_t low = 0, high = index.n_lines - 1, middle
    while low < high:
        middle = (low + high) // 2
        if index.starts[middle] < start:
            low = middle + 1
        else:
            high = middle
    return low


cdef bint is_shifted(_Index index, const uint32_t *s, Py_ssize_t first) noexcept nogil:
    """Tell whether the lines from `first` on are those to find once the common indentation of both is cut."""
    cdef Wanted *w = &index.wanted
    cdef Py_ssize_t k, line, a, theirs_a, ours_cut = -1, theirs_cut = -1, ours, theirs, size
    for k in range(w.n_lines):
        if w.trimmed_starts[k] == w.trimmed_ends[k]:
            continue
        a = index.starts[first + k]
        while is_space(s[a]):
            a += 1
        ours = a - index.starts[first + k]
        theirs = w.trimmed_starts[k] - w.starts[k]
        if ours_cut < 0 or ours < ours_cut:
            ours_cut = ours
        if theirs_cut < 0 or theirs < theirs_cut:
            theirs_cut = theirs
    for k in range(w.n_lines):
        line = first + k
        a, theirs_a = index.starts[line], w.starts[k]
        if ours_cut >= 0 and w.trimmed_starts[k] != w.trimmed_ends[k]:
            a += ours_cut
            theirs_a += theirs_cut
        size = index.end(line) - a
        if size != w.starts[k + 1] - 1 - theirs_a or memcmp(s + a, w.chars + theirs_a, <size_t> size * 4) != 0:
            return False
    return True
