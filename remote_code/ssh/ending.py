"""The end of a link, told to everybody who waits for it; and sending for callers who cannot wait for a stuck link."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Wakeable(Protocol):
    """A channel, as far as the end of its link concerns it."""

    wake: threading.Event
    """Set at the end of the link."""


Woken = TypeVar("Woken", bound=Wakeable)


class LinkEnd(Generic[Woken]):
    """Whether a link has ended; tells listeners and channels when it does.

    The lock guards the listeners, the channels and the step to the end. Nobody is told while it is held.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_come = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._channels: set[Woken] = set()

    @property
    def has_come(self) -> bool:
        """Whether the link has ended."""
        return self._has_come.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Block until the end, or for `timeout_s`; tell whether it has come."""
        return self._has_come.wait(timeout_s)

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Have `listener` called once, from any thread, at the end; now, if it has come."""
        with self._lock:
            if not self._has_come.is_set():
                self._listeners.append(listener)
                return
        listener()

    def add_channel(self, channel: Woken) -> None:
        """Have a channel woken at the end; now, if it has come."""
        with self._lock:
            self._channels.add(channel)
        if self._has_come.is_set():
            channel.wake.set()

    def forget(self, channel: Woken) -> None:
        """Take a channel off the list of those that are woken."""
        with self._lock:
            self._channels.discard(channel)

    def channels(self) -> list[Woken]:
        """Return those that are woken."""
        with self._lock:
            return list(self._channels)

    def come(self) -> bool:
        """Note the end and tell of it, channels first; false if it had come before."""
        with self._lock:
            if self._has_come.is_set():
                return False
            self._has_come.set()
            listeners, self._listeners = self._listeners, []
            channels = list(self._channels)
        for channel in channels:
            channel.wake.set()
        for listener in listeners:
            listener()
        return True


class Aside:
    """Does short tasks in order, in a thread of its own, so that who asks for one need not wait for a stuck link."""

    def __init__(self, name: str, *, patience_s: float) -> None:
        self._name = name
        self._patience_s = patience_s
        self._tasks: queue.SimpleQueue[tuple[Callable[[], None], threading.Event] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # Guards the two below.
        self._thread: threading.Thread | None = None
        self._is_over = False
        self._is_stuck = False
        # Written by callers who have waited in vain, and by the thread when it goes on; only a hint.

    def do(self, task: Callable[[], None]) -> None:
        """Have a task done, once those before it are; return when it is, or after `patience_s` at most.

        While tasks do not get done, callers do not wait for theirs either.
        """
        done = threading.Event()
        with self._lock:
            if self._is_over:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._tasks.put((task, done))
        if not self._is_stuck and not done.wait(self._patience_s):
            self._is_stuck = True

    def end(self) -> None:
        """Do no more after the task that is under way."""
        with self._lock:
            self._is_over = True
        self._tasks.put(None)

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None and not self._is_over:
            task, done = item
            task()
            done.set()
            self._is_stuck = False
