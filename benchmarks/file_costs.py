"""What remote files and the mirror cost: round trips by shells and over SFTP, times of the scripts, many tracked files.

`python -m benchmarks.file_costs` starts a loopback sshd behind a proxy that delays both ways. Each operation runs at no
delay and at one, in turns, so that other work on the machine slows both alike; the difference over the delay counts.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench_mirror import fill
from benchmarks.delay_proxy import DelayProxy
from benchmarks.page import machine, write_section
from remote_code.mirror.sync import SyncEngine
from remote_code.paths import RemotePath, Workspace
from remote_code.remote.files import ANYWHERE, Files
from remote_code.remote.probe import probe
from remote_code.remote.scripts import library
from remote_code.remote.sftp_files import SFTPFiles
from remote_code.remote.sftp_link import SFTPLink
from remote_code.remote.sftp_session import SFTPSessions
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Absent, Change, Present
from remote_code.shell.job import Flights, Script
from remote_code.shell.pool import Shells
from remote_code.ssh.connection import Connection, connect
from remote_code.ssh.options import resolve
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.target import parse_command
from tests.support.engine import EngineClient
from tests.support.footprint import use_of
from tests.support.local_files import LocalFiles
from tests.support.posix_shells import SHELLS, local_shells
from tests.support.ssh_shells import ssh_shells
from tests.support.sshd import SSHServer

DELAY_S = 0.2
ROUNDS = 5
CONTENTS = b"# twenty bytes here\n" * 150


@dataclass
class Site:
    """A mirror and its remote, which lies in `root`."""

    sync: SyncEngine
    root: Path
    flights: Flights = field(default_factory=Flights)
    n_files: int = 0

    def make(self, count: int) -> list[RemotePath]:
        """Make files on the remote that nobody has seen."""
        made = []
        for _ in range(count):
            self.n_files += 1
            path = self.root / f"f{self.n_files}.py"
            path.write_bytes(CONTENTS + b"%d" % self.n_files)
            made.append(RemotePath(str(path)))
        return made

    def pull(self, paths: Sequence[RemotePath]) -> None:
        """Read files."""
        self.sync.pull(paths, session_id="one", roots=ANYWHERE, flights=self.flights)

    def edit(self, paths: Sequence[RemotePath]) -> None:
        """Change files that have been read."""
        held = [(path, self.sync.held(path)) for path in paths]
        self.push([Change(path, copy.state, copy.contents + b"x") for path, copy in held if copy is not None])

    def push(self, changes: Sequence[Change]) -> None:
        """Write files."""
        self.sync.push(changes, session_id="one", call_id="c", roots=ANYWHERE, flights=self.flights)

    def pull_all(self) -> None:
        """Bring all copies up to date."""
        self.sync.pull_all(flights=self.flights)


Prepared = Callable[[], object]
"""What is timed, once everything for it is ready."""


def main() -> None:
    """Measure everything and put it into the page."""
    lines = ["## Files and the mirror", "", f"{machine()}. By `python -m benchmarks.file_costs`.", ""]
    lines += [*_round_trips(), "", *_script_times(), "", *_tracked(), "", _footprint()]
    load = os.getloadavg()[2]
    lines += [
        "",
        f"Mean load of the last quarter of an hour: {load:.0f}. Above the number of cores the times are too high.",
    ]
    write_section("files", [*lines, ""])


def _round_trips() -> list[str]:
    lines = [
        f"Round trips of the mirror's operations: (best of {ROUNDS} at a delay of {DELAY_S * 1000:.0f} ms, minus the "
        "best without) / the delay; in parentheses the flights that were counted.",
        "",
        "| | goal | by shells | ms at 0 | over SFTP | ms at 0 |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    with _far() as (by_shells, over_sftp, proxy):
        for name, goal, prepare in _OPERATIONS:
            cells = [f"| {name} | {goal}"]
            for site in (by_shells, over_sftp):
                near_s, far_s, n_flights = _measure(site, prepare, proxy)
                cells.append(f"{(far_s - near_s) / DELAY_S:.2f} ({n_flights}) | {near_s * 1000:.1f}")
            lines.append(" | ".join(cells) + " |")
    return lines


def _measure(site: Site, prepare: Callable[[Site], Prepared], proxy: DelayProxy) -> tuple[float, float, int]:
    """Return the best times without and with the delay, and how many flights were waited for."""
    times: dict[float, list[float]] = {0.0: [], DELAY_S: []}
    n_flights = 0
    for _ in range(ROUNDS):
        for delay_s, taken in times.items():
            proxy.one_way_s = 0.0
            work = prepare(site)
            proxy.one_way_s = delay_s / 2
            before, started_s = site.flights.count, time.perf_counter()
            work()
            taken.append(time.perf_counter() - started_s)
            n_flights = site.flights.count - before
    proxy.one_way_s = 0.0
    return min(times[0.0]), min(times[DELAY_S]), n_flights


def _cold(site: Site) -> Prepared:
    paths = site.make(1)
    return lambda: site.pull(paths)


def _warm(site: Site) -> Prepared:
    paths = site.make(1)
    site.pull(paths)
    return lambda: site.pull(paths)


def _edit(site: Site) -> Prepared:
    paths = site.make(1)
    site.pull(paths)
    return lambda: site.edit(paths)


def _cold_edit(site: Site) -> Prepared:
    paths = site.make(1)
    return lambda: _pull_and_edit(site, paths)


def _new(site: Site) -> Prepared:
    path = site.make(1)[0]
    Path(path).unlink()

    def work() -> None:
        site.pull([path])
        site.push([Change(path, Absent(), CONTENTS)])

    return work


def _new_known(site: Site) -> Prepared:
    path = site.make(1)[0]
    Path(path).unlink()
    site.pull([path])
    return lambda: site.push([Change(path, Absent(), CONTENTS)])


def _patch(site: Site) -> Prepared:
    paths = site.make(20)
    return lambda: _pull_and_edit(site, paths)


def _pull_and_edit(site: Site, paths: Sequence[RemotePath]) -> None:
    site.pull(paths)
    site.edit(paths)


def _pull_all(site: Site) -> Prepared:
    tracked = [RemotePath(str(path)) for path in sorted(site.root.glob("all*"))]
    if not tracked:
        tracked = [RemotePath(str(site.root / f"all{number}.py")) for number in range(1000)]
        for number, path in enumerate(tracked):
            Path(path).write_bytes(CONTENTS + b"%d" % number)
        site.sync.local.clear()
        site.pull(tracked)
    for path in tracked[:10]:
        Path(path).write_bytes(b"%d" % time.time_ns())
    return site.pull_all


_OPERATIONS: list[tuple[str, float, Callable[[Site], Prepared]]] = [
    ("warm read", 1.1, _warm),
    ("cold read", 1.1, _cold),
    ("edit after read", 1.1, _edit),
    ("cold edit", 2.1, _cold_edit),
    ("new file", 2.1, _new),
    ("new file, its absence known", 1.1, _new_known),
    ("patch on 20 files", 2.1, _patch),
    ("pull_all of 1,000 tracked files, 10 changed", 2.2, _pull_all),
]
"""Name, goal by shells, and what prepares it."""


@contextmanager
def _far() -> Iterator[tuple[Site, Site, DelayProxy]]:
    """Give a mirror by shells and one over SFTP, of one machine that is far away."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="file-costs-"))).resolve()
        server = stack.enter_context(SSHServer(folder / "sshd"))
        proxy = stack.enter_context(DelayProxy("127.0.0.1", server.port))
        command = server.command(port=proxy.port)
        shells = stack.enter_context(ssh_shells(command, library=library()))
        options = resolve(parse_command(command), user_config=None, system_config=None)

        def dial() -> Connection:
            return connect(options, secrets=Secrets(), on_notice=lambda notice: None)

        link = SFTPLink(dial)
        stack.callback(link.close)
        sessions = SFTPSessions(link.open_channel)
        stack.callback(sessions.close)
        by_shells = stack.enter_context(_site(folder / "a", ShellFiles(shells, probe(shells, None, flights=Flights()))))
        over_sftp = stack.enter_context(_site(folder / "b", SFTPFiles(sessions)))
        yield by_shells, over_sftp, proxy


