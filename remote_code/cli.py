"""The `remote-code` command: arguments in, text out; the work is done by the rooms below.

Each command imports what it needs when it runs, so that `serve` answers its client soon after its start.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remote_code import __version__
from remote_code.config import Config
from remote_code.errors import ConfigError, PermissionRejected, RemoteCodeError

if TYPE_CHECKING:
    from remote_code.app import Engine

app = typer.Typer(
    name="remote-code",
    help="The file and shell tools of an AI coding agent act on another machine over SSH.",
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
    from remote_code.process import take_environment
    from remote_code.serve import serve as run

    environ = take_environment()
    configure_logging(environ)
    run(environ, home=Path.home())


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


def terminal_engine() -> "Engine":
    """Return an engine that connects now and may ask the person at this terminal."""
    from remote_code.app import Engine
    from remote_code.process import take_environment

    environ = take_environment()
    configure_logging(environ)
    engine = Engine(environ, home=Path.home(), prompt=prompt if sys.stdin.isatty() else None)
    engine.start()
    return engine


def prompt(text: str, is_shown: bool) -> str | None:
    """Ask the person at the terminal; None when they end the input."""
    try:
        answer: str = typer.prompt(text.rstrip(": "), hide_input=not is_shown, default="", show_default=False, err=True)
    except typer.Abort:
        return None
    return answer


class TerminalQuestion:
    """Asks permission questions on the terminal; without one they are rejected, unless `--yes` granted all."""

    def __init__(self, *, is_granted: bool) -> None:
        self._is_granted = is_granted

    def __call__(
        self, permission: str, *, patterns: Sequence[str], always: Sequence[str], metadata: Mapping[str, object]
    ) -> None:
        """Ask and return when granted; see `tools.context.Ask`."""
        if self._is_granted:
            return
        what = f"{permission}: {', '.join(patterns)}"
        if not sys.stdin.isatty():
            raise PermissionRejected(
                f"nobody can be asked for permission ({what}); pass --yes to grant it",
                permission=permission,
                patterns=list(patterns),
            )
        diff = metadata.get("diff")
        if isinstance(diff, str):
            typer.echo(diff, err=True)
        if not typer.confirm(f"allow {what}?", err=True):
            raise PermissionRejected(f"you rejected {what}", permission=permission, patterns=list(patterns))


def configure_logging(environ: Mapping[str, str]) -> None:
    """Send log lines where REMOTE_LOG says; warnings to standard error when it cannot be used."""
    try:
        config = Config.from_environment(environ)
        log, level = config.log, config.log_level
    except ConfigError:
        log, level = None, "warning"
    handler: logging.Handler = logging.StreamHandler()
    if log is not None:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # paramiko logs tracebacks of every refused login; our own errors say it in one line.
    logging.getLogger("paramiko").setLevel(logging.DEBUG if level == "debug" else logging.CRITICAL)


def fail(message: str) -> int:
    """Print an error for the person and return the exit status that goes with it."""
    typer.echo(f"remote-code: {message}", err=True)
    return 1


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
