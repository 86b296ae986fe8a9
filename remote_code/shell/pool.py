"""The pool of worker shells: few connections, shells opened before they are needed, a fair queue, repair of lost links.

Decisions are `schedule.py`'s and are taken under the lock; what they say is done outside of it, by short-lived threads.
This is the one place that sends a job again, and only one that certainly did not start or may be repeated.
"""

import enum
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from remote_code.errors import (
    AlgorithmUnsupported,
    AuthenticationFailed,
    Cancelled,
    ChannelRefused,
    ConfigError,
    ConnectionFailed,
    ConnectionLost,
    HostKeyMismatch,
    PoolClosed,
    PoolTimeout,
    RemoteCodeError,
    ShellUnsupported,
)
from remote_code.shell import schedule
from remote_code.shell.boot import Place
from remote_code.shell.channel import Connect, Link
from remote_code.shell.job import Cancel, Command, Flights, OnOutput, Outcome, Result, Script
from remote_code.shell.job_text import check_command
from remote_code.shell.schedule import SESSIONS_PER_LINK, Kind, Lane, Phase
from remote_code.shell.worker import ResidentShell, StandbyShell, open_resident, open_standby

_log = logging.getLogger(__name__)

FINAL_ERRORS = (AuthenticationFailed, HostKeyMismatch, AlgorithmUnsupported, ShellUnsupported, ConfigError)
"""What no second attempt can mend without a person."""
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
PATIENCE_S = 12.0
"""How long a caller waits through failed attempts to repair a link that was up before."""
REFUSED_RETRIES = 2
REFUSED_RETRY_S = 0.1
"""A refused channel is asked for again so often, so much later: the slot of a closed session comes free late."""
CONNECT_FLIGHTS = 5
"""Flights of a handshake, key login and TCP included, for callers that waited for one."""
MAX_ATTEMPTS = 4
"""How often a job that did not start moves to another worker before its caller is told."""


class LinkState(enum.Enum):
    """How the connection to the target stands."""

    CONNECTING = "connecting"
    READY = "ready"
    DEGRADED = "degraded"
    """It was up, is lost, and is being repaired."""
    FAILED = "failed"
    """The last attempt failed; only errors of `FINAL_ERRORS` are not tried again."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """What a person is shown of the connection."""

    state: LinkState
    rtt_s: float | None
    error: RemoteCodeError | None


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Sizes and waits of the pool."""

    command_size: int = 3
    """Workers for commands and searches."""
    file_size: int = 2
    """Workers for file scripts."""
    stagger_s: float = 0.0
    """Pause between the ends and starts of handshakes, which are never made side by side."""
    place: Place = field(default_factory=Place)
    queue_timeout_s: float = 600.0
    """How long a caller waits for a worker while the link is up."""
    idle_s: float = 300.0
    """After so long without a call the pool shrinks to one standby shell."""


@dataclass(slots=True, eq=False)
class _Connection:
    """One link of the pool. Fields are guarded by the pool's lock."""

    id: int
    link: Link
    purpose: Kind
    capacity: int
    started_at: float
    """When its handshake began."""
    ready_at: float
    is_gone: bool = False


@dataclass(slots=True, eq=False)
class _Worker:
    """One worker of the pool, from the decision to open it to the end of its session. Guarded by the pool's lock."""

    id: int
    kind: Kind
    connection: _Connection
    phase: Phase
    opened_at: float
    ready_at: float = 0.0
    lane: Lane | None = None
    shell: StandbyShell | ResidentShell | None = None


@dataclass(slots=True, eq=False)
class _Waiter:
    """A caller in the queue. Guarded by the pool's lock, but for the event that wakes it."""

    lane: Lane
    since: float
    worker: _Worker | None = None
    error: RemoteCodeError | None = None
    woken: threading.Event = field(default_factory=threading.Event)


