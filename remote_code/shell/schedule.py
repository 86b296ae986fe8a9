"""Who gets which worker, and what must be opened or closed: pure decisions on a picture of the pool.

`pool.py` draws the picture under its lock and carries the plan out outside of it.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SESSIONS_PER_LINK = 5
"""Sessions used of one connection until the server refuses one. A closed session's slot comes free late on OpenSSH, so
that half of its default MaxSessions of 10 never sees a refusal."""

TRANSFERS = 4
"""Streams of large files at a time: an upload takes up to three where the link is long, and another file has one."""


class Kind(enum.Enum):
    """What a worker is good for."""

    STANDBY = "standby"
    """One command or search."""
    RESIDENT = "resident"
    """Scripts, one after the other."""
    TRANSFER = "transfer"
    """A standby shell on the connection for files, which carries one large file; opened when it is wanted."""
    TERMINAL = "terminal"
    """A session kept free for the terminal of a sudo pair; taken when it is wanted."""


class Lane(enum.Enum):
    """What a caller wants a worker for."""

    COMMAND = "command"
    SEARCH = "search"
    FILE = "file"
    TRANSFER = "transfer"
    TERMINAL = "terminal"

    @property
    def kind(self) -> Kind:
        """The worker that serves this lane."""
        return _KINDS[self]


N_RIDERS = {Lane.FILE: 4, Lane.SEARCH: 2}
"""How many jobs go behind a caller's own in one flight, for the callers who wait; searches may be long."""

_KINDS = {
    Lane.COMMAND: Kind.STANDBY,
    Lane.SEARCH: Kind.STANDBY,
    Lane.FILE: Kind.RESIDENT,
    Lane.TRANSFER: Kind.TRANSFER,
    Lane.TERMINAL: Kind.TERMINAL,
}
_HOMES = {
    Kind.STANDBY: Kind.STANDBY,
    Kind.RESIDENT: Kind.RESIDENT,
    Kind.TRANSFER: Kind.RESIDENT,
    Kind.TERMINAL: Kind.RESIDENT,
}
"""The purpose of the connection that each kind belongs on."""


class Phase(enum.Enum):
    """Where a worker stands. It holds a session of its link in all of them."""

    OPENING = "opening"
    IDLE = "idle"
    BUSY = "busy"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker as the schedule sees it."""

    id: int
    link_id: int
    kind: Kind
    phase: Phase
    lane: Lane | None = None
    """Whom it serves while busy."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """One connection that is up."""

    id: int
    purpose: Kind
    """STANDBY for commands, RESIDENT for files."""
    capacity: int
    """How many sessions it may hold at a time."""


@dataclass(frozen=True, slots=True)
class View:
    """The pool at one moment."""

    workers: Sequence[WorkerView]
    links: Sequence[LinkView]
    waiting: Sequence[Lane]
    """Callers without a worker, oldest first."""
    command_size: int
    file_size: int
    may_connect: bool
    """Whether a handshake may be started now: none is under way, and no backoff or failure forbids it."""
    is_connecting: bool = False
    may_open: bool = True
    """Whether a shell may be started now; false for a while after one failed."""
    has_booted: bool = True
    """Whether any shell has come up on this target. Before, spare ones would only slow the first down."""
    is_idle: bool = False
    """Whether nobody has called for so long that the pool shrinks to one standby shell."""


@dataclass(frozen=True, slots=True)
class Open:
    """Start a worker on a link."""

    link_id: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Connect:
    """Make one more connection."""

    purpose: Kind


@dataclass(frozen=True, slots=True)
class Retire:
    """End an idle worker."""

    worker_id: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Close a connection that holds no worker and is not needed."""

    link_id: int


Action = Open | Connect | Retire | Drop


def choose_worker(lane: Lane, view: View) -> int | None:
    """Return the idle worker that a caller of `lane` gets now, or None when it must wait.

    User commands hold at most `command_size` workers at a time, so that one more is always there for searches.
    """
    if lane is Lane.COMMAND and _n_commands(view) >= view.command_size:
        return None
    idle = [worker for worker in view.workers if worker.kind is lane.kind and worker.phase is Phase.IDLE]
    purposes = {link.id: link.purpose for link in view.links}
    own = [worker for worker in idle if purposes.get(worker.link_id) is _HOMES[lane.kind]]
    chosen = own or idle
    return chosen[0].id if chosen else None


def n_riders(lane: Lane, n_willing: int, view: View) -> int:
    """Return how many of the waiting callers of `lane` send their jobs with the one who has just got a worker.

    Those for whom an idle worker is there do not.
    """
    n_idle = sum(worker.kind is lane.kind and worker.phase is Phase.IDLE for worker in view.workers)
    return max(0, min(N_RIDERS.get(lane, 0), n_willing - n_idle))