@contextmanager
def _site(folder: Path, files: Files) -> Iterator[Site]:
    root = folder / "remote"
    root.mkdir(parents=True)
    workspace = Workspace(root=RemotePath(str(root)), home=RemotePath(str(folder)))
    sync = SyncEngine(folder / "mirror", files=files, workspace=workspace)
    yield Site(sync, root)
    sync.close()


def _script_times() -> list[str]:
    """Return the table of what our scripts take under each shell, on this machine and without SSH."""
    lines = [
        "Times of the scripts on this machine, without SSH, best of several in milliseconds, the mirror included. The "
        "goals are for what is beyond the bare job: a warm read 5, an edit 15.",
        "",
        "| | bare job | warm read | edit | 1,000 paths, held | 1,000 paths, new | patch on 20 files |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in SHELLS:
        with tempfile.TemporaryDirectory(prefix="file-costs-") as text, local_shells(name, Path(text)) as shells:
            files = ShellFiles(shells, probe(shells, None, flights=Flights()))
            with _site(Path(text).resolve() / "site", files) as site:
                figures = [_best(lambda: _bare(shells), 20), *_times(site)]
        lines.append(f"| {name} | " + " | ".join(f"{1000 * figure:.1f}" for figure in figures) + " |")
    return lines


def _bare(shells: Shells) -> Prepared:
    return lambda: shells.run_script(Script(":\n", is_repeatable=True), flights=Flights())


def _times(site: Site) -> list[float]:
    many = site.make(1000)
    new = _best(lambda: _forgotten(site, many), 3)
    held = _best(lambda: lambda: site.pull(many), 5)
    return [_best(lambda: _warm(site), 20), _best(lambda: _edit(site), 20), held, new, _best(lambda: _patch(site), 5)]


def _forgotten(site: Site, paths: Sequence[RemotePath]) -> Prepared:
    site.sync.local.clear()
    return lambda: site.pull(paths)


def _best(prepare: Callable[[], Prepared], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        work = prepare()
        started_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - started_s)
    return min(times)


def _tracked() -> list[str]:
    """Return the table of what a call costs with few and with many tracked files; the remote is the local disk."""
    times: dict[int, tuple[list[float], list[float]]] = {10: ([], []), 100_000: ([], [])}
    with ExitStack() as stack:
        sites = {count: stack.enter_context(_with_tracked(count)) for count in times}
        for _ in range(200):
            for count, (reads, edits) in times.items():
                site, paths = sites[count]
                reads.append(_timed(site.pull, paths))
                edits.append(_timed(site.edit, paths))
    figures = {count: [statistics.median(each) for each in taken] for count, taken in times.items()}
    few, many = figures.values()
    return [
        "The mirror's own work, remote on the local disk, medians of 200 in turns, in milliseconds; the goal for the "
        "ratio is 1.2.",
        "",
        "| tracked files | warm read | edit |",
        "|---|--:|--:|",
        *(f"| {count:,} | {read * 1000:.2f} | {edit * 1000:.2f} |" for count, (read, edit) in figures.items()),
        f"| ratio | {many[0] / few[0]:.2f} | {many[1] / few[1]:.2f} |",
    ]


@contextmanager
def _with_tracked(count: int) -> Iterator[tuple[Site, list[RemotePath]]]:
    """Give a mirror where so many files are tracked, and one that may be changed."""
    with tempfile.TemporaryDirectory(prefix="file-costs-") as text, _site(Path(text), LocalFiles()) as site:
        paths = site.make(1)
        site.pull(paths)
        state = site.sync.seen("one", paths[0])
        assert isinstance(state, Present)
        fill(site.sync, state, count)
        yield site, paths


def _timed(work: Callable[[Sequence[RemotePath]], None], paths: Sequence[RemotePath]) -> float:
    started_s = time.perf_counter()
    work(paths)
    return time.perf_counter() - started_s


def _footprint() -> str:
    with tempfile.TemporaryDirectory(prefix="file-costs-") as text:
        folder = Path(text).resolve()
        (folder / "work").mkdir()
        with SSHServer(folder / "sshd") as server:
            environ = {"REMOTE_SSH": server.command(), "REMOTE_WORKDIR": str(folder / "work")}
            with EngineClient(environ, home=folder / "home") as engine:
                for number in range(100):
                    engine.call("write", {"filePath": f"{number}.txt", "content": "text\n" * 100})
                    engine.call("read", {"filePath": f"{number}.txt"})
                use = use_of(engine.pid)
    return f"One engine after 200 calls: {use.rss_mib:.0f} MiB of memory (goal 80), {use.n_threads} threads."


if __name__ == "__main__":
    main()
