# The lines of a file and of the text to find, each trimmed and hashed once.


cdef inline Py_ssize_t line_end(const char_t *s, Py_ssize_t position, Py_ssize_t size) noexcept nogil:
    cdef const void *found
    if char_t is uint8_t:
        if position >= size:
            return size
        found = memchr(s + position, 10, <size_t> (size - position))
        return size if found == NULL else <const uint8_t *> found - s
    else:
        while position < size and s[position] != 10:
            position += 1
        return position


cdef Py_ssize_t count_newlines(const char_t *s, Py_ssize_t size) noexcept nogil:
    """Count in pieces small enough for the compiler to use vectors of short counters."""
    cdef Py_ssize_t i = 0, end, n = 0
    cdef uint32_t n_piece
    while i < size:
        end = i + 4096 if i + 4096 < size else size
        n_piece = 0
        while i < end:
            n_piece += s[i] == 10
            i += 1
        n += n_piece
    return n


cdef struct Wanted:
    # The lines of the text to find.
    uint32_t *chars
    Py_ssize_t size
    Py_ssize_t n_lines
    int32_t *starts
    int32_t *trimmed_starts
    int32_t *trimmed_ends
    int32_t *ids
    # Index of the first line that equals this one when trimmed.
    uint64_t *hashes
    int32_t *table
    # Open addressing by hash: line + 1, or 0.
    uint64_t mask
    uint8_t *filter
    # One flag per hash of length, first and last character.
    int32_t blank_id


cdef inline uint32_t filter_place(Py_ssize_t size, uint32_t first, uint32_t last) noexcept nogil:
    return (<uint32_t> size * 31 + first * 7 + last * 113) & 4095


cdef void index_wanted(Wanted *w) noexcept nogil:
    cdef Py_ssize_t k, position = 0, end, a, b
    cdef uint64_t place
    cdef int32_t other
    w.blank_id = -1
    for k in range(w.n_lines):
        end = line_end[uint32_t](w.chars, position, w.size)
        w.starts[k] = <int32_t> position
        a, b = position, end
        while a < b and is_space(w.chars[a]):
            a += 1
        while b > a and is_space(w.chars[b - 1]):
            b -= 1
        w.trimmed_starts[k] = <int32_t> a
        w.trimmed_ends[k] = <int32_t> b
        w.hashes[k] = hash_span[uint32_t](w.chars, a, b)
        if a == b:
            if w.blank_id < 0:
                w.blank_id = <int32_t> k
            w.ids[k] = w.blank_id
        else:
            w.filter[filter_place(b - a, w.chars[a], w.chars[b - 1])] = 1
            place = w.hashes[k] & w.mask
            while True:
                other = w.table[place] - 1
                if other < 0:
                    w.table[place] = <int32_t> (k + 1)
                    w.ids[k] = <int32_t> k
                    break
                if (
                    w.hashes[other] == w.hashes[k]
                    and w.trimmed_ends[other] - w.trimmed_starts[other] == b - a
                    and memcmp(w.chars + w.trimmed_starts[other], w.chars + a, <size_t> (b - a) * 4) == 0
                ):
                    w.ids[k] = other
                    break
                place = (place + 1) & w.mask
        position = end + 1
    w.starts[w.n_lines] = <int32_t> (w.size + 1)


cdef void index_content(
    const char_t *s, Py_ssize_t size, Py_ssize_t n_lines, const Wanted *w, int32_t *starts, int32_t *ids
) noexcept nogil:
    """Fill where each line starts and which wanted line it equals when trimmed: -1 for none, -2 for blank and none."""
    cdef Py_ssize_t i, position = 0, end, a, b, k
    cdef uint64_t hashed, place
    cdef int32_t other
    cdef int32_t blank = w.blank_id if w.blank_id >= 0 else -2
    for i in range(n_lines):
        end = line_end(s, position, size)
        starts[i] = <int32_t> position
        a, b = position, end
        while a < b and is_space(s[a]):
            a += 1
        while b > a and is_space(s[b - 1]):
            b -= 1
        ids[i] = -1
        if a == b:
            ids[i] = blank
        elif w.filter[filter_place(b - a, s[a], s[b - 1])]:
            hashed = hash_span(s, a, b)
            place = hashed & w.mask
            while True:
                other = w.table[place] - 1
                if other < 0:
                    break
                if w.hashes[other] == hashed and w.trimmed_ends[other] - w.trimmed_starts[other] == b - a:
                    k = 0
                    while k < b - a and s[a + k] == w.chars[w.trimmed_starts[other] + k]:
                        k += 1
                    if k == b - a:
                        ids[i] = other
                        break
                place = (place + 1) & w.mask
        position = end + 1
    starts[n_lines] = <int32_t> (size + 1)


