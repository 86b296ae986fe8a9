# Characters, hashes and growing arrays, shared by the parts of `_matcher.pyx`. Nothing here touches a Python object.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

ctypedef fused char_t:
    uint8_t
    uint16_t
    uint32_t

# Hashes differ from run to run, so that no file can be made to collide.
_RANDOM = int.from_bytes(os.urandom(8), "little")
cdef uint64_t SEED = _RANDOM | 1
cdef uint64_t MERSENNE_61 = (<uint64_t> 1 << 61) - 1
cdef uint64_t BASE = (_RANDOM >> 3) % (2**61 - 3) + 2


cdef inline bint is_space(uint32_t c) noexcept nogil:
    """JavaScript's white space; see `javascript.py`."""
    if c < 128:
        return c == 32 or (c >= 9 and c <= 13)
    if c < 0x1680:
        return c == 0xA0
    return (
        c == 0x1680 or (c >= 0x2000 and c <= 0x200A) or c == 0x2028 or c == 0x2029
        or c == 0x202F or c == 0x205F or c == 0x3000 or c == 0xFEFF
    )


cdef inline uint64_t hash_span(const char_t *s, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Hash characters; equal for equal texts, however wide a character is stored."""
    cdef uint64_t h = SEED ^ (<uint64_t> (end - start) * <uint64_t> 0x9E3779B97F4A7C15)
    cdef Py_ssize_t i = start
    while i + 3 <= end:
        h = (h ^ (<uint64_t> s[i] | <uint64_t> s[i + 1] << 21 | <uint64_t> s[i + 2] << 42))
        h = h * <uint64_t> 0xD6E8FEB86659FD93
        h ^= h >> 32
        i += 3
    while i < end:
        h = (h ^ <uint64_t> s[i]) * <uint64_t> 0xD6E8FEB86659FD93
        h ^= h >> 32
        i += 1
    return h


cdef inline uint64_t times(uint64_t a, uint64_t b) noexcept nogil:
    """Multiply modulo 2**61 - 1 without 128-bit integers."""
    cdef uint64_t a_high = a >> 31, a_low = a & 0x7FFFFFFF
    cdef uint64_t b_high = b >> 31, b_low = b & 0x7FFFFFFF
    cdef uint64_t middle = a_low * b_high + a_high * b_low
    return reduced(
        ((a_high * b_high) << 1) + (middle >> 30) + ((middle & 0x3FFFFFFF) << 31) + a_low * b_low
    )


cdef inline uint64_t reduced(uint64_t value) noexcept nogil:
    value = (value & MERSENNE_61) + (value >> 61)
    return value - MERSENNE_61 if value >= MERSENNE_61 else value


cdef struct Ints:
    int32_t *items
    Py_ssize_t size
    Py_ssize_t room
    bint has_failed


cdef inline void append(Ints *ints, int32_t value) noexcept nogil:
    cdef int32_t *items
    if ints.size == ints.room:
        ints.room = ints.room * 2 if ints.room else 64
        items = <int32_t *> realloc(ints.items, <size_t> ints.room * sizeof(int32_t))
        if items == NULL:
            ints.has_failed = True
            ints.room = ints.size
            return
        ints.items = items
    ints.items[ints.size] = value
    ints.size += 1


cdef int fill_overlaps_ids(const int32_t *pattern, Py_ssize_t size, int32_t *overlap) noexcept nogil:
    cdef Py_ssize_t i
    cdef int32_t q = 0
    overlap[0] = 0
    for i in range(1, size):
        while q and pattern[i] != pattern[q]:
            q = overlap[q - 1]
        if pattern[i] == pattern[q]:
            q += 1
        overlap[i] = q
    return 0


cdef void find_ids(
    const int32_t *text, Py_ssize_t n_text, const int32_t *pattern, Py_ssize_t size, const int32_t *overlap, Ints *found
) noexcept nogil:
    """Append every index where `pattern` stands in `text`. Source: Knuth, Morris and Pratt, 1977."""
    cdef Py_ssize_t i
    cdef int32_t q = 0
    for i in range(n_text):
        while q and (q == size or text[i] != pattern[q]):
            q = overlap[q - 1]
        if text[i] == pattern[q]:
            q += 1
        if q == size:
            append(found, <int32_t> (i - size + 1))


cdef void *checked(void *memory) except NULL:
    if memory == NULL:
        raise MemoryError
    return memory
