"""The tool `read`: a text file, a directory, a picture or a PDF of the remote machine; or a kept output."""

from pathlib import Path

from pydantic import Field

from remote_code._fast import is_binary
from remote_code.errors import BinaryFile, NoSuchFile
from remote_code.mirror.sync import Pulled
from remote_code.paths import RemotePath
from remote_code.remote.state import Kind
from remote_code.text import codec
from remote_code.text.page import Page, page_text
from remote_code.tools import instructions, large
from remote_code.tools.arguments import Count, Text, ToolArguments
from remote_code.tools.boundary import Granted, ask_for_links, ask_for_outside, pull, shown, workspace_only
from remote_code.tools.collate import collation_key
from remote_code.tools.context import Context, ToolResult
from remote_code.tools.media import ATTACHED, attachment, mime_of
from remote_code.tools.names import resolve
from remote_code.tools.pages import (
    DEFAULT_LIMIT,
    Wish,
    directory_metadata,
    file_metadata,
    fit_directory,
    fit_file,
    printable,
)
from remote_code.tools.refusals import refuse
from remote_code.tools.similar import file_not_found
from remote_code.tools.spill import PREFIX

WHOLE_BYTES = 1024 * 1024
"""Up to this size a text file is pulled whole, and its copy kept."""
ATTACHMENT_BYTES = 20 * 1024 * 1024
"""The largest picture or PDF that is shown."""

DESCRIPTION = """\
Reads a file or lists a directory of the remote machine.

- `filePath` is an absolute path on the remote machine; relative paths start at the remote workspace, `~/` at the \
remote home. A name `remote-code:output/N` from bash opens that kept output.
- Without `offset` and `limit` the first 2000 lines are shown, within 50 KB; each line as `<number>: <text>`, lines \
longer than 2000 characters cut.
- `offset` is the number of the first line to show (from 1), `limit` the number of lines. Only what is shown is \
transferred, so large logs can be read at any place; to find the place use grep.
- A directory is listed one name per line, subdirectories with a trailing `/`.
- Pictures (PNG, JPEG, GIF, WebP) and PDF files are shown as attachments. Other binary files are refused.
- Files in other encodings than UTF-8 are shown as proper text, with a note that names the encoding.
- Read several files that may be of use with several calls at once, and larger parts rather than many small ones.
"""


class Arguments(ToolArguments):
    """Arguments of `read`."""

    file_path: Text = Field(alias="filePath", description="Path of the file or directory on the remote machine")
    offset: Count | None = Field(default=None, description="Number of the first line to read (from 1)")
    limit: Count | None = Field(default=None, description="How many lines to read (2000 by default)")

    @property
    def wish(self) -> Wish:
        """The part that is asked for, defaults filled in."""
        return Wish(max(1, self.offset or 1), DEFAULT_LIMIT if self.limit is None else self.limit)


def run(arguments: Arguments, context: Context) -> ToolResult:
    """Ask, then read in one flight (a directory: two).

    Raises:
        NoSuchFile: with names that may be meant.
        BinaryFile, OffsetOutOfRange, PermissionDenied: it is there and cannot be shown.
    """
    if arguments.file_path.startswith(PREFIX):
        return _read_kept(arguments, context)
    path = resolve(context, arguments.file_path)
    granted = ask_for_outside(context, [path], workspace_only(context))
    context.ask("read", patterns=[shown(context, path)], always=["*"], metadata={})
    is_likely_directory = arguments.file_path.endswith("/") or path == context.workspace.root
    if is_likely_directory and (listed := _list(path, arguments.wish, context, granted)) is not None:
        return listed
    names = instructions.candidates(path, context.workspace.root) if context.workspace.is_within(path) else []
    limit_bytes = ATTACHMENT_BYTES if mime_of(path, None) in ATTACHED else WHOLE_BYTES
    (found, *others), granted = pull(
        context, [path, *names], granted, n_asked=1, session_id=context.session_id, limit_bytes=limit_bytes
    )
    observation = found.observation
    if observation.kind is Kind.DIRECTORY and (listed := _list(path, arguments.wish, context, granted)) is not None:
        return listed
    if observation.kind in {Kind.ABSENT, Kind.ABSENT_DIRECTORY}:
        raise file_not_found(path, context, granted, kind=observation.kind)
    if observation.kind is not Kind.FILE or observation.is_unreadable:
        refuse(observation, context, action="read")
    return _read_file(path, found, others, arguments.wish, context, granted)


