"""What is kept of long outputs."""

import random

import pytest

from remote_code.shell.output import KeptOutput


def test_output_within_the_limit_is_kept_whole() -> None:
    kept = KeptOutput(10)
    for piece in (b"abc", b"", b"defgh", b"ij"):
        kept.add(piece)
    assert (kept.contents(), kept.dropped_bytes) == (b"abcdefghij", 0)


def test_output_beyond_the_limit_keeps_its_first_and_last_half() -> None:
    kept = KeptOutput(6)
    kept.add(b"abcdefghijk")
    assert (kept.contents(), kept.dropped_bytes, kept.total_bytes) == (b"abcijk", 5, 11)


def test_nothing_is_kept_within_a_limit_of_0() -> None:
    kept = KeptOutput(0)
    kept.add(b"abc")
    kept.add(b"def")
    assert (kept.contents(), kept.dropped_bytes, kept.total_bytes) == (b"", 6, 6)


@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_any_size_give_the_same_as_one(seed: int) -> None:
    chance = random.Random(seed)
    limit_bytes = chance.randrange(0, 60)
    data = chance.randbytes(chance.randrange(0, 200))
    kept = KeptOutput(limit_bytes)
    rest = data
    while rest:
        n_bytes = chance.randrange(1, 30)
        kept.add(rest[:n_bytes])
        rest = rest[n_bytes:]
    head, tail = limit_bytes // 2, limit_bytes - limit_bytes // 2
    expected = data if len(data) <= limit_bytes else data[:head] + data[len(data) - tail :]
    assert kept.contents() == expected
    assert kept.dropped_bytes == len(data) - len(expected)
