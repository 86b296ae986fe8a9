"""The tool `glob`: files of the remote machine by name, newest first."""

import posixpath
from collections.abc import Sequence

from pydantic import Field

from remote_code.errors import ShellUnsupported
from remote_code.paths import RemotePath
from remote_code.remote.state import Kind
from remote_code.search import glob as glob_search
from remote_code.search.command import has_ripgrep
from remote_code.shell.job import Command
from remote_code.tools import listing
from remote_code.tools.arguments import Pattern, Text, ToolArguments
from remote_code.tools.boundary import ask_for_outside, shown, workspace_only
from remote_code.tools.context import Context, JSONObject, ToolResult
from remote_code.tools.names import resolve
from remote_code.tools.refusals import not_a_directory
from remote_code.tools.searching import WITHOUT_IGNORE_FILES, search

DESCRIPTION = """\
Finds files on the remote machine whose names match a glob pattern, newest first.

- Patterns such as `**/*.py`, `src/**/*.{ts,tsx}` or `*_test.go`. Without a slash the pattern fits file names in any \
directory, with one it fits paths from `path` on.
- `path` is the directory to search, the remote workspace by default. Leave it out for the default.
- The first 100 files are returned, as absolute paths of the remote machine.
- Send several searches at once when more than one may be of use.
"""

TRUNCATED = "(Results are truncated: showing first {} results. Consider using a more specific path or pattern.)"


class Arguments(ToolArguments):
    """Arguments of `glob`."""

    pattern: Pattern = Field(description="The glob pattern to match files against")
    path: Text | None = Field(
        default=None, description="Directory on the remote machine to search in; the workspace by default"
    )


def run(arguments: Arguments, context: Context) -> ToolResult:
    """Ask, search in one flight, list.

    Raises:
        NotADirectory, NoSuchFile, PermissionDenied: the place cannot be searched.
        SearchFailed: the pattern cannot be parsed.
    """
    metadata: JSONObject = {"pattern": arguments.pattern}
    if arguments.path is not None:
        metadata["path"] = arguments.path
    context.ask("glob", patterns=[arguments.pattern], always=["*"], metadata=metadata)
    place = resolve(context, arguments.path) if arguments.path else context.workspace.root
    granted = ask_for_outside(context, [place], workspace_only(context))
    is_ripgrep = has_ripgrep(context.host.ripgrep)
    build = glob_search.ripgrep_command if is_ripgrep else glob_search.posix_command

    def command(roots: Sequence[RemotePath]) -> Command:
        return build(arguments.pattern, place=place, roots=roots)

    try:
        answer = search(context, place, granted, command, pattern=arguments.pattern)
    except ShellUnsupported:
        found, note = listing.find(context, arguments.pattern, place, granted)
    else:
        if answer.kind is not Kind.DIRECTORY:
            raise not_a_directory(place, "glob")
        found = glob_search.read_found(answer)
        note = "" if is_ripgrep else WITHOUT_IGNORE_FILES
    paths = [posixpath.join(place, name) for name in found.names]
    output, count = _fitted(paths, found.has_more, f"\n\n{note}" if note else "", context)
    is_cut = found.has_more or count < len(paths)
    return ToolResult(shown(context, place), output, {"count": count, "truncated": is_cut})


def _fitted(paths: list[str], has_more: bool, note: str, context: Context) -> tuple[str, int]:
    """Return the text within the limits, and how many paths it shows."""
    if not paths:
        return "No files found" + note, 0
    room = context.limits.max_bytes - len(note) - len(TRUNCATED) - 10
    count = 0
    for path in paths[: max(0, context.limits.max_lines - 6)]:
        room -= len(path.encode("utf-8", "surrogateescape")) + 1
        if room < 0:
            break
        count += 1
    cut = f"\n\n{TRUNCATED.format(count)}" if has_more or count < len(paths) else ""
    return "\n".join(paths[:count]) + cut + note, count
