"""The door of the room: runs commands, searches and scripts on whatever worker is free, and waits for one if none is.

Few connections, shells opened before they are needed, a fair queue: `schedule.py` decides, `roster.py` remembers,
`keeper.py` opens and closes. This is the one place that sends a job again, and only one that certainly did not start
or may be repeated.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

from remote_code.errors import Cancelled, ChannelRefused, ConnectionLost, PoolTimeout, RemoteCodeError
from remote_code.shell import bulk
from remote_code.shell.channel import Connect
from remote_code.shell.job import Cancel, Command, Flights, OnOutput, Outcome, Result, Script
from remote_code.shell.job_text import can_share, check_command
from remote_code.shell.keeper import Keeper
from remote_code.shell.loan import Loan
from remote_code.shell.members import LinkState, LinkStatus, PoolSettings, Waiter, Worker
from remote_code.shell.roster import Roster
from remote_code.shell.run import STOP_S
from remote_code.shell.schedule import Kind, Lane, Phase, limit
from remote_code.shell.sudo import PairUnsupported, SudoPair, SudoPassword, wants_pair
from remote_code.shell.upload import LONG_RTT_S, STREAMS, Upload
from remote_code.shell.worker import ResidentShell, Slot, StandbyShell, lost_error

__all__ = ["LinkState", "LinkStatus", "PoolSettings", "Shells"]

PAIR_FLIGHTS = 5
"""Flights of a sudo pair besides the first: terminal opened (2), found (1), the command, the end of its output."""
TRANSFER_TIMEOUT_S = 3600.0
"""How long one large file may take."""
RIDE_S = 2.0
"""How long a search waits behind another one in the same flight, before it is sent to a worker of its own."""
MAX_ATTEMPTS = 4
"""How often a job that did not start moves to another worker before its caller is told."""


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
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Make the pool; nothing is connected before `start`.

        `library` is loaded into each resident shell. `on_status` is called from a thread of the pool whenever the
        state or its error has changed. `clock` stands still while this machine sleeps, `wall_clock` does not.
        """
        self._roster = Roster(settings, clock, wall_clock)
        self._password = SudoPassword(settings.sudo_password) if settings.sudo_password else None
        self._keeper = Keeper(self._roster, connect, library=library, on_status=on_status)

    def start(self) -> None:
        """Begin to connect in the background, unless that has begun; returns at once."""
        self._keeper.start()

    @property
    def status(self) -> LinkStatus:
        """How the connection stands now."""
        with self._roster.changed:
            return self._roster.status()

    @property
    def n_waiting(self) -> int:
        """How many callers wait for a worker."""
        with self._roster.changed:
            return len(self._roster.waiters)

    @property
    def n_idle(self) -> int:
        """How many workers are ready and have nothing to do."""
        with self._roster.changed:
            return sum(worker.phase is Phase.IDLE for worker in self._roster.workers)

    def wait_until_ready(self, *, timeout_s: float, cancel: Cancel | None = None) -> None:
        """Block until a worker shell answers on the remote machine.

        Raises:
            ConnectionFailed: the attempt ended with this error.
            ConnectionLost: nothing was heard for `timeout_s`.
            Cancelled, PoolClosed: the wait was given up.
        """
        deadline = time.monotonic() + timeout_s
        forget = cancel.add_listener(self._roster.notify) if cancel else lambda: None
        try:
            with self._roster.changed:
                while True:
                    self._roster.raise_if_closed()
                    status = self._roster.status()
                    if status.state is LinkState.READY:
                        return
                    if status.state is LinkState.FAILED and status.error:
                        raise status.error.again()
                    if cancel and cancel.is_set:
                        raise Cancelled("the wait for the connection was cancelled")
                    left_s = deadline - time.monotonic()
                    if left_s <= 0:
                        raise ConnectionLost(
                            f"no connection to the remote machine after {timeout_s:g} s",
                            outcome="not_started",
                            retry_safe=True,
                        )
                    self._roster.changed.wait(left_s)
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
            RemoteOperationFailed: its input could not be read to its end, before which the command was ended.
        """
        if self._password and wants_pair(command) and self._roster.settings.place.enter is None:
            with contextlib.suppress(PairUnsupported):
                return self._run_pair(command, self._password, flights, cancel, on_output)
        return self._run_standby(Lane.COMMAND, command, flights, cancel, on_output)

    def run_search(self, command: Command, *, flights: Flights, cancel: Cancel | None = None) -> Result:
        """Run a command that changes nothing; it does not wait for user commands, and is repeated once if lost.

        Its shell serves on, and searches that wait for one go in one flight with another. A search that was cancelled
        or timed out has no output; its outcome is UNKNOWN when that happened on a dead link.

        Raises:
            ConnectionFailed, ConnectionLost, PoolTimeout, PoolClosed, Cancelled: there is no result.
            InvalidArguments, NoSuchFile, NotADirectory, PermissionDenied: the command or its directory is unusable.
        """
        check_command(command)
        if can_share(command):
            return self._run_shared(Lane.SEARCH, command, flights, cancel)
        for _ in range(2):
            result = self._run_standby(Lane.SEARCH, command, flights, cancel, None)
            is_whole = result.outcome is Outcome.DONE and not result.is_output_cut
            if is_whole or result.is_timed_out or result.is_cancelled:
                return result
        raise lost_error(is_started=True, is_repeatable=True)

    def run_script(self, script: Script, *, flights: Flights, cancel: Cancel | None = None) -> Result:
        """Run one of our own scripts in a resident shell; the result's outcome is always DONE.

        A repeatable script is sent once more when the link was lost while it ran.

        Raises:
            ConnectionLost: its `outcome` says whether the script may have run.
            ConnectionFailed, PoolTimeout, PoolClosed, Cancelled: the script did not run, or changes nothing.
        """
        if can_share(script):
            return self._run_shared(Lane.FILE, script, flights, cancel)
        may_repeat = script.is_repeatable
        for attempt in range(1, MAX_ATTEMPTS + 1):
            with self._lend(Lane.FILE, flights, cancel) as loan:
                assert isinstance(loan.shell, ResidentShell)
                flights.add(loan.n_windows(len(script.text) + len(script.payload)) - 1)
                try:
                    result = loan.shell.run(script, cancel=cancel)
                except ConnectionLost as exc:
                    if attempt == MAX_ATTEMPTS or (exc.facts["outcome"] == "unknown" and not may_repeat):
                        raise
                    may_repeat = may_repeat and exc.facts["outcome"] != "unknown"
                    continue
                # A script that failed may have left bytes of its payload: they would be read as the next job.
                loan.is_reusable = result.exit_status == 0
                return result
        raise AssertionError("the last attempt returns or raises")

    def download(
        self,
        path: str,
        take: Callable[[bytes], object],
        *,
        flights: Flights,
        timeout_s: float = TRANSFER_TIMEOUT_S,
        cancel: Cancel | None = None,
    ) -> int:
        """Give the bytes of a remote file to `take`, over a stream of its own; see `bulk.download`."""
        with self._lend(Lane.TRANSFER, flights, cancel) as loan:
            assert isinstance(loan.shell, StandbyShell)
            return bulk.download(loan.shell, path, take, timeout_s=timeout_s, cancel=cancel or Cancel())

    def upload(
        self,
        path: str,
        source: BinaryIO,
        size_bytes: int,
        *,
        flights: Flights,
        timeout_s: float = TRANSFER_TIMEOUT_S,
        cancel: Cancel | None = None,
    ) -> None:
        """Make a new remote file of `size_bytes` of `source`, over streams of its own; see `upload.Upload`."""
        with self._lend(Lane.TRANSFER, flights, cancel) as loan:
            assert isinstance(loan.shell, StandbyShell)
            n_streams = 1 + self._n_helpers(loan) if source.seekable() else 1
            upload = Upload(path, source, size_bytes, n_streams=n_streams, timeout_s=timeout_s)
            upload.run(loan.shell, self._lend_helper, cancel=cancel or Cancel())

    def _n_helpers(self, loan: Loan) -> int:
        """Return how many more streams an upload may have: where they help, and the connection has room for them."""
        connection = loan.worker.connection
        if connection.ends_badly or (connection.link.rtt_s or 0.0) < LONG_RTT_S:
            return 0
        with self._roster.changed:
            n_sessions = sum(worker.connection is connection for worker in self._roster.workers)
        return max(0, min(STREAMS - 1, connection.capacity - n_sessions))

    @contextmanager
    def _lend_helper(self, given_up: Cancel) -> Iterator[StandbyShell]:
        with self._lend(Lane.TRANSFER, Flights(), given_up) as loan:
            assert isinstance(loan.shell, StandbyShell)
            yield loan.shell

    def close(self) -> None:
        """End all shells and connections, and with them whatever still runs; callers in the queue get PoolClosed."""
        with self._roster.changed:
            if self._roster.is_closed:
                return
            self._roster.close()
        self._keeper.stop()

    def _run_standby(
        self, lane: Lane, command: Command, flights: Flights, cancel: Cancel | None, on_output: OnOutput | None
    ) -> Result:
        check_command(command)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            with self._lend(lane, flights, cancel) as loan:
                assert isinstance(loan.shell, StandbyShell)
                if cancel and cancel.is_set:
                    loan.is_reusable = True
                    raise Cancelled("the call was cancelled before its command was started")
                flights.add(loan.n_windows(len(command.text)) - 1)
                end_group = None if command.stdin is None else self._end_group
                try:
                    return loan.shell.run(command, cancel=cancel, on_output=on_output, end_group=end_group)
                except ConnectionLost as exc:
                    if exc.facts["outcome"] == "unknown":
                        return Result(Outcome.UNKNOWN, None, None, b"", b"")
                    if attempt == MAX_ATTEMPTS:
                        raise
        raise AssertionError("the last attempt returns or raises")

    def _end_group(self, group_id: int) -> None:
        """End a process group of the remote machine from a worker for files, as its own watcher would."""
        kill = f"kill -TERM -{group_id}\n( sleep 3; kill -KILL -{group_id} ) </dev/null >/dev/null 2>&1 3<&- &\n"
        with contextlib.suppress(RemoteCodeError):
            self.run_script(Script(kill, timeout_s=STOP_S), flights=Flights())

    def _run_shared(self, lane: Lane, job: Command | Script, flights: Flights, cancel: Cancel | None) -> Result:
        """Run a job that may go in one flight with others; it is sent once more when it may have been running."""
        may_repeat = True
        for attempt in range(1, MAX_ATTEMPTS + 1):
            with self._lend(lane, flights, cancel, job) as loan:
                flight = self._board(loan, cancel)
                try:
                    return loan.share(flight, cancel=cancel, flights=flights)
                except ConnectionLost as exc:
                    if attempt == MAX_ATTEMPTS or not may_repeat:
                        raise
                    may_repeat = exc.facts["outcome"] != "unknown"
        raise AssertionError("the last attempt returns or raises")

    def _board(self, loan: Loan, cancel: Cancel | None) -> Mapping[str, Command | Script]:
        """Return the jobs that the holder has to send: none when its own went in the flight of another caller."""
        if loan.waiter.end:
            return {}
        if cancel and cancel.is_set:
            loan.is_reusable = True
            raise Cancelled("the call was cancelled before its job was sent")
        with self._roster.changed:
            return loan.worker.board(loan.waiter)

    def _run_pair(
        self,
        command: Command,
        password: SudoPassword,
        flights: Flights,
        cancel: Cancel | None,
        on_output: OnOutput | None,
    ) -> Result:
        """Run a command beside a terminal on which sudo may ask; see `sudo.py`."""
        check_command(command)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            # The terminal's session first: whoever holds a command worker can then always finish.
            with (
                self._lend(Lane.TERMINAL, Flights(), cancel) as slot,
                self._lend(Lane.COMMAND, flights, cancel) as loan,
            ):
                assert isinstance(slot.shell, Slot)
                assert isinstance(loan.shell, StandbyShell)
                flights.add(PAIR_FLIGHTS)
                try:
                    pair = SudoPair(loan.shell, slot.shell.link, place=self._roster.settings.place, password=password)
                    with self._roster.changed:
                        self._roster.got_session(slot.worker)
                    return pair.run(command, cancel=cancel, on_output=on_output)
                except ChannelRefused:
                    with self._roster.changed:
                        self._roster.learn_capacity(slot.worker)
                    if attempt == MAX_ATTEMPTS:
                        raise
                except ConnectionLost:
                    if attempt == MAX_ATTEMPTS:
                        raise
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _lend(
        self, lane: Lane, flights: Flights, cancel: Cancel | None, job: Command | Script | None = None
    ) -> Iterator[Loan]:
        loan = Loan(*self._acquire(lane, flights, cancel, job))
        try:
            yield loan
        finally:
            with self._roster.changed:
                is_passed_on = loan.is_reusable and self._roster.pass_on(loan.worker)
                must_end = not is_passed_on and self._roster.take_back(
                    loan.worker, is_reusable=loan.is_reusable and not loan.is_awaiting
                )
            if must_end:
                self._keeper.end(loan.worker)

    def _acquire(
        self, lane: Lane, flights: Flights, cancel: Cancel | None, job: Command | Script | None
    ) -> tuple[Worker, Waiter]:
        """Wait in the queue for a worker, and count the flights that this wait and the job take."""
        self._keeper.drop_distrusted()
        with self._roster.changed:
            waiter = self._roster.enter(lane, job)
        forget = cancel.add_listener(waiter.woken.set) if cancel else lambda: None
        try:
            self._wait_for_turn(waiter)
        finally:
            forget()
        with self._roster.changed:
            self._roster.leave(waiter)
            if waiter.worker:
                flights.add(waiter.n_flights)
                return waiter.worker, waiter
            if waiter.error:
                raise waiter.error.again()
            if cancel and cancel.is_set:
                raise Cancelled("the call was cancelled while it waited for the remote machine")
            raise self._queue_error(lane)

    def _wait_for_turn(self, waiter: Waiter) -> None:
        left_s = self._roster.settings.queue_timeout_s
        if waiter.lane is Lane.SEARCH:
            while not waiter.woken.wait(min(RIDE_S, left_s)) and left_s > RIDE_S:
                left_s -= RIDE_S
                with self._roster.changed:
                    self._roster.get_off(waiter)
        else:
            waiter.woken.wait(left_s)

    def _queue_error(self, lane: Lane) -> PoolTimeout:
        roster = self._roster
        waited_s, size = roster.settings.queue_timeout_s, limit(lane.kind, roster.view())
        in_use = sum(worker.phase is Phase.BUSY for worker in roster.workers if worker.kind is lane.kind)
        variable = "REMOTE_POOL_COMMAND_SIZE" if lane.kind is Kind.STANDBY else "REMOTE_POOL_FILE_SIZE"
        return PoolTimeout(
            f"no free worker after {waited_s:g} s: {in_use} of {size} {lane.value} workers are busy ({variable})",
            waited_s=waited_s,
            size=size,
            in_use=in_use,
        )
