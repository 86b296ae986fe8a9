"""The commands that a person types: arguments in, text out; the work is done by the rooms below.

Each command imports what it needs when it runs.
"""

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remote_code import __version__, mirror_cli
from remote_code.config import Config
from remote_code.errors import RemoteCodeError
from remote_code.rpc.messages import RemoteError
from remote_code.terminal import TerminalQuestion, fail, meet_hosts, terminal_engine

if TYPE_CHECKING:
    from remote_code.opencode.install import Report
    from remote_code.shell.job import Result

TEMPLATE_TIMEOUT_S = 120.0
"""Bound of a command in one of OpenCode's templates, which nobody can end."""

app = typer.Typer(
    name="remote-code",
    help="The file and shell tools of an AI coding agent act on another machine over SSH.",
    epilog="REMOTE_SSH names the target: one ssh command as you would type it. REMOTE_WORKDIR is the directory there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Handle the options that stand before a command."""
    if version:
        typer.echo(f"remote-code {__version__}")
        raise typer.Exit


@app.command()
def serve() -> None:
    """Serve an editor's plugin on standard input and output (JSON-RPC 2.0, one object a line)."""
    from remote_code.start import start

    start()


@app.command()
def call(
    tool: Annotated[str, typer.Argument(help="bash, glob, grep, read, write, edit or apply_patch")],
    arguments: Annotated[str, typer.Argument(help='The arguments as JSON, for example \'{"command": "uname -a"}\'')],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Grant every permission that the tool asks for.")] = False,
) -> None:
    """Make one tool call on the target and print its output."""
    from remote_code.app import Call
    from remote_code.shell.job import Cancel

    try:
        parsed: object = json.loads(arguments)
    except ValueError as exc:
        raise SystemExit(fail(f"the arguments are not JSON: {exc}")) from exc
    if not isinstance(parsed, dict):
        raise SystemExit(fail('the arguments must be a JSON object, for example {"command": "uname -a"}'))
    engine = terminal_engine()
    cancel = Cancel()
    try:
        result = engine.call(
            Call(
                call_id="call",
                name=tool,
                arguments=parsed,
                session_id="",
                ask=TerminalQuestion(is_granted=yes),
                progress=lambda title, metadata: None,
                cancel=cancel,
            )
        )
    except RemoteCodeError as exc:
        raise SystemExit(fail(exc.message)) from exc
    except KeyboardInterrupt as exc:
        cancel.set()
        raise SystemExit(130) from exc
    finally:
        engine.close()
    if as_json:
        shown = {"title": result.title, "output": result.output, "metadata": result.metadata}
        typer.echo(json.dumps({**shown, "attachments": result.attachments}, ensure_ascii=False))
    else:
        sys.stdout.buffer.write(result.output.encode("utf-8", "surrogateescape"))
        if not result.output.endswith("\n"):
            sys.stdout.buffer.write(b"\n")


@app.command()
def tools() -> None:
    """Print the schemas of the seven tools as JSON."""
    from remote_code.tools.registry import schemas

    typer.echo(json.dumps(schemas(), ensure_ascii=False, indent=2))


@app.command()
def config(
    command: Annotated[list[str] | None, typer.Argument(help="An ssh command; without it REMOTE_SSH counts.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show which file and line set each option.")] = False,
) -> None:
    """Print the effective ssh options, one `keyword value` a line as `ssh -G` does, without connecting."""
    from remote_code.ssh.options import resolve
    from remote_code.ssh.render import render
    from remote_code.ssh.target import parse_command

    try:
        text = shlex.join(command) if command else Config.from_environment(os.environ).remote_ssh
        sys.stdout.write(render(resolve(parse_command(text)), explain=explain))
    except RemoteCodeError as exc:
        raise SystemExit(fail(exc.message)) from exc


@app.command()
def doctor(
    create_workdir: Annotated[
        bool, typer.Option("--create-workdir", help="Create REMOTE_WORKDIR where it is missing.")
    ] = False,
) -> None:
    """Connect to the target and say, step by step, what works and what does not."""
    from remote_code.doctor import examine

    engine = terminal_engine()
    try:
        is_well = examine(engine, create_workdir=create_workdir)
    finally:
        engine.close()
    raise SystemExit(0 if is_well else 1)


@app.command()
def install(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Put the plugin and the badge into OpenCode's configuration; what stands there is kept."""
    from remote_code.opencode.install import engine_command
    from remote_code.opencode.install import install as run
    from remote_code.opencode.local import config_dir, own_dir

    home = Path.home()
    folder, own = config_dir(os.environ, home=home), own_dir(home)
    _report(
        "installed", lambda: run(folder, command=engine_command(), own_dir=own, dry_run=dry_run), is_dry_run=dry_run
    )


@app.command()
def uninstall(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
) -> None:
    """Take the plugin and the badge out of OpenCode's configuration, and nothing else."""
    from remote_code.opencode.install import uninstall as run
    from remote_code.opencode.local import config_dir, own_dir

    home = Path.home()
    folder, own = config_dir(os.environ, home=home), own_dir(home)
    _report("uninstalled", lambda: run(folder, own_dir=own, dry_run=dry_run), is_dry_run=dry_run)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def launch(context: typer.Context) -> None:
    """Start OpenCode for the target from its own session folder; all arguments are OpenCode's.

    Only the first may be ours: the name of a target that is kept in targets.toml.
    """
    from remote_code.opencode.launch import launch as run

    if context.args == ["--help"]:
        typer.echo(context.get_help())
        raise typer.Exit
    try:
        status = run(context.args, environ=os.environ, home=Path.home(), before=meet_hosts)
    except RemoteCodeError as exc:
        raise SystemExit(fail(exc.message)) from exc
    raise SystemExit(status)


@app.command(name="exec")
def execute(
    command: Annotated[str, typer.Argument(help="One command line, as typed in a shell on the target.")],
    socket: Annotated[Path | None, typer.Option("--socket", help="Where a running engine listens.")] = None,
    tell_status: Annotated[
        bool, typer.Option("--tell-status", help="Print an exit status other than 0 on standard error.")
    ] = False,
) -> None:
    """Run one command on the target, with its streams and its exit status, through a running engine if there is one."""
    from remote_code.process import end_with_parent

    end_with_parent()
    # OpenCode ends `!cmd` when the person does, but never a template's command; only `!cmd` has a call of its own.
    timeout_s = None if "REMOTE_CODE_CALL" in os.environ else TEMPLATE_TIMEOUT_S
    try:
        result = _execute(command, socket, timeout_s)
    except (RemoteCodeError, RemoteError) as exc:
        fail(exc.message)
        raise SystemExit(255) from exc
    status = _exit_status(result)
    if tell_status and status != 0:
        typer.echo(f"(exit status {status})", err=True)
    raise SystemExit(status)


def _execute(command: str, socket: Path | None, timeout_s: float | None) -> "Result":
    """Run a command through the engine at `socket`, else over a connection of its own."""
    from remote_code.exec_socket import NO_TIMEOUT_S, run_through
    from remote_code.rpc.protocol import ExecParams
    from remote_code.shell.job import Cancel

    def on_output(stream: str, data: bytes) -> None:
        out = sys.stderr if stream == "stderr" else sys.stdout
        out.buffer.write(data)
        out.buffer.flush()

    if socket is not None:
        params = ExecParams(command=command, session_id=os.environ.get("REMOTE_CODE_SESSION"), timeout_s=timeout_s)
        result = run_through(socket, params, on_output=on_output)
        if result is not None:
            return result
    engine = terminal_engine()
    cancel = Cancel()
    # OpenCode's way to end a command is SIGTERM: the remote one must end too.
    signal.signal(signal.SIGTERM, lambda number, frame: cancel.set())
    try:
        return engine.run_command(command, timeout_s=timeout_s or NO_TIMEOUT_S, cancel=cancel, on_output=on_output)
    finally:
        engine.close()


def _exit_status(result: "Result") -> int:
    """Return the exit status that a shell would show: 128 and the signal's number for a death by signal."""
    if result.signal is not None:
        number = signal.Signals.__members__.get(f"SIG{result.signal}")
        return 128 + (number or 0)
    return 255 if result.exit_status is None else result.exit_status


def _report(done: str, change: Callable[[], "Report"], *, is_dry_run: bool) -> None:
    try:
        report = change()
    except RemoteCodeError as exc:
        raise SystemExit(fail(exc.message)) from exc
    diff = report.diff()
    if is_dry_run:
        typer.echo(diff or "nothing would change", nl=not diff)
        return
    paths = ", ".join(str(each.path) for each in report.changes if each.before != each.after)
    typer.echo(f"{done}: {paths}" if paths else f"already {done}; nothing was changed")


def run() -> None:
    """Read the arguments and do what they say."""
    app.add_typer(mirror_cli.app, name="mirror")
    for command in (mirror_cli.history, mirror_cli.show, mirror_cli.undo):
        app.command()(command)
    app()
