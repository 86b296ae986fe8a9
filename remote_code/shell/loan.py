"""A worker in the hands of one caller, whose job may go in one flight with those of other callers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from remote_code.errors import Cancelled
from remote_code.shell.job import Cancel, Command, Flights, Result, Script
from remote_code.shell.members import Waiter, Worker
from remote_code.shell.worker import ResidentShell, StandbyShell, Tenant

Asks = TypeVar("Asks", bound=Command | Script, contravariant=True)
Job = TypeVar("Job", bound=Command | Script)


class Asked(Protocol[Asks]):
    """A shell that takes several jobs in one flight."""

    def ask(self, jobs: Mapping[str, Asks], /) -> None:
        """Send jobs, by the end marks of their answers."""

    def answer(self, end: str, job: Asks, /, *, cancel: Cancel | None) -> Result:
        """Wait for one answer."""


@dataclass(slots=True)
class Loan:
    """What the pool gives to a caller, who says whether the shell may serve again."""

    worker: Worker
    waiter: Waiter
    is_reusable: bool = False

    @property
    def shell(self) -> Tenant | None:
        """The shell that is lent."""
        return self.worker.shell

    @property
    def is_awaiting(self) -> bool:
        """Whether the shell still owes an answer, which nobody waits for."""
        return isinstance(self.shell, ResidentShell | StandbyShell) and self.shell.answers.is_awaiting

    def n_windows(self, n_bytes: int) -> int:
        """Return in how many flights so many bytes reach the shell."""
        return max(1, math.ceil(n_bytes / self.worker.connection.window_bytes))

    def share(self, flight: Mapping[str, Command | Script], *, cancel: Cancel | None, flights: Flights) -> Result:
        """Send a flight of jobs, if it is given, and wait for the answer of the caller's own.

        Raises:
            ConnectionLost: see `ResidentShell.answer` and `StandbyShell.answer`.
            Cancelled: the wait was given up.
        """
        if isinstance(self.shell, ResidentShell):
            return self._share(self.shell, Script, flight, cancel=cancel, flights=flights)
        assert isinstance(self.shell, StandbyShell)
        return self._share(self.shell, Command, flight, cancel=cancel, flights=flights)

    def _share(
        self,
        shell: Asked[Job],
        kind: type[Job],
        flight: Mapping[str, Command | Script],
        *,
        cancel: Cancel | None,
        flights: Flights,
    ) -> Result:
        if jobs := {end: job for end, job in flight.items() if isinstance(job, kind)}:
            flights.add(self.n_windows(sum(len(job.text) for job in jobs.values())) - 1)
            shell.ask(jobs)
        assert isinstance(self.waiter.job, kind)
        try:
            result = shell.answer(self.waiter.end, self.waiter.job, cancel=cancel)
        except Cancelled:
            # The answer will be dropped by the next caller of this flight; without one the shell still owes it.
            self.is_reusable = True
            raise
        self.is_reusable = not (result.is_cancelled or result.is_timed_out)
        return result