def _read_file(
    path: RemotePath, found: Pulled, others: list[Pulled], wish: Wish, context: Context, granted: Granted
) -> ToolResult:
    if found.contents is None:
        source = large.RemoteSource(path, found.observation, context, granted, wish)
        head = source.head()
    else:
        head = found.contents[:4096]
    mime = mime_of(path, head)
    if mime in ATTACHED:
        return _attach(path, mime, found, others, context, granted)
    if is_binary(path, head):
        raise BinaryFile(f"Cannot read binary file: {path}", path=path)
    loaded, reminder = instructions.claim(context, path, others)
    if found.contents is None:
        chosen = large.choose(source, wish)
        text, page = fit_file(path, chosen.page, note=chosen.note, reminder=reminder, wish=wish, limits=context.limits)
    else:
        decoded = codec.decode(found.contents)
        shown_text = printable(decoded.text)

        def choose(limit: int, max_bytes: int) -> Page:
            return page_text(shown_text, offset=wish.offset, limit=limit, max_bytes=max_bytes)

        note = codec.encoding_note(decoded)
        text, page = fit_file(path, choose, note=note, reminder=reminder, wish=wish, limits=context.limits)
    return ToolResult(shown(context, path), text, file_metadata(path, page, loaded))


def _attach(
    path: RemotePath, mime: str, found: Pulled, others: list[Pulled], context: Context, granted: Granted
) -> ToolResult:
    contents = found.contents
    if contents is None:
        (again,), _ = pull(
            context, [path], granted, n_asked=1, session_id=context.session_id, limit_bytes=ATTACHMENT_BYTES
        )
        contents = again.contents
        if contents is None:
            refuse(again.observation, context, action="attach")
    loaded, reminder = instructions.claim(context, path, others)
    text = "PDF read successfully" if mime == "application/pdf" else "Image read successfully"
    return ToolResult(
        shown(context, path),
        text + reminder,
        {"preview": text, "truncated": False, "loaded": loaded},
        attachments=[attachment(mime, contents)],
    )


def _list(path: RemotePath, wish: Wish, context: Context, granted: Granted) -> ToolResult | None:
    """Return the listing of a directory; None for a file."""
    while True:
        found, entries = context.files.list_directory(path, roots=granted.roots, flights=context.flights)
        more = ask_for_links(context, [found], granted)
        if more is None:
            break
        granted = more
    if found.kind in {Kind.ABSENT, Kind.ABSENT_DIRECTORY}:
        raise file_not_found(path, context, granted, kind=found.kind)
    if found.kind is Kind.FILE:
        return None
    if found.kind is not Kind.DIRECTORY:
        refuse(found, context, action="list")
    names = sorted((entry.name + ("/" if entry.is_directory else "") for entry in entries), key=collation_key)
    text, page = fit_directory(path, names, wish, context.limits)
    return ToolResult(shown(context, path), text, directory_metadata(path, page))


def _read_kept(arguments: Arguments, context: Context) -> ToolResult:
    """Read a kept output from this machine's disk; no question, it was the session's own."""
    name = arguments.file_path
    local = context.memory.outputs.find(name)
    if local is None:
        raise NoSuchFile(
            f"File not found: {name} (outputs are kept for 7 days on the machine that the agent runs on)", path=name
        )
    chosen = large.choose(large.LocalSource(Path(local), arguments.wish), arguments.wish)
    text, page = fit_file(name, chosen.page, note=None, reminder="", wish=arguments.wish, limits=context.limits)
    return ToolResult(name, text, file_metadata(name, page, []))
