# cython: language_level=3
# The loop keeps to the length of the sample.
# cython: boundscheck=False, wraparound=False, cdivision=True
"""Whether a file is binary, compiled; `binary_py.py` is the twin."""

from remote_code._fast.binary_py import has_binary_extension, SAMPLE_BYTES, MAX_CONTROL_SHARE

cdef Py_ssize_t N_SAMPLED = SAMPLE_BYTES
cdef double MOST = MAX_CONTROL_SHARE


def is_binary(str name not None, bytes head not None):
    """Tell whether a file that starts with `head` is binary: by extension, a NUL, or above 30 % control bytes."""
    cdef const unsigned char *data = head
    cdef Py_ssize_t i, size = len(head), n_control = 0
    cdef unsigned char c
    cdef bint has_nul = False
    if has_binary_extension(name):
        return True
    if size > N_SAMPLED:
        size = N_SAMPLED
    if size == 0 or is_wide_text(data, size):
        return False
    for i in range(size):
        c = data[i]
        has_nul |= c == 0
        n_control += c < 9 or 14 <= c <= 31
    return bool(has_nul or <double> n_control / <double> size > MOST)


cdef bint is_wide_text(const unsigned char *data, Py_ssize_t size) noexcept nogil:
    """Tell whether the data starts with a BOM of UTF-16 or UTF-32."""
    if size >= 2 and ((data[0] == 0xFF and data[1] == 0xFE) or (data[0] == 0xFE and data[1] == 0xFF)):
        return True
    return size >= 4 and data[0] == 0 and data[1] == 0 and data[2] == 0xFE and data[3] == 0xFF
