"""Who gets which worker, what is opened and closed: tables over pure decisions."""

from collections.abc import Sequence

import pytest

from remote_code.shell.schedule import (
    Action,
    Connect,
    Drop,
    Kind,
    Lane,
    LinkView,
    Open,
    Phase,
    Retire,
    View,
    WorkerView,
    choose_worker,
    n_riders,
    plan,
)

COMMANDS = LinkView(1, Kind.STANDBY, 5)
FILES = LinkView(2, Kind.RESIDENT, 5)


def standby(id: int, phase: Phase, *, link: int = 1, lane: Lane | None = None) -> WorkerView:
    return WorkerView(id, link, Kind.STANDBY, phase, lane)


def resident(id: int, phase: Phase, *, link: int = 2) -> WorkerView:
    return WorkerView(id, link, Kind.RESIDENT, phase, Lane.FILE if phase is Phase.BUSY else None)


def builds(n: int) -> list[WorkerView]:
    return [standby(10 + i, Phase.BUSY, lane=Lane.COMMAND) for i in range(n)]


def view(
    *,
    workers: Sequence[WorkerView] = (),
    links: Sequence[LinkView] = (COMMANDS, FILES),
    waiting: Sequence[Lane] = (),
    may_connect: bool = True,
    is_connecting: bool = False,
    may_open: bool = True,
    has_booted: bool = True,
    is_idle: bool = False,
) -> View:
    return View(
        workers=workers,
        links=links,
        waiting=waiting,
        command_size=3,
        file_size=2,
        may_connect=may_connect and not is_connecting,
        is_connecting=is_connecting,
        may_open=may_open,
        has_booted=has_booted,
        is_idle=is_idle,
    )


FULL = [standby(i, Phase.IDLE) for i in range(3)] + [resident(i + 5, Phase.IDLE) for i in range(2)]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(view(links=()), [Connect(Kind.STANDBY)], id="the first connection is for commands"),
        pytest.param(view(links=(), may_connect=False), [], id="no handshake during backoff"),
        pytest.param(
            view(links=(COMMANDS,)),
            [Open(1, Kind.STANDBY), Open(1, Kind.RESIDENT)]
            + [Open(1, Kind.STANDBY)] * 2
            + [Open(1, Kind.RESIDENT), Connect(Kind.RESIDENT)],
            id="one of each first, then the rest, and a second connection for files",
        ),
        pytest.param(
            view(links=(COMMANDS,), may_connect=False, has_booted=False),
            [Open(1, Kind.STANDBY), Open(1, Kind.RESIDENT)],
            id="no spare shells before the first has come up",
        ),
        pytest.param(
            view(links=(COMMANDS,), may_connect=False, workers=[standby(1, Phase.IDLE)], may_open=False),
            [],
            id="no start of a shell during backoff",
        ),
        pytest.param(view(workers=FULL), [], id="nothing to do"),
        pytest.param(
            view(workers=[*builds(3), resident(1, Phase.IDLE), resident(2, Phase.IDLE)]),
            [Open(1, Kind.STANDBY)],
            id="one more for searches while commands hold the pool",
        ),
        pytest.param(
            view(
                workers=[*builds(3), standby(1, Phase.IDLE), *FULL[3:]],
                waiting=[Lane.COMMAND, Lane.COMMAND, Lane.COMMAND],
            ),
            [Open(1, Kind.STANDBY)] + [Open(2, Kind.STANDBY)] * 2,
            id="shells for the next callers start beside running commands",
        ),
        pytest.param(
            view(workers=[*FULL[1:], standby(0, Phase.ENDING)]), [Open(1, Kind.STANDBY)], id="a used shell is replaced"
        ),
        pytest.param(
            view(links=(LinkView(1, Kind.STANDBY, 1), LinkView(2, Kind.RESIDENT, 1)), workers=[builds(1)[0], FULL[3]]),
            [],
            id="spare shells cost no connection",
        ),
        pytest.param(
            view(
                links=(LinkView(1, Kind.STANDBY, 1), LinkView(2, Kind.RESIDENT, 1)),
                workers=[builds(1)[0], FULL[3]],
                waiting=[Lane.COMMAND],
            ),
            [Connect(Kind.STANDBY)],
            id="a caller without room is worth a connection",
        ),
        pytest.param(
            view(
                links=(LinkView(1, Kind.STANDBY, 1),),
                workers=[standby(1, Phase.IDLE)],
                waiting=[Lane.FILE],
                may_connect=False,
            ),
            [Retire(1)],
            id="without a further connection an idle worker of the other kind makes room",
        ),
        pytest.param(
            view(
                links=(LinkView(1, Kind.STANDBY, 1),),
                workers=[standby(1, Phase.IDLE)],
                waiting=[Lane.FILE],
                is_connecting=True,
            ),
            [],
            id="one handshake at a time",
        ),
        pytest.param(view(workers=FULL, is_idle=True), [Retire(1), Retire(2), Retire(5), Retire(6)], id="shrink"),
        pytest.param(view(workers=FULL[:1], is_idle=True), [Drop(2)], id="the empty connection goes last"),
        pytest.param(view(workers=(), is_idle=True), [Drop(2)], id="one connection stays"),
    ],
)
def test_plan(now: View, expected: list[Action]) -> None:
    assert plan(now) == expected


@pytest.mark.parametrize(
    ("lane", "workers", "expected"),
    [
        pytest.param(Lane.COMMAND, [standby(1, Phase.IDLE)], 1, id="idle"),
        pytest.param(Lane.COMMAND, [standby(1, Phase.OPENING)], None, id="not ready yet"),
        pytest.param(Lane.COMMAND, [resident(1, Phase.IDLE)], None, id="of the other kind"),
        pytest.param(Lane.COMMAND, [*builds(3), standby(1, Phase.IDLE)], None, id="the last one is for searches"),
        pytest.param(Lane.SEARCH, [*builds(3), standby(1, Phase.IDLE)], 1, id="a search gets it"),
        pytest.param(Lane.FILE, [resident(1, Phase.IDLE, link=1), resident(2, Phase.IDLE)], 2, id="own connection"),
        pytest.param(Lane.FILE, [resident(1, Phase.IDLE, link=1)], 1, id="else the other"),
    ],
)
def test_choice_of_a_worker(lane: Lane, workers: Sequence[WorkerView], expected: int | None) -> None:
    assert choose_worker(lane, view(workers=workers)) == expected


@pytest.mark.parametrize(
    ("lane", "n_willing", "workers", "expected"),
    [
        pytest.param(Lane.FILE, 9, [resident(5, Phase.BUSY), resident(6, Phase.BUSY)], 4, id="four reads at most"),
        pytest.param(Lane.FILE, 2, [resident(5, Phase.BUSY), resident(6, Phase.BUSY)], 2, id="all who wait"),
        pytest.param(
            Lane.FILE, 2, [resident(5, Phase.BUSY), resident(6, Phase.IDLE)], 1, id="an idle worker takes one"
        ),
        pytest.param(Lane.FILE, 0, [resident(5, Phase.BUSY), resident(6, Phase.IDLE)], 0, id="nobody waits"),
        pytest.param(Lane.SEARCH, 9, [], 2, id="two searches at most"),
        pytest.param(Lane.COMMAND, 9, [], 0, id="commands go alone"),
    ],
)
def test_riders(lane: Lane, n_willing: int, workers: list[WorkerView], expected: int) -> None:
    assert n_riders(lane, n_willing, view(workers=workers)) == expected
