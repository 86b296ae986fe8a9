"""pull_all and push_all: whole mirrors in one flight each way."""

import threading
from pathlib import Path

from remote_code.mirror.outcome import PushReport
from remote_code.remote.files import ANYWHERE
from tests.mirror.conftest import MakeSite, Site


def test_pull_all_brings_every_copy_up_to_date_in_one_flight(site: Site) -> None:
    """SYNC-2."""
    paths = [site.write(f"src/f{index}", b"%d" % index) for index in range(40)]
    site.sync.pull(paths, session_id="one", roots=ANYWHERE, flights=site.flights)
    for path in paths[:3]:
        Path(path).write_bytes(b"new " + path.encode())
    Path(paths[5]).unlink()
    site.local(paths[7]).write_bytes(b"edited here")
    site.local(paths[8]).unlink()
    before = site.flights.count
    report = site.sync.pull_all(flights=site.flights)
    assert site.flights.count - before == site.flights_by(shell=1, sftp=4)
    assert report.n_checked == 39
    assert sorted(report.fetched) == sorted([*paths[:3], paths[8]])
    assert (report.dropped, report.edited, report.outside) == ([paths[5]], [paths[7]], [])
    for path in paths[:3]:
        held = site.sync.held(path)
        assert held is not None
        assert held.contents == b"new " + path.encode()
    assert site.local(paths[7]).read_bytes() == b"edited here"


def test_pull_all_reads_nothing_outside_of_the_workspace(site: Site, tmp_path: Path) -> None:
    """SYNC-2, PATH-1."""
    inside = site.write("a", b"1")
    outside = site.path("../outside")
    (tmp_path / "outside").write_bytes(b"2")
    outside = site.sync.pull([outside], session_id="one", roots=ANYWHERE, flights=site.flights)[0].observation.real_path
    site.pull(outside)
    site.pull(inside)
    (tmp_path / "outside").write_bytes(b"3")
    report = site.sync.pull_all(flights=site.flights)
    assert outside in report.outside
    held = site.sync.held(outside)
    assert held is not None
    assert held.contents == b"2"


def test_push_all_writes_edited_copies_and_leaves_conflicts(site: Site) -> None:
    """SYNC-2."""
    mine, theirs, both, gone = (site.write(name, b"old") for name in ("mine", "theirs", "both", "gone"))
    for path in (mine, theirs, both, gone):
        site.pull(path)
    site.local(mine).write_bytes(b"edited here")
    site.write("theirs", b"edited there")
    site.local(both).write_bytes(b"edited here")
    site.write("both", b"edited there")
    site.local(gone).unlink()
    before = site.flights.count
    report = site.sync.push_all(session_id="person", call_id="push", flights=site.flights)
    assert site.flights.count - before == site.flights_by(shell=2, sftp=6)
    assert [done.path for done in report.written] == [mine]
    assert report.conflicts == [both]
    assert [site.read(name) for name in ("mine", "theirs", "both", "gone")] == [
        b"edited here",
        b"edited there",
        b"edited there",
        b"old",
    ]
    (entry,) = site.sync.history.entries(call_id="push")
    assert site.sync.history.show(entry.entry_id).before == b"old"
    held = site.sync.held(mine)
    assert held is not None
    assert held.contents == b"edited here"


def test_push_all_with_nothing_edited_costs_no_flight(site: Site) -> None:
    """SYNC-2."""
    site.pull(site.write("a", b"1"))
    before = site.flights.count
    assert site.sync.push_all(session_id="person", call_id="push", flights=site.flights) == PushReport([], [])
    assert site.flights.count == before


def test_two_engines_take_turns_at_pulling_all(make_site: MakeSite) -> None:
    """SYNC-2, SYNC-5."""
    first, second = make_site(), make_site()
    path = first.write("a", b"1")
    first.pull(path)
    reports = []
    with first.sync.local.exclusive():
        thread = threading.Thread(target=lambda: reports.append(second.sync.pull_all(flights=second.flights)))
        thread.start()
        assert second.flights.count == 0
    thread.join(10)
    assert [report.n_checked for report in reports] == [1]
