"""Who is in the pool: connections, workers and callers, and what each event changes. No I/O happens here.

Every method expects the roster's lock to be held, but for `notify`. `keeper.py` does what the schedule asks for and
tells the results; `pool.py` brings the callers.
"""

import random
import threading
from collections.abc import Callable

from remote_code.errors import (
    AlgorithmUnsupported,
    AuthenticationFailed,
    ConfigError,
    ConnectTimeout,
    HostKeyMismatch,
    RemoteCodeError,
    ShellUnsupported,
)
from remote_code.shell import schedule
from remote_code.shell.channel import Link
from remote_code.shell.job import Command, Script
from remote_code.shell.members import Connection, LinkState, LinkStatus, PoolSettings, Waiter, Worker, closed_error
from remote_code.shell.schedule import SESSIONS_PER_LINK, Kind, Lane, Phase
from remote_code.shell.worker import Tenant

FINAL_ERRORS = (AuthenticationFailed, HostKeyMismatch, AlgorithmUnsupported, ShellUnsupported, ConfigError)
"""What no second attempt can mend without a person."""
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
PATIENCE_S = 12.0
"""How long a caller waits through failed attempts to repair a link that was up before."""
BAD_STARTS = 3
"""So many shells in a row that do not start are told to the callers who wait for one."""
REPAIR_ATTEMPTS = 3
"""After so many failed attempts a lost link is shown as failed; it is tried for on."""
SLEEP_S = 20.0
"""A clock on the wall that has run so much further than ours means that this machine was asleep."""