cdef class _Index:
    """A file's lines by number, and those of the text to find."""

    cdef str content, find
    cdef Py_ssize_t size, n_lines
    cdef Py_ssize_t n_find_lines
    """Lines of the text to find, a last empty one included."""
    cdef Py_ssize_t n_wanted
    """The same without a last empty one."""
    cdef int32_t *starts
    cdef int32_t *ids
    cdef Wanted wanted
    cdef uint32_t *copied
    """The file with 32 bits per character, made when first needed."""
    cdef uint64_t *sums
    """Hash of all lines before each line, made when first needed."""
    cdef int32_t *shared
    """Length of the longest piece from each character on that stands elsewhere too, made when first needed."""
    cdef Ints trimmed_places
    """Where the wanted lines stand, trimmed."""

    def __cinit__(self, str content not None, str find not None):
        cdef Py_ssize_t n, n_slots = 4
        cdef const void *data = PyUnicode_DATA(content)
        cdef int kind = PyUnicode_KIND(content)
        cdef Wanted *w = &self.wanted
        self.content = content
        self.find = find
        self.size = len(content)
        if kind == 1:
            self.n_lines = count_newlines(<const uint8_t *> data, self.size) + 1
        elif kind == 2:
            self.n_lines = count_newlines(<const uint16_t *> data, self.size) + 1
        else:
            self.n_lines = count_newlines(<const uint32_t *> data, self.size) + 1
        n = self.n_find_lines = find.count("\n") + 1
        self.n_wanted = n - 1 if find.endswith("\n") else n
        while n_slots < 2 * n:
            n_slots *= 2
        w.size = len(find)
        w.n_lines = n
        w.mask = <uint64_t> (n_slots - 1)
        w.chars = <uint32_t *> PyUnicode_AsUCS4Copy(find)
        w.starts = <int32_t *> checked(malloc(<size_t> (n + 1) * sizeof(int32_t)))
        w.trimmed_starts = <int32_t *> checked(malloc(<size_t> n * sizeof(int32_t)))
        w.trimmed_ends = <int32_t *> checked(malloc(<size_t> n * sizeof(int32_t)))
        w.ids = <int32_t *> checked(malloc(<size_t> n * sizeof(int32_t)))
        w.hashes = <uint64_t *> checked(malloc(<size_t> n * sizeof(uint64_t)))
        w.table = <int32_t *> checked(calloc(<size_t> n_slots, sizeof(int32_t)))
        w.filter = <uint8_t *> checked(calloc(4096, 1))
        self.starts = <int32_t *> checked(malloc(<size_t> (self.n_lines + 1) * sizeof(int32_t)))
        self.ids = <int32_t *> checked(malloc(<size_t> self.n_lines * sizeof(int32_t)))
        with nogil:
            index_wanted(w)
            if kind == 1:
                index_content(<const uint8_t *> data, self.size, self.n_lines, w, self.starts, self.ids)
            elif kind == 2:
                index_content(<const uint16_t *> data, self.size, self.n_lines, w, self.starts, self.ids)
            else:
                index_content(<const uint32_t *> data, self.size, self.n_lines, w, self.starts, self.ids)

    def __dealloc__(self):
        PyMem_Free(self.wanted.chars)
        free(self.wanted.starts)
        free(self.wanted.trimmed_starts)
        free(self.wanted.trimmed_ends)
        free(self.wanted.ids)
        free(self.wanted.hashes)
        free(self.wanted.table)
        free(self.wanted.filter)
        free(self.starts)
        free(self.ids)
        free(self.sums)
        free(self.shared)
        free(self.trimmed_places.items)
        PyMem_Free(self.copied)

    cdef inline bint is_blank(self, Py_ssize_t line) noexcept nogil:
        return self.ids[line] == -2 or (self.ids[line] >= 0 and self.ids[line] == self.wanted.blank_id)

    cdef const uint32_t *chars(self) except NULL:
        if self.copied == NULL:
            self.copied = <uint32_t *> PyUnicode_AsUCS4Copy(self.content)
        return self.copied

    cdef Py_ssize_t longest_repeated(self, Py_ssize_t start) except -1:
        """Return how many characters from `start` on stand elsewhere too; indexes the whole text at the first call."""
        cdef const uint32_t *s
        cdef int32_t *shared
        cdef int status
        if self.shared == NULL:
            s = self.chars()
            shared = <int32_t *> checked(malloc((<size_t> self.size + 1) * sizeof(int32_t)))
            with nogil:
                status = fill_shared(s, self.size, shared)
            if status:
                free(shared)
                raise MemoryError
            self.shared = shared
        return self.shared[start]

    cdef inline Py_ssize_t end(self, Py_ssize_t line) noexcept nogil:
        return self.starts[line + 1] - 1

    cdef Ints *line_trimmed(self) except NULL:
        """Return the first lines of the runs that equal the wanted lines when trimmed."""
        cdef int32_t *overlap = <int32_t *> checked(malloc(<size_t> self.n_wanted * sizeof(int32_t)))
        with nogil:
            fill_overlaps_ids(self.wanted.ids, self.n_wanted, overlap)
            self.trimmed_places.size = 0
            find_ids(self.ids, self.n_lines, self.wanted.ids, self.n_wanted, overlap, &self.trimmed_places)
            free(overlap)
        if self.trimmed_places.has_failed:
            raise MemoryError
        return &self.trimmed_places

    cdef Ints *blank_windows(self) except NULL:
        """Return the first lines of the runs of blank lines, each as long as the text to find."""
        cdef Py_ssize_t line, n_blank = 0
        self.trimmed_places.size = 0
        for line in range(self.n_lines):
            n_blank = n_blank + 1 if self.is_blank(line) else 0
            if n_blank >= self.n_find_lines:
                append(&self.trimmed_places, <int32_t> (line - self.n_find_lines + 1))
        if self.trimmed_places.has_failed:
            raise MemoryError
        return &self.trimmed_places

    cdef int sum_lines(self) except -1:
        """Make `sums`, by which runs of lines are compared: polynomials modulo 2**61 - 1 of the lines' hashes.

        The base is chosen at random when the module is loaded, so no file can be made for which runs that differ
        have the same sum; by chance that happens less than once in 2**40 searches of a large file.
        """
        cdef Py_ssize_t line
        cdef const uint32_t *s
        if self.sums != NULL:
            return 0
        s = self.chars()
        self.sums = <uint64_t *> checked(malloc(<size_t> (self.n_lines + 1) * sizeof(uint64_t)))
        with nogil:
            self.sums[0] = 0
            for line in range(self.n_lines):
                self.sums[line + 1] = reduced(
                    times(self.sums[line], BASE)
                    + reduced(hash_span[uint32_t](s, self.starts[line], self.starts[line + 1] - 1) >> 2)
                )
        return 0

    cdef list distinct_windows(self, Ints *firsts, Py_ssize_t n_lines):
        """Return the spans of runs of `n_lines` lines, of those with equal text the first, marked as repeated.

        A span of no characters is left out.
        """
        cdef list found = []
        cdef Py_ssize_t i, first, start, end
        cdef uint64_t power = 1, base = BASE, key, place, mask
        cdef Py_ssize_t n_slots = 16, exponent = n_lines
        cdef uint64_t *keys
        cdef int32_t *indices
        if firsts.size <= 1:
            for i in range(firsts.size):
                first = firsts.items[i]
                if self.end(first + n_lines - 1) > self.starts[first]:
                    found.append((self.starts[first], self.end(first + n_lines - 1), False))
            return found
        self.sum_lines()
        while exponent:
            if exponent & 1:
                power = times(power, base)
            base = times(base, base)
            exponent >>= 1
        while n_slots < 2 * firsts.size:
            n_slots *= 2
        mask = <uint64_t> (n_slots - 1)
        keys = <uint64_t *> checked(malloc(<size_t> n_slots * sizeof(uint64_t)))
        indices = <int32_t *> calloc(<size_t> n_slots, sizeof(int32_t))
        if indices == NULL:
            free(keys)
            raise MemoryError
        try:
            for i in range(firsts.size):
                first = firsts.items[i]
                key = reduced(self.sums[first + n_lines] + MERSENNE_61 - times(self.sums[first], power))
                place = (key * <uint64_t> 0x9E3779B97F4A7C15) >> 20 & mask
                while indices[place] and keys[place] != key:
                    place = (place + 1) & mask
                if indices[place] > 0:
                    start, end, _ = found[indices[place] - 1]
                    found[indices[place] - 1] = (start, end, True)
                    # Marked once is enough.
                    indices[place] = -1
                elif indices[place] == 0:
                    start, end = self.starts[first], self.end(first + n_lines - 1)
                    keys[place] = key
                    indices[place] = -1
                    if end > start:
                        found.append((start, end, False))
                        indices[place] = <int32_t> len(found)
        finally:
            free(keys)
            free(indices)
        return found
