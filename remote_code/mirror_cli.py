"""`remote-code mirror`, `history`, `show` and `undo`: what is kept on this machine of the remote files."""

import datetime
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from remote_code.config import Config
from remote_code.errors import MirrorUnusable, RemoteCodeError
from remote_code.mirror.history import Entry
from remote_code.mirror.local import LocalMirror, find_mirrors
from remote_code.mirror.naming import root_slug
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent
from remote_code.site import Target
from remote_code.terminal import fail, terminal_engine
from remote_code.text.diff import unified

app = typer.Typer(help="List, verify, export and clear the local copies of remote files.", no_args_is_help=True)

Name = Annotated[
    str | None, typer.Argument(help="The mirror, as `mirror list` names it; not needed where there is only one.")
]
MirrorOption = Annotated[str | None, typer.Option("--mirror", help="The mirror, as `mirror list` names it.")]


@app.command(name="list")
def list_mirrors() -> None:
    """List the mirrors of this machine."""
    base = base_folder()
    table = Table("mirror", "files", "size", "writes kept", "last used")
    table.columns[0].overflow = "fold"
    for folder in find_mirrors(base):
        with _failing(), closing(LocalMirror(folder)) as mirror:
            held = mirror.summary()
        used = "" if held.used_s is None else _when(held.used_s)
        table.add_row(
            str(folder.relative_to(base)), str(held.n_copies), _size(held.copies_bytes), str(held.n_entries), used
        )
    Console().print(table)


@app.command()
def verify(name: Name = None) -> None:
    """Compare all local copies with what the manifest says of them."""
    with _open(name) as mirror:
        found = mirror.verify()
    typer.echo(f"{found.n_sound} copies are as the manifest says")
    for what, paths in (("missing", found.missing), ("edited or damaged", found.edited), ("unknown", found.strays)):
        for path in paths:
            typer.echo(f"{what}: {path}")
    if found.missing or found.edited or found.strays:
        raise SystemExit(1)


@app.command()
def export(name: Name = None) -> None:
    """Write manifest.json and print its path."""
    with _open(name) as mirror:
        typer.echo(mirror.export_manifest())


@app.command()
def clear(
    name: Name = None,
    history: Annotated[bool, typer.Option("--history", help="Forget the history too: nothing can be undone.")] = False,
) -> None:
    """Remove all local copies; the remote is not touched."""
    with _open(name) as mirror:
        typer.echo(f"removed {mirror.clear()} local copies")
        if history:
            typer.echo(f"forgot {mirror.history.clear()} writes")


