"""The tool `bash`: one command in a fresh shell on the remote machine."""

import posixpath

from pydantic import Field

from remote_code.errors import CommandFailed, ConnectionLost, ToolError
from remote_code.paths import RemotePath
from remote_code.remote.state import Kind
from remote_code.shell.job import Command, Outcome, Result
from remote_code.tools.arguments import Positive, Text, ToolArguments
from remote_code.tools.background import left_behind
from remote_code.tools.bash_parse import scan
from remote_code.tools.boundary import is_inside, observe
from remote_code.tools.context import Context, ToolResult
from remote_code.tools.names import resolve
from remote_code.tools.output import PREVIEW_CHARACTERS, Output
from remote_code.tools.progress import Throttle
from remote_code.tools.verdict import looks_failed

DEFAULT_TIMEOUT_MS = 120_000

MAX_TIMEOUT_S = 30 * 24 * 3600.0
"""No command waits longer; what is asked for may be more than clocks can count."""

SHOWN_COMMAND = 2000
"""How much of a command an error repeats, in characters."""

DESCRIPTION = """\
Runs a shell command on the remote machine (bash where it has one, else sh) and returns its output.

- Each call is a fresh process: variables, `cd` and functions do not outlive it. Use `workdir` instead of `cd`; it \
defaults to the remote workspace.
- Standard input is empty; interactive programs get nothing to read. Run servers in the background (`server &`).
- The result is stdout and then, under `stderr:`, what was written there. A non-zero exit status is an error that \
shows the status and both streams.
- `timeout` is in milliseconds (default 120000). When it passes, the command and its children are ended and the output \
so far is returned.
- Long output is shortened to its beginning and end; the whole of it is kept under a name `remote-code:output/N`, \
which only the read and grep tools open.
- Paths are those of the remote machine. For finding, searching, reading and changing files prefer glob, grep, read, \
edit and write to find, grep, cat, sed and echo.
- Commands that do not depend on each other can be sent as several calls at once; chain dependent ones with `&&`.
"""

LOST = (
    "the connection to the remote machine broke while the command ran. Its outcome is unknown: it may have run in "
    "part or whole, and may still run. Check before running it again."
)


class Arguments(ToolArguments):
    """Arguments of `bash`."""

    command: Text = Field(description="The command to run on the remote machine")
    timeout: Positive | None = Field(default=None, description="Timeout in milliseconds")
    workdir: Text | None = Field(
        default=None,
        description="Directory on the remote machine to run in; the workspace by default. Use this instead of `cd`.",
    )


def run(arguments: Arguments, context: Context) -> ToolResult:
    """Ask, run the command, stream its output.

    Raises:
        CommandFailed: it ended with another exit status than 0, by a signal, or clearly failed without any status.
        ConnectionLost: the link broke while it ran.
    """
    workdir = resolve(context, arguments.workdir) if arguments.workdir else context.workspace.root
    _ask(arguments.command, workdir, context)
    timeout_ms = arguments.timeout or DEFAULT_TIMEOUT_MS
    # The output is kept as text while it streams.
    command = Command(arguments.command, workdir, min(timeout_ms / 1000, MAX_TIMEOUT_S), keep_bytes=0)
    output = Output(context.memory.outputs, context.limits, charset=context.host.charset)
    throttle = Throttle(lambda: context.progress(None, {"output": output.preview()}))
    context.progress(None, {"output": ""})

    def take(stream: str, data: bytes) -> None:
        with throttle.lock:
            output.feed(stream, data)
        throttle.offer()

    try:
        try:
            result = context.shells.run_command(command, flights=context.flights, cancel=context.cancel, on_output=take)
        finally:
            throttle.close()
        output.finish()
        return _answer(arguments.command, result, output, _notes(timeout_ms, result, context))
    finally:
        output.close()


