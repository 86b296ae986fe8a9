# The replacers that look through lines: white space collapsed, escape sequences resolved, a text trimmed as a whole.


cdef Py_ssize_t collapse_into(const uint32_t *s, Py_ssize_t start, Py_ssize_t end, uint32_t *out) noexcept nogil:
    """Write some characters trimmed, every run of white space as one space; return how many."""
    cdef Py_ssize_t n = 0, i = start
    while i < end:
        if is_space(s[i]):
            while i < end and is_space(s[i]):
                i += 1
            if n and i < end:
                out[n] = 32
                n += 1
        else:
            out[n] = s[i]
            n += 1
            i += 1
    return n


cdef void fill_overlaps(const uint32_t *pattern, Py_ssize_t size, int32_t *overlap) noexcept nogil:
    cdef Py_ssize_t i
    cdef int32_t q = 0
    if size:
        overlap[0] = 0
    for i in range(1, size):
        while q and pattern[i] != pattern[q]:
            q = overlap[q - 1]
        if pattern[i] == pattern[q]:
            q += 1
        overlap[i] = q


cdef struct Words:
    # The text to find, collapsed.
    uint32_t *chars
    Py_ssize_t size
    int32_t *overlap


cdef void lines_with_words(
    const uint32_t *s, const int32_t *starts, Py_ssize_t n_lines, const Words *words, Ints *spans
) noexcept nogil:
    """Append start and end of every line that is the words, and of the first place of them in every other line."""
    cdef Py_ssize_t i, p, b, n_passed, k
    cdef int32_t q
    cdef uint32_t c
    for i in range(n_lines):
        p, b = starts[i], starts[i + 1] - 1
        if b - p < words.size:
            continue
        while p < b and is_space(s[p]):
            p += 1
        while b > p and is_space(s[b - 1]):
            b -= 1
        q = 0
        n_passed = 0
        while p < b:
            c = s[p]
            p += 1
            if is_space(c):
                c = 32
                while is_space(s[p]):
                    p += 1
            n_passed += 1
            while q and words.chars[q] != c:
                q = words.overlap[q - 1]
            if words.chars[q] == c:
                q += 1
            if q < words.size:
                continue
            if n_passed == q and p == b:
                append(spans, starts[i])
                append(spans, starts[i + 1] - 1)
                break
            append(spans, 0)
            append(spans, <int32_t> p)
            for k in range(words.size - 1, -1, -1):
                p -= 1
                if words.chars[k] == 32:
                    while is_space(s[p - 1]):
                        p -= 1
            if spans.size >= 2:
                spans.items[spans.size - 2] = <int32_t> p
            break


cdef int windows_with_words(_Index index, const uint32_t *s, const Words *words, Ints *firsts) except -1:
    """Append the first lines of the runs, as long as the text to find, that are its words."""
    cdef Py_ssize_t n_lines = index.n_lines, n = index.n_find_lines
    cdef int32_t *begins = <int32_t *> checked(malloc(<size_t> n_lines * 2 * sizeof(int32_t)))
    cdef uint8_t *is_begun = <uint8_t *> calloc(<size_t> n_lines, 1)
    if is_begun == NULL:
        free(begins)
        raise MemoryError
    with nogil:
        match_stream(index, s, words, begins, begins + n_lines, is_begun)
        collect_windows(index, words.size, begins, begins + n_lines, is_begun, n, firsts)
        free(begins)
        free(is_begun)
    if firsts.has_failed:
        raise MemoryError
    return 0


cdef void match_stream(
    _Index index, const uint32_t *s, const Words *words, int32_t *begins, int32_t *ends, uint8_t *is_begun
) noexcept nogil:
    """Collapse the whole file into one stream of words; mark the lines at whose first word the words to find begin.

    Fills where, in the stream, each line that is not blank begins and ends.
    """
    cdef Py_ssize_t i, p, b, position = 0, candidate = 0, place
    cdef int32_t q = 0
    cdef uint32_t c
    cdef bint is_gap = False
    for i in range(index.n_lines):
        begins[i] = ends[i] = <int32_t> position
        if index.is_blank(i):
            continue
        p, b = index.starts[i], index.end(i)
        while is_space(s[p]):
            p += 1
        while is_space(s[b - 1]):
            b -= 1
        is_gap = position > 0
        begins[i] = <int32_t> (position + is_gap)
        while p < b or is_gap:
            if is_gap:
                c = 32
                is_gap = False
            else:
                c = s[p]
                p += 1
                if is_space(c):
                    c = 32
                    while is_space(s[p]):
                        p += 1
            position += 1
            while q and (q == words.size or words.chars[q] != c):
                q = words.overlap[q - 1]
            if words.chars[q] == c:
                q += 1
            if q == words.size:
                place = position - q
                while candidate < i and (index.is_blank(candidate) or begins[candidate] < place):
                    candidate += 1
                if begins[candidate] == place and not index.is_blank(candidate):
                    is_begun[candidate] = 1
        ends[i] = <int32_t> position


