"""What the pool does when links break, logins are refused and servers go away: SSH-2 and SSH-6."""

import functools
import itertools
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from remote_code.errors import AuthenticationFailed, ConnectionFailed, ConnectionLost, HostKeyMismatch, PoolClosed
from remote_code.shell.channel import Link
from remote_code.shell.job import Command, Flights, Outcome, Result, Script
from remote_code.shell.pool import LinkState, LinkStatus, PoolSettings, Shells
from tests.support.process_link import ProcessLink
from tests.support.processes import find_processes, unique_sleep, wait_until
from tests.support.ssh_shells import all_at_once, run, ssh_shells
from tests.support.sshd import SSHServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    with SSHServer(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def proxy(server: SSHServer) -> Iterator[DelayProxy]:
    with DelayProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture
def shells(server: SSHServer, proxy: DelayProxy) -> Iterator[Shells]:
    with ssh_shells(server.command(port=proxy.port), library="") as shells:
        shells.wait_until_ready(timeout_s=20)
        yield shells


def cut_when_begun(proxy: DelayProxy, counter: Path) -> threading.Thread:
    """Cut all connections as soon as `counter` has its first line."""

    def cut() -> None:
        wait_until(lambda: counter.exists() and counter.read_bytes())
        proxy.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    return thread


def test_command_on_a_lost_link_is_unknown_and_never_run_twice(
    shells: Shells, proxy: DelayProxy, tmp_path: Path
) -> None:
    """SSH-6."""
    counter, mark = tmp_path / "counter", unique_sleep()
    cutter = cut_when_begun(proxy, counter)
    result = run(shells, f"echo run >>{counter}; echo begun; sleep {mark}")
    cutter.join()
    assert (result.outcome, result.exit_status, result.signal) == (Outcome.UNKNOWN, None, None)
    assert run(shells, "echo next").stdout == b"next\n"
    assert counter.read_text(encoding="utf-8") == "run\n"
    wait_until(lambda: not find_processes(mark))


def test_search_on_a_lost_link_is_repeated_once(shells: Shells, proxy: DelayProxy, tmp_path: Path) -> None:
    """SSH-6."""
    counter = tmp_path / "counter"
    cutter = cut_when_begun(proxy, counter)
    text = f"echo run >>{counter}; [ $(wc -l <{counter}) -ge 2 ] || sleep 20; echo found"
    result = shells.run_search(Command(text, "/", 30), flights=Flights())
    cutter.join()
    assert result == Result(Outcome.DONE, 0, None, b"found\n", b"")
    assert counter.read_text(encoding="utf-8") == "run\nrun\n"


def test_script_on_a_lost_link_is_repeated_only_if_it_may_be(shells: Shells, proxy: DelayProxy, tmp_path: Path) -> None:
    for is_repeatable in (True, False):
        counter = tmp_path / f"counter-{is_repeatable}"
        cutter = cut_when_begun(proxy, counter)
        text = f"echo run >>{counter}; [ $(wc -l <{counter}) -ge 2 ] || sleep 3; echo read"
        script = Script(text, is_repeatable=is_repeatable)
        if is_repeatable:
            assert shells.run_script(script, flights=Flights()).stdout == b"read\n"
        else:
            with pytest.raises(ConnectionLost) as lost:
                shells.run_script(script, flights=Flights())
            assert lost.value.facts == {"outcome": "unknown", "retry_safe": False}
        cutter.join()
        assert counter.read_text(encoding="utf-8") == ("run\nrun\n" if is_repeatable else "run\n")


@pytest.mark.parametrize("seed", range(3))
def test_no_outcome_is_wrong_whenever_the_link_is_cut(
    shells: Shells, proxy: DelayProxy, tmp_path: Path, seed: int
) -> None:
    """SSH-6: DONE ran exactly once, UNKNOWN at most once, and an error never."""
    chance = random.Random(seed)
    counter = tmp_path / "counter"
    stop = threading.Event()

    def cut_now_and_then() -> None:
        while not stop.wait(chance.uniform(0.05, 0.4)):
            proxy.cut()

    def call(index: int) -> tuple[str, str]:
        try:
            return str(index), run(shells, f"echo {index} >>{counter}; sleep 0.0{chance.randrange(10)}").outcome.value
        except ConnectionLost as exc:
            return str(index), str(exc.facts["outcome"])
        except ConnectionFailed:
            return str(index), "not_started"

    cutter = threading.Thread(target=cut_now_and_then)
    cutter.start()
    try:
        outcomes = [pair for _ in range(5) for pair in all_at_once([functools.partial(call, i) for i in range(6)])]
    finally:
        stop.set()
        cutter.join()
    ran = counter.read_text(encoding="utf-8").split()
    for index in map(str, range(6)):
        mine = [outcome for name, outcome in outcomes if name == index]
        assert mine.count("done") <= ran.count(index) <= mine.count("done") + mine.count("unknown")


def test_next_call_works_after_the_sessions_were_dropped(tmp_path: Path) -> None:
    """SSH-6: reconnected by itself, and told."""
    states: list[LinkStatus] = []
    with (
        SSHServer(tmp_path) as server,
        ssh_shells(server.command(), on_status=states.append) as shells,
    ):
        assert run(shells, "echo one").stdout == b"one\n"
        server.drop_sessions()
        wait_until(lambda: states[-1].state is not LinkState.READY or len(states) > 2)
        assert run(shells, "echo two").stdout == b"two\n"
        wait_until(lambda: states[-1].state is LinkState.READY)
    first, *later = [state for state, _ in itertools.groupby(status.state for status in states)]
    # Of two connections the second may be found lost when the first is back already.
    n_losses = len(later) // 2
    assert (first, n_losses in (1, 2)) == (LinkState.CONNECTING, True)
    assert later == [LinkState.READY, *[LinkState.DEGRADED, LinkState.READY] * n_losses]


def test_call_made_while_the_server_restarts_waits_for_it(tmp_path: Path) -> None:
    with SSHServer(tmp_path) as server, ssh_shells(server.command()) as shells:
        assert run(shells, "echo one").stdout == b"one\n"
        server.stop()
        wait_until(lambda: shells.status.state is not LinkState.READY)
        results: list[Result] = []
        thread = threading.Thread(target=lambda: results.append(run(shells, "echo two")))
        thread.start()
        wait_until(lambda: shells.n_waiting == 1)
        server.start()
        thread.join(15)
        assert [result.stdout for result in results] == [b"two\n"]


def test_black_hole_is_noticed_and_the_outcome_is_unknown(shells: Shells, proxy: DelayProxy) -> None:
    """SSH-6: within 15 s while in use; nothing tells of the loss but the silence."""
    mark = unique_sleep()
    begun = time.monotonic()
    command = Command(f"echo begun; sleep {mark}", "/", 1)
    result = shells.run_command(
        Command(command.text, "/", 60), flights=Flights(), on_output=lambda stream, data: proxy.freeze()
    )
    assert result.outcome is Outcome.UNKNOWN
    assert result.stdout == b"begun\n"
    assert time.monotonic() - begun < 20
    proxy.thaw()
    proxy.cut()
    assert run(shells, "echo next").stdout == b"next\n"
    wait_until(lambda: not find_processes(mark))


def test_links_are_made_anew_after_a_sleep_of_this_machine() -> None:
    """SSH-6: a server may have dropped them meanwhile, and the command would be lost with its outcome unknown."""
    slept_s = [0.0]
    made: list[Link] = []

    def connect() -> Link:
        made.append(ProcessLink())
        return made[-1]

    shells = Shells(connect, settings=PoolSettings(), library="", wall_clock=lambda: time.time() + slept_s[0])
    shells.start()
    wait_until(lambda: shells.n_idle == 5)
    slept_s[0] = 3600.0
    assert run(shells, "echo awake").stdout == b"awake\n"
    assert not made[0].is_alive
    assert len(made) >= 3
    n_made = len(made)
    assert run(shells, "echo again").stdout == b"again\n"
    assert made[n_made - 1].is_alive
    shells.close()
    for link in made:
        assert isinstance(link, ProcessLink)
        link.__exit__(None, None, None)


class Refusing:
    """A way to connect that fails until it is told not to, and counts the attempts."""

    def __init__(self, error: ConnectionFailed) -> None:
        self.error: ConnectionFailed | None = error
        self.attempts = 0
        self.links: list[ProcessLink] = []

    def __call__(self) -> Link:
        self.attempts += 1
        if self.error:
            raise self.error
        self.links.append(ProcessLink())
        return self.links[-1]

    def join(self) -> None:
        for link in self.links:
            link.__exit__(None, None, None)


@pytest.mark.parametrize("error", [AuthenticationFailed("no"), HostKeyMismatch("changed")], ids=["login", "host key"])
def test_final_failure_is_told_to_every_caller_and_never_tried_again(error: ConnectionFailed) -> None:
    """SSH-2: a refused login is not retried, whoever calls however often."""
    connect = Refusing(error)
    shells = Shells(connect, settings=PoolSettings(), library="")
    shells.start()

    def call() -> tuple[type[ConnectionFailed], str]:
        with pytest.raises(ConnectionFailed) as refused:
            run(shells, "true")
        return type(refused.value), refused.value.message

    told = (type(error), error.message)
    assert all_at_once([call] * 20) == [told] * 20
    assert call() == told
    with pytest.raises(type(error)):
        shells.wait_until_ready(timeout_s=5)
    assert (shells.status.state, shells.status.error) == (LinkState.FAILED, error)
    assert connect.attempts == 1
    shells.close()


def test_target_that_is_down_is_told_at_once_and_tried_again_by_the_next_call() -> None:
    connect = Refusing(ConnectionFailed("connection refused"))
    shells = Shells(connect, settings=PoolSettings(), library="")
    shells.start()
    with pytest.raises(ConnectionFailed, match="connection refused"):
        run(shells, "true")
    connect.error = None
    assert run(shells, "echo up").stdout == b"up\n"
    assert shells.status.state is LinkState.READY
    shells.close()
    connect.join()


def test_callers_in_the_queue_are_sent_away_when_the_pool_closes() -> None:
    blocked = threading.Event()

    def connect() -> Link:
        blocked.wait(10)
        raise ConnectionFailed("too late")

    shells = Shells(connect, settings=PoolSettings(), library="")
    shells.start()
    errors: list[BaseException] = []

    def call() -> None:
        with pytest.raises(PoolClosed) as refused:
            run(shells, "true")
        errors.append(refused.value)

    thread = threading.Thread(target=call)
    thread.start()
    wait_until(lambda: shells.n_waiting == 1)
    closer = threading.Thread(target=shells.close)
    closer.start()
    thread.join(5)
    blocked.set()
    closer.join(5)
    assert len(errors) == 1
    with pytest.raises(PoolClosed):
        run(shells, "true")
