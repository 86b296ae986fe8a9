"""How the pool grows, shrinks and shares, on local processes instead of a server."""

import functools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_code.errors import Cancelled, ChannelRefused, ConnectionFailed, InvalidArguments, PoolTimeout
from remote_code.shell.channel import Link
from remote_code.shell.job import Cancel, Command, Flights, Outcome, Result, Script
from remote_code.shell.pool import PoolSettings, Shells
from tests.support.process_link import ProcessLink
from tests.support.processes import wait_until
from tests.support.ssh_shells import all_at_once, run


class Machine:
    """Counts connections and makes them; each allows so many sessions."""

    def __init__(self, *, max_sessions: int = 10, server: str = "SSH-2.0-process", needed_person: bool = False) -> None:
        self.links: list[ProcessLink] = []
        self.n_connecting = 0
        self.most_connecting = 0
        self._max_sessions = max_sessions
        self._server = server
        self._needed_person = needed_person

    def connect(self) -> Link:
        self.n_connecting += 1
        self.most_connecting = max(self.most_connecting, self.n_connecting)
        link = ProcessLink(max_sessions=self._max_sessions, server=self._server)
        link.needed_person = self._needed_person
        self.links.append(link)
        self.n_connecting -= 1
        return link

    @property
    def n_alive(self) -> int:
        return sum(link.is_alive for link in self.links)

    def close(self) -> None:
        for link in self.links:
            link.__exit__(None, None, None)


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.close()


def started(machine: Machine, settings: PoolSettings | None = None) -> Shells:
    shells = Shells(machine.connect, settings=settings or PoolSettings(), library="")
    shells.start()
    return shells


def test_pool_fills_itself_on_two_connections(machine: Machine) -> None:
    shells = started(machine)
    wait_until(lambda: shells.n_idle == 5 and machine.n_alive == 2)
    shells.close()


def test_burst_as_large_as_the_pool_takes_one_flight_each(machine: Machine) -> None:
    shells = started(machine)
    wait_until(lambda: shells.n_idle == 5)

    def call() -> int:
        flights = Flights()
        shells.run_command(Command("sleep 0.2", "/", 5), flights=flights)
        return flights.count

    assert all_at_once([call] * 3) == [1, 1, 1]
    shells.close()


def test_idle_pool_shrinks_to_one_shell_and_one_connection_and_grows_again(machine: Machine) -> None:
    shells = started(machine, PoolSettings(idle_s=0.3))
    wait_until(lambda: machine.n_alive == 2)
    wait_until(lambda: (shells.n_idle, machine.n_alive) == (1, 1))
    assert run(shells, "echo one").stdout == b"one\n"
    assert shells.run_script(Script("echo two"), flights=Flights()).stdout == b"two\n"
    wait_until(lambda: shells.n_idle == 5)
    shells.close()


def test_after_a_login_that_needed_a_person_all_work_shares_the_one_connection() -> None:
    """SSH-2: however few sessions it allows."""
    machine = Machine(max_sessions=1, needed_person=True)
    shells = started(machine)

    def call(index: int) -> bytes:
        if index % 2:
            return shells.run_script(Script(f"echo {index}"), flights=Flights()).stdout
        return run(shells, f"echo {index}").stdout

    assert all_at_once([functools.partial(call, i) for i in range(10)]) == [b"%d\n" % i for i in range(10)]
    assert len(machine.links) == 1
    machine.links[0].lose()
    with pytest.raises(ConnectionFailed, match="needs a person"):
        run(shells, "true")
    shells.close()
    machine.close()


def test_one_worker_per_connection_on_dropbear() -> None:
    machine = Machine(server="SSH-2.0-dropbear_2022.83")
    shells = started(machine)
    results = all_at_once([functools.partial(run, shells, f"sleep 0.1; echo {i}") for i in range(6)])
    assert [result.stdout for result in results] == [b"%d\n" % i for i in range(6)]
    assert machine.most_connecting == 1
    assert 2 <= len(machine.links) <= 6
    for link in machine.links:
        assert sum(not channel.is_closed for channel in link.channels) <= 1
    shells.close()
    machine.close()


def test_shell_that_died_while_idle_is_not_handed_out(machine: Machine) -> None:
    shells = started(machine)
    wait_until(lambda: shells.n_idle == 5)
    for link in machine.links:
        for channel in link.channels:
            channel.shutdown_write()
            channel.join()
    flights = Flights()
    assert shells.run_command(Command("echo alive", "/", 5), flights=flights).stdout == b"alive\n"
    assert flights.count == 3
    shells.close()


def test_caller_that_waited_too_long_is_told_who_is_busy(machine: Machine) -> None:
    shells = started(machine, PoolSettings(command_size=1, queue_timeout_s=0.3))
    begun = threading.Event()
    cancel = Cancel()
    command = Command("echo; sleep 30", "/", 60)
    thread = threading.Thread(
        target=lambda: shells.run_command(
            command, flights=Flights(), cancel=cancel, on_output=lambda stream, data: begun.set()
        )
    )
    thread.start()
    assert begun.wait(5)
    with pytest.raises(PoolTimeout, match="REMOTE_POOL_COMMAND_SIZE") as refused:
        run(shells, "true")
    assert (refused.value.facts["in_use"], refused.value.facts["waited_s"]) == (1, 0.3)
    cancel.set()
    thread.join(5)
    shells.close()


def test_caller_in_the_queue_can_give_up(machine: Machine, tmp_path: Path) -> None:
    shells = started(machine, PoolSettings(command_size=1))
    begun, first, second = threading.Event(), Cancel(), Cancel()
    results: list[Result] = []
    holder = threading.Thread(
        target=lambda: results.append(
            shells.run_command(
                Command("echo; sleep 30", "/", 60),
                flights=Flights(),
                cancel=first,
                on_output=lambda stream, data: begun.set(),
            )
        )
    )
    holder.start()
    assert begun.wait(5)
    errors: list[Cancelled] = []

    def wait_in_queue() -> None:
        with pytest.raises(Cancelled) as gone:
            shells.run_command(Command(f"touch {tmp_path}/ran", "/", 5), flights=Flights(), cancel=second)
        errors.append(gone.value)

    waiting = threading.Thread(target=wait_in_queue)
    waiting.start()
    wait_until(lambda: shells.n_waiting == 1)
    second.set()
    waiting.join(5)
    first.set()
    holder.join(5)
    assert len(errors) == 1
    assert [result.outcome for result in results] == [Outcome.DONE]
    assert not (tmp_path / "ran").exists()
    shells.close()


def test_command_with_a_nul_is_refused_before_anything_is_asked_for(machine: Machine) -> None:
    shells = Shells(machine.connect, settings=PoolSettings(), library="")
    with pytest.raises(InvalidArguments):
        run(shells, "echo \0")
    shells.close()


def test_server_that_gives_no_channel_at_all_is_told(machine: Machine) -> None:
    refusing = Machine(max_sessions=0)
    shells = started(refusing)
    with pytest.raises(ChannelRefused):
        run(shells, "true")
    shells.close()


def test_failing_callback_ends_its_command_and_nothing_else(machine: Machine) -> None:
    shells = started(machine)

    def fail(stream: str, data: bytes) -> None:
        raise RuntimeError("the callback failed")

    with pytest.raises(RuntimeError):
        shells.run_command(Command("echo; sleep 30", "/", 60), flights=Flights(), on_output=fail)
    assert run(shells, "echo next").stdout == b"next\n"
    shells.close()
