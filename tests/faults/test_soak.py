"""Everything at once for a while: eight clients' worth of calls, cancels, cut and silent links; no claim may be wrong.

20 s, with `REMOTE_CODE_TORTURE` 10 minutes, with `REMOTE_CODE_SOAK_S` any time; `REMOTE_CODE_SEED` repeats the choices.
"""

import os
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from tests.support.engine import EngineClient, EngineError, Pending
from tests.support.footprint import marked_processes, use_of
from tests.support.processes import wait_until
from tests.support.sshd import SSHServer

IS_TORTURE = bool(os.environ.get("REMOTE_CODE_TORTURE"))
SOAK_S = float(os.environ.get("REMOTE_CODE_SOAK_S") or (600 if IS_TORTURE else 20))
SEED = int(os.environ.get("REMOTE_CODE_SEED") or random.randrange(10**6))
N_THREADS = 8
ANSWER_S = 90.0
"""The longest that any call may take: a silent link is noticed, repaired, and the call waits its turn."""
MARK = f"REMOTE_CODE_MARK={uuid.uuid4().hex}"
MAX_WAITING_SHELLS = 8


@dataclass
class Told:
    """What the engine claimed, and what must therefore be found."""

    counters: dict[str, str] = field(default_factory=dict)
    """By the word that a command appends: `done`, `not_started` or `unknown`."""
    kinds: Counter[str] = field(default_factory=Counter)
    """How the calls ended."""


class Worker:
    """One thread of calls, with a session and a file of its own."""

    def __init__(self, number: int, engine: EngineClient, work: Path) -> None:
        self.told = Told()
        self.path = work / f"own-{number}.txt"
        self.contents = {b"start\n"}
        """What the file may hold."""
        self.problems: list[str] = []
        self._number = number
        self._engine = engine
        self._chance = random.Random(SEED * 100 + number)
        self._n_words = 0

    def run(self, deadline: float) -> None:
        """Make calls until the time is over."""
        self.path.write_bytes(b"start\n")
        while time.monotonic() < deadline:
            self._chance.choice([self._count, self._count, self._write, self._read, self._search])()

    def _count(self) -> None:
        self._n_words += 1
        word = f"w{self._number}-{self._n_words}"
        command = f"echo {word} >>counter; echo begun; sleep 0.{self._chance.randrange(3)}"
        pending = self._start("bash", command=command)
        try:
            aborted = "User aborted the command" in pending.result(ANSWER_S).output
            self.told.counters[word] = "unknown" if aborted else "done"
        except EngineError as exc:
            self.told.counters[word] = self._outcome(exc)
        self.told.kinds[self.told.counters[word]] += 1

    def _write(self) -> None:
        new = f"{self._chance.random()}\n" * self._chance.choice((1, 50_000))
        try:
            self._start("write", filePath=self.path.name, content=new).result(ANSWER_S)
            self.contents = {new.encode("ascii")}
        except EngineError as exc:
            if self._outcome(exc) == "unknown":
                self.contents.add(new.encode("ascii"))
            if exc.kind == "remote_changed" and len(self.contents) == 1:
                self.problems.append(f"{self.path.name}: a change that nobody made: {exc.message}")

    def _read(self) -> None:
        try:
            output = self._start("read", filePath=self.path.name, limit=1).result(ANSWER_S).output
        except EngineError as exc:
            self._outcome(exc)
            return
        firsts = {f"1: {each.split(chr(10).encode())[0].decode()}" for each in self.contents}
        if not any(first in output for first in firsts):
            self.problems.append(f"{self.path.name}: read {output[:200]!r}, may hold {firsts}")

    def _search(self) -> None:
        tool, args = self._chance.choice((("glob", {"pattern": "fixed-*"}), ("grep", {"pattern": "needle"})))
        try:
            output = self._start(tool, **args).result(ANSWER_S).output
        except EngineError as exc:
            self._outcome(exc)
            return
        if output.count("fixed-") != 3:
            self.problems.append(f"{tool}: {output!r}")

    def _start(self, tool: str, **args: object) -> Pending:
        """Begin a call, and cancel some of them at a random moment."""
        pending = self._engine.start_call(tool, args, session=f"s{self._number}")
        if self._chance.random() < 0.15:
            pending.done.wait(self._chance.random() ** 3)
            self._engine.cancel(pending)
        return pending

    def _outcome(self, error: EngineError) -> str:
        """Return what an error claims about the work that was asked for."""
        self.told.kinds[str(error.kind)] += 1
        if error.kind in {"cancelled", "connection_failed", "connect_timeout", "pool_timeout", "remote_changed"}:
            return "not_started"
        if error.kind == "connection_lost":
            return str(error.data["outcome"])
        self.problems.append(f"{error.kind}: {error.message}")
        return "unknown"


