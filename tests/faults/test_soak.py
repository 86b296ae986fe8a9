"""Mixed jobs for a while, with random cancels, timeouts and cuts: nothing is left, and no outcome is wrong.

20 seconds; 10 minutes with REMOTE_CODE_TORTURE=1.
"""

import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from remote_code.errors import Cancelled, ConnectionFailed, ConnectionLost
from remote_code.remote.scripts import library
from remote_code.shell.job import Cancel, Command, Flights, Outcome, Script
from remote_code.shell.pool import Shells
from tests.support.processes import find_processes, unique_sleep, wait_until
from tests.support.ssh_shells import ssh_shells
from tests.support.sshd import SSHServer

DURATION_S = 600 if os.environ.get("REMOTE_CODE_TORTURE") else 20
N_THREADS = 8


@dataclass
class Caller:
    """One thread's jobs, and what came of them. Each job writes its own number into a log of its kind."""

    shells: Shells
    folder: Path
    mark: str
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    n_jobs: int = 0

    def work(self, until: float) -> None:
        chance = random.Random(self.seed)
        jobs = (self.count, self.count, self.search, self.script, self.hang, self.flood)
        while time.monotonic() < until:
            self.n_jobs += 1
            try:
                chance.choice(jobs)(f"{self.seed}-{self.n_jobs}", chance)
            except (ConnectionLost, ConnectionFailed, Cancelled) as exc:
                if isinstance(exc, ConnectionLost) and exc.facts["outcome"] == "unknown":
                    self.unknown.add(f"{self.seed}-{self.n_jobs}")

    def count(self, name: str, chance: random.Random) -> None:
        text = f"echo {name} >>{self.folder}/counted; sleep 0.0{chance.randrange(10)}; echo {name}; exit 3"
        result = self.shells.run_command(Command(text, "/", 30), flights=Flights())
        if result.outcome is Outcome.UNKNOWN:
            self.unknown.add(name)
            return
        self.done[name] += 1
        if (result.exit_status, result.stdout) != (3, name.encode() + b"\n") and not result.is_output_cut:
            self.problems.append(f"{name}: {result}")

    def search(self, name: str, chance: random.Random) -> None:
        result = self.shells.run_search(Command(f"sleep 0.02; echo {name}", "/", 30), flights=Flights())
        if (result.outcome, result.stdout) != (Outcome.DONE, name.encode() + b"\n"):
            self.problems.append(f"{name}: {result}")

    def script(self, name: str, chance: random.Random) -> None:
        payload = chance.randbytes(chance.randrange(50_000))
        text = f"echo {name} >&2; exec <&3; rc_take {len(payload)}"
        result = self.shells.run_script(Script(text, payload, is_repeatable=True), flights=Flights())
        if (result.exit_status, result.stdout, result.stderr) != (0, payload, name.encode() + b"\n"):
            self.problems.append(f"{name}: {len(payload)} bytes, {len(result.stdout)} came back, {result.stderr!r}")

    def hang(self, name: str, chance: random.Random) -> None:
        """A tree of processes that is ended by a timeout or by a cancel."""
        cancel = Cancel()
        timer = threading.Timer(chance.uniform(0, 0.5), cancel.set)
        timer.start()
        trap = chance.choice(("", "", "", "trap '' TERM;"))
        text = f"{trap} echo {name}; nohup sleep {self.mark} >/dev/null & (sleep {self.mark}; true) & sleep {self.mark}"
        command = Command(text, "/", chance.uniform(0.1, 0.6))
        try:
            result = self.shells.run_command(command, flights=Flights(), cancel=cancel)
        finally:
            timer.join()
        if result.outcome is Outcome.DONE and (result.signal not in ("TERM", "KILL") or result.exit_status is not None):
            self.problems.append(f"{name}: {result}")

    def flood(self, name: str, chance: random.Random) -> None:
        n_bytes = chance.randrange(2_000_000)
        text = f"head -c {n_bytes} /dev/zero; echo {name} >&2"
        result = self.shells.run_command(Command(text, "/", 30), flights=Flights())
        is_whole = (len(result.stdout), result.stderr) == (n_bytes, name.encode() + b"\n")
        if result.outcome is Outcome.DONE and not is_whole and not result.is_output_cut:
            came = f"{len(result.stdout)} came, {result.stderr!r}, held: {result.holds_output}"
            self.problems.append(f"{name}: {n_bytes} bytes, {came}")


@pytest.mark.timeout(DURATION_S + 100)
def test_mixed_jobs_with_cancels_and_cuts_leave_nothing_and_tell_the_truth(tmp_path: Path) -> None:
    """SSH-5, SSH-6, SSH-8."""
    mark = unique_sleep()
    counted = tmp_path / "counted"
    counted.touch()
    threads_before = threading.active_count()
    with (
        SSHServer(tmp_path / "sshd", environment={"SHLVL": "2"}) as server,
        DelayProxy("127.0.0.1", server.port, one_way_s=0.001) as proxy,
    ):
        descriptors_before = len(os.listdir("/proc/self/fd"))
        with ssh_shells(server.command(port=proxy.port), library=library()) as shells:
            shells.wait_until_ready(timeout_s=20)
            until = time.monotonic() + DURATION_S
            callers = [Caller(shells, tmp_path, mark, seed) for seed in range(N_THREADS)]
            threads = [threading.Thread(target=caller.work, args=(until,)) for caller in callers]
            for thread in threads:
                thread.start()
            chance = random.Random(0)
            while (left_s := until - time.monotonic()) > 0:
                threads[0].join(min(left_s, chance.uniform(0.5, 4.0)))
                proxy.cut()
            for thread in threads:
                thread.join(60)
            assert not any(thread.is_alive() for thread in threads)
        wait_until(lambda: not find_processes(mark), timeout_s=8)
        wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors_before + 2)
    wait_until(lambda: threading.active_count() <= threads_before)
    assert [problem for caller in callers for problem in caller.problems] == []
    ran = Counter(counted.read_text(encoding="utf-8").split())
    done = Counter[str]()
    unknown: set[str] = set()
    for caller in callers:
        done += caller.done
        unknown |= caller.unknown
    assert [name for name, n in ran.items() if n > 1] == []
    assert set(done) <= set(ran) <= set(done) | unknown
    assert sum(caller.n_jobs for caller in callers) > DURATION_S * 5
    assert len(done) > DURATION_S
