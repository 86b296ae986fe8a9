"""The tool `edit`: replaces a text in a file of the remote machine, or creates the file."""

import itertools
from dataclasses import dataclass

from pydantic import Field

from remote_code.errors import (
    EditAmbiguous,
    EditNotFound,
    EditTooLarge,
    InvalidArguments,
    NoChange,
    NoSuchFile,
    RemoteChanged,
    ToolError,
)
from remote_code.mirror.conflict import EditStep, decide_edit
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, Change
from remote_code.text.diff import count_changes, unified
from remote_code.text.edit import Edited, apply_edit, new_contents
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
from remote_code.tools.context import Context, JSONObject, ToolResult
from remote_code.tools.names import resolve
from remote_code.tools.pages import printable

DESCRIPTION = """\
Replaces a text in a file of the remote machine.

- `filePath` is an absolute path on the remote machine; relative paths start at the remote workspace.
- `oldString` must be the exact text, with its indentation, as read shows it behind the line number and `: `. It must \
fit one place only: add surrounding lines until it does, or set `replaceAll` to replace every occurrence.
- `newString` takes its place and must differ from it. Encoding, byte order mark, line ends and all other bytes of the \
file are kept.
- An empty `oldString` creates the file with `newString`; the file must not exist.
- If the file was changed by somebody else meanwhile, the edit is made in the new contents, or refused with the \
difference; nothing of theirs is lost.
- Read the file first, so that the text is known. Prefer edit to write for files that exist.
"""


class Arguments(ToolArguments):
    """Arguments of `edit`."""

    file_path: Text = Field(alias="filePath", description="Path of the file on the remote machine")
    old_string: Text = Field(alias="oldString", description="The text to replace")
    new_string: Text = Field(alias="newString", description="The text to put in its place (must differ from oldString)")
    replace_all: bool | None = Field(
        default=None,
        alias="replaceAll",
        strict=True,
        description="Replace all occurrences of oldString (default false)",
    )


@dataclass(frozen=True, slots=True)
class _Preview:
    """A change that can be shown and written."""

    known: Known
    contents: bytes
    old_text: str
    new_text: str


def run(arguments: Arguments, context: Context) -> ToolResult:
    """Find the text, ask with the diff, write: one flight when this session has seen the file.

    Raises:
        EditNotFound, EditAmbiguous, EditTooLarge, NoChange: nothing was written.
        RemoteChanged: the file changed meanwhile and the edit does not fit any more, or changes again and again.
    """
    if not arguments.file_path:
        raise InvalidArguments("filePath is required", tool="edit", problems=["filePath: empty"])
    if arguments.old_string == arguments.new_string:
        raise NoChange("No changes to apply: oldString and newString are identical.")
    path = resolve(context, arguments.file_path)
    granted = ask_for_outside(context, [path], workspace_only(context))
    with context.sync.lock([path], cancel=context.cancel):
        return _edit(arguments, path, context, granted)


def _edit(arguments: Arguments, path: RemotePath, context: Context, granted: Granted) -> ToolResult:
    if arguments.old_string:
        preview, granted = _first_preview(arguments, path, context, granted)
    else:
        preview, granted = _creation(arguments, path, context, granted)
    granted_diff: str | None = None
    n_asked = 0
    for n_refused in itertools.count():
        diff = unified(path, preview.old_text, preview.new_text)
        step = decide_edit(granted_diff, diff, n_asked=n_asked, n_refused=n_refused)
        if step is EditStep.GIVE_UP:
            break
        if step is EditStep.ASK:
            ask_to_edit(context, path=path, patterns=[shown(context, path)], diff=diff, more={})
            granted_diff, n_asked = diff, n_asked + 1
        context.progress(None, _metadata(path, diff, preview))
        try:
            changed = push(context, [Change(path, preview.known.state, preview.contents)], granted)
        except RemoteChanged:
            preview, granted = _next_preview(arguments, preview, path, context, granted)
            continue
        output = "Edit applied successfully." + in_place_note(changed)
        return ToolResult(shown(context, path), output, _metadata(path, diff, preview))
    text = preview.old_text
    raise changed_meanwhile(path, text, text, why=" again and again during this edit; nothing was written.")


def _first_preview(
    arguments: Arguments, path: RemotePath, context: Context, granted: Granted
) -> tuple[_Preview, Granted]:
    """Make the edit in what this session saw; where it does not fit, or nothing was seen, in what is there now."""
    file = held(context, path)
    if file is not None:
        try:
            return _apply(arguments, file), granted
        except (EditNotFound, EditAmbiguous, EditTooLarge):
            before = file.contents
    else:
        before = None
    file, granted = _pull(path, context, granted)
    try:
        return _apply(arguments, file), granted
    except ToolError as exc:
        if before is not None and before != file.contents:
            raise _no_longer_fits(path, diff_text(before), file.text, exc) from exc
        raise


def _next_preview(
    arguments: Arguments, last: _Preview, path: RemotePath, context: Context, granted: Granted
) -> tuple[_Preview, Granted]:
    """Make the edit anew in what is there now.

    Raises:
        RemoteChanged: it no longer fits.
    """
    if not arguments.old_string:
        raise changed_meanwhile(path, "", "", why=": somebody else has created it; nothing was written. Read it first.")
    file, granted = _pull(path, context, granted)
    try:
        return _apply(arguments, file), granted
    except ToolError as exc:
        raise _no_longer_fits(path, last.old_text, file.text, exc) from exc


def _no_longer_fits(path: str, before: str, now: str, reason: ToolError) -> RemoteChanged:
    why = f" since it was last read, and the edit no longer fits; nothing was written. {reason.message}"
    return changed_meanwhile(path, before, now, why=why)


def _apply(arguments: Arguments, file: Known) -> _Preview:
    if file.contents is None:
        raise NoSuchFile(f"File {file.path} not found", path=file.path)
    edited: Edited = apply_edit(
        file.contents, arguments.old_string, arguments.new_string, replace_all=bool(arguments.replace_all)
    )
    return _Preview(file, edited.contents, printable(edited.old_text), printable(edited.new_text))


def _creation(arguments: Arguments, path: RemotePath, context: Context, granted: Granted) -> tuple[_Preview, Granted]:
    file = Known(path, Absent(), None, is_fresh=False)
    if not isinstance(context.sync.seen(context.session_id, path), Absent):
        file, granted = _pull(path, context, granted)
    if file.contents is not None:
        raise InvalidArguments(
            "oldString cannot be empty when editing an existing file. Provide the exact text to replace, or use write "
            "to replace the whole file.",
            tool="edit",
            problems=["oldString: empty, and the file exists"],
        )
    contents = new_contents(arguments.new_string, existing=None)
    return _Preview(file, contents, "", diff_text(contents)), granted


def _pull(path: RemotePath, context: Context, granted: Granted) -> tuple[Known, Granted]:
    (pulled,), granted = pull(context, [path], granted, n_asked=1, session_id=context.session_id)
    return known(pulled, context, action="edit"), granted


def _metadata(path: str, diff: str, preview: _Preview) -> JSONObject:
    additions, deletions = count_changes(preview.old_text, preview.new_text)
    return {
        "diagnostics": {},
        "diff": diff,
        "filediff": {"file": path, "patch": diff, "additions": additions, "deletions": deletions},
    }