def limit(kind: Kind, view: View) -> int:
    """Return how many workers of `kind` there may be now."""
    if kind is Kind.RESIDENT:
        return view.file_size
    if kind is Kind.TRANSFER:
        return TRANSFERS
    if kind is Kind.TERMINAL:
        return view.command_size
    return view.command_size + (1 if _n_commands(view) >= view.command_size else 0)


def plan(view: View) -> list[Action]:
    """Return what should be done now; everything in it is safe to do at the same time.

    Spare workers are opened where a connection has room for them; only a caller who waits is worth one connection
    more, apart from the first two (commands and files). Nothing is returned twice: the pool's next picture shows an
    action that is under way.
    """
    if not view.links:
        return [Connect(Kind.STANDBY)] if view.may_connect else []
    if view.is_idle and not view.waiting:
        return _shrink(view)
    actions: list[Action] = []
    room = {link.id: link.capacity - _n_sessions(link.id, view) for link in view.links}
    unserved: list[Kind] = []
    for kind, is_waited_for in _missing(view):
        link = _roomiest(kind, room, view)
        if link is None:
            if is_waited_for:
                unserved.append(kind)
        elif view.may_open:
            room[link.id] -= 1
            actions.append(Open(link.id, kind))
    if unserved and not view.is_connecting:
        actions += _make_room(unserved[0], view)
    elif view.may_connect and all(link.purpose is Kind.STANDBY for link in view.links):
        actions.append(Connect(Kind.RESIDENT))
    return actions


def _make_room(kind: Kind, view: View) -> list[Action]:
    """Return what gives a caller a session: one connection more, else the end of an idle worker of the other kind."""
    most = sum(limit(each, view) for each in Kind)
    if view.may_connect and len(view.links) < most:
        return [Connect(_HOMES[kind])]
    needed = {lane.kind for lane in view.waiting}
    if any(worker.phase is Phase.ENDING for worker in view.workers):
        return []
    for worker in view.workers:
        if worker.phase is Phase.IDLE and worker.kind is not kind and worker.kind not in needed:
            return [Retire(worker.id)]
    return []


def _missing(view: View) -> Iterator[tuple[Kind, bool]]:
    """Yield the kinds of workers to open, most urgent first, each with whether a caller waits for it."""
    counts = dict.fromkeys(Kind, 0)
    unclaimed = dict.fromkeys(Kind, 0)
    for worker in view.workers:
        if worker.phase is not Phase.ENDING:
            counts[worker.kind] += 1
        if worker.phase in (Phase.OPENING, Phase.IDLE):
            unclaimed[worker.kind] += 1
    for lane in view.waiting:
        if unclaimed[lane.kind] > 0:
            unclaimed[lane.kind] -= 1
        elif counts[lane.kind] < limit(lane.kind, view):
            counts[lane.kind] += 1
            yield lane.kind, True
    for kind in (Kind.STANDBY, Kind.RESIDENT):
        if counts[kind] == 0:
            counts[kind] += 1
            yield kind, False
    if not view.has_booted:
        return
    # While callers queue, shells for the next of them start beside the jobs that run, where there is room: a burst then
    # waits for starts of shells, but not for one after the other.
    n_queued = sum(lane.kind is Kind.STANDBY for lane in view.waiting)
    extra = {Kind.STANDBY: min(n_queued, view.command_size), Kind.RESIDENT: 0}
    for kind, n_more in extra.items():
        for _ in range(counts[kind], limit(kind, view) + n_more):
            yield kind, False


def _shrink(view: View) -> list[Action]:
    """Keep one standby shell, and one connection."""
    idle = [worker for worker in view.workers if worker.phase is Phase.IDLE]
    standby = [worker for worker in idle if worker.kind is Kind.STANDBY]
    actions: list[Action] = [Retire(worker.id) for worker in idle if worker not in standby[:1]]
    empty = [link for link in view.links if _n_sessions(link.id, view) == 0]
    keep = 0 if len(empty) < len(view.links) else 1
    return actions + [Drop(link.id) for link in empty[keep:]]


def _roomiest(kind: Kind, room: dict[int, int], view: View) -> LinkView | None:
    open_links = [link for link in view.links if room[link.id] > 0]
    return max(open_links, key=lambda link: (link.purpose is _HOMES[kind], room[link.id]), default=None)


def _n_sessions(link_id: int, view: View) -> int:
    return sum(worker.link_id == link_id for worker in view.workers)


def _n_commands(view: View) -> int:
    return sum(worker.phase is Phase.BUSY and worker.lane is Lane.COMMAND for worker in view.workers)
