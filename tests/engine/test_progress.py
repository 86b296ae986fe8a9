"""What the client sees of a command while it runs."""

import itertools
from pathlib import Path

from tests.support.engine import EngineClient
from tests.support.sshd import SSHServer

PER_SECOND = 20


def test_a_chatty_command_is_told_of_at_most_20_times_a_second(sshd: SSHServer, tmp_path: Path) -> None:
    """BASH-1: stdout streams to the user while it runs, and neither the wire nor the screen suffers."""
    work = tmp_path / "work"
    work.mkdir()
    environ = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(work)}
    with EngineClient(environ, home=tmp_path / "home") as engine:
        running = [
            engine.start_call("bash", {"command": "for n in $(seq 200); do echo $n; sleep 0.005; done"})
            for _ in range(3)
        ]
        for pending in running:
            result = pending.result()
            shown = [str(each["output"]) for each in pending.progress]
            assert result.output.splitlines() == [str(n) for n in range(1, 201)]
            assert shown[0] == ""
            assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(shown))
            # The engine's own clock: the time of the call, at whose start one notification goes beyond the rate.
            seconds = result.metadata["remote"]["tookMs"] / 1000
            assert 3 <= len(shown) <= seconds * PER_SECOND + 2
