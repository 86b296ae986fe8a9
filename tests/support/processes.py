"""Finding processes that a test started, by an argument that no other process has, and waiting for what must happen."""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_numbers = itertools.count()


def unique_sleep() -> str:
    """Return a number of seconds for `sleep` that only this call has given out on this machine."""
    return f"{3000 + os.getpid() % 997}.{os.getpid()}{next(_numbers):03d}"


def find_processes(argument: str) -> list[int]:
    """Return the ids of living processes that have `argument` among their words."""
    table = subprocess.run(["ps", "-eo", "pid=,stat=,args="], check=True, capture_output=True, text=True).stdout
    found = []
    for line in table.splitlines():
        pid, state, *words = line.split()
        if argument in words and not state.startswith("Z"):
            found.append(int(pid))
    return found


def wait_until(claim: Callable[[], object], *, timeout_s: float = 5.0) -> None:
    """Block until `claim()` holds; for what tells nobody, such as the end of a foreign process."""
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, f"did not happen within {timeout_s} s"
        time.sleep(0.02)


@contextmanager
def ended_afterwards(argument: str) -> Iterator[None]:
    """Kill the processes that have `argument` among their words at the end of the block."""
    try:
        yield
    finally:
        for pid in find_processes(argument):
            os.kill(pid, signal.SIGKILL)