def history(
    path: Annotated[str | None, typer.Argument(help="Only writes to this remote file.")] = None,
    call: Annotated[str | None, typer.Option("--call", help="Only writes of this call.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="Only writes of this session.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 30,
    mirror: MirrorOption = None,
) -> None:
    """List what was written to the remote, newest first; `show` and `undo` take the numbers."""
    with _open(mirror) as opened:
        wanted = None if path is None else RemotePath(path)
        entries = opened.history.entries(call_id=call, path=wanted, session_id=session, limit=limit)
    table = Table("number", "when", "what", "file", "call", "session")
    table.columns[3].overflow = "fold"
    for entry in entries:
        table.add_row(str(entry.entry_id), _when(entry.at_s), _what(entry), entry.path, entry.call_id, entry.session_id)
    Console().print(table)


def show(
    number: Annotated[int, typer.Argument(help="The write, as `history` numbers it.")],
    before: Annotated[bool, typer.Option("--before", help="Print the old contents, byte for byte.")] = False,
    mirror: MirrorOption = None,
) -> None:
    """Show one write as a diff, or the contents that were there before it."""
    with _open(mirror) as opened:
        shown = opened.history.show(number)
    if before:
        if shown.is_before_lost:
            raise SystemExit(fail(f"the contents before write {number} are no longer kept"))
        if shown.before is None:
            raise SystemExit(fail(f"there was no file before write {number}"))
        sys.stdout.buffer.write(shown.before)
        return
    # Half a diff would look like a removal or a new file.
    if shown.is_before_lost:
        raise SystemExit(fail(f"the contents before write {number} are no longer kept, so it cannot be shown"))
    if shown.is_after_lost:
        raise SystemExit(
            fail(
                f"what write {number} wrote is no longer held here: the file was changed elsewhere, or its copy has "
                f"gone; `remote-code show {number} --before` prints what was there before it"
            )
        )
    old, new = ((each or b"").decode("utf-8", "replace") for each in (shown.before, shown.after))
    sys.stdout.write(unified(shown.entry.path, old, new))


def undo(
    number: Annotated[int | None, typer.Argument(help="One write, as `history` numbers it.")] = None,
    call: Annotated[str | None, typer.Option("--call", help="All writes of this call.")] = None,
    file: Annotated[str | None, typer.Option("--file", help="All writes to this remote file.")] = None,
    session: Annotated[str | None, typer.Option("--session", help="All writes of this session.")] = None,
) -> None:
    """Take writes on the target back: all of them or, where somebody has changed a file since, none."""
    if [number, call, file, session].count(None) != 3:
        raise SystemExit(fail("name what to undo: one number, or one of --call, --file and --session"))
    engine = terminal_engine()
    try:
        with _failing():
            undone = engine.undo(number, call_id=call, path=file, session_id=session)
            if not undone:
                typer.echo("nothing was left to undo")
            for changed in undone:
                done = "removed" if isinstance(changed.state, Absent) else "restored"
                typer.echo(f"{done} {changed.path}")
    finally:
        engine.close()


def base_folder() -> Path:
    """Return the folder that holds the mirrors of all targets."""
    moved = os.environ.get("REMOTE_MIRROR")
    if moved:
        configured = Config.from_environment({"REMOTE_SSH": "unused", "REMOTE_MIRROR": moved}).mirror
        if configured is not None:
            return configured
    return Path.home() / ".opencode" / "mirrors"


@contextmanager
def _open(name: str | None) -> Iterator[LocalMirror]:
    """Open the mirror of this name, else the target's, else the only one."""
    with _failing():
        base = base_folder()
        names = {str(folder.relative_to(base)): folder for folder in find_mirrors(base)}
        fitting = _of_target(names) if name is None else [each for each in names if each == name]
        if len(fitting) != 1:
            asked = "more than one mirror fits; name one" if fitting else f"there is no mirror {name or 'yet'}"
            known = ", ".join(fitting or names) or "none"
            raise MirrorUnusable(f"{asked}; in {base} there are: {known}", path=str(base))
        with closing(LocalMirror(names[fitting[0]])) as mirror:
            yield mirror


def _of_target(names: Mapping[str, Path]) -> list[str]:
    """Return the mirrors of the target and workspace that the environment sets; all of them where it sets none."""
    if not os.environ.get("REMOTE_SSH"):
        return list(names)
    target = Target.from_environment(os.environ)
    folder = target.mirror_folder(Path.home())
    fitting = [name for name, path in names.items() if path.parent == folder]
    # A workspace with `~` is known on the remote only.
    exact = None if target.workdir_as_typed is None else root_slug(target.workdir_as_typed)
    return [name for name in fitting if exact is None or names[name].name == exact]


@contextmanager
def _failing() -> Iterator[None]:
    """End the program with the message of an error."""
    try:
        yield
    except RemoteCodeError as exc:
        raise SystemExit(fail(exc.message)) from exc


def _what(entry: Entry) -> str:
    text = entry.action.value
    if not entry.is_certain:
        text += " (outcome unknown)"
    if entry.undone_by is not None:
        text += ", undone"
    return text


def _when(at_s: float) -> str:
    return datetime.datetime.fromtimestamp(at_s, tz=datetime.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB" if size_bytes >= 1 << 20 else f"{size_bytes} bytes"
