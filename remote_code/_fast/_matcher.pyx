# cython: language_level=3
# The checks below are off because the inner loops index C arrays whose bounds the loops themselves keep.
# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, nonecheck=False
"""Where `oldString` is in a file: OpenCode's `replace`, compiled; `matcher_py.py` and `replacers_py.py` are the twin.

Each line is trimmed and hashed once and compared by number; runs of lines and of words are found by Knuth, Morris and
Pratt; a text that several places share is looked at once. The heavy loops run without the GIL.
"""

import os

from cpython.mem cimport PyMem_Free
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ

from remote_code._fast.javascript import length, trim
from remote_code._fast.limits import (
    LARGE_CHARACTERS,
    MAX_BLOCK_COMPARISONS,
    MAX_CANDIDATES_IN_LARGE,
    MAX_FUZZY_CHARACTERS,
    MAX_FUZZY_LINES,
)
from remote_code._fast.replacers_py import ACCEPTED_SIMILARITY, unescape
from remote_code._fast.verdicts import empty_old_string, no_change, not_found, not_unique, too_large

include "_text.pxi"
include "_levenshtein.pxi"
include "_index.pxi"
include "_blocks.pxi"
include "_words.pxi"
include "_suffixes.pxi"

cdef extern from "Python.h":
    Py_UCS4 *PyUnicode_AsUCS4Copy(object text) except NULL


def replace(str content not None, str old not None, str new not None, bint replace_all=False):
    """Return `content` with `old` replaced by `new`, found exactly or by the first replacer that finds one place."""
    if old == new:
        raise no_change()
    start, end = locate(content, old, replace_all)
    if replace_all:
        return content.replace(content[start:end], new)
    return content[:start] + new + content[end:]


def locate(str content not None, str old not None, bint replace_all=False):
    """Return start and end of what `replace` would replace; with `replace_all`, of its first occurrence."""
    cdef Py_ssize_t start, end, first, n_tested = 0
    cdef bint is_found = False, is_repeated, is_large = len(content) > LARGE_CHARACTERS
    cdef _Proportion proportion = None
    cdef _Search search
    if not old:
        raise empty_old_string()
    start = content.find(old)
    if start != -1 and (replace_all or content.find(old, start + 1) == -1):
        return start, start + len(old)
    search = _Search(content, old)
    for _, start, end, is_repeated in search:
        if is_large and n_tested >= MAX_CANDIDATES_IN_LARGE:
            break
        if proportion is None:
            proportion = _Proportion(content, old)
        is_found = True
        n_tested += 1
        if proportion.is_lost(start, end, search.n_lines):
            raise too_large()
        if replace_all:
            first = content.find(content[start:end], 0, end)
            return first, first + end - start
        if not is_repeated and is_unique(content, start, end, search.index, n_tested):
            return start, end
    raise not_unique() if is_found else not_found()


cdef bint is_unique(str content, Py_ssize_t start, Py_ssize_t end, _Index index, Py_ssize_t n_tested):
    """Tell whether a piece of `content` stands there once; after some tests the text is indexed for all further ones."""
    cdef str text
    if n_tested > 64 and index is not None and index.size <= LARGE_CHARACTERS:
        return index.longest_repeated(start) < end - start
    text = content[start:end]
    return content.find(text, 0, end) == start and content.find(text, start + 1) == -1


def places(str content not None, str find not None):
    """Yield the name of the replacer, start and end for all that the nine replacers find in `content`, in order."""
    for name, start, end, _ in _Search(content, find):
        yield name, start, end


def candidates(str content not None, str find not None):
    """Yield the name of the replacer and the text of all `places`."""
    for name, start, end, _ in _Search(content, find):
        yield name, content[start:end]


def levenshtein(str ours not None, str theirs not None):
    """Return the edit distance of two strings, in UTF-16 code units."""
    return levenshtein_within(ours, theirs, 2 * max(len(ours), len(theirs)))


def levenshtein_within(str ours not None, str theirs not None, Py_ssize_t limit):
    """Return the edit distance of two strings, or `limit + 1` where it is above `limit`."""
    cdef Pattern pattern
    cdef Py_ssize_t n_units, found, n_ours = len(ours), n_theirs = len(theirs)
    cdef uint32_t *text = NULL
    cdef uint32_t *other = NULL
    cdef uint16_t *units = NULL
    memset(&pattern, 0, sizeof(Pattern))
    try:
        text = <uint32_t *> PyUnicode_AsUCS4Copy(ours)
        other = <uint32_t *> PyUnicode_AsUCS4Copy(theirs)
        units = <uint16_t *> checked(malloc(<size_t> len(ours) * 4 + 2))
        pattern.symbol_of = <int32_t *> checked(calloc(65536, sizeof(int32_t)))
        with nogil:
            n_units = to_units(text, 0, n_ours, units)
            found = -1
            if prepare_pattern(&pattern, other, 0, n_theirs) == 0:
                found = distance(&pattern, units, n_units, limit)
        if found < 0:
            raise MemoryError
        return min(found, limit + 1)
    finally:
        release_pattern(&pattern)
        free(pattern.symbol_of)
        free(units)
        PyMem_Free(text)
        PyMem_Free(other)


