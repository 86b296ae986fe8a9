"""Who rides in the flight of a worker, and who is left."""

from collections import deque

from remote_code.shell.channel import Link
from remote_code.shell.job import Command, Script
from remote_code.shell.members import Connection, Waiter, Worker
from remote_code.shell.schedule import Kind, Lane
from tests.support.process_link import ProcessLink


def worker(lane: Lane, *riders: Waiter) -> Worker:
    link: Link = ProcessLink()
    connection = Connection(1, link, Kind.STANDBY, 5, 0.0)
    return Worker(1, Kind.STANDBY, connection, 0.0, is_first=False, lane=lane, riders=deque(riders))


def read(number: int) -> Waiter:
    return Waiter(Lane.FILE, 0.0, Script(f"read {number}\n", is_repeatable=True))


def find(number: int) -> Waiter:
    return Waiter(Lane.SEARCH, 0.0, Command(f"find {number}", "/", 60))


def test_whoever_gave_up_before_the_flight_left_is_not_in_it() -> None:
    holder, one, two, three = (find(number) for number in range(4))
    lent = worker(Lane.SEARCH, one, two, three)
    assert lent.get_off(one)
    two.is_gone = True
    flight = lent.board(holder)
    assert list(flight.values()) == [holder.job, three.job]
    assert list(flight) == [holder.end, three.end]
    assert one.end == ""
    assert lent.next_rider() is three
    assert lent.next_rider() is None


def test_reads_skip_one_who_is_gone_and_searches_do_not_wait_for_it() -> None:
    for make, lane in ((read, Lane.FILE), (find, Lane.SEARCH)):
        holder, gone, last = (make(number) for number in range(3))
        lent = worker(lane, gone, last)
        lent.board(holder)
        gone.is_gone = True
        assert lent.next_rider() is (last if lane is Lane.FILE else None)


def test_who_gets_off_is_sent_again_and_its_answer_is_still_owed() -> None:
    holder, first, second = (find(number) for number in range(3))
    lent = worker(Lane.SEARCH, first, second)
    lent.board(holder)
    assert lent.get_off(first)
    assert not lent.get_off(holder)
    assert first.end == ""
    assert lent.next_rider() is None
    assert lent.send_off() == [second]
    assert second.end == ""