cdef void collect_windows(
    _Index index, Py_ssize_t size, const int32_t *begins, const int32_t *ends, const uint8_t *is_begun, Py_ssize_t n,
    Ints *firsts
) noexcept nogil:
    """Append the runs of `n` lines whose text, from the first line that is not blank to the last, begins and fits."""
    cdef Py_ssize_t i, head = 0, tail = -1, line = 0
    for i in range(index.n_lines - n + 1):
        if head < i:
            head = i
        while head < index.n_lines and index.is_blank(head):
            head += 1
        while line < i + n:
            if not index.is_blank(line):
                tail = line
            line += 1
        if head > i + n - 1 or tail < head:
            continue
        if is_begun[head] and ends[tail] - begins[head] == size:
            append(firsts, <int32_t> i)


cdef list white_space_normalized(_Index index):
    """The twin of `replacers_py.white_space_normalized`."""
    cdef Words words
    cdef Ints spans, firsts
    cdef list found = []
    cdef set seen = set()
    cdef Py_ssize_t i
    cdef str text
    cdef const uint32_t *s
    if not all_words_occur(index):
        return found
    s = index.chars()
    memset(&words, 0, sizeof(Words))
    memset(&spans, 0, sizeof(Ints))
    memset(&firsts, 0, sizeof(Ints))
    try:
        words.chars = <uint32_t *> checked(malloc(<size_t> index.wanted.size * 4 + 4))
        words.size = collapse_into(index.wanted.chars, 0, index.wanted.size, words.chars)
        if words.size == 0:
            return blank_lines_and_windows(index)
        words.overlap = <int32_t *> checked(malloc(<size_t> words.size * 4))
        with nogil:
            fill_overlaps(words.chars, words.size, words.overlap)
            lines_with_words(s, index.starts, index.n_lines, &words, &spans)
        if spans.has_failed:
            raise MemoryError
        for i in range(0, spans.size, 2):
            text = index.content[spans.items[i]:spans.items[i + 1]]
            if text not in seen:
                seen.add(text)
                found.append((spans.items[i], spans.items[i + 1], False))
        if index.n_find_lines > 1:
            windows_with_words(index, s, &words, &firsts)
            found += new_texts(index, index.distinct_windows(&firsts, index.n_find_lines), seen)
        return found
    finally:
        free(words.chars)
        free(words.overlap)
        free(spans.items)
        free(firsts.items)


cdef list new_texts(_Index index, list windows, set seen):
    """Return the windows whose text is not in `seen`; only lengths that occur there are compared."""
    lengths = {len(text) for text in seen}
    return [
        window
        for window in windows
        if window[1] - window[0] not in lengths or index.content[window[0]:window[1]] not in seen
    ]


cdef bint all_words_occur(_Index index):
    """Tell whether the longest word to find is in the file: a quick test that most texts to find do not pass."""
    cdef const uint32_t *w = index.wanted.chars
    cdef Py_ssize_t i = 0, start, best = 0, best_size = 0
    while i < index.wanted.size:
        while i < index.wanted.size and is_space(w[i]):
            i += 1
        start = i
        while i < index.wanted.size and not is_space(w[i]):
            i += 1
        if i - start > best_size:
            best, best_size = start, i - start
    return index.find[best:best + best_size] in index.content


cdef list blank_lines_and_windows(_Index index):
    """Return the blank lines that are not empty, then the runs of blank lines: what an all-blank text is like."""
    cdef Ints firsts
    cdef Py_ssize_t line
    cdef list found
    cdef set seen
    memset(&firsts, 0, sizeof(Ints))
    try:
        for line in range(index.n_lines):
            if index.is_blank(line):
                append(&firsts, <int32_t> line)
        if firsts.has_failed:
            raise MemoryError
        found = index.distinct_windows(&firsts, 1)
        if index.n_find_lines > 1:
            seen = {index.content[start:end] for start, end, _ in found}
            found += new_texts(index, index.distinct_windows(index.blank_windows(), index.n_find_lines), seen)
        return found
    finally:
        free(firsts.items)


cdef list trimmed_windows(_Index index, str wanted):
    """Return the runs of lines, as many as the text to find has, that are `wanted` when trimmed as a whole."""
    cdef Ints firsts
    cdef int32_t *ends
    cdef uint8_t *is_begun
    cdef Py_ssize_t line, at = 0, size = len(wanted), start, stop
    cdef Py_ssize_t n_lines = index.n_lines
    cdef const uint32_t *s = index.chars()
    memset(&firsts, 0, sizeof(Ints))
    begins = ends = NULL
    is_begun = NULL
    cdef int32_t *starts = NULL
    try:
        starts = <int32_t *> checked(malloc(<size_t> n_lines * sizeof(int32_t)))
        ends = <int32_t *> checked(malloc(<size_t> n_lines * sizeof(int32_t)))
        is_begun = <uint8_t *> checked(calloc(<size_t> n_lines, 1))
        for line in range(n_lines):
            start, stop = index.starts[line], index.end(line)
            while start < stop and is_space(s[start]):
                start += 1
            while stop > start and is_space(s[stop - 1]):
                stop -= 1
            starts[line], ends[line] = <int32_t> start, <int32_t> stop
        mark_lines_that_begin(index, wanted, starts, is_begun)
        collect_windows(index, size, starts, ends, is_begun, index.n_find_lines, &firsts)
        if firsts.has_failed:
            raise MemoryError
        return index.distinct_windows(&firsts, index.n_find_lines)
    finally:
        free(starts)
        free(ends)
        free(is_begun)
        free(firsts.items)


