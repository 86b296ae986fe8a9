"""Progress of a running call, at most so often that neither the wire nor the client's screen suffers."""

import threading
import time
from collections.abc import Callable

INTERVAL_S = 0.05


class Throttle:
    """Calls `send` soon after each `offer`, never twice within `INTERVAL_S`, and not after `close`.

    `send` runs under `lock`; what it reads must be changed under it.
    """

    def __init__(self, send: Callable[[], None], *, interval_s: float = INTERVAL_S) -> None:
        self.lock = threading.RLock()
        self._send = send
        self._interval_s = interval_s
        self._last_s = float("-inf")
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def offer(self) -> None:
        """Send now, or as soon as the interval has passed."""
        with self.lock:
            if self._timer is not None or self._is_closed:
                return
            wait_s = self._last_s + self._interval_s - time.monotonic()
            if wait_s <= 0:
                self._fire()
                return
            self._timer = threading.Timer(wait_s, self._fire_late)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Send nothing more; what was offered last is in the result anyway."""
        with self.lock:
            self._is_closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()

    def _fire_late(self) -> None:
        with self.lock:
            if self._is_closed:
                return
            self._timer = None
            self._fire()

    def _fire(self) -> None:
        self._last_s = time.monotonic()
        self._send()