class Shells:
    """Runs commands, searches and scripts on the remote machine. All methods may be called from any thread."""

    def __init__(
        self,
        connect: Connect,
        *,
        settings: PoolSettings,
        library: str,
        on_status: Callable[[LinkStatus], None] = lambda status: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._settings = settings
        self._library = library
        self._on_status = on_status
        self._clock = clock
        # Guards every field below and those of _Connection, _Worker and _Waiter. No I/O is done while it is held.
        self._changed = threading.Condition()
        self._connections: list[_Connection] = []
        self._workers: list[_Worker] = []
        self._waiters: list[_Waiter] = []
        self._threads: set[threading.Thread] = set()
        self._next_id = 0
        self._is_started = False
        self._is_closed = False
        self._is_connecting = False
        self._was_ready = False
        self._has_booted = False
        self._may_add_links = True
        self._connect_failures = 0
        self._boot_failures = 0
        self._may_connect_at = 0.0
        self._may_open_at = 0.0
        self._last_call = clock()
        self._error: RemoteCodeError | None = None
        self._shown: LinkStatus | None = None
        self._stopping = threading.Event()

    # What callers use

    def start(self) -> None:
        """Begin to connect in the background; returns at once."""
        with self._changed:
            if self._is_started or self._is_closed:
                return
            self._is_started = True
            self._last_call = self._clock()
        self._spawn("shells-supervisor", self._supervise)

    @property
    def status(self) -> LinkStatus:
        """How the connection stands now."""
        with self._changed:
            return self._status()

    def wait_until_ready(self, *, timeout_s: float, cancel: Cancel | None = None) -> None:
        """Block until a worker shell answers on the remote machine.

        Raises:
            ConnectionFailed: the attempt ended with this error.
            ConnectionLost: nothing was heard for `timeout_s`.
            Cancelled, PoolClosed: the wait was given up.
        """
        forget = cancel.add_listener(self._notify) if cancel else lambda: None
        deadline = time.monotonic() + timeout_s
        try:
            with self._changed:
                while True:
                    status = self._status()
                    self._raise_if_closed()
                    if status.state is LinkState.READY:
                        return
                    if status.state is LinkState.FAILED and status.error:
                        raise status.error
                    if cancel and cancel.is_set:
                        raise Cancelled("the wait for the connection was cancelled")
                    left_s = deadline - time.monotonic()
                    if left_s <= 0:
                        raise ConnectionLost(
                            f"no connection to the remote machine after {timeout_s:g} s",
                            outcome="not_started",
                            retry_safe=True,
                        )
                    self._changed.wait(left_s)
        finally:
            forget()

    def run_command(
        self,
        command: Command,
        *,
        flights: Flights,
        cancel: Cancel | None = None,
        on_output: OnOutput | None = None,
    ) -> Result:
        """Run a user's command, never twice.

        The result's outcome is DONE, or UNKNOWN when the link was lost while the command may have been running.
        Blocks while all command workers are busy, then for `command.timeout_s` at most (and a few seconds in which a
        stopped command ends).

        Raises:
            ConnectionFailed, ConnectionLost, PoolTimeout, PoolClosed, Cancelled: the command was not started.
            InvalidArguments, NoSuchFile, NotADirectory, PermissionDenied: the command or its directory is unusable.
        """
        return self._run_standby(Lane.COMMAND, command, flights, cancel, on_output)

    def run_search(
        self,
        command: Command,
        *,
        flights: Flights,
        cancel: Cancel | None = None,
        on_output: OnOutput | None = None,
    ) -> Result:
        """Run a command that changes nothing; it does not wait for user commands, and is repeated once if lost.

        `on_output` may get the beginning of the output twice then. The result's outcome is always DONE.

        Raises:
            ConnectionFailed, ConnectionLost, PoolTimeout, PoolClosed, Cancelled: there is no result.
        """
        result = self._run_standby(Lane.SEARCH, command, flights, cancel, on_output)
        if result.outcome is not Outcome.DONE and not (result.is_timed_out or result.is_cancelled):
            result = self._run_standby(Lane.SEARCH, command, flights, cancel, on_output)
        if result.outcome is not Outcome.DONE and not (result.is_timed_out or result.is_cancelled):
            raise ConnectionLost(
                "the connection to the remote machine was lost during the search, twice; try again",
                outcome="unknown",
                retry_safe=True,
            )
        return result

    def run_script(self, script: Script, *, flights: Flights, cancel: Cancel | None = None) -> Result:
        """Run one of our own scripts in a resident shell; the result's outcome is always DONE.

        A repeatable script is sent once more when the link was lost while it ran.

        Raises:
            ConnectionLost: its `outcome` says whether the script may have run.
            ConnectionFailed, PoolTimeout, PoolClosed, Cancelled: the script did not run.
        """
        repeats = 1 if script.is_repeatable else 0
        attempt = 0
        while True:
            attempt += 1
            with self._lend(Lane.FILE, flights, cancel) as lent:
                assert isinstance(lent.shell, ResidentShell)
                try:
                    result = lent.shell.run(script, cancel=cancel)
                except ConnectionLost as exc:
                    if exc.facts["outcome"] == "unknown":
                        repeats -= 1
                    if repeats < 0 or attempt >= MAX_ATTEMPTS:
                        raise
                    continue
                lent.is_reusable = True
                return result

    def close(self) -> None:
        """End all shells and connections, and with them whatever still runs; callers in the queue get PoolClosed."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            self._stopping.set()
            self._fail_waiters(_closed_error())
            workers, connections = list(self._workers), list(self._connections)
            self._changed.notify_all()
        for worker in workers:
            if worker.shell:
                worker.shell.close()
        for connection in connections:
            connection.link.close()
        deadline = time.monotonic() + 5
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    # A caller's way through the pool

    def _run_standby(
        self, lane: Lane, command: Command, flights: Flights, cancel: Cancel | None, on_output: OnOutput | None
    ) -> Result:
        check_command(command)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            with self._lend(lane, flights, cancel) as lent:
                assert isinstance(lent.shell, StandbyShell)
                if cancel and cancel.is_set:
                    lent.is_reusable = True
                    raise Cancelled("the call was cancelled before its command was started")
                try:
                    return lent.shell.run(command, cancel=cancel, on_output=on_output)
                except ConnectionLost as exc:
                    if exc.facts["outcome"] == "unknown":
                        return Result(Outcome.UNKNOWN, None, None, b"", b"")
                    if attempt == MAX_ATTEMPTS:
                        raise
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _lend(self, lane: Lane, flights: Flights, cancel: Cancel | None) -> Iterator["_Lent"]:
        worker, n_flights = self._acquire(lane, cancel)
        flights.add(n_flights)
        lent = _Lent(worker.shell)
        try:
            yield lent
        finally:
            self._release(worker, is_reusable=lent.is_reusable)

    def _acquire(self, lane: Lane, cancel: Cancel | None) -> tuple[_Worker, int]:
        """Wait in the queue for a worker; return it with the flights that the caller will have waited for."""
        waiter = _Waiter(lane, self._clock())
        with self._changed:
            self._raise_if_closed()
            self._raise_if_failed()
            self._last_call = waiter.since
            if not self._connections and not self._is_connecting:
                self._may_connect_at = min(self._may_connect_at, self._last_call)
            self._waiters.append(waiter)
            self._hand_out()
            self._changed.notify_all()
        forget = cancel.add_listener(waiter.woken.set) if cancel else lambda: None
        try:
            waiter.woken.wait(self._settings.queue_timeout_s)
        finally:
            forget()
        with self._changed:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if waiter.worker:
                return waiter.worker, self._n_flights(waiter, waiter.worker)
            if waiter.error:
                raise waiter.error
            self._raise_if_closed()
            if cancel and cancel.is_set:
                raise Cancelled("the call was cancelled while it waited for a connection to the remote machine")
            raise self._queue_error(lane)

    def _release(self, worker: _Worker, *, is_reusable: bool) -> None:
        shell = worker.shell
        assert shell is not None
        with self._changed:
            self._last_call = self._clock()
            worker.lane = None
            if is_reusable and shell.is_usable and not self._is_closed:
                worker.phase = Phase.IDLE
                self._hand_out()
                return
            worker.phase = Phase.ENDING
        if shell.channel.is_closed or not _ends_badly(worker.connection.link):
            self._end(worker)
        else:
            self._spawn("shells-end", lambda: self._end_in_order(worker))

    def _end_in_order(self, worker: _Worker) -> None:
        """End a session the server's way: Dropbear loses the connection when a session is opened while another ends."""
        assert worker.shell is not None
        channel = worker.shell.channel
        deadline = time.monotonic() + 2
        while not channel.is_closed and (left_s := deadline - time.monotonic()) > 0:
            channel.wake.clear()
            if not channel.is_closed:
                channel.wake.wait(min(left_s, 0.25))
        self._end(worker)

    def _end(self, worker: _Worker) -> None:
        if worker.shell:
            worker.shell.close()
        with self._changed:
            if worker in self._workers:
                self._workers.remove(worker)
            self._hand_out()
            self._changed.notify_all()

    # Decisions. The lock is held in all of these: no I/O below this line.

    def _hand_out(self) -> None:
        """Give idle workers to callers, oldest first within what their lane allows."""
        for waiter in list(self._waiters):
            if waiter.worker or waiter.error:
                continue
            while (found := schedule.choose_worker(waiter.lane, self._view())) is not None:
                worker = next(worker for worker in self._workers if worker.id == found)
                if worker.shell is None or not worker.shell.is_usable:
                    # It ended by itself while idle (TMOUT, an administrator, a lost link).
                    self._workers.remove(worker)
                    continue
                worker.phase = Phase.BUSY
                worker.lane = waiter.lane
                waiter.worker = worker
                self._waiters.remove(waiter)
                waiter.woken.set()
                break
        self._changed.notify_all()

    def _view(self) -> schedule.View:
        now = self._clock()
        connections = [connection for connection in self._connections if not connection.is_gone]
        is_final = isinstance(self._error, FINAL_ERRORS)
        return schedule.View(
            workers=[
                schedule.WorkerView(worker.id, worker.connection.id, worker.kind, worker.phase, worker.lane)
                for worker in self._workers
                if not worker.connection.is_gone
            ],
            links=[schedule.LinkView(each.id, each.purpose, each.capacity) for each in connections],
            waiting=[waiter.lane for waiter in self._waiters],
            command_size=self._settings.command_size,
            file_size=self._settings.file_size,
            may_connect=not self._is_connecting
            and not is_final
            and now >= self._may_connect_at
            and (not connections or (self._may_add_links and self._has_booted)),
            is_connecting=self._is_connecting,
            may_open=now >= self._may_open_at and not is_final,
            is_idle=now - self._last_call >= self._settings.idle_s,
        )

    def _n_flights(self, waiter: _Waiter, worker: _Worker) -> int:
        """Count what a caller waited for: its job, and of the worker's start what happened since it came."""
        connection = worker.connection
        if connection.ready_at > waiter.since:
            return 3 + CONNECT_FLIGHTS
        if worker.opened_at >= waiter.since:
            return 3
        return 2 if worker.ready_at > waiter.since else 1

    def _status(self) -> LinkStatus:
        connections = [connection for connection in self._connections if not connection.is_gone]
        rtt_s = next((each.link.rtt_s for each in connections if each.link.rtt_s is not None), None)
        if connections and self._has_booted and not isinstance(self._error, ShellUnsupported):
            return LinkStatus(LinkState.READY, rtt_s, None)
        if self._error:
            is_repairing = self._was_ready and not isinstance(self._error, FINAL_ERRORS) and self._connect_failures < 3
            return LinkStatus(LinkState.DEGRADED if is_repairing else LinkState.FAILED, rtt_s, self._error)
        return LinkStatus(LinkState.DEGRADED if self._was_ready else LinkState.CONNECTING, rtt_s, None)

    def _fail_waiters(self, error: RemoteCodeError, *, since: float | None = None) -> None:
        """Answer callers in the queue, all of them or those that came before `since`."""
        for waiter in list(self._waiters):
            if since is None or waiter.since <= since:
                waiter.error = error
                self._waiters.remove(waiter)
                waiter.woken.set()

    def _queue_error(self, lane: Lane) -> RemoteCodeError:
        waited_s = self._settings.queue_timeout_s
        of_kind = [worker for worker in self._workers if worker.kind is lane.kind]
        in_use = sum(worker.phase is Phase.BUSY for worker in of_kind)
        size = self._settings.file_size if lane is Lane.FILE else self._settings.command_size
        variable = "REMOTE_POOL_FILE_SIZE" if lane is Lane.FILE else "REMOTE_POOL_COMMAND_SIZE"
        return PoolTimeout(
            f"no free {lane.value} worker after {waited_s:g} s: {in_use} of {size} are busy ({variable})",
            waited_s=waited_s,
            size=size,
            in_use=in_use,
        )

    def _raise_if_failed(self) -> None:
        """Raise the error that ended all hope of a shell, if there is one."""
        if isinstance(self._error, FINAL_ERRORS) and not (self._connections and self._has_booted):
            raise self._error

    def _raise_if_closed(self) -> None:
        if self._is_closed:
            raise _closed_error()

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    # The supervisor, and what it starts

    def _supervise(self) -> None:
        """Carry out plans until the pool is closed; the only thread that reports the status."""
        while True:
            with self._changed:
                if self._is_closed:
                    return
                tasks = [self._begin(action) for action in schedule.plan(self._view())]
                status = self._status()
                is_news = self._shown is None or (status.state, status.error) != (self._shown.state, self._shown.error)
                if not tasks and not is_news:
                    self._changed.wait(self._timer_s())
                    continue
                self._shown = status
                self._was_ready = self._was_ready or status.state is LinkState.READY
            if is_news:
                self._on_status(status)
            for name, task in tasks:
                self._spawn(name, task)

    def _timer_s(self) -> float:
        """How long nothing can become due by time alone."""
        now = self._clock()
        due = [self._may_connect_at, self._may_open_at, self._last_call + self._settings.idle_s]
        return max(0.01, min([at - now for at in due if at > now], default=60.0))

    def _begin(self, action: schedule.Action) -> tuple[str, Callable[[], None]]:
        """Note an action as under way and return the work to do outside of the lock."""
        match action:
            case schedule.Connect(purpose):
                self._is_connecting = True
                return "shells-connect", lambda: self._add_connection(purpose)
            case schedule.Open(link_id, kind):
                connection = next(each for each in self._connections if each.id == link_id)
                worker = _Worker(self._new_id(), kind, connection, Phase.OPENING, self._clock())
                self._workers.append(worker)
                return "shells-open", lambda: self._open(worker)
            case schedule.Retire(worker_id):
                worker = next(each for each in self._workers if each.id == worker_id)
                worker.phase = Phase.ENDING
                return "shells-end", lambda: self._end(worker)
            case schedule.Drop(link_id):
                connection = next(each for each in self._connections if each.id == link_id)
                self._connections.remove(connection)
                connection.is_gone = True
                return "shells-drop", connection.link.close

    def _add_connection(self, purpose: Kind) -> None:
        started_at = self._clock()
        try:
            link = self._connect()
        except RemoteCodeError as exc:
            self._note_connect_failure(exc)
            return
        except Exception as exc:  # noqa: BLE001  # A thread's main: a bug in a transport must reach the callers too.
            _log.exception("pool=shells event=connect_crashed")
            self._note_connect_failure(ConnectionFailed(f"the connection could not be made: {exc}"))
            return
        capacity = 1 if _ends_badly(link) else SESSIONS_PER_LINK
        with self._changed:
            now = self._clock()
            connection = _Connection(self._new_id(), link, purpose, capacity, started_at, now)
            self._is_connecting = False
            is_closed = self._is_closed
            if not is_closed:
                self._connections.append(connection)
                self._connect_failures = 0
                self._error = None
                self._may_connect_at = now + self._settings.stagger_s
                self._changed.notify_all()
        if is_closed:
            link.close()
            return
        _log.info("pool=shells event=connected purpose=%s took_ms=%.0f", purpose.value, (now - started_at) * 1000)
        link.add_loss_listener(lambda: self._note_loss(connection))
        if not link.is_alive:
            self._note_loss(connection)

    def _note_connect_failure(self, error: RemoteCodeError) -> None:
        _log.warning("pool=shells event=connect_failed error=%s", error.kind)
        with self._changed:
            self._is_connecting = False
            if self._connections:
                # The others serve on; a login that needed a person, for example, is not asked for again.
                if isinstance(error, FINAL_ERRORS):
                    self._may_add_links = False
            else:
                self._error = error
                if isinstance(error, FINAL_ERRORS) or not self._was_ready:
                    self._fail_waiters(error)
                else:
                    self._fail_waiters(error, since=self._clock() - PATIENCE_S)
            self._connect_failures += 1
            self._may_connect_at = self._clock() + _backoff_s(self._connect_failures)
            self._changed.notify_all()

    def _note_loss(self, connection: _Connection) -> None:
        """Forget a lost link. Its busy workers notice by themselves and their callers decide what is known."""
        with self._changed:
            if connection.is_gone or self._is_closed:
                return
            connection.is_gone = True
            if connection in self._connections:
                self._connections.remove(connection)
            self._workers = [
                worker
                for worker in self._workers
                if worker.connection is not connection or worker.phase in (Phase.BUSY, Phase.OPENING)
            ]
            self._changed.notify_all()
        _log.warning("pool=shells event=link_lost purpose=%s", connection.purpose.value)
        # A link may tell of its loss from a thread of its own, which its close() waits for.
        self._spawn("shells-drop", connection.link.close)

    def _open(self, worker: _Worker) -> None:
        """Start a worker's shell and put it into service."""
        link = worker.connection.link
        try:
            shell = self._open_shell(worker, link)
        except ChannelRefused as exc:
            self._note_refusal(worker, exc)
        except ConnectionLost:
            self._discard(worker)
            # Whatever ended the channel ended the link, or left it in a state that nothing is to be built on.
            self._note_loss(worker.connection)
        except RemoteCodeError as exc:
            self._note_boot_failure(worker, exc)
        except Exception as exc:  # noqa: BLE001  # A thread's main.
            _log.exception("pool=shells event=open_crashed")
            self._note_boot_failure(worker, ShellUnsupported(f"no shell could be started: {exc}", said=""))
        else:
            with self._changed:
                worker.shell = shell
                worker.ready_at = self._clock()
                is_closed = self._is_closed or worker.connection.is_gone
                if not is_closed:
                    worker.phase = Phase.IDLE
                    self._has_booted = True
                    self._boot_failures = 0
                    self._hand_out()
            if is_closed:
                self._end(worker)

    def _open_shell(self, worker: _Worker, link: Link) -> StandbyShell | ResidentShell:
        place = self._settings.place
        for attempt in range(REFUSED_RETRIES + 1):
            try:
                if worker.kind is Kind.STANDBY:
                    return open_standby(link, place)
                return open_resident(link, place, library=self._library)
            except ChannelRefused:
                if attempt == REFUSED_RETRIES or self._stopping.wait(REFUSED_RETRY_S):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _note_refusal(self, worker: _Worker, error: ChannelRefused) -> None:
        """Learn from a refused channel how many sessions the server allows on one connection."""
        connection = worker.connection
        with self._changed:
            self._workers.remove(worker)
            n_open = sum(other.connection is connection and other.phase is not Phase.OPENING for other in self._workers)
            if n_open:
                connection.capacity = min(connection.capacity, n_open)
                for other in self._connections:
                    other.capacity = min(other.capacity, max(1, connection.capacity))
            self._changed.notify_all()
        _log.info("pool=shells event=channel_refused sessions=%d", n_open)
        if not n_open:
            self._note_failed_start(error)

    def _note_boot_failure(self, worker: _Worker, error: RemoteCodeError) -> None:
        _log.warning("pool=shells event=no_shell kind=%s error=%s", worker.kind.value, error.kind)
        self._discard(worker)
        with self._changed:
            is_first = not self._has_booted
            if is_first and isinstance(error, FINAL_ERRORS):
                self._error = error
                self._fail_waiters(error)
                self._changed.notify_all()
        if not is_first:
            self._note_failed_start(error)

    def _note_failed_start(self, error: RemoteCodeError) -> None:
        """Wait before the next start of a shell, and answer the callers when none succeeds."""
        with self._changed:
            self._boot_failures += 1
            self._may_open_at = self._clock() + _backoff_s(self._boot_failures)
            if self._boot_failures >= 3:
                self._fail_waiters(error)
            self._changed.notify_all()

    def _discard(self, worker: _Worker) -> None:
        with self._changed:
            if worker in self._workers:
                self._workers.remove(worker)
            self._changed.notify_all()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _spawn(self, name: str, task: Callable[[], None]) -> None:
        def run() -> None:
            try:
                task()
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.add(thread)
        thread.start()


@dataclass(slots=True)
class _Lent:
    """What `_lend` gives out; the holder says whether the shell may serve again."""

    shell: StandbyShell | ResidentShell | None
    is_reusable: bool = False


def _ends_badly(link: Link) -> bool:
    """Tell whether the server takes one session per connection only (Dropbear: overlapping ends lose it)."""
    return "dropbear" in link.server.lower()


def _backoff_s(n_failures: int) -> float:
    ceiling_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(n_failures - 1, 10))
    return ceiling_s * random.uniform(0.5, 1.0)


def _closed_error() -> PoolClosed:
    return PoolClosed("the engine is ending; nothing more is started on the remote machine")