def disturb(proxy: DelayProxy, stop: threading.Event, counts: Counter[str]) -> None:
    """Cut all links now and then, or let them fall silent for a while, some of them long enough to be noticed."""
    chance = random.Random(SEED)
    while not stop.wait(chance.uniform(0.3, 2.5)):
        way = chance.choice(("cut", "cut", "freeze"))
        counts[way] += 1
        if way == "freeze":
            proxy.freeze()
            stop.wait(20.0 if IS_TORTURE and chance.random() < 0.1 else chance.uniform(0.05, 1.5))
            proxy.thaw()
        if way == "cut" or chance.random() < 0.5:
            proxy.cut()


@pytest.mark.timeout(SOAK_S + 280)
def test_no_claim_is_wrong_and_nothing_is_left_whatever_happens_to_the_links(tmp_path: Path) -> None:
    """SSH-5, SSH-6, SSH-8."""
    print(f"REMOTE_CODE_SEED={SEED}")
    work = tmp_path / "work"
    work.mkdir()
    for number in range(3):
        (work / f"fixed-{number}").write_text("needle\n", encoding="utf-8")
    counter, counts, stop = work / "counter", Counter[str](), threading.Event()
    counter.touch()
    name, _, value = MARK.partition("=")
    with (
        SSHServer(tmp_path / "sshd", environment={name: value}) as server,
        DelayProxy("127.0.0.1", server.port) as proxy,
        EngineClient(
            {"REMOTE_SSH": server.command(port=proxy.port), "REMOTE_WORKDIR": str(work)}, home=tmp_path / "home"
        ) as engine,
    ):
        workers = [Worker(number, engine, work) for number in range(N_THREADS)]
        deadline = time.monotonic() + SOAK_S
        threads = [threading.Thread(target=worker.run, args=[deadline]) for worker in workers]
        disturber = threading.Thread(target=disturb, args=[proxy, stop, counts])
        for thread in [*threads, disturber]:
            thread.start()
        for thread in threads:
            thread.join(SOAK_S + 2 * ANSWER_S)
        stop.set()
        disturber.join()
        assert not any(thread.is_alive() for thread in threads), "a call was never answered"
        assert engine.call("bash", {"command": "echo still here"}).output == "still here\n"
        assert engine.call("glob", {"pattern": "fixed-*"}).output.count("fixed-") == 3
        try:
            wait_until(lambda: are_waiting_shells(marked_processes(MARK)), timeout_s=20)
        except AssertionError:
            pytest.fail(f"on the remote still run: {marked_processes(MARK)}")
        use = use_of(engine.pid)
        assert engine.close() == 0
        wait_until(lambda: not marked_processes(MARK), timeout_s=20)
    kinds = sum((worker.told.kinds for worker in workers), Counter[str]())
    print(f"{counts} {kinds} {use}")
    ran = Counter(counter.read_text(encoding="utf-8").split())
    assert [problem for worker in workers for problem in worker.problems] == []
    assert [word for word, times in ran.items() if times > 1] == []
    claims = {word: claim for worker in workers for word, claim in worker.told.counters.items()}
    assert [word for word, claim in claims.items() if claim == "done" and not ran[word]] == []
    assert [word for word, claim in claims.items() if claim == "not_started" and ran[word]] == []
    assert [worker.path.name for worker in workers if worker.path.read_bytes() not in worker.contents] == []
    # As after a quiet session: the engine's own, its pools' of one or two links, and the wire's.
    assert use.n_threads <= 60
    assert use.n_descriptors <= 20


def are_waiting_shells(found: dict[int, str]) -> bool:
    """Tell whether all that runs on the remote are a few shells that wait for calls."""
    return len(found) <= MAX_WAITING_SHELLS and all(command.startswith("/bin/sh -c ") for command in found.values())
