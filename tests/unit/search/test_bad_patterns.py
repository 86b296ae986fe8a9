"""Patterns of any kind: an expression, or an error of ours; never anything else, never a hang."""

import random
import re

import pytest

from remote_code.errors import SearchFailed
from remote_code.search.glob_pattern import parse_glob
from remote_code.search.regex import to_posix
from remote_code.search.walk import WalkPattern

ALPHABET = "ab/*?[]{}()|+.^$\\!,-:&~#<>=PixdDwWsSbBnrtuU0123 \n\t'\"éü世\udce9"


@pytest.mark.parametrize("seed", range(8))
def test_random_patterns_are_translated_or_refused(seed: int) -> None:
    """GLOB-1, GREP-1: generated texts."""
    generator = random.Random(seed)
    for _ in range(2000):
        text = "".join(generator.choices(ALPHABET, k=generator.randint(0, 12)))
        for translate in (parse_glob, to_posix, WalkPattern):
            try:
                translate(text)
            except SearchFailed as exc:
                assert exc.message, text


@pytest.mark.parametrize("seed", range(4))
def test_random_patterns_that_mean_the_same_in_python_match_the_same(seed: int) -> None:
    """GREP-1: on ASCII lines, by Python's own engine, whose syntax agrees on these constructs."""
    generator = random.Random(seed)
    pieces = [
        "a",
        "b",
        "x1",
        ".",
        "a*",
        "b+",
        "(ab)?",
        "[ab]",
        "[^a]",
        r"\d",
        r"\w",
        r"\s",
        "^",
        "$",
        "a|b",
        "(a|)",
        "x{1,2}",
    ]
    for _ in range(300):
        pattern = "".join(generator.choices(pieces, k=generator.randint(1, 4)))
        ours = re.compile(to_posix(pattern).text.encode("utf-8", "surrogateescape"))
        theirs = re.compile(pattern)
        for _ in range(10):
            line = "".join(generator.choices("abx12 _-", k=generator.randint(0, 6)))
            assert bool(ours.search(line.encode())) == bool(theirs.search(line)), (pattern, line)
