"""The tool `grep`: lines of files of the remote machine, or of a kept output, that match a regular expression."""

import posixpath
from collections.abc import Sequence

from pydantic import Field

from remote_code.errors import InvalidArguments, NoSuchFile, SearchFailed
from remote_code.paths import RemotePath
from remote_code.remote.state import Kind
from remote_code.search import grep as grep_search
from remote_code.search.command import has_ripgrep
from remote_code.search.grep import Hits
from remote_code.search.local import search_file
from remote_code.shell.job import Command
from remote_code.tools.arguments import Pattern, Text, ToolArguments
from remote_code.tools.boundary import ask_for_outside, workspace_only
from remote_code.tools.context import Context, JSONObject, Limits, ToolResult
from remote_code.tools.names import resolve
from remote_code.tools.pages import printable
from remote_code.tools.searching import WITHOUT_UNICODE, search
from remote_code.tools.spill import PREFIX

MAX_LINE_UNITS = 2000
"""A longer line is cut, in characters."""

TRUNCATED = "(Results truncated. Consider using a more specific path or pattern.)"

DESCRIPTION = """\
Searches the contents of files on the remote machine for a regular expression.

- `pattern` is a regular expression in ripgrep's syntax, such as `log.*Error` or `function\\s+\\w+`; case counts. \
Escape literal braces and parentheses.
- `path` is the directory or file to search, the remote workspace by default. A name `remote-code:output/N` from bash \
searches that kept output.
- `include` is a glob for the names of files to search, such as `*.js` or `*.{ts,tsx}`.
- The first 100 matching lines are returned with their file and line number, ordered by path. Ignored files, `.git` \
and binary files are left out.
- To count matches or for other options run rg or grep with bash.
"""


class Arguments(ToolArguments):
    """Arguments of `grep`."""

    pattern: Pattern = Field(description="The regular expression to search for")
    path: Text | None = Field(
        default=None, description="Directory or file on the remote machine to search; the workspace by default"
    )
    include: Pattern | None = Field(
        default=None, description='Glob for the files to search (e.g. "*.js", "*.{ts,tsx}")'
    )


def run(arguments: Arguments, context: Context) -> ToolResult:
    """Ask, search in one flight, list.

    Raises:
        NoSuchFile, PermissionDenied: the place cannot be searched.
        SearchFailed: the pattern cannot be parsed.
    """
    if not arguments.pattern:
        raise InvalidArguments("pattern is required", tool="grep", problems=["pattern: empty"])
    metadata: JSONObject = {"pattern": arguments.pattern}
    if arguments.path is not None:
        metadata["path"] = arguments.path
    if arguments.include is not None:
        metadata["include"] = arguments.include
    if arguments.path is not None and arguments.path.startswith(PREFIX):
        return _grep_kept(arguments.pattern, arguments.path, context)
    context.ask("grep", patterns=[arguments.pattern], always=["*"], metadata=metadata)
    place = resolve(context, arguments.path) if arguments.path else context.workspace.root
    granted = ask_for_outside(context, [place], workspace_only(context))
    is_ripgrep = has_ripgrep(context.host.ripgrep)
    build = grep_search.ripgrep_command if is_ripgrep else grep_search.posix_command

    def command(roots: Sequence[RemotePath]) -> Command:
        return build(arguments.pattern, arguments.include, place=place, roots=roots)

    answer = search(context, place, granted, command, pattern=arguments.pattern)
    if answer.kind is Kind.OTHER:
        raise SearchFailed(
            f'cannot search "{place}": it is a FIFO, device or socket', pattern=arguments.pattern, stderr=""
        )
    found = grep_search.read_hits(answer) if is_ripgrep else grep_search.read_blocks(answer)
    directory = place if answer.kind is Kind.DIRECTORY else RemotePath(posixpath.dirname(place))
    is_file = answer.kind is not Kind.DIRECTORY
    paths = [place if is_file else posixpath.join(directory, hit.name) for hit in found.hits]
    note = "" if is_ripgrep else f"\n\n{WITHOUT_UNICODE}"
    return _result(arguments.pattern, found, paths, context.limits, note=note)


def _grep_kept(pattern: str, name: str, context: Context) -> ToolResult:
    """Search a kept output on this machine's disk; no question, it was the session's own."""
    local = context.memory.outputs.find(name)
    if local is None:
        raise NoSuchFile(f"No such file or directory: {name}", path=name)
    found = search_file(local, pattern)
    return _result(pattern, found, [name] * len(found.hits), context.limits)


def _result(pattern: str, found: Hits, paths: list[str], limits: Limits, *, note: str = "") -> ToolResult:
    if not found.hits:
        return ToolResult(pattern, "No files found" + note, {"matches": 0, "truncated": False})
    limits = Limits(limits.max_lines - note.count("\n"), limits.max_bytes - len(note))
    lines, count = _fitted(found, paths, limits)
    is_cut = found.has_more or count < len(found.hits)
    head = f"Found {count} matches" + (" (more matches available)" if is_cut else "")
    tail = ["", TRUNCATED] if is_cut else []
    return ToolResult(pattern, "\n".join([head, *lines, *tail]) + note, {"matches": count, "truncated": is_cut})


def _fitted(found: Hits, paths: list[str], limits: Limits) -> tuple[list[str], int]:
    """Return the lines of as many hits as fit, and how many those are."""
    room_bytes = limits.max_bytes - len(TRUNCATED) - 60
    room_lines = limits.max_lines - 5
    lines: list[str] = []
    last = None
    for count, (hit, path) in enumerate(zip(found.hits, paths, strict=True)):
        more = [] if path == last else [*([""] if last is not None else []), f"{path}:"]
        # The newline of the line itself is shown too, as the original does: an empty line follows each hit.
        more.append(f"  Line {hit.line}: {_cut(hit.text)}\n")
        room_bytes -= sum(len(line.encode("utf-8", "surrogateescape")) + 1 for line in more)
        room_lines -= sum(1 + line.count("\n") for line in more)
        if room_bytes < 0 or room_lines < 0:
            return lines, count
        lines += more
        last = path
    return lines, len(found.hits)


def _cut(text: str) -> str:
    text = printable(text)
    return text if len(text) <= MAX_LINE_UNITS else text[:MAX_LINE_UNITS] + "..."