cdef class _Proportion:
    """The size guard for one text to find."""

    cdef str content
    cdef int kind
    cdef const void *data
    cdef Py_ssize_t n_wanted, most_units

    def __cinit__(self, str content, str find):
        self.content = content
        self.kind = PyUnicode_KIND(content)
        self.data = PyUnicode_DATA(content)
        self.n_wanted = find.count("\n") + 1
        units = length(trim(find)) if self.n_wanted > 1 else 0
        self.most_units = max(units + 500, units * 4)

    cdef bint is_lost(self, Py_ssize_t start, Py_ssize_t end, Py_ssize_t n_lines):
        """Tell whether a piece of `n_lines` lines, 0 if nobody counted, is out of proportion."""
        if n_lines == 0 and end - start + 1 >= max(self.n_wanted + 3, self.n_wanted * 2):
            n_lines = self.content.count("\n", start, end) + 1
        if n_lines >= max(self.n_wanted + 3, self.n_wanted * 2):
            return True
        if self.n_wanted == 1 or (end - start) * 2 <= self.most_units:
            return False
        while start < end and is_space(PyUnicode_READ(self.kind, <void *> self.data, start)):
            start += 1
        while end > start and is_space(PyUnicode_READ(self.kind, <void *> self.data, end - 1)):
            end -= 1
        if self.kind < 4 or (end - start) * 2 <= self.most_units:
            return end - start > self.most_units
        return length(self.content[start:end]) > self.most_units


cdef Py_ssize_t MAX_LINES = MAX_FUZZY_LINES


cdef class _Search:
    """All that the replacers find, as an iterator of (name, start, end, whether the same text is elsewhere too)."""

    cdef str content, find
    cdef _Index index
    cdef list found
    cdef Py_ssize_t position
    cdef int stage
    cdef str name
    cdef Py_ssize_t exact
    cdef readonly Py_ssize_t n_lines
    """How many lines all spans of the present replacer have, 0 if they differ."""

    def __cinit__(self, str content, str find):
        self.content = content
        self.find = find
        self.found = []
        self.position = 0
        self.stage = 0
        self.exact = -1

    def __iter__(self):
        return self

    def __next__(self):
        while self.position >= len(self.found):
            if self.stage >= 9 or not self.find:
                raise StopIteration
            self.position = 0
            self.found = self._run(self.stage)
            self.stage += 1
        start, end, is_repeated = self.found[self.position]
        self.position += 1
        return self.name, start, end, is_repeated

    cdef list _run(self, int stage):
        self.n_lines = 0
        if stage == 0:
            self.name = "Simple"
            self.exact = self.content.find(self.find)
            return self._exactly(self.exact, len(self.find))
        if stage == 1 and not self._is_within_bounds():
            self.stage = 9
            return []
        if self.index is None:
            self.index = _Index(self.content, self.find)
        if stage == 1:
            self.name = "LineTrimmed"
            self.n_lines = self.index.n_wanted
            return self.index.distinct_windows(self.index.line_trimmed(), self.index.n_wanted)
        if stage == 2:
            self.name = "BlockAnchor"
            return block_anchor(self.index)
        if stage == 3:
            self.name = "WhitespaceNormalized"
            return white_space_normalized(self.index)
        if stage == 4:
            self.name = "IndentationFlexible"
            self.n_lines = self.index.n_find_lines
            return indentation_flexible(self.index)
        if stage == 5:
            self.name = "EscapeNormalized"
            return self._escape_normalized()
        if stage == 6:
            self.name = "TrimmedBoundary"
            return self._trimmed_boundary()
        if stage == 7:
            self.name = "ContextAware"
            self.n_lines = self.index.n_wanted
            return context_aware(self.index)
        self.name = "MultiOccurrence"
        return self._exactly(self.exact, len(self.find))

    cdef bint _is_within_bounds(self):
        cdef Py_ssize_t size = len(self.content)
        if size < MAX_LINES:
            return True
        return size <= MAX_FUZZY_CHARACTERS and self.content.count("\n") < MAX_LINES

    cdef list _exactly(self, Py_ssize_t start, Py_ssize_t size):
        return [(start, start + size, False)] if start != -1 else []

    cdef list _escape_normalized(self):
        cdef str wanted = unescape(self.find) if "\\" in self.find else self.find
        cdef list found
        if not wanted:
            return []
        found = self._exactly(self.content.find(wanted), len(wanted))
        if "\\" in self.content:
            found += unescaped_windows(self.index, wanted)
        return found

    cdef list _trimmed_boundary(self):
        cdef str wanted = trim(self.find)
        cdef list found
        cdef Py_ssize_t start
        if len(wanted) == len(self.find):
            return []
        if not wanted:
            return self.index.distinct_windows(self.index.blank_windows(), self.index.n_find_lines)
        start = self.content.find(wanted)
        if start == -1:
            return []
        found = self._exactly(start, len(wanted))
        for window in trimmed_windows(self.index, wanted):
            # A window without white space around the text is the text, and that was yielded.
            if window[1] - window[0] > len(wanted):
                found.append(window)
        return found
