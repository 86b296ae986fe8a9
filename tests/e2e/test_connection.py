"""The connection as a client meets it, and its health after work."""

import time

from tests.support.suite import Bench


def test_pool_initialises_and_the_target_is_named(bench: Bench) -> None:
    """SSH-5: one call, and the link is ready and named."""
    bench.call("bash", command="true")
    status = bench.engine.request("status", {})
    assert status["state"] == "ready"
    assert status["workdir"] == bench.workspace
    assert bench.engine.initialized["target"]["host"]
    if bench.target.has_ripgrep is not None:
        assert bench.engine.request("environment", {})["hasRipgrep"] is bench.target.has_ripgrep
    assert [tool["name"] for tool in bench.engine.initialized["tools"]] == [
        "bash",
        "edit",
        "glob",
        "grep",
        "read",
        "write",
        "apply_patch",
    ]


def test_five_commands_run_at_once_and_keep_their_outputs_apart(bench: Bench) -> None:
    """SSH-5: five parallel calls, more than the pool holds."""
    calls = [
        bench.engine.start_call("bash", {"command": f"sleep 0.1; echo only {n}"}, session=bench.session)
        for n in range(5)
    ]
    assert [call.result().output for call in calls] == [f"only {n}\n" for n in range(5)]


def test_timeout_ends_the_command_and_keeps_its_output(bench: Bench) -> None:
    """BASH-3: the process group is gone, the output so far and the note are there."""
    marker = f"99{time.time_ns() % 10**7}"
    result = bench.engine.call("bash", {"command": f"echo before; sleep {marker}", "timeout": 700})
    assert result.output == (
        "before\n\n\n<shell_metadata>\n"
        "shell tool terminated command after exceeding timeout 700 ms. If this command is expected to take longer and "
        "is not waiting for interactive input, retry with a larger timeout value in milliseconds.\n"
        "</shell_metadata>"
    )
    assert result.metadata["exit"] is None
    assert bench.hand.run(f"ps -o args 2>/dev/null | grep '[s]leep {marker}' || true") == "(no output)"


def test_pool_serves_as_many_as_before_after_work(bench: Bench) -> None:
    """SSH-5: what was lent comes back: as many calls run at once after failures as before."""
    for command in ("exit 3", "kill -9 $$"):
        bench.refused("bash", command=command)
    calls = [bench.engine.start_call("bash", {"command": "sleep 0.2; echo done"}) for _ in range(3)]
    assert [call.result().output for call in calls] == ["done\n"] * 3
    assert bench.engine.request("status", {})["state"] == "ready"


def test_rapid_commands_all_answer(bench: Bench) -> None:
    """SSH-5: twenty commands one behind the other."""
    assert [bench.call("bash", command=f"echo {n}") for n in range(20)] == [f"{n}\n" for n in range(20)]