class Roster:
    """The state of the pool."""

    def __init__(self, settings: PoolSettings, clock: Callable[[], float], wall_clock: Callable[[], float]) -> None:
        self.changed = threading.Condition()
        """Its lock guards everything in here; notified whenever something has changed."""
        self.settings = settings
        self.clock = clock
        self.connections: list[Connection] = []
        self.workers: list[Worker] = []
        self.waiters: list[Waiter] = []
        self.error: RemoteCodeError | None = None
        """Why there is no connection, or no shell on it."""
        self.is_closed = False
        self.last_call = clock()
        self._wall_clock = wall_clock
        self._wall_lead = wall_clock() - clock()
        self._next_id = 0
        self._is_connecting = False
        self._was_ready = False
        self._has_booted = False
        self._may_add_connections = True
        self._connect_failures = 0
        self._bad_starts = 0
        self._capacity = SESSIONS_PER_LINK
        self._has_had_session = False
        self._may_connect_at = 0.0
        self._may_open_at = 0.0

    # What can be seen

    def view(self) -> schedule.View:
        """Return the picture that the schedule decides on."""
        now = self.clock()
        is_final = isinstance(self.error, FINAL_ERRORS)
        return schedule.View(
            workers=[
                schedule.WorkerView(worker.id, worker.connection.id, worker.kind, worker.phase, worker.lane)
                for worker in self.workers
                if not worker.connection.is_gone
            ],
            links=[schedule.LinkView(each.id, each.purpose, each.capacity) for each in self.connections],
            waiting=[waiter.lane for waiter in self.waiters],
            command_size=self.settings.command_size,
            file_size=self.settings.file_size,
            may_connect=not self._is_connecting
            and not is_final
            and now >= self._may_connect_at
            and (not self.connections or (self._may_add_connections and self._has_booted)),
            is_connecting=self._is_connecting,
            may_open=not is_final and now >= self._may_open_at,
            has_booted=self._has_booted,
            is_idle=now - self.last_call >= self.settings.idle_s,
        )

    def status(self) -> LinkStatus:
        """Return what a person is shown."""
        rtt_s = next((each.link.rtt_s for each in self.connections if each.link.rtt_s is not None), None)
        if self.connections and self._has_booted:
            self._was_ready = True
            return LinkStatus(LinkState.READY, rtt_s, None)
        is_repairing = self._was_ready and self._connect_failures < REPAIR_ATTEMPTS
        if self.error and (isinstance(self.error, FINAL_ERRORS) or not is_repairing):
            return LinkStatus(LinkState.FAILED, rtt_s, self.error)
        return LinkStatus(LinkState.DEGRADED if self._was_ready else LinkState.CONNECTING, rtt_s, self.error)

    def timer_s(self) -> float:
        """Return how long nothing can become due by time alone."""
        now = self.clock()
        due = [self._may_connect_at, self._may_open_at, self.last_call + self.settings.idle_s]
        return max(0.01, min((at - now for at in due if at > now), default=60.0))

    # Callers

    def enter(self, lane: Lane, job: Command | Script | None) -> Waiter:
        """Put a caller into the queue, which may serve it at once; `job` if it may go in one flight with others.

        Raises:
            PoolClosed, ConnectionFailed: nobody will ever serve it.
        """
        if error := self._final_error():
            raise error.again()
        waiter = Waiter(lane, self.clock(), job)
        self.last_call = waiter.since
        if not self.connections:
            # A call is a reason to try at once, whatever the backoff of the attempts that nobody waits for.
            self._may_connect_at = min(self._may_connect_at, waiter.since)
        self.waiters.append(waiter)
        self.hand_out()
        return waiter

    def distrusted(self) -> list[Connection]:
        """Return the connections that a caller should not be given: after a sleep the server may have dropped them.

        A command sent on such a link would only be found to be lost later, with its outcome unknown. Those with work
        on them are left: whether they live shows by itself.
        """
        lead = self._wall_clock() - self.clock()
        slept_s, self._wall_lead = lead - self._wall_lead, lead
        if slept_s < SLEEP_S:
            return []
        busy = {worker.connection.id for worker in self.workers if worker.phase is Phase.BUSY}
        return [connection for connection in self.connections if connection.id not in busy]

    def leave(self, waiter: Waiter) -> None:
        """Take a caller out of the queue that waits no longer, or out of the flight in which its job went."""
        if waiter in self.waiters:
            self.waiters.remove(waiter)
        elif waiter.worker is None:
            waiter.is_gone = True

    def hand_out(self) -> None:
        """Give idle workers to callers, oldest first within what their lanes allow."""
        for waiter in list(self.waiters):
            while waiter in self.waiters and (chosen := schedule.choose_worker(waiter.lane, self.view())) is not None:
                worker = self._worker(chosen)
                if worker.shell is None or not worker.shell.is_usable:
                    # It ended by itself while idle: TMOUT, an administrator, a lost link.
                    self.workers.remove(worker)
                    continue
                worker.phase, worker.lane = Phase.BUSY, waiter.lane
                waiter.worker = worker
                self.waiters.remove(waiter)
                self._let_ride(waiter, worker)
                waiter.woken.set()
        self.changed.notify_all()

    def _let_ride(self, waiter: Waiter, worker: Worker) -> None:
        """Choose the callers whose jobs go with that of `waiter`, who has just got `worker`."""
        all_willing = [other for other in self.waiters if other.lane is waiter.lane and other.job and other.may_ride]
        willing = all_willing if waiter.job else []
        for rider in willing[: schedule.n_riders(waiter.lane, len(willing), self.view())]:
            self.waiters.remove(rider)
            worker.riders.append(rider)

    def pass_on(self, worker: Worker) -> bool:
        """Give a worker to the next caller whose job went in the same flight; return False if there is none."""
        if rider := worker.next_rider():
            rider.worker = worker
            rider.woken.set()
        return rider is not None

    def get_off(self, waiter: Waiter) -> None:
        """Put a caller back to the head of the queue whose job rides behind another one's that takes long."""
        if any(worker.get_off(waiter) for worker in self.workers):
            waiter.may_ride = False
            self.waiters.insert(0, waiter)
            self.hand_out()

    def take_back(self, worker: Worker, *, is_reusable: bool) -> bool:
        """End a loan; return whether the worker must be ended now.

        Callers whose jobs went in the same flight go back to the head of the queue: such jobs may be sent again.
        """
        self.last_call = self.clock()
        worker.lane = None
        is_reusable = is_reusable and worker.shell is not None and worker.shell.is_usable and not self.is_closed
        worker.phase = Phase.IDLE if is_reusable else Phase.ENDING
        self.waiters[:0] = worker.send_off()
        if error := self._final_error():
            self.fail_waiters(error)
        self.hand_out()
        return not is_reusable

    def _final_error(self) -> RemoteCodeError | None:
        """Return why no caller will ever be served, if that is so."""
        if self.is_closed:
            return closed_error()
        if isinstance(self.error, FINAL_ERRORS) and not (self.connections and self._has_booted):
            return self.error
        return None

    # What the schedule asked for

    def begin_connecting(self) -> None:
        """Note that a handshake is under way."""
        self._is_connecting = True

    def begin_opening(self, link_id: int, kind: Kind) -> Worker:
        """Note that a worker is being started."""
        connection = self._connection(link_id)
        worker = Worker(self._new_id(), kind, connection, self.clock(), is_first=connection.n_starts == 0)
        connection.n_starts += 1
        self.workers.append(worker)
        return worker

    def begin_ending(self, worker_id: int) -> Worker:
        """Note that an idle worker is being ended."""
        worker = self._worker(worker_id)
        worker.phase = Phase.ENDING
        return worker

    def drop(self, link_id: int) -> Connection:
        """Forget a connection that is not needed; it is to be closed."""
        connection = self._connection(link_id)
        connection.is_gone = True
        self.connections.remove(connection)
        return connection

    # What came of it

    def connected(self, link: Link, purpose: Kind) -> Connection | None:
        """Note a new connection; None when the pool was closed meanwhile."""
        self._is_connecting = False
        if self.is_closed:
            return None
        now = self.clock()
        connection = Connection(self._new_id(), link, purpose, self._capacity, now)
        if connection.ends_badly:
            connection.capacity = 1
        self.connections.append(connection)
        self._may_add_connections = self._may_add_connections and not link.needed_person
        self.error = None
        self._connect_failures = 0
        self._may_connect_at = now + self.settings.stagger_s
        self.changed.notify_all()
        return connection

    def connect_failed(self, error: RemoteCodeError) -> None:
        """Note a failed handshake and answer the callers whom it concerns."""
        self._is_connecting = False
        self._connect_failures += 1
        self._may_connect_at = self.clock() + _backoff_s(self._connect_failures)
        if self.connections:
            # The others serve on. A login that needed a person, for example, is not asked for again.
            self._may_add_connections = self._may_add_connections and not isinstance(error, FINAL_ERRORS)
        else:
            self.error = error
            is_patient = self._was_ready and not isinstance(error, FINAL_ERRORS)
            self.fail_waiters(error, since=self.clock() - PATIENCE_S if is_patient else None)
        self.changed.notify_all()

    def lost(self, connection: Connection) -> bool:
        """Forget a lost connection; return whether it is to be closed.

        Its busy workers notice by themselves, and their callers decide what is known of their jobs.
        """
        if connection.is_gone or self.is_closed:
            return False
        connection.is_gone = True
        self.connections.remove(connection)
        self.workers = [
            worker
            for worker in self.workers
            if worker.connection is not connection or worker.phase in (Phase.BUSY, Phase.OPENING)
        ]
        if connection.link.needed_person and not self.connections:
            self.error = AuthenticationFailed(
                "the connection was lost, and a new login needs a person (a one-time code or another answer): "
                "start the session again"
            )
            self.fail_waiters(self.error)
        self.changed.notify_all()
        return True

    def got_session(self, worker: Worker) -> None:
        """Note that the server has given a worker its channel."""
        worker.has_session = self._has_had_session = True

    def opened(self, worker: Worker, shell: Tenant) -> bool:
        """Put a started worker into service; return False when it is of no use any more and must be ended."""
        worker.shell = shell
        worker.ready_at = self.clock()
        if self.is_closed or worker.connection.is_gone:
            return False
        worker.phase = Phase.IDLE
        self._has_booted = True
        self._bad_starts = 0
        self.hand_out()
        return True

    def refused(self, worker: Worker, error: RemoteCodeError) -> int:
        """Learn from a refused channel how many sessions the server allows; return how many are open."""
        self.workers.remove(worker)
        n_open = self.learn_capacity(worker)
        if not n_open and not self._has_had_session:
            # The first channel of all is refused: this account is given none.
            self.fail_waiters(error)
        if not n_open and (not self._has_had_session or not self._has_company(worker)):
            self._note_bad_start(error)
        self.changed.notify_all()
        return n_open

    def learn_capacity(self, worker: Worker) -> int:
        """Take a channel that was refused to `worker` for the server's limit; return how many others are open there."""
        n_open = sum(
            other.has_session for other in self.workers if other.connection is worker.connection and other is not worker
        )
        if n_open:
            self._capacity = min(self._capacity, n_open)
            for connection in self.connections:
                connection.capacity = min(connection.capacity, self._capacity)
        return n_open

    def _has_company(self, worker: Worker) -> bool:
        return any(other.connection is worker.connection and other is not worker for other in self.workers)

    def did_not_boot(self, worker: Worker, error: RemoteCodeError) -> None:
        """Note a worker whose shell did not come up; the first of all decides about the account."""
        self.ended(worker)
        if not self._has_booted and isinstance(error, (*FINAL_ERRORS, ConnectTimeout)):
            self.error = error
            self.fail_waiters(error)
        if self._has_booted or not isinstance(error, FINAL_ERRORS):
            self._note_bad_start(error)

    def ended(self, worker: Worker) -> None:
        """Forget a worker whose session has ended."""
        if worker in self.workers:
            self.workers.remove(worker)
        self.hand_out()

    def close(self) -> None:
        """Take no further callers and send the waiting ones away."""
        self.is_closed = True
        self.fail_waiters(closed_error())
        self.changed.notify_all()

    def fail_waiters(self, error: RemoteCodeError, *, since: float | None = None) -> None:
        """Answer the callers in the queue: all, or those that have waited from `since` on."""
        for waiter in list(self.waiters):
            if since is None or waiter.since <= since:
                waiter.error = error
                self.waiters.remove(waiter)
                waiter.woken.set()

    def raise_if_closed(self) -> None:
        """Raise PoolClosed when the pool is closed."""
        if self.is_closed:
            raise closed_error()

    def notify(self) -> None:
        """Wake everyone who waits for a change; takes the lock itself."""
        with self.changed:
            self.changed.notify_all()

    def _note_bad_start(self, error: RemoteCodeError) -> None:
        self._bad_starts += 1
        self._may_open_at = self.clock() + _backoff_s(self._bad_starts)
        if self._bad_starts >= BAD_STARTS:
            self.fail_waiters(error)
        self.changed.notify_all()

    def _connection(self, link_id: int) -> Connection:
        return next(connection for connection in self.connections if connection.id == link_id)

    def _worker(self, worker_id: int) -> Worker:
        return next(worker for worker in self.workers if worker.id == worker_id)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id


def _backoff_s(n_failures: int) -> float:
    ceiling_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(n_failures - 1, 10))
    return ceiling_s * random.uniform(0.5, 1.0)
