"""Machines that lack programs: other ways to the same result, or a clear word."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from remote_code.errors import RemoteChanged
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import probe
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Absent, Change, Present, Wanted
from remote_code.shell.job import Flights
from tests.support.posix_shells import local_shells, programs_without

POSIX_DD = """#!/bin/sh
case "$*" in *flag*) echo "dd: unknown flag" >&2; exit 1;; esac
exec /usr/bin/dd "$@"
"""
PLAIN_CP = """#!/bin/sh
case "$*" in *--*help*|*attributes-only*) echo "cp: illegal option" >&2; exit 1;; esac
exec /usr/bin/cp "$@"
"""
NO_LINKS = """#!/bin/sh
echo "ln: operation not permitted" >&2
exit 1
"""
BSD_STAT = """#!/bin/sh
case $1 in
-f) shift 2; [ "$1" != -- ] || shift;;
*) echo "stat: illegal option" >&2; exit 1;;
esac
[ $# -gt 0 ] || exec /usr/bin/stat -L -c '%f %s %h %u %g %i %d %.9Y|%.9Z' -- /dev/fd/0
exec /usr/bin/stat -c '%f %s %h %u %g %i %d %.9Y|%.9Z' -- "$@"
"""

MACHINES: dict[str, tuple[Sequence[str], Mapping[str, str], Mapping[str, str]]] = {
    "no-flock": (["flock"], {}, {"flock": "0"}),
    "shasum": (["sha256sum"], {}, {"sha": "shasum"}),
    "openssl": (["sha256sum", "shasum"], {}, {"sha": "openssl"}),
    "no-digest": (["sha256sum", "shasum", "openssl"], {}, {"sha": "none"}),
    "posix-dd": ([], {"dd": POSIX_DD}, {"reader": "byte"}),
    "plain-cp": ([], {"cp": PLAIN_CP}, {"copy": "chmod"}),
    "no-links": ([], {"ln": NO_LINKS}, {}),
    "no-readlink": (["readlink", "realpath"], {}, {}),
    "bsd-stat": ([], {"stat": BSD_STAT}, {"stat": "bsd", "copy": "preserve"}),
}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_files_are_read_and_written_on_a_machine_with(shell: str, name: str, tmp_path: Path, place: Path) -> None:
    missing, own, variants = MACHINES[name]
    path = programs_without(missing, tmp_path / "programs", own=own)
    with local_shells(shell, tmp_path, path=path) as shells:
        host = probe(shells, str(place), flights=Flights())
        assert {key: host.variants[key] for key in variants} == variants
        files = ShellFiles(shells, host)
        contents = os.urandom(100_000)
        file, link, linked = place / "a b", place / "link\n", place / "linked"
        file.write_bytes(b"old")
        file.chmod(0o750)
        link.symlink_to("a b")
        linked.write_bytes(b"old")
        (place / "hard").hardlink_to(linked)
        wanted = [Wanted(RemotePath(str(each))) for each in (link, linked, place / "sub" / "new")]
        found = files.observe(wanted, roots=ANYWHERE, flights=Flights(), limit_bytes=1000)
        assert [each.contents for each in found] == [b"old", b"old", None]
        changes = [Change(each.path, each.state, contents) for each in found if each.state is not None]
        changed = files.replace(changes, roots=ANYWHERE, flights=Flights())
        assert [each.in_place for each in changed] == [None, "links", None]
        assert [each.read_bytes() for each in (file, place / "hard", place / "sub" / "new")] == [contents] * 3
        assert file.stat().st_mode & 0o7777 == 0o750
        with pytest.raises(RemoteChanged):
            files.replace([changes[0]], roots=ANYWHERE, flights=Flights())
        with pytest.raises(RemoteChanged):
            files.replace([Change(wanted[2].path, Absent(), b"x")], roots=ANYWHERE, flights=Flights())
        states = [each.state for each in changed]
        held = [Wanted(w.path, s) for w, s in zip(wanted, states, strict=True) if isinstance(s, Present)]
        again = files.observe(held, roots=ANYWHERE, flights=Flights(), limit_bytes=200_000)
        assert all(each.is_as_held for each in again)
        part = files.read_bytes(RemotePath(str(file)), offset=70_001, limit=5, roots=ANYWHERE, flights=Flights())
        assert part.contents == contents[70_001:70_006]
        removals = [Change(w.path, w.held, None) for w in held if w.held is not None]
        files.replace(removals, roots=ANYWHERE, flights=Flights())
    assert sorted(each.name for each in place.iterdir()) == ["hard", "link\n", "sub"]
