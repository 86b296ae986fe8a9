# Edit distance by bit vectors, in UTF-16 code units; the twin is `replacers_py.levenshtein`.
# Source: Myers, 1999; Hyyro, 2003; the band is Ukkonen's, 1985.


cdef struct Pattern:
    # One line, prepared to be compared with many.
    Py_ssize_t size
    Py_ssize_t n_blocks
    uint16_t *units
    int32_t *symbol_of
    # 65536 entries, 0 for units that the line has not.
    Py_ssize_t n_symbols
    int32_t *row_of
    # Per symbol: its row in `rows`, or -1 if its places are listed.
    int32_t *first_place
    int32_t *places
    uint64_t *rows
    uint64_t *sparse_row
    # Four of them, for as many columns.
    # Work space of one comparison.
    uint64_t *vp
    uint64_t *vn
    int32_t *score


cdef inline Py_ssize_t to_units(const uint32_t *s, Py_ssize_t start, Py_ssize_t end, uint16_t *units) noexcept nogil:
    """Write the UTF-16 code units of some characters; return how many."""
    cdef Py_ssize_t i, n = 0
    cdef uint32_t c
    for i in range(start, end):
        c = s[i]
        if c > 0xFFFF:
            c -= 0x10000
            units[n] = <uint16_t> (0xD800 | c >> 10)
            units[n + 1] = <uint16_t> (0xDC00 | c & 0x3FF)
            n += 2
        else:
            units[n] = <uint16_t> c
            n += 1
    return n


cdef void release_pattern(Pattern *p) noexcept nogil:
    """Forget the line, and leave `symbol_of` clean for the next."""
    cdef Py_ssize_t i
    if p.symbol_of != NULL and p.units != NULL:
        for i in range(p.size):
            p.symbol_of[p.units[i]] = 0
    free(p.units)
    free(p.row_of)
    free(p.first_place)
    free(p.places)
    free(p.rows)
    free(p.sparse_row)
    free(p.vp)
    free(p.vn)
    free(p.score)
    p.units = NULL
    p.row_of = p.first_place = p.places = p.score = NULL
    p.rows = p.sparse_row = p.vp = p.vn = NULL
    p.size = 0


