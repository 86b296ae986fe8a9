"""Jobs of several callers in one flight: each gets its own answer, whatever becomes of the others."""

import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from remote_code.errors import Cancelled, ConnectionLost
from remote_code.shell.job import Cancel, Command, Flights, Result, Script
from remote_code.shell.pool import PoolSettings, Shells
from tests.support.process_link import ProcessLink
from tests.support.processes import find_processes, unique_sleep, wait_until


class Gate:
    """What a remote job waits at until the test opens it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        os.mkfifo(self.path)
        self.text = f"echo >>{self.path}.reached; read -r _ <{self.path}; "

    def wait_until_reached(self) -> None:
        wait_until(Path(f"{self.path}.reached").exists, timeout_s=20)

    def open(self) -> None:
        self.path.write_text("\n", encoding="ascii")


@contextmanager
def pool(
    *, command_size: int = 3, file_size: int = 2
) -> Iterator[tuple[Shells, list[ProcessLink], ThreadPoolExecutor]]:
    links: list[ProcessLink] = []

    def connect() -> ProcessLink:
        links.append(ProcessLink(max_sessions=10))
        return links[-1]

    shells = Shells(connect, settings=PoolSettings(command_size, file_size), library="")
    shells.start()
    with ThreadPoolExecutor(20) as executor:
        try:
            yield shells, links, executor
        finally:
            shells.close()
            for link in links:
                link.__exit__(None, None, None)


def read(
    shells: Shells, text: str, *, cancel: Cancel | None = None, is_repeatable: bool = True, timeout_s: float = 30.0
) -> Result:
    script = Script(text, is_repeatable=is_repeatable, timeout_s=timeout_s)
    return shells.run_script(script, flights=Flights(), cancel=cancel)


def find(shells: Shells, text: str, *, cancel: Cancel | None = None) -> Result:
    return shells.run_search(Command(text, "/", 60), flights=Flights(), cancel=cancel)


def queue_up(shells: Shells, start: Callable[[], Future[Result]], n_waiting: int) -> Future[Result]:
    """Start a call and wait until it stands in the queue, so that the order is known."""
    future = start()
    wait_until(lambda: shells.n_waiting == n_waiting, timeout_s=20)
    return future


def n_sends(links: list[ProcessLink]) -> int:
    return sum(channel.n_sends for link in links for channel in link.channels)


def test_reads_that_wait_go_in_one_flight(tmp_path: Path) -> None:
    with pool(file_size=1) as (shells, links, executor):
        gate = Gate(tmp_path, "first")
        first = executor.submit(read, shells, f"{gate.text} echo first")
        gate.wait_until_reached()
        before = n_sends(links)
        others = [
            queue_up(shells, functools.partial(executor.submit, read, shells, f"echo {i}; exit {i}"), i + 1)
            for i in range(6)
        ]
        gate.open()
        assert first.result(20).stdout == b"first\n"
        assert [(each.result(20).stdout, each.result().exit_status) for each in others] == [
            (b"%d\n" % i, i) for i in range(6)
        ]
        # The one who gets the worker takes four with it.
        assert n_sends(links) == before + 2


def test_changes_go_alone(tmp_path: Path) -> None:
    with pool(file_size=1) as (shells, links, executor):
        gate = Gate(tmp_path, "first")
        first = executor.submit(read, shells, gate.text)
        gate.wait_until_reached()
        before = n_sends(links)
        kinds = [False, True, False, True]
        others = [
            queue_up(shells, functools.partial(executor.submit, read, shells, "true", is_repeatable=kind), i + 1)
            for i, kind in enumerate(kinds)
        ]
        gate.open()
        assert [each.result(20).exit_status for each in (first, *others)] == [0] * 5
        assert n_sends(links) == before + 3


@pytest.mark.parametrize("who", ["first", "second", "last"])
def test_caller_who_gives_up_harms_nobody_else_in_the_flight(tmp_path: Path, who: str) -> None:
    with pool(file_size=1) as (shells, _links, executor):
        start, middle = Gate(tmp_path, "start"), Gate(tmp_path, "middle")
        cancels = {name: Cancel() for name in ("first", "second", "last")}
        executor.submit(read, shells, start.text)
        start.wait_until_reached()
        calls = {
            name: queue_up(
                shells,
                functools.partial(
                    executor.submit,
                    read,
                    shells,
                    f"{middle.text if name == 'first' else ''} echo {name}",
                    cancel=cancels[name],
                ),
                number,
            )
            for number, name in enumerate(cancels, 1)
        }
        start.open()
        middle.wait_until_reached()
        cancels[who].set()
        with pytest.raises(Cancelled):
            calls[who].result(20)
        middle.open()
        for name in calls:
            if name != who:
                assert calls[name].result(20).stdout == f"{name}\n".encode()
        assert read(shells, "echo next").stdout == b"next\n"


def test_read_that_does_not_answer_in_time_leaves_the_others_theirs(tmp_path: Path) -> None:
    with pool(file_size=1) as (shells, _links, executor):
        start, never = Gate(tmp_path, "start"), Gate(tmp_path, "never")
        executor.submit(read, shells, start.text)
        start.wait_until_reached()
        silent = queue_up(shells, functools.partial(executor.submit, read, shells, never.text, timeout_s=0.3), 1)
        behind = queue_up(shells, functools.partial(executor.submit, read, shells, "echo behind"), 2)
        start.open()
        assert behind.result(20).stdout == b"behind\n"
        with pytest.raises(ConnectionLost, match="did not answer in time"):
            silent.result(20)
        for _ in range(2):  # It was sent twice, and both shells read there.
            threading.Thread(target=never.open, daemon=True).start()


def test_lost_link_under_a_flight_is_repaired_and_everyone_is_answered(tmp_path: Path) -> None:
    """SSH-6: reads are retried once."""
    with pool(file_size=1) as (shells, links, executor):
        start, middle = Gate(tmp_path, "start"), Gate(tmp_path, "middle")
        executor.submit(read, shells, start.text)
        start.wait_until_reached()
        text = f"[ -e {middle.path}.reached ] || {{ {middle.text} }}; echo"
        calls = [
            queue_up(shells, functools.partial(executor.submit, read, shells, f"{text} {i}"), i + 1) for i in range(4)
        ]
        start.open()
        middle.wait_until_reached()
        for link in list(links):
            link.lose()
        assert [each.result(30).stdout for each in calls] == [b"%d\n" % i for i in range(4)]
        threading.Thread(target=middle.open, daemon=True).start()


def test_cancelled_search_is_ended_and_those_behind_it_run_elsewhere(tmp_path: Path) -> None:
    with pool(command_size=1) as (shells, _links, executor):
        gates = [Gate(tmp_path, name) for name in ("one", "two")]
        for gate in gates:  # The second gets the shell that is opened beside.
            executor.submit(find, shells, gate.text)
            gate.wait_until_reached()
        mark, cancel = unique_sleep(), Cancel()
        long = queue_up(
            shells, functools.partial(executor.submit, find, shells, f"sleep {mark}; true", cancel=cancel), 1
        )
        behind = queue_up(shells, functools.partial(executor.submit, find, shells, "echo behind"), 2)
        gates[0].open()
        wait_until(lambda: find_processes(mark), timeout_s=20)
        cancel.set()
        assert long.result(20).is_cancelled
        assert behind.result(20).stdout == b"behind\n"
        wait_until(lambda: not find_processes(mark), timeout_s=20)
        gates[1].open()


def test_search_does_not_stay_behind_a_long_one_while_a_shell_is_free(tmp_path: Path) -> None:
    with pool(command_size=1) as (shells, _links, executor):
        gates = [Gate(tmp_path, name) for name in ("one", "two")]
        for gate in gates:
            executor.submit(find, shells, gate.text)
            gate.wait_until_reached()
        last = Gate(tmp_path, "last")
        long = queue_up(shells, functools.partial(executor.submit, find, shells, f"{last.text} echo long"), 1)
        behind = queue_up(shells, functools.partial(executor.submit, find, shells, "echo behind"), 2)
        gates[0].open()
        last.wait_until_reached()
        gates[1].open()
        assert behind.result(20).stdout == b"behind\n"
        assert not long.done()
        last.open()
        assert long.result(20).stdout == b"long\n"


def test_searches_use_up_no_shell(tmp_path: Path) -> None:
    with pool() as (shells, links, _executor):
        wait_until(lambda: shells.n_idle == 5, timeout_s=20)
        n_shells = sum(len(link.channels) for link in links)
        for number in range(20):
            assert find(shells, f"echo {number}").stdout == b"%d\n" % number
        assert sum(len(link.channels) for link in links) == n_shells
