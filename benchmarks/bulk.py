"""One large file each way, ours against the machine's own `sftp` and `scp`, in turns within one run.

`python -m benchmarks.bulk` starts a loopback sshd, and for the delay a proxy in a process of its own, so that it takes
nothing from our threads' share of the interpreter.
"""

import functools
import io
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.page import ROOT, machine, write_section
from remote_code.paths import RemotePath
from remote_code.remote.files import ANYWHERE
from remote_code.remote.probe import probe
from remote_code.remote.scripts import library
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Absent, Change
from remote_code.shell.job import Flights
from remote_code.shell.pool import Shells
from tests.support.ssh_shells import run, ssh_shells
from tests.support.sshd import SSHServer

SIZE_BYTES = 64 << 20
ROUNDS = {0: 15, 50: 5}
"""How often each way is measured, by delay in ms; without one a round takes a second."""
GOALS = {("download", 0): 1.0, ("upload", 0): 1.0, ("download", 50): 2.0, ("upload", 50): 1.4}
"""How many times as fast as the faster of the two others."""
WAYS = ("ours", "sftp", "scp")
WRITES_MIB = (8, 16, 64)
"""Sizes of the contents that are written in the two ways that we could."""

Transfer = Callable[[Path, Path], object]
"""Copies a file from its first path to its second, one of which is seen as the remote's."""


