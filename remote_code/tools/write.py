"""The tool `write`: gives a file of the remote machine new contents, whole."""

from pydantic import Field

from remote_code.errors import RemoteChanged
from remote_code.mirror.conflict import WriteStep, decide_write
from remote_code.mirror.contents import digest_of
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, Change, Kind, Present, Wanted
from remote_code.text.diff import unified
from remote_code.text.edit import new_contents
from remote_code.tools.arguments import Text, ToolArguments
from remote_code.tools.boundary import Granted, ask_for_outside, pull, shown, workspace_only
from remote_code.tools.changes import (
    Known,
    ask_to_edit,
    changed_meanwhile,
    diff_text,
    held,
    in_place_note,
    known,
    push,
)
from remote_code.tools.context import Context, ToolResult
from remote_code.tools.names import resolve

DESCRIPTION = """\
Writes a whole file on the remote machine; parent directories are made.

- `filePath` is an absolute path on the remote machine; relative paths start at the remote workspace.
- An existing file is replaced as a whole, at once, and keeps its permissions, owner, encoding, byte order mark and \
line ends.
- If the file was changed by somebody else since it was last read or written here, nothing is written and the error \
shows the difference: read it again, then decide.
- Prefer edit for changes in files that exist. Do not write documentation files unless asked to.
"""

COMPARED_BYTES = 1024 * 1024
"""The largest file whose difference an error shows."""


class Arguments(ToolArguments):
    """Arguments of `write`."""

    content: Text = Field(description="The whole new contents of the file")
    file_path: Text = Field(alias="filePath", description="Path of the file on the remote machine")


def run(arguments: Arguments, context: Context) -> ToolResult:
    """Ask with the diff, then write: one flight when this session has seen the file, else two.

    Raises:
        RemoteChanged: the file is not what this session last saw; nothing was written.
        EncodingUnsupported: the contents do not fit the file's encoding.
    """
    path = resolve(context, arguments.file_path)
    granted = ask_for_outside(context, [path], workspace_only(context))
    with context.sync.lock([path], cancel=context.cancel):
        file, granted = _current(path, arguments.content, context, granted)
        contents = new_contents(arguments.content, existing=file.contents)
        diff = unified(path, file.text, diff_text(contents))
        ask_to_edit(context, path=path, patterns=[shown(context, path)], diff=diff, more={})
        try:
            changed = push(context, [Change(path, file.state, contents)], granted)
        except RemoteChanged as exc:
            raise _conflict(file, context, granted) from exc
    metadata = {"diagnostics": {}, "filepath": path, "exists": file.contents is not None}
    return ToolResult(shown(context, path), "Wrote file successfully." + in_place_note(changed), metadata)


def _current(path: RemotePath, content: str, context: Context, granted: Granted) -> tuple[Known, Granted]:
    """Return the file as this session saw it; what it never saw is pulled.

    Raises:
        RemoteChanged: it saw something else than is there now, and what is there now is not `content` either.
    """
    seen = context.sync.seen(context.session_id, path)
    if isinstance(seen, Absent):
        return Known(path, seen, None, is_fresh=False), granted
    file = held(context, path)
    if file is not None:
        return file, granted
    before = context.sync.held(path) if isinstance(seen, Present) else None
    session_id = context.session_id if seen is None else None
    (pulled,), granted = pull(context, [path], granted, n_asked=1, session_id=session_id)
    file = known(pulled, context, action="write")
    new_digest = digest_of(new_contents(content, existing=file.contents))
    if decide_write(seen, file.state, new_digest=new_digest) is WriteStep.REFUSE:
        now = file.text
        raise changed_meanwhile(path, now if before is None else diff_text(before.contents), now, why=_WHY)
    return file, granted


_WHY = " since this session last saw it; nothing was written. Read it again, then write."


def _conflict(file: Known, context: Context, granted: Granted) -> RemoteChanged:
    """Return the error with the difference; the session has not seen the new contents by that."""
    (found,) = context.files.observe(
        [Wanted(file.path)], roots=granted.roots, flights=context.flights, limit_bytes=COMPARED_BYTES
    )
    if found.kind in {Kind.ABSENT, Kind.ABSENT_DIRECTORY}:
        return changed_meanwhile(file.path, file.text, "", why=_WHY)
    # What is no file now, or too large to be compared, is told without a difference.
    now = file.text if found.contents is None else diff_text(found.contents)
    return changed_meanwhile(file.path, file.text, now, why=_WHY)