cdef int mark_lines_that_begin(_Index index, str wanted, const int32_t *starts, uint8_t *is_begun) except -1:
    """Mark the lines at whose first character that is not white space `wanted` stands."""
    cdef Words words
    cdef Py_ssize_t i, line = 0, place
    cdef int32_t q = 0
    cdef const uint32_t *s = index.chars()
    memset(&words, 0, sizeof(Words))
    words.chars = <uint32_t *> PyUnicode_AsUCS4Copy(wanted)
    words.size = len(wanted)
    words.overlap = <int32_t *> malloc(<size_t> words.size * sizeof(int32_t))
    if words.overlap == NULL:
        PyMem_Free(words.chars)
        raise MemoryError
    with nogil:
        fill_overlaps(words.chars, words.size, words.overlap)
        for i in range(index.size):
            while q and (q == words.size or words.chars[q] != s[i]):
                q = words.overlap[q - 1]
            if words.chars[q] == s[i]:
                q += 1
            if q == words.size:
                place = i + 1 - q
                while line < index.n_lines - 1 and (index.is_blank(line) or starts[line] < place):
                    line += 1
                if starts[line] == place and not index.is_blank(line):
                    is_begun[line] = 1
    PyMem_Free(words.chars)
    free(words.overlap)
    return 0


cdef list unescaped_windows(_Index index, str wanted):
    """Return the runs of lines that are not `wanted` but are once their escape sequences are resolved."""
    cdef Py_ssize_t n = wanted.count("\n") + 1, n_lines = index.n_lines, line, i, start, end
    cdef Py_ssize_t size = len(wanted)
    cdef Ints firsts
    cdef int32_t *sizes = NULL
    cdef int32_t *n_escapes = NULL
    cdef const uint32_t *s = index.chars()
    cdef list found = []
    cdef str text
    memset(&firsts, 0, sizeof(Ints))
    try:
        sizes = <int32_t *> checked(malloc(<size_t> (n_lines + 1) * sizeof(int32_t)))
        n_escapes = <int32_t *> checked(malloc(<size_t> (n_lines + 1) * sizeof(int32_t)))
        with nogil:
            sum_unescaped(index, s, sizes, n_escapes)
            for line in range(n_lines - n + 1):
                # Between lines stands a newline, or a backslash and a newline that are one newline when resolved.
                if n_escapes[line + n] == n_escapes[line]:
                    continue
                i = sizes[line + n] - sizes[line] - 1
                if ends_in_escape(index, s, line + n - 1):
                    i += 1
                if i == size:
                    append(&firsts, <int32_t> line)
        if firsts.has_failed:
            raise MemoryError
        for start, end, is_repeated in index.distinct_windows(&firsts, n):
            text = index.content[start:end]
            if text != wanted and unescape(text) == wanted:
                found.append((start, end, is_repeated))
        return found
    finally:
        free(sizes)
        free(n_escapes)
        free(firsts.items)


cdef inline bint is_escape(uint32_t c) noexcept nogil:
    return (
        c == 110 or c == 116 or c == 114 or c == 39 or c == 34 or c == 96 or c == 92 or c == 10 or c == 36
    )


cdef void sum_unescaped(_Index index, const uint32_t *s, int32_t *sizes, int32_t *n_escapes) noexcept nogil:
    """Fill, before each line, how many characters all lines with their newlines have when resolved, and backslashes."""
    cdef Py_ssize_t line, p, b
    cdef int32_t size = 0, n = 0
    for line in range(index.n_lines):
        sizes[line] = size
        n_escapes[line] = n
        p, b = index.starts[line], index.end(line)
        while p < b:
            if s[p] == 92:
                n += 1
                if p + 1 < b and is_escape(s[p + 1]):
                    p += 1
                elif p + 1 == b:
                    # It takes the newline with it, which is counted below.
                    size -= 1
            p += 1
            size += 1
        size += 1
    sizes[index.n_lines] = size
    n_escapes[index.n_lines] = n


cdef bint ends_in_escape(_Index index, const uint32_t *s, Py_ssize_t line) noexcept nogil:
    """Tell whether the last backslash of a line is left over, so that it would take a newline behind it."""
    cdef Py_ssize_t p = index.starts[line], b = index.end(line)
    cdef bint is_open = False
    while p < b:
        is_open = False
        if s[p] == 92:
            if p + 1 < b and is_escape(s[p + 1]):
                p += 1
            elif p + 1 == b:
                is_open = True
        p += 1
    return is_open
