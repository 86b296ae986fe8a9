"""The local half: listing, verifying, clearing, the manifest, notes of leftovers, locks."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from remote_code.errors import MirrorUnusable
from remote_code.mirror.history import Action
from remote_code.mirror.local import LocalMirror, Verification, find_mirrors
from remote_code.mirror.lock import FileLock, PathLocks
from remote_code.paths import RemotePath, Workspace
from remote_code.remote.leftovers import Leftover
from tests.mirror.conftest import MakeSite, Site

WORKSPACE = Workspace(root=RemotePath("/srv/app"), home=RemotePath("/root"))


def leftover(token: str) -> Leftover:
    return Leftover(token, 1, RemotePath("/srv/\udcb2"), RemotePath("/srv/\udcb2"), "old", "new")


def test_a_mirror_lists_what_it_tracks_in_order_of_paths(site: Site) -> None:
    """SYNC-4."""
    for name in ("b", "a/z", "a.txt"):
        site.pull(site.write(name, name.encode()))
    tracked = list(site.sync.local.tracked())
    assert [item.path for item in tracked] == [site.path(name) for name in ("a.txt", "a/z", "b")]
    assert [item.state.size_bytes for item in tracked] == [5, 3, 1]
    below = site.sync.local.tracked(below=site.path("a"))
    assert [item.path for item in below] == [site.path("a/z")]


def test_verify_names_copies_that_are_missing_or_edited_and_strays(site: Site) -> None:
    """SYNC-4."""
    sound, missing, edited = (site.write(name, b"x") for name in ("sound", "missing", "edited"))
    for path in (sound, missing, edited):
        site.pull(path)
    site.local(missing).unlink()
    site.local(edited).write_bytes(b"y")
    stray = site.local(sound).parent / "stray"
    stray.touch()
    assert site.sync.local.verify() == Verification(1, [missing], [edited], [stray])


def test_clear_removes_all_copies_and_keeps_local_edits_in_the_history(site: Site) -> None:
    """SYNC-4."""
    paths = [site.write(name, b"x") for name in ("a", "src/b")]
    for path in paths:
        site.pull(path)
    site.local(paths[0]).write_bytes(b"mine")
    assert site.sync.local.clear() == 2
    assert [found.name for found in site.sync.local.root.iterdir()] == [".remote-code"]
    assert list(site.sync.local.tracked()) == []
    (entry,) = site.sync.history.entries()
    assert (entry.action, site.sync.history.show(entry.entry_id).before) == (Action.LOCAL_EDIT, b"mine")
    assert site.pull(paths[1]).contents == b"x"


def test_mirrors_are_found_and_opened_without_a_connection(tmp_path: Path, make_site: MakeSite) -> None:
    """SYNC-4."""
    site = make_site(mirror="mirrors/web/app")
    path = site.write("a.py", b"one\n")
    site.push(path, b"three\n", expected=site.pull(path).observation.state)
    site.sync.close()
    (found,) = find_mirrors(tmp_path / "mirrors")
    mirror = LocalMirror(found)
    assert mirror.workspace == site.sync.local.workspace
    summary = mirror.summary()
    counts = (summary.n_copies, summary.copies_bytes, summary.n_entries, summary.contents_bytes)
    assert counts == (1, 6, 1, 4)
    assert [entry.path for entry in mirror.history.entries()] == [path]
    mirror.close()


def test_a_folder_that_is_no_mirror_is_not_made_one_by_looking(tmp_path: Path) -> None:
    with pytest.raises(MirrorUnusable):
        LocalMirror(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_names_files_copies_and_states(site: Site) -> None:
    """SYNC-2."""
    plain, odd = site.write("a.py", b"one\n"), site.write("\udcb2.txt", b"two\n")
    Path(plain).chmod(0o640)
    state = site.pull(plain).observation.state
    site.pull(odd)
    path = site.sync.export_manifest()
    assert path == site.sync.local.root / "manifest.json"
    assert path.stat().st_mode & 0o777 == 0o600
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert (manifest["format"], manifest["workspace"]) == (1, str(site.root))
    first, second = manifest["files"]
    used = first.pop("used")
    tick_ns = 10**9 if site.maker == "sftp" else 1
    assert used > 1e9
    assert first == {
        "path": plain,
        "local": str(site.local(plain).relative_to(site.sync.local.root)),
        "size": 4,
        "mode": "0640",
        "mtime_ns": Path(plain).stat().st_mtime_ns // tick_ns * tick_ns,
        "sha256": state.digest if state and hasattr(state, "digest") else None,
    }
    assert second["path"].endswith("\ufffd.txt")
    assert second["path_base64"]


def test_the_end_of_an_engine_writes_the_manifest(make_site: MakeSite) -> None:
    """SYNC-2."""
    site = make_site()
    site.pull(site.write("a.py", b"one\n"))
    site.sync.close()
    assert len(json.loads((site.sync.local.root / "manifest.json").read_bytes())["files"]) == 1


def test_a_remote_file_named_like_ours_does_not_touch_ours(tmp_path: Path) -> None:
    """SYNC-1."""
    mirror = LocalMirror(tmp_path / "mirror", workspace=WORKSPACE)
    for name in ("/manifest.json", "/.remote-code/state-1.sqlite3"):
        local = mirror.mapper.to_local(RemotePath(name))
        assert local.relative_to(mirror.root).parts[0].startswith("%")
        assert mirror.mapper.to_remote(local) == name
    mirror.close()


def test_leftovers_of_a_killed_engine_are_found_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    """SSH-8."""
    living = LocalMirror(tmp_path / "mirror", workspace=WORKSPACE)
    living.notes.add([leftover("1" * 16), leftover("2" * 16)])
    living.notes.remove([leftover("1" * 16)])
    script = (
        "import os, sys; from pathlib import Path; from tests.mirror.test_local_mirror import *\n"
        "mirror = LocalMirror(Path(sys.argv[1]), workspace=WORKSPACE)\n"
        "mirror.notes.add([leftover('3' * 16)])\n"
        "os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "mirror")], env=environment, check=False)
    assert killed.returncode == -9
    third = LocalMirror(tmp_path / "mirror", workspace=WORKSPACE)
    assert third.notes.left() == [leftover("3" * 16)]
    living.close()
    assert third.notes.left() == [leftover("2" * 16), leftover("3" * 16)]
    third.notes.remove(third.notes.left())
    assert third.notes.left() == []
    third.close()
    assert list((tmp_path / "mirror/.remote-code/engines").iterdir()) == []


def test_a_folder_that_cannot_be_a_mirror_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MirrorUnusable):
        LocalMirror(tmp_path / "file" / "mirror", workspace=WORKSPACE)


def test_a_file_lock_keeps_others_out_until_it_is_released(tmp_path: Path) -> None:
    """SYNC-2."""
    first, second = (FileLock(tmp_path / "lock", timeout_s=0) for _ in range(2))
    with first:
        with pytest.raises(MirrorUnusable), second:
            pass
        assert not second.try_acquire()
    with second:
        pass


def test_path_locks_of_two_calls_in_opposite_order_do_not_block_each_other() -> None:
    """EDIT-1."""
    locks = PathLocks()
    one, other = RemotePath("/a"), RemotePath("/b")
    counts = {one: 0, other: 0}

    def work(paths: list[RemotePath]) -> None:
        for _ in range(500):
            with locks.hold(paths), locks.hold(paths[:1]):
                for path in paths:
                    counts[path] += 1

    threads = [threading.Thread(target=work, args=[paths]) for paths in ([one, other], [other, one])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert counts == {one: 1000, other: 1000}
