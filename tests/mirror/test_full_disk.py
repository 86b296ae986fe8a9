"""A local disk that is full: reads go on, and nothing is written whose old contents cannot be kept."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_code.errors import MirrorUnusable
from tests.mirror.conftest import MakeSite


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB where the mirror will be."""
    place = tmp_path / "mirror"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until the disk takes no more."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)


@pytest.mark.root
@pytest.mark.parametrize("maker", ["disk"])
def test_a_full_local_disk_stops_writes_and_not_reads(small_disk: Path, make_site: MakeSite) -> None:
    """SYNC-4, SYNC-6."""
    site = make_site()
    path = site.write("a.py", b"one\n" * 10_000)
    state = site.pull(path).observation.state
    fill(small_disk / "filler")
    other = site.write("b.py", b"two\n" * 10_000)
    assert site.pull(other).contents == b"two\n" * 10_000
    assert site.pull(path).contents == b"one\n" * 10_000
    with pytest.raises(MirrorUnusable):
        site.push(path, b"new\n", expected=state)
    assert site.read("a.py") == b"one\n" * 10_000
    (small_disk / "filler").unlink()
    site.push(path, b"new\n", expected=state)
    assert site.read("a.py") == b"new\n"