def _ask(command: str, workdir: RemotePath, context: Context) -> None:
    """Ask for the directories outside of the workspace that the command names, then for the command."""
    found = scan(command)
    paths = [RemotePath(posixpath.normpath(posixpath.join(workdir, _expanded(path, context)))) for path in found.paths]
    outside = [path for path in dict.fromkeys(paths) if not is_inside(context, path)]
    kinds = {one.path: one.kind for one in observe(context, outside)}
    directories = [path if kinds[path] is Kind.DIRECTORY else RemotePath(posixpath.dirname(path)) for path in outside]
    if not is_inside(context, workdir):
        directories.append(workdir)
    if directories:
        directories = list(dict.fromkeys(directories))
        patterns = [posixpath.join(directory, "*") for directory in directories]
        context.ask(
            "external_directory",
            patterns=patterns,
            always=patterns,
            metadata={"command": command, "directories": directories, "patterns": patterns},
        )
    if found.patterns:
        context.ask("bash", patterns=found.patterns, always=found.always, metadata={"command": command})


def _expanded(path: str, context: Context) -> str:
    if path == "~" or path.startswith("~/"):
        return context.host.home + path[1:]
    return path


def _answer(command: str, result: Result, output: Output, notes: list[str]) -> ToolResult:
    if result.outcome is not Outcome.DONE and not result.is_cancelled and not result.is_timed_out:
        raise ConnectionLost(output.render(head=f"{LOST}\n\n").text, outcome="unknown", retry_safe=False)
    has_ended_alone = not result.is_timed_out and not result.is_cancelled
    if has_ended_alone and (failure := _failure(result, output)) is not None:
        raise _command_failed(failure, command, result, output, notes)
    rendered = output.render(notes=notes)
    metadata: dict[str, object] = {
        "output": rendered.text if rendered.text == "(no output)" else rendered.text[-PREVIEW_CHARACTERS:],
        "exit": result.exit_status if has_ended_alone else None,
        "truncated": rendered.is_truncated,
    }
    if rendered.spill is not None:
        metadata["outputPath"] = rendered.spill
    return ToolResult(title=command, output=rendered.text, metadata=metadata)


def _notes(timeout_ms: int, result: Result, context: Context) -> list[str]:
    notes = []
    if result.is_timed_out:
        notes.append(
            f"shell tool terminated command after exceeding timeout {timeout_ms} ms. If this command is expected to "
            "take longer and is not waiting for interactive input, retry with a larger timeout value in milliseconds."
        )
    if result.is_cancelled:
        notes.append("User aborted the command")
    if result.outcome is Outcome.UNKNOWN:
        notes.append("The connection did not confirm the end of the command; it may still be running.")
    if result.holds_output:
        processes = [] if result.process_group is None else left_behind(context, result.process_group)
        named = ": " + "; ".join(processes) if processes else "."
        notes.append(f"Processes that the command left in the background still run and hold its output{named}")
    if result.is_output_cut:
        notes.append("The connection was lost when the command had ended; the end of its output may be missing.")
    if result.outcome is Outcome.DONE and result.exit_status is None and result.signal is None:
        notes.append("The server reported no exit status.")
    return notes


def _failure(result: Result, output: Output) -> str | None:
    """Return how the command failed, or None."""
    if result.signal is not None:
        return f"signal {result.signal}"
    if result.exit_status is None:
        return "no exit status and an error on stderr" if looks_failed(output.stderr.preview()) else None
    return None if result.exit_status == 0 else f"exit status {result.exit_status}"


def _command_failed(failure: str, command: str, result: Result, output: Output, notes: list[str]) -> ToolError:
    shown = command if len(command) <= SHOWN_COMMAND else command[:SHOWN_COMMAND] + "…"
    rendered = output.render(head=f"The command ended with {failure}.\n\ncommand: {shown}\n\n", notes=notes)
    return CommandFailed(
        rendered.text,
        exit_status=result.exit_status,
        signal=result.signal,
        stdout=output.stdout.preview(),
        stderr=output.stderr.preview(),
    )