@dataclass
class Figures:
    """What one way of one direction took."""

    times_s: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median in MB/s."""
        return SIZE_BYTES / 1e6 / statistics.median(self.times_s)

    def __str__(self) -> str:
        return f"{self.rate:.0f} ({SIZE_BYTES / 1e6 / min(self.times_s):.0f})"


def main() -> None:
    """Measure everything and put the tables into the page."""
    rows: list[str] = []
    writes: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="bulk-") as name,
        SSHServer(Path(name) / "sshd") as server,
    ):
        folder = Path(name)
        source = folder / "source"
        source.write_bytes(os.urandom(SIZE_BYTES))
        for delay_ms, rounds in ROUNDS.items():
            with _delayed(server.port, delay_ms) as port:
                with _ways(server, folder, port) as (ways, pids):
                    found = _measure(ways, pids, source, rounds)
                rows += [_row(direction, delay_ms, found) for direction in ("download", "upload")]
                if delay_ms:
                    writes = _measure_writes(server, folder, port)
    write_section("bulk", _section(rows, writes))


@contextmanager
def _delayed(port: int, delay_ms: int) -> Iterator[int]:
    """Give a port that leads to `port` with a delay."""
    if not delay_ms:
        yield port
        return
    words = [sys.executable, "-m", "benchmarks.delay_proxy", "127.0.0.1", str(port), str(delay_ms)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        yield int(proxy.stdout.readline())
        proxy.stdin.close()


@contextmanager
def _ways(
    server: SSHServer, folder: Path, port: int
) -> Iterator[tuple[Mapping[tuple[str, str], Transfer], Sequence[int]]]:
    """Bring up a connection of each kind; give what transfers over it, and the other processes that take part."""
    command, *words, target = shlex.split(server.command(port=port))
    control = folder / f"control-{port}"
    options = ["-o", f"ControlPath={control}", *words]
    with ExitStack() as stack:
        shells = stack.enter_context(ssh_shells(server.command(port=port)))
        # The link's first ping tells its delay.
        run(shells, "sleep 2")
        master = subprocess.Popen([command, "-M", "-N", *options, target], stdin=subprocess.DEVNULL)
        stack.callback(master.wait)
        stack.callback(master.terminate)
        while not control.exists():
            time.sleep(0.05)
        # `-p` means something else to the two.
        theirs = ["-P" if word == "-p" else word for word in options]
        ways: dict[tuple[str, str], Transfer] = {
            ("download", "ours"): functools.partial(_download, shells),
            ("download", "sftp"): functools.partial(_sftp, [*theirs, target], "get"),
            ("download", "scp"): lambda source, copy: _scp(theirs, f"{target}:{source}", str(copy)),
            ("upload", "ours"): functools.partial(_upload, shells),
            ("upload", "sftp"): functools.partial(_sftp, [*theirs, target], "put"),
            ("upload", "scp"): lambda source, copy: _scp(theirs, str(source), f"{target}:{copy}"),
        }
        yield ways, [server.pid, master.pid]


def _download(shells: Shells, source: Path, copy: Path) -> None:
    with copy.open("wb") as file:
        shells.download(str(source), file.write, flights=Flights())


def _upload(shells: Shells, source: Path, copy: Path) -> None:
    with source.open("rb") as file:
        shells.upload(str(copy), file, SIZE_BYTES, flights=Flights())


def _sftp(words: Sequence[str], verb: str, source: Path, copy: Path) -> None:
    batch = f"{verb} {source} {copy}\n".encode()
    subprocess.run(["sftp", "-q", "-b", "-", *words], input=batch, stdout=subprocess.DEVNULL, check=True)


def _scp(options: Sequence[str], source: str, copy: str) -> None:
    subprocess.run(["scp", "-q", *options, source, copy], check=True)


def _measure(
    ways: Mapping[tuple[str, str], Transfer], pids: Sequence[int], source: Path, rounds: int
) -> Mapping[tuple[str, str], Figures]:
    found = {way: Figures() for way in ways}
    copy = source.with_name("copy")
    for number in range(rounds + 1):
        for way, transfer in ways.items():
            copy.unlink(missing_ok=True)
            processor_s, started = _processor_s(pids), time.monotonic()
            transfer(source, copy)
            taken_s, used_s = time.monotonic() - started, _processor_s(pids) - processor_s
            assert copy.stat().st_size == SIZE_BYTES
            # The first round only warms everything up.
            if number:
                found[way].times_s.append(taken_s)
                found[way].processor_s.append(used_s)
    return found


def _processor_s(roots: Sequence[int]) -> float:
    """Return what this process, and those of `roots` with all that they started, have used of the processor."""
    own = time.process_time()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows: dict[int, tuple[int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # It has ended.
        rows[int(path.parent.name)] = int(words[1]), sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")
    wanted = set(roots)
    while more := {pid for pid, (parent, _) in rows.items() if parent in wanted} - wanted:
        wanted |= more
    return own + ended.ru_utime + ended.ru_stime + sum(used_s for pid, (_, used_s) in rows.items() if pid in wanted)


def _measure_writes(server: SSHServer, folder: Path, port: int) -> list[str]:
    """Compare the two ways of a large write: within the flight of its script, and over streams before that."""
    rows = []
    with ssh_shells(server.command(port=port), library=library()) as shells:
        files = ShellFiles(shells, probe(shells, None, flights=Flights()))
        run(shells, "sleep 2")
        for size_mib in WRITES_MIB:
            contents = os.urandom(size_mib << 20)
            times_s: dict[str, list[float]] = {"flight": [], "streams": []}
            for number in range(ROUNDS[50]):
                for way, taken in times_s.items():
                    path = folder / f"{way}-{number}"
                    started = time.monotonic()
                    if way == "flight":
                        change = Change(RemotePath(str(path)), Absent(), contents)
                        files.replace([change], roots=ANYWHERE, flights=Flights())
                    else:
                        shells.upload(str(path), io.BytesIO(contents), len(contents), flights=Flights())
                    taken.append(time.monotonic() - started)
                    path.unlink()
            figures = " | ".join(f"{statistics.median(taken) * 1000:.0f}" for taken in times_s.values())
            rows.append(f"| {size_mib} MiB | {figures} |")
    return rows


def _row(direction: str, delay_ms: int, found: Mapping[tuple[str, str], Figures]) -> str:
    of_way = {way: found[direction, way] for way in WAYS}
    ratio = of_way["ours"].rate / max(of_way["sftp"].rate, of_way["scp"].rate)
    figures = " | ".join(map(str, of_way.values()))
    used = ", ".join(f"{statistics.mean(each.processor_s) * 1000:.0f}" for each in of_way.values())
    where = f"{delay_ms} ms" if delay_ms else "loopback"
    return f"| {direction}, {where} | {figures} | {ratio:.2f} | {GOALS[direction, delay_ms]} | {used} |"


def _section(rows: Sequence[str], writes: Sequence[str]) -> list[str]:
    return [
        "## Large files",
        "",
        f"{machine()}. One file of {SIZE_BYTES >> 20} MiB of random bytes, MB/s: median (best) of "
        f"{ROUNDS[0]} on loopback and {ROUNDS[50]} at 50 ms, all ways in turns within one run, by `python "
        "-m benchmarks.bulk`. A connection is up on both sides before anything is timed: ours is a pool "
        "without a shell for transfers, theirs a ControlMaster. Timed is all that follows: for ours the "
        "channel, its shell, the transfer and the check of the SHA-256 of both ends; for theirs the whole "
        "run of the program, which checks no digest. The last column is the processor time of all "
        "processes of both ends. The load of the machine, this run included, was "
        f"{os.getloadavg()[1]:.0f}.",
        "",
        "| | ours | `sftp` | `scp` | ours against the faster | goal | ms of processor: ours, `sftp`, `scp` |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *rows,
        "",
        *_NOTES,
        "",
        "What a large write takes at 50 ms, in ms: within the flight of its script, as it is done, and "
        "over the streams of an upload, which would need one flight more to put the file in its place.",
        "",
        "| | in its flight | over streams |",
        "|---|--:|--:|",
        *writes,
        "",
    ]


_NOTES = (
    "On loopback, with both ends on two cores, the processor decides and not the link. By `perf`, ours "
    "spends it on the two digests (55 ms each; with coreutils' `sha256sum` in the place of `openssl` the "
    "remote one took 170 ms, more than the server's encryption), on the pipe between sshd and the shell's "
    "`cat` or `dd`, which an SFTP server has not, and on copies between kernel and processes; a sixth of "
    "our end is Python itself. Tried: AES-GCM is offered first and costs next to nothing (12 GB/s through "
    "`cryptography`); one read of the socket for many packets, one copy in the place of six and pieces "
    "kept as they came took a third off the processor time of our end of a download; a digest beside the "
    "writing by `tee` costs a tenth more than one after it, in switches between processes; so do digests of "
    "segments of the file while the next one comes, each by a pipe and processes of its own, a digest of ours "
    "in a thread of its own, and, by a half, two channels for one file; larger reads and writes than those of "
    "now brought nothing. So ours takes about as much of the processor as theirs, digests included, but the "
    "digest of an upload comes after its last byte: of 170 ms the bytes take 112 and the check 55, in which one "
    "core of two is idle. That is what it is behind by.",
    "",
    "At 50 ms the window decides. Ours is 16 MB for what we receive. Of what we send OpenSSH takes 2 MB "
    "per channel and round trip, hence up to three channels for one file, each with a part of its own.",
)
"""Why the figures are what they are."""


if __name__ == "__main__":
    main()
