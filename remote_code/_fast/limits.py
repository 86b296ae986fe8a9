"""Bounds that the compiled matcher and its twin share."""

MAX_FUZZY_LINES = 4_000_000
"""A file with this many newlines is searched for the exact text only: the fuzzy replacers index every line."""

MAX_FUZZY_CHARACTERS = 2**30
"""A longer text is searched for the exact text only: the index counts in 32 bits."""

MAX_BLOCK_COMPARISONS = 8_000_000
"""Blocks between anchors are passed over where more pairs of lines than this would have to be compared.

That takes tens of thousands of overlapping blocks, each of thousands of lines; OpenCode would compare them for hours.
"""

LARGE_CHARACTERS = 2**22
"""In a longer text at most `MAX_CANDIDATES_IN_LARGE` candidates are tested for being there once."""

MAX_CANDIDATES_IN_LARGE = 500