cdef int prepare_pattern(Pattern *p, const uint32_t *s, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Prepare a line for comparison; -1 if memory is short. `symbol_of` must be there and all zero."""
    cdef Py_ssize_t i, n_rows = 0
    cdef int32_t symbol
    cdef uint64_t bit
    p.units = <uint16_t *> malloc(<size_t> (end - start) * 2 * sizeof(uint16_t) + 2)
    if p.units == NULL:
        return -1
    p.size = to_units(s, start, end, p.units)
    p.n_blocks = (p.size + 63) // 64
    p.n_symbols = 0
    for i in range(p.size):
        if p.symbol_of[p.units[i]] == 0:
            p.n_symbols += 1
            p.symbol_of[p.units[i]] = <int32_t> p.n_symbols
    p.row_of = <int32_t *> malloc(<size_t> (p.n_symbols + 1) * sizeof(int32_t))
    p.first_place = <int32_t *> calloc(<size_t> p.n_symbols + 2, sizeof(int32_t))
    p.places = <int32_t *> malloc(<size_t> p.size * sizeof(int32_t) + 4)
    p.sparse_row = <uint64_t *> calloc(<size_t> p.n_blocks * 4 + 1, sizeof(uint64_t))
    p.vp = <uint64_t *> malloc(<size_t> (p.n_blocks + 1) * sizeof(uint64_t))
    p.vn = <uint64_t *> malloc(<size_t> (p.n_blocks + 1) * sizeof(uint64_t))
    p.score = <int32_t *> malloc(<size_t> (p.n_blocks + 1) * sizeof(int32_t))
    if (
        p.row_of == NULL or p.first_place == NULL or p.places == NULL or p.sparse_row == NULL
        or p.vp == NULL or p.vn == NULL or p.score == NULL
    ):
        return -1
    for i in range(p.size):
        p.first_place[p.symbol_of[p.units[i]] + 1] += 1
    # Units that are frequent for the number of blocks get a row of bits of their own: never more than 256 rows.
    for i in range(1, p.n_symbols + 1):
        if p.first_place[i + 1] * 4 >= p.n_blocks:
            p.row_of[i] = <int32_t> n_rows
            n_rows += 1
        else:
            p.row_of[i] = -1
    for i in range(1, p.n_symbols + 2):
        p.first_place[i] += p.first_place[i - 1]
    p.rows = <uint64_t *> calloc(<size_t> (n_rows * p.n_blocks) + 1, sizeof(uint64_t))
    if p.rows == NULL:
        return -1
    for i in range(p.size):
        symbol = p.symbol_of[p.units[i]]
        bit = <uint64_t> 1 << (i & 63)
        if p.row_of[symbol] >= 0:
            p.rows[p.row_of[symbol] * p.n_blocks + (i >> 6)] |= bit
        p.places[p.first_place[symbol]] = <int32_t> i
        p.first_place[symbol] += 1
    for i in range(p.n_symbols + 1, 0, -1):
        p.first_place[i] = p.first_place[i - 1]
    return 0


cdef inline Py_ssize_t distance(Pattern *p, const uint16_t *text, Py_ssize_t size, Py_ssize_t limit) noexcept nogil:
    """Return the edit distance, or something above `limit` if it is above `limit`."""
    cdef Py_ssize_t difference = p.size - size if p.size > size else size - p.size
    if difference > limit:
        return limit + 1
    if p.size == 0 or size == 0:
        return difference
    if p.n_blocks == 1:
        return distance_in_word(p, text, size, limit)
    return distance_in_band(p, text, size, limit)


cdef Py_ssize_t distance_in_word(Pattern *p, const uint16_t *text, Py_ssize_t size, Py_ssize_t limit) noexcept nogil:
    cdef uint64_t vp = ~<uint64_t> 0, vn = 0, x, d0, hp, hn
    cdef uint64_t last = <uint64_t> 1 << (p.size - 1)
    cdef Py_ssize_t j, score = p.size
    cdef int32_t symbol
    for j in range(size):
        symbol = p.symbol_of[text[j]]
        # A pattern of one block has a row for every unit.
        x = p.rows[p.row_of[symbol]] if symbol else 0
        d0 = (((x & vp) + vp) ^ vp) | x | vn
        hp = vn | ~(d0 | vp)
        hn = vp & d0
        if hp & last:
            score += 1
            if score - (size - 1 - j) > limit:
                return limit + 1
        elif hn & last:
            score -= 1
        hp = hp << 1 | 1
        hn = hn << 1
        vp = hn | ~(d0 | hp)
        vn = hp & d0
    return score


cdef inline int advance(uint64_t eq, uint64_t *vp, uint64_t *vn, int hin, uint64_t top) noexcept nogil:
    """Take one block one column further; return how the score at its bottom changes."""
    cdef uint64_t xv = eq | vn[0], xh, hp, hn
    cdef int hout
    eq |= <uint64_t> (hin < 0)
    xh = (((eq & vp[0]) + vp[0]) ^ vp[0]) | eq
    hp = vn[0] | ~(xh | vp[0])
    hn = vp[0] & xh
    hout = <int> ((hp & top) != 0) - <int> ((hn & top) != 0)
    hp = hp << 1 | <uint64_t> (hin > 0)
    hn = hn << 1 | <uint64_t> (hin < 0)
    vp[0] = hn | ~(xv | hp)
    vn[0] = hp & xv
    return hout


cdef const uint64_t *equal_row(Pattern *p, uint16_t unit, uint64_t *sparse_row, bint is_on) noexcept nogil:
    """Return the bits where the pattern has `unit`; a listed unit's are set in `sparse_row`, or cleared again."""
    cdef int32_t symbol = p.symbol_of[unit]
    cdef Py_ssize_t k
    if symbol == 0:
        return sparse_row
    if p.row_of[symbol] >= 0:
        return p.rows + p.row_of[symbol] * p.n_blocks
    for k in range(p.first_place[symbol], p.first_place[symbol + 1]):
        if is_on:
            sparse_row[p.places[k] >> 6] |= <uint64_t> 1 << (p.places[k] & 63)
        else:
            sparse_row[p.places[k] >> 6] = 0
    return sparse_row


cdef Py_ssize_t distance_in_band(Pattern *p, const uint16_t *text, Py_ssize_t size, Py_ssize_t limit) noexcept nogil:
    """Return the distance from the blocks that a path of at most `limit` edits can touch.

    Four columns are taken in one sweep over the blocks: their chains of carries are independent, so the processor
    works on them at the same time.
    """
    cdef Py_ssize_t m = p.size, n = size
    cdef Py_ssize_t longest = m if m > n else n
    if limit > longest:
        limit = longest
    cdef Py_ssize_t below = (limit + (m - n)) // 2, above = (limit - (m - n)) // 2
    cdef Py_ssize_t first, last, current = -1, b, j = 0, row, n_rows, n_columns, floor = 0, least
    cdef int h0, h1, h2, h3
    cdef const uint64_t *e0
    cdef const uint64_t *e1
    cdef const uint64_t *e2
    cdef const uint64_t *e3
    cdef uint64_t *sparse1 = p.sparse_row + p.n_blocks
    cdef uint64_t *sparse2 = sparse1 + p.n_blocks
    cdef uint64_t *sparse3 = sparse2 + p.n_blocks
    cdef uint64_t vp, vn, top
    cdef uint64_t top_of_last = <uint64_t> 1 << ((m - 1) & 63)
    while j < n:
        n_columns = 4 if n - j >= 4 else 1
        row = j + n_columns + below
        last = ((row if row < m else m) - 1) >> 6
        row = j + 1 - above
        first = ((row if row > 1 else 1) - 1) >> 6
        if first < floor:
            first = floor
        while current < last:
            current += 1
            p.vp[current] = ~<uint64_t> 0
            p.vn[current] = 0
            n_rows = 64 if current < p.n_blocks - 1 else m - 64 * (p.n_blocks - 1)
            p.score[current] = <int32_t> ((p.score[current - 1] if current else 0) + n_rows)
        e0 = equal_row(p, text[j], p.sparse_row, True)
        h0 = h1 = h2 = h3 = 1
        if n_columns == 4:
            e1 = equal_row(p, text[j + 1], sparse1, True)
            e2 = equal_row(p, text[j + 2], sparse2, True)
            e3 = equal_row(p, text[j + 3], sparse3, True)
            for b in range(first, current + 1):
                top = top_of_last if b == p.n_blocks - 1 else <uint64_t> 1 << 63
                vp = p.vp[b]
                vn = p.vn[b]
                h0 = advance(e0[b], &vp, &vn, h0, top)
                h1 = advance(e1[b], &vp, &vn, h1, top)
                h2 = advance(e2[b], &vp, &vn, h2, top)
                h3 = advance(e3[b], &vp, &vn, h3, top)
                p.vp[b] = vp
                p.vn[b] = vn
                p.score[b] += h0 + h1 + h2 + h3
            equal_row(p, text[j + 1], sparse1, False)
            equal_row(p, text[j + 2], sparse2, False)
            equal_row(p, text[j + 3], sparse3, False)
        else:
            for b in range(first, current + 1):
                top = top_of_last if b == p.n_blocks - 1 else <uint64_t> 1 << 63
                h0 = advance(e0[b], &p.vp[b], &p.vn[b], h0, top)
                p.score[b] += h0
        equal_row(p, text[j], p.sparse_row, False)
        j += n_columns
        if (j & 31) == 0:
            # A block at the top whose every cell is too far from the end for the limit stays so in later columns.
            while first <= current:
                row = (first + 1) * 64
                least = p.score[first] - 63
                if row < m and row - j <= m - n:
                    least = p.score[first] + (m - row) - (n - j)
                if least <= limit:
                    break
                first += 1
                floor = first
            if first > current and current == p.n_blocks - 1:
                return limit + 1
    return p.score[p.n_blocks - 1]
