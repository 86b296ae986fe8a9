"""PATH-1: names of every kind, and the boundary that real paths may not leave."""

import itertools
import os
import random
from pathlib import Path

import pytest

from remote_code.errors import OutsideWorkspace
from remote_code.paths import RemotePath, decode_path
from remote_code.remote.files import ANYWHERE
from remote_code.remote.state import Change, Kind, Present, Wanted
from remote_code.shell.job import Flights
from tests.remote.conftest import Machine
from tests.support.figures import Figures
from tests.support.posix_shells import SHELLS

SEED = int(os.environ.get("REMOTE_CODE_SEED", random.randrange(10**6)))
"""The same trees and paths for every kind of machine."""

pytestmark = pytest.mark.parametrize(
    "machine",
    [*SHELLS, "sftp", "openssh", pytest.param("dropbear-busybox", marks=pytest.mark.root)],
    indirect=True,
    scope="session",
)

ODD_NAMES = [
    b"two words", b" lead", b"trail ", b"tab\there", b"new\nline", b"\nfirst", b"last\n", b"\n", b"-rf", b"--", b"-",
    b"'", b"''", b"'\\''", b'"', b"\\", b"\\n", b"$(touch canary)", b"`touch canary`", b"${HOME}", b"; touch canary",
    b"&", b"|", b"*", b"?", b"[a]", b"~", b"~root", b"#", b"!", b"!!", b"%s%n", b"a=b", b"\xff\xfe", b"\xc3\xa9",
    b"\xb2\xe2\xca\xd4", b"\x01\x02\x7f", b"\r", b"...", b".hidden", b"{a,b}", b"(x)", b"<x>", b"x\ny\nz",
]  # fmt: skip


def test_names_of_every_byte_are_written_read_listed_and_removed(machine: Machine, place: Path) -> None:
    """PATH-1"""
    every_byte = [bytes(n for n in range(first, first + 64) if n not in b"\0/") for first in (0, 64, 128, 192)]
    names = [*ODD_NAMES, *(name for name in every_byte if name not in ODD_NAMES)]
    paths = [decode_path(os.fsencode(place) + b"/" + name) for name in names]
    wanted = [Wanted(path) for path in paths]
    before = machine.files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=1000)
    changes = [
        Change(path, each.state, b"of " + name)
        for path, name, each in zip(paths, names, before, strict=True)
        if each.state is not None
    ]
    machine.files.replace(changes, roots=ANYWHERE, flights=Flights())
    assert {os.fsencode(entry.name): entry.read_bytes() for entry in place.iterdir()} == {
        name: b"of " + name for name in names
    }
    found = machine.files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=1000)
    assert [each.contents for each in found] == [b"of " + name for name in names]
    assert [each.real_path for each in found] == paths
    _, entries = machine.files.list_directory(RemotePath(str(place)), roots=ANYWHERE, flights=Flights())
    assert sorted(os.fsencode(entry.name) for entry in entries) == sorted(names)
    removals = [Change(each.path, each.state, None) for each in found if isinstance(each.state, Present)]
    machine.files.replace(removals, roots=ANYWHERE, flights=Flights())
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", [b"d\nir", b"-d", b"d'", b"\xff\n", b"d\n"])
def test_odd_directories_and_links_are_followed(machine: Machine, place: Path, name: bytes) -> None:
    """PATH-1"""
    base = os.fsencode(place)
    os.mkdir(base + b"/" + name)
    os.symlink(name, base + b"/link")
    os.symlink(name + b"/" + name, base + b"/to-new")
    path = decode_path(base + b"/link/" + name)
    machine.replace(decode_path(base + b"/to-new"), b"x")
    found = machine.observe(path)
    assert (found.contents, os.fsencode(found.real_path)) == (b"x", base + b"/" + name + b"/" + name)


def test_nothing_of_a_file_outside_of_the_roots_is_told(machine: Machine, place: Path) -> None:
    """PATH-1: no byte and no state, whichever way it is reached."""
    root, outside = place / "app", place / "app2"
    root.mkdir()
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "file").symlink_to("../app2/secret")
    (root / "dir").symlink_to("../app2")
    (root / "dots").symlink_to("./../app/../app2/./secret")
    (root / "chain").symlink_to("file")
    (root / "absolute").symlink_to(outside / "secret")
    (root / "missing").symlink_to("none/../../app2/secret")
    reached = ["file", "dir/secret", "dir/none", "dots", "chain", "absolute", "missing", "../app2/secret"]
    wanted = [Wanted(RemotePath(f"{root}/{each}")) for each in [*reached, "../app2", ".."]]
    found = machine.files.observe(wanted, roots=[RemotePath(str(root))], flights=Flights(), limit_bytes=1000)
    assert [(each.kind, each.state, each.contents) for each in found] == [(Kind.OUTSIDE, None, None)] * len(wanted)
    assert found[0].real_path == str(outside / "secret")
    for path in (root / "file", root / "dir"):
        observation, entries = machine.files.list_directory(
            RemotePath(str(path)), roots=[RemotePath(str(root))], flights=Flights()
        )
        assert (observation.kind, entries) == (Kind.OUTSIDE, [])
        part = machine.files.read_bytes(
            RemotePath(str(path)), offset=0, limit=100, roots=[RemotePath(str(root))], flights=Flights()
        )
        assert (part.kind, part.state, part.contents) == (Kind.OUTSIDE, None, b"")


