"""What this room needs of the shells: one call, so that any maker of it fits."""

from typing import Protocol

from remote_code.errors import Cancelled, ConnectionLost, RemoteOperationFailed
from remote_code.shell.job import Cancel, Flights, Outcome, Result, Script


class Runner(Protocol):
    """Runs our scripts in resident shells that have loaded `scripts.library()`; `shell.pool.Shells` is one."""

    def run_script(self, script: Script, *, flights: Flights, cancel: Cancel | None = None) -> Result:
        """Run `script` and return how it ended; a worker whose exit status is not 0 serves no further job."""


def run(runner: Runner, script: Script, *, flights: Flights) -> bytes:
    """Run `script` and return its whole standard output.

    Raises:
        ConnectionLost: the link broke or the remote did not answer in time; `outcome` says whether it may have run.
        Cancelled: the call was cancelled.
        RemoteOperationFailed: the shell could not run the script.
    """
    result = runner.run_script(script, flights=flights, cancel=flights.cancel)
    if result.is_cancelled:
        raise Cancelled("the call was cancelled while the remote worked on it")
    if result.outcome is not Outcome.DONE:
        raise ConnectionLost(
            "the connection was lost before the remote answered",
            outcome=result.outcome.value,
            retry_safe=script.is_repeatable or result.outcome is Outcome.NOT_STARTED,
        )
    if result.is_timed_out:
        raise ConnectionLost(
            f"the remote did not answer within {script.timeout_s:.0f} s",
            outcome=Outcome.UNKNOWN.value,
            retry_safe=script.is_repeatable,
        )
    if result.exit_status not in (0, PAYLOAD_STATUS):
        said = result.stderr[-300:].decode("utf-8", "replace").strip()
        raise RemoteOperationFailed(
            f"the remote shell could not run a script: exit status {result.exit_status}, {said or 'no message'}",
            reason="shell",
        )
    return result.stdout


PAYLOAD_STATUS = 75
"""Exit status of a job that may have left bytes of its payload unread; its answer stands in the output all the same."""
