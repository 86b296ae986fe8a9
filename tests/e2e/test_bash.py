"""The tool bash on a real machine."""

from tests.support.suite import Bench


def test_command_runs_in_the_workspace_with_both_streams(bench: Bench) -> None:
    """BASH-1: stdout, then stderr under its name; asked for by its text."""
    command = "pwd; echo oops >&2"
    result = bench.engine.call("bash", {"command": command}, session=bench.session)
    assert result.output == f"{bench.workspace}\n\nstderr:\noops\n"
    assert result.title == command
    assert result.metadata["exit"] == 0
    assert result.metadata["output"] == result.output
    (question,) = bench.questions
    assert (question.permission, question.patterns, question.always) == (
        "bash",
        ["pwd", "echo oops >&2"],
        ["pwd *", "echo *"],
    )


def test_failing_command_is_an_error_with_status_and_streams(bench: Bench) -> None:
    """BASH-2: the message holds the exit status, the command and both streams."""
    error = bench.refused("bash", command="echo out; echo err >&2; exit 7")
    assert error.kind == "command_failed"
    assert error.message == (
        "The command ended with exit status 7.\n\ncommand: echo out; echo err >&2; exit 7\n\nout\n\nstderr:\nerr\n"
    )
    assert (error.data["exit_status"], error.data["signal"]) == (7, None)


def test_long_output_keeps_head_and_tail_and_all_of_it_under_a_name(bench: Bench) -> None:
    """BASH-5: within the limits, and the rest opens with read and grep without a question."""
    result = bench.engine.call("bash", {"command": "seq 1 30000"}, session=bench.session)
    lines = result.output.split("\n")
    assert len(lines) <= 2000
    assert len(result.output.encode()) <= 51_200
    assert lines[0] == "...output truncated..."
    name = lines[2].removeprefix("Full output saved to: ")
    assert name.startswith("remote-code:output/")
    assert lines[5:7] == ["1", "2"]
    assert lines[-3:] == ["29999", "30000", ""]
    asked_before = len(bench.questions)
    assert "20000: 20000\n20001: 20001\n" in bench.call("read", filePath=name, offset=20000, limit=2)
    assert bench.call("grep", path=name, pattern="^2999[89]$") == (
        f"Found 2 matches\n{name}:\n  Line 29998: 29998\n\n  Line 29999: 29999\n"
    )
    assert len(bench.questions) == asked_before


def test_workdir_is_where_the_command_runs(bench: Bench) -> None:
    """BASH-1: relative to the workspace, absolute, and one that is missing."""
    bench.hand.run(f"mkdir -p '{bench.path('deep er')}'")
    assert bench.call("bash", command="pwd", workdir=bench.path("deep er")) == f"{bench.path('deep er')}\n"
    relative = bench.relative("deep er")
    assert bench.call("bash", command="pwd", workdir=relative) == f"{bench.path('deep er')}\n"
    assert bench.refused("bash", command="pwd", workdir=bench.path("none")).kind == "no_such_file"
