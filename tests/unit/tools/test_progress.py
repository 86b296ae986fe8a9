"""Progress is told of soon, at a bounded rate, and never after its end."""

import threading
import time

from remote_code.tools.progress import INTERVAL_S, Throttle


def test_many_offers_are_at_most_20_notifications_a_second() -> None:
    """BASH-1: counted by the clock that the throttle itself goes by."""
    sent: list[int] = []
    throttle = Throttle(lambda: sent.append(0))
    started = time.monotonic()
    enough = threading.Event()
    while len(sent) < 5 and not enough.wait(0.001):
        with throttle.lock:
            throttle.offer()
    throttle.close()
    assert len(sent) <= 1 + (time.monotonic() - started) / INTERVAL_S
    assert INTERVAL_S >= 1 / 20


def test_what_was_offered_last_is_sent_though_nothing_follows() -> None:
    sent = threading.Semaphore(0)
    throttle = Throttle(sent.release)
    throttle.offer()
    throttle.offer()
    assert sent.acquire(timeout=20)
    assert sent.acquire(timeout=20)
    throttle.close()


def test_nothing_is_sent_after_the_end() -> None:
    sent: list[int] = []
    throttle = Throttle(lambda: sent.append(0), interval_s=3600)
    throttle.offer()
    throttle.offer()
    throttle.close()
    throttle.offer()
    assert len(sent) == 1