def test_a_root_that_is_a_link_or_missing_or_the_top_is_a_root(machine: Machine, place: Path) -> None:
    (place / "real").mkdir()
    (place / "real" / "a").write_bytes(b"x")
    (place / "link").symlink_to("real")
    for root in (place / "link", place / "real", Path("/"), place, place / "real" / "a"):
        wanted = [Wanted(RemotePath(f"{place}/link/a"))]
        (found,) = machine.files.observe(wanted, roots=[RemotePath(str(root))], flights=Flights(), limit_bytes=10)
        assert found.contents == b"x", root
    new = RemotePath(f"{place}/link/none/new")
    (found,) = machine.files.observe(
        [Wanted(new)], roots=[RemotePath(f"{place}/link/none")], flights=Flights(), limit_bytes=10
    )
    assert found.kind is Kind.ABSENT_DIRECTORY


def test_fuzzed_trees_never_let_anything_out(machine: Machine, place: Path, figures: Figures) -> None:
    """PATH-1: random links, names and roots; the real path as Python knows it decides what may be told."""
    rounds = int(os.environ.get("REMOTE_CODE_FUZZ_ROUNDS") or (210 if os.environ.get("REMOTE_CODE_TORTURE") else 6))
    print(f"seed {SEED}, {rounds} rounds of 80 paths")
    rng = random.Random(SEED)
    names = ["a", "b", "app", "app2", "..", ".", "$(touch canary)", "x\ny", "'", "-n", decode_path(b"\xff")]
    for round_ in range(rounds):
        base = place / str(round_)
        base.mkdir()
        directories = [base]
        for number in range(12):
            parent = rng.choice(directories)
            name = rng.choice([each for each in names if each not in ("..", ".")]) + str(number)
            match rng.randrange(3):
                case 0:
                    (parent / name).mkdir()
                    directories.append(parent / name)
                case 1:
                    (parent / name).write_bytes(os.fsencode(str(parent / name)))
                case _:
                    target = "/".join(rng.choice(names) for _ in range(rng.randrange(1, 4)))
                    (parent / name).symlink_to(rng.choice([target, str(rng.choice(directories)), name]))
        everything = [Path(top) / each for top, dirs, files in os.walk(base) for each in dirs + files]
        root = rng.choice(directories)
        paths = [
            RemotePath(os.path.normpath(f"{rng.choice([*everything, root])}/" + "/".join(rng.choices(names, k=depth))))
            for depth in itertools.islice(itertools.cycle((0, 0, 1, 2)), 80)
        ]
        found = machine.files.observe(
            [Wanted(path) for path in paths], roots=[RemotePath(str(root))], flights=Flights(), limit_bytes=1000
        )
        for each in found:
            real = os.path.realpath(each.path)
            is_inside = real == str(root) or real.startswith(f"{root}/")
            if each.contents is not None:
                assert is_inside, (SEED, each)
                assert each.contents == Path(real).read_bytes(), (SEED, each)
            # Not by `real`: Python takes "missing/.." for nothing, the system for a path that leads nowhere.
            elif os.path.isfile(each.path) and is_inside:
                raise AssertionError(f"seed {SEED}: {each} should have been told")
            if each.state is not None and each.kind is Kind.FILE:
                assert is_inside, (SEED, each)
    assert not list(place.rglob("canary"))
    figures.tell(
        "paths", rounds * 80, f"{machine.name}, {rounds} trees: no escape, nothing run, the real path as Python's"
    )


def test_a_directory_is_made_within_the_roots_only(machine: Machine, place: Path) -> None:
    root = place / "app"
    root.mkdir()
    (root / "out").symlink_to("..")
    made = machine.files.make_dirs(RemotePath(f"{root}/x y/z"), roots=[RemotePath(str(root))], flights=Flights())
    assert made == f"{root}/x y/z"
    assert Path(made).is_dir()
    assert machine.files.make_dirs(made, roots=[RemotePath(str(root))], flights=Flights()) == made
    with pytest.raises(OutsideWorkspace):
        machine.files.make_dirs(RemotePath(f"{root}/out/new"), roots=[RemotePath(str(root))], flights=Flights())
    assert not (place / "new").exists()
