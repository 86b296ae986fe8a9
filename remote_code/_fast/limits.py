"""Bounds that the compiled matcher and its twin share."""

MAX_FUZZY_LINES = 4_000_000
"""A file with this many newlines is searched for the exact text only: the fuzzy replacers index every line."""

MAX_FUZZY_CHARACTERS = 2**30
"""A longer text is searched for the exact text only: the index counts in 32 bits."""
