# How long a piece of a text may be and still stand in it twice, for every place: a suffix array and its common prefixes.
# Sources: Nong, Zhang and Chan, 2009 (SA-IS); Karkkainen, Manzini and Puglisi, 2009 (permuted LCP).


cdef int sort_suffixes(const int32_t *s, Py_ssize_t n, Py_ssize_t upper, int32_t *sa) noexcept nogil:
    """Fill `sa` with the suffixes of `s`, whose values are 0 to `upper`, in order; -1 if memory is short."""
    cdef Py_ssize_t i, m = 0, n_sorted, status = -1
    cdef int32_t left, right, end_left, end_right, rank
    cdef uint8_t *is_small = NULL
    cdef int32_t *small_sums = NULL
    cdef int32_t *large_sums = NULL
    cdef int32_t *buffer = NULL
    cdef int32_t *number = NULL
    cdef int32_t *starts = NULL
    cdef int32_t *ordered = NULL
    cdef int32_t *inner = NULL
    cdef int32_t *inner_sa = NULL
    cdef bint is_same
    if n == 0:
        return 0
    if n == 1:
        sa[0] = 0
        return 0
    is_small = <uint8_t *> calloc(<size_t> n, 1)
    small_sums = <int32_t *> calloc(<size_t> upper + 2, sizeof(int32_t))
    large_sums = <int32_t *> calloc(<size_t> upper + 2, sizeof(int32_t))
    buffer = <int32_t *> malloc((<size_t> upper + 2) * sizeof(int32_t))
    number = <int32_t *> malloc((<size_t> n + 1) * sizeof(int32_t))
    if is_small != NULL and small_sums != NULL and large_sums != NULL and buffer != NULL and number != NULL:
        for i in range(n - 2, -1, -1):
            is_small[i] = is_small[i + 1] if s[i] == s[i + 1] else s[i] < s[i + 1]
        for i in range(n):
            if is_small[i]:
                large_sums[s[i] + 1] += 1
            else:
                small_sums[s[i]] += 1
        for i in range(upper + 1):
            small_sums[i] += large_sums[i]
            if i < upper:
                large_sums[i + 1] += small_sums[i]
        number[0] = number[n] = -1
        for i in range(1, n):
            number[i] = -1
            if is_small[i] and not is_small[i - 1]:
                number[i] = <int32_t> m
                m += 1
        starts = <int32_t *> malloc((<size_t> m + 1) * sizeof(int32_t))
        ordered = <int32_t *> malloc((<size_t> m + 1) * sizeof(int32_t))
        inner = <int32_t *> malloc((<size_t> m + 1) * sizeof(int32_t))
        inner_sa = <int32_t *> malloc((<size_t> m + 1) * sizeof(int32_t))
        if starts != NULL and ordered != NULL and inner != NULL and inner_sa != NULL:
            for i in range(1, n):
                if number[i] >= 0:
                    starts[number[i]] = <int32_t> i
            induce(s, n, upper, is_small, small_sums, large_sums, buffer, starts, m, sa)
            status = 0
            if m:
                n_sorted = 0
                for i in range(n):
                    if number[sa[i]] >= 0:
                        ordered[n_sorted] = sa[i]
                        n_sorted += 1
                rank = 0
                inner[number[ordered[0]]] = 0
                for i in range(1, m):
                    left, right = ordered[i - 1], ordered[i]
                    end_left = starts[number[left] + 1] if number[left] + 1 < m else <int32_t> n
                    end_right = starts[number[right] + 1] if number[right] + 1 < m else <int32_t> n
                    is_same = end_left - left == end_right - right
                    if is_same:
                        while left < end_left and s[left] == s[right]:
                            left += 1
                            right += 1
                        if left == n or right == n or s[left] != s[right]:
                            is_same = False
                    if not is_same:
                        rank += 1
                    inner[number[ordered[i]]] = rank
                status = sort_suffixes(inner, m, rank, inner_sa)
                if status == 0:
                    for i in range(m):
                        ordered[i] = starts[inner_sa[i]]
                    induce(s, n, upper, is_small, small_sums, large_sums, buffer, ordered, m, sa)
    free(is_small)
    free(small_sums)
    free(large_sums)
    free(buffer)
    free(number)
    free(starts)
    free(ordered)
    free(inner)
    free(inner_sa)
    return <int> status


cdef void induce(
    const int32_t *s, Py_ssize_t n, Py_ssize_t upper, const uint8_t *is_small, const int32_t *small_sums,
    const int32_t *large_sums, int32_t *buffer, const int32_t *seeds, Py_ssize_t m, int32_t *sa
) noexcept nogil:
    """Sort all suffixes from the order of the seeds."""
    cdef Py_ssize_t i
    cdef int32_t v
    for i in range(n):
        sa[i] = -1
    memcpy(buffer, small_sums, (<size_t> upper + 1) * sizeof(int32_t))
    for i in range(m):
        v = seeds[i]
        sa[buffer[s[v]]] = v
        buffer[s[v]] += 1
    memcpy(buffer, large_sums, (<size_t> upper + 1) * sizeof(int32_t))
    sa[buffer[s[n - 1]]] = <int32_t> (n - 1)
    buffer[s[n - 1]] += 1
    for i in range(n):
        v = sa[i]
        if v >= 1 and not is_small[v - 1]:
            sa[buffer[s[v - 1]]] = v - 1
            buffer[s[v - 1]] += 1
    memcpy(buffer, large_sums, (<size_t> upper + 1) * sizeof(int32_t))
    buffer[upper + 1] = 0
    for i in range(n - 1, -1, -1):
        v = sa[i]
        if v >= 1 and is_small[v - 1]:
            # The last place of a value's bucket lies before the next value's first.
            buffer[s[v - 1] + 1] -= 1
            sa[buffer[s[v - 1] + 1]] = v - 1


cdef int fill_shared(const uint32_t *text, Py_ssize_t n, int32_t *shared) noexcept nogil:
    """Fill, for each place, the length of the longest piece from there that stands elsewhere too; -1 without memory."""
    cdef int32_t *rank_of = <int32_t *> calloc(0x110000, sizeof(int32_t))
    cdef int32_t *s = <int32_t *> malloc((<size_t> n + 1) * sizeof(int32_t))
    cdef int32_t *sa = <int32_t *> malloc((<size_t> n + 1) * sizeof(int32_t))
    cdef Py_ssize_t i, j, size = 0, status = -1
    cdef int32_t rank = -1, other
    if rank_of != NULL and s != NULL and sa != NULL:
        for i in range(n):
            rank_of[text[i]] = 1
        for i in range(0x110000):
            if rank_of[i]:
                rank += 1
                rank_of[i] = rank
        for i in range(n):
            s[i] = rank_of[text[i]]
        status = sort_suffixes(s, n, rank, sa)
    if status == 0:
        for i in range(n):
            shared[sa[i]] = sa[i - 1] if i else -1
        for i in range(n):
            j = shared[i]
            if j < 0:
                size = 0
            else:
                while i + size < n and j + size < n and s[i + size] == s[j + size]:
                    size += 1
            shared[i] = <int32_t> size
            if size:
                size -= 1
        for i in range(n - 1):
            other = shared[sa[i + 1]]
            if other > shared[sa[i]]:
                shared[sa[i]] = other
    free(rank_of)
    free(s)
    free(sa)
    return <int> status
