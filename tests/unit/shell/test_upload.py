"""How a file is divided among streams."""

import pytest

from remote_code.shell.upload import BLOCK_BYTES, LARGEST_PART_BYTES, Part, split

MIB = 1 << 20


@pytest.mark.parametrize(
    ("size_bytes", "n_streams", "sizes"),
    [
        pytest.param(0, 3, [0], id="empty"),
        pytest.param(100 * MIB, 1, [100 * MIB], id="one-stream"),
        pytest.param(4 * MIB, 3, [4 * MIB], id="too-small-for-two"),
        pytest.param(4 * MIB + 1, 3, [4 * MIB, 1], id="a-byte-more"),
        pytest.param(12 * MIB, 3, [4 * MIB] * 3, id="even"),
        pytest.param(60 * MIB, 3, [20 * MIB] * 3, id="large"),
        pytest.param(200 * MIB, 3, [64 * MIB] * 3 + [8 * MIB], id="more-parts-than-streams"),
    ],
)
def test_parts_of_a_file(size_bytes: int, n_streams: int, sizes: list[int]) -> None:
    assert [part.size_bytes for part in split(size_bytes, n_streams=n_streams)] == sizes


@pytest.mark.parametrize("n_streams", [2, 3, 4])
@pytest.mark.parametrize(
    "size_bytes", [13 * MIB + 1, 64 * MIB - 1, 64 * MIB + BLOCK_BYTES // 2, 5 * LARGEST_PART_BYTES]
)
def test_parts_follow_each_other_and_have_a_last_byte(size_bytes: int, n_streams: int) -> None:
    offset = 0
    for part in split(size_bytes, n_streams=n_streams):
        assert part.offset == offset
        assert 0 < part.size_bytes <= LARGEST_PART_BYTES
        offset += part.size_bytes
    assert offset == size_bytes


def test_a_part_counts_the_block_that_it_fills_in_part() -> None:
    assert [Part(0, size).n_blocks for size in (0, 1, BLOCK_BYTES, BLOCK_BYTES + 1)] == [0, 1, 1, 2]
