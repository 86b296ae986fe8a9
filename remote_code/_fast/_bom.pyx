# cython: language_level=3
"""Byte order marks, compiled; `bom_py.py` is the twin."""


cdef Py_ssize_t bom_length(const unsigned char *data, Py_ssize_t size) noexcept nogil:
    if size >= 3 and data[0] == 0xEF and data[1] == 0xBB and data[2] == 0xBF:
        return 3
    if size >= 2 and data[0] == 0xFF and data[1] == 0xFE:
        return 4 if size >= 4 and data[2] == 0 and data[3] == 0 else 2
    if size >= 4 and data[0] == 0 and data[1] == 0 and data[2] == 0xFE and data[3] == 0xFF:
        return 4
    if size >= 2 and data[0] == 0xFE and data[1] == 0xFF:
        return 2
    return 0


def split_bom(bytes data not None):
    """Split `data` into its byte order mark, empty if it has none, and the rest."""
    cdef Py_ssize_t n_bom = bom_length(data, len(data))
    if n_bom == 0:
        return b"", data
    return data[:n_bom], data[n_bom:]


def join_bom(bytes bom not None, bytes data not None):
    """Return `data` with `bom` in front: the inverse of `split_bom`."""
    return bom + data
