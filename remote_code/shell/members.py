"""What the pool is made of: its settings, connections, workers and callers. Data; the roster's lock guards it."""

import enum
import threading
from collections import deque
from dataclasses import dataclass, field

from pydantic import SecretStr

from remote_code.errors import PoolClosed, RemoteCodeError
from remote_code.shell.boot import Place, new_token
from remote_code.shell.channel import Link
from remote_code.shell.job import Command, Script
from remote_code.shell.schedule import Kind, Lane, Phase
from remote_code.shell.worker import Tenant

OPENSSH_WINDOW_BYTES = 2 << 20
DROPBEAR_WINDOW_BYTES = 24 << 10
"""Receive windows of the servers' sessions (RFC 4254, 5.2)."""
CONNECT_FLIGHTS = 5
"""Flights of a handshake, key login and TCP included, for callers that waited for one."""


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
    """Pause between two handshakes, which are never made side by side."""
    place: Place = field(default_factory=Place)
    start_timeout_s: float = 30.0
    """How long a login may take until its shell is ready; a `.bashrc` that sleeps is no failure."""
    queue_timeout_s: float = 600.0
    """How long a caller waits for a worker."""
    idle_s: float = 300.0
    """After so long without a call the pool shrinks to one standby shell."""
    sudo_password: SecretStr | None = None
    """Answers sudo's question in commands that name sudo."""


@dataclass(slots=True, eq=False)
class Connection:
    """One link of the pool."""

    id: int
    link: Link
    purpose: Kind
    capacity: int
    ready_at: float
    n_starts: int = 0
    """How many workers were started on it."""
    is_gone: bool = False

    @property
    def ends_badly(self) -> bool:
        """Whether the server loses a connection on which a session is opened while another ends (Dropbear)."""
        return "dropbear" in self.link.server.lower()

    @property
    def window_bytes(self) -> int:
        """How much a session takes in one flight."""
        return DROPBEAR_WINDOW_BYTES if self.ends_badly else OPENSSH_WINDOW_BYTES


@dataclass(slots=True, eq=False)
class Worker:
    """One worker of the pool, from the decision to open it to the end of its session."""

    id: int
    kind: Kind
    connection: Connection
    opened_at: float
    is_first: bool
    """Whether it is the first of its connection, so that its caller waited for the handshake too."""
    phase: Phase = Phase.OPENING
    has_session: bool = False
    """Whether the server has given it a channel."""
    ready_at: float = 0.0
    lane: Lane | None = None
    shell: Tenant | None = None
    riders: "deque[Waiter]" = field(default_factory=deque)
    """Callers whose jobs go in one flight with its holder's; each holds the worker in turn."""

    def board(self, holder: "Waiter") -> dict[str, Command | Script]:
        """Give the jobs of a flight their end marks and return them; whoever gave up meanwhile stays behind."""
        self.riders = deque(rider for rider in self.riders if not rider.is_gone)
        callers = [holder, *self.riders]
        for caller in callers:
            caller.end = new_token()
        return {caller.end: caller.job for caller in callers if caller.job}

    def next_rider(self) -> "Waiter | None":
        """Take the next caller out of the flight; None if nobody is left.

        The answer of one who is gone is dropped by the next, but a search whose caller is gone may take long: None.
        """
        while self.riders and not (self.lane is Lane.SEARCH and self.riders[0].is_gone):
            rider = self.riders.popleft()
            if not rider.is_gone:
                return rider
        return None

    def get_off(self, waiter: "Waiter") -> bool:
        """Take a caller out of the flight, whose job was sent all the same; return whether it was in there."""
        if waiter not in self.riders:
            return False
        self.riders[self.riders.index(waiter)] = Waiter(waiter.lane, waiter.since, is_gone=True)
        waiter.end = ""
        return True

    def send_off(self) -> "list[Waiter]":
        """End the flight and return the callers whose jobs must be sent again."""
        riders = [rider for rider in self.riders if not rider.is_gone]
        self.riders.clear()
        for rider in riders:
            rider.end = ""
        return riders


@dataclass(slots=True, eq=False)
class Waiter:
    """A caller in the queue."""

    lane: Lane
    since: float
    job: Command | Script | None = None
    """Its job, if that may go in one flight with others."""
    end: str = ""
    """End mark of its answer, once the job was sent."""
    may_ride: bool = True
    """Whether its job may still go behind another one's."""
    is_gone: bool = False
    """Whether it gave up while its job rode."""
    worker: Worker | None = None
    error: RemoteCodeError | None = None
    woken: threading.Event = field(default_factory=threading.Event)
    """Set when one of the two above is; waited for without the lock."""

    @property
    def n_flights(self) -> int:
        """What the caller waits for: its job, and of the worker's start whatever came after the caller did."""
        worker = self.worker
        assert worker is not None
        if worker.is_first and worker.connection.ready_at > self.since:
            return 3 + CONNECT_FLIGHTS
        if worker.opened_at >= self.since:
            return 3
        return 2 if worker.ready_at > self.since else 1


def closed_error() -> PoolClosed:
    """Return what a caller is told while the engine ends."""
    return PoolClosed("the engine is ending; nothing more is started on the remote machine")
