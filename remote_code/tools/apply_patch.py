"""The tool `apply_patch`: changes several files of the remote machine, all of them or none."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from remote_code.errors import InvalidArguments, PatchRejected, RemoteChanged, ToolError
from remote_code.mirror.conflict import EditStep, decide_edit
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, Change, Present
from remote_code.text.diff import count_changes, unified
from remote_code.text.patch import Patch, PatchedFile, apply, parse
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

DESCRIPTION = """\
Changes files on the remote machine by a patch: adds, updates, deletes and moves several files, all of them or none.

The patch is either a unified diff (as `git diff` prints it) or in this format:

*** Begin Patch
*** Add File: path/new.txt
+every line of the new file
*** Update File: path/old.txt
*** Move to: path/renamed.txt
@@ a line above the change, such as a function's head
 a line that stays
-a line that goes
+a line that comes
*** Delete File: path/gone.txt
*** End Patch

- Paths are those of the remote machine; relative ones start at the remote workspace.
- Every hunk of an update begins with `@@` and has lines around the change, as they are in the file. `*** Move to:` is \
optional. `*** End of File` behind a hunk says that it is at the end of the file.
- If a file was changed by somebody else meanwhile, the patch is applied to the new contents, or refused.
"""

VERIFICATION = "apply_patch verification failed: "


class Arguments(ToolArguments):
    """Arguments of `apply_patch`."""

    patch_text: Text = Field(alias="patchText", description="The full patch text that describes all changes to be made")


@dataclass(frozen=True, slots=True)
class _FileDiff:
    """One file of the patch as the client draws it."""

    kind: str
    path: RemotePath
    move_path: RemotePath | None
    patch: str
    additions: int
    deletions: int

    def to_json(self, context: Context) -> JSONObject:
        shown_path = self.move_path or self.path
        entry: JSONObject = {
            "filePath": self.path,
            "relativePath": shown(context, shown_path),
            "type": self.kind,
            "patch": self.patch,
            "additions": self.additions,
            "deletions": self.deletions,
        }
        if self.move_path is not None:
            entry["movePath"] = self.move_path
        return entry


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a patch comes to in the contents as they are known."""

    changes: list[Change]
    files: list[_FileDiff]
    diff: str


def run(arguments: Arguments, context: Context) -> ToolResult:
    """Apply the patch to what is known, ask once with all diffs, write: one flight when all files were seen.

    Raises:
        PatchRejected: nothing was written.
        RemoteChanged: files change again and again, or the patch does not fit what they are now.
    """
    if not arguments.patch_text.strip():
        raise InvalidArguments("patchText is required", tool="apply_patch", problems=["patchText: empty"])
    patch = _resolved(_parse(arguments.patch_text), context)
    paths = [RemotePath(path) for path in patch.paths]
    granted = ask_for_outside(context, paths, workspace_only(context))
    with context.sync.lock(paths, cancel=context.cancel):
        return _patch(patch, paths, context, granted)


def _parse(text: str) -> Patch:
    try:
        return parse(text)
    except PatchRejected as exc:
        raise _rejected(exc) from exc


def _resolved(patch: Patch, context: Context) -> Patch:
    """Return the patch with absolute paths, so that one file has one name."""
    sections = tuple(
        replace(
            one,
            path=resolve(context, one.path),
            move_to=None if one.move_to is None else resolve(context, one.move_to),
        )
        for one in patch.sections
    )
    return replace(patch, sections=sections)


def _rejected(exc: PatchRejected) -> PatchRejected:
    """Return the error with OpenCode's words around it."""
    if exc.message.startswith("patch rejected"):
        return exc
    is_bare = exc.message == "no hunks found" or exc.message.startswith("Failed to read file")
    return PatchRejected(f"{VERIFICATION}{'' if is_bare else 'Error: '}{exc.message}", **exc.facts)


def _patch(patch: Patch, paths: Sequence[RemotePath], context: Context, granted: Granted) -> ToolResult:
    files = _held_files(paths, context)
    if files is None:
        files, granted = _pull(paths, context, granted)
    try:
        plan = _plan(patch, files)
    except ToolError:
        if all(file.is_fresh for file in files.values()):
            raise
        files, granted = _pull(paths, context, granted)
        plan = _plan(patch, files)
    granted_diff: str | None = None
    n_asked = 0
    for n_refused in itertools.count():
        step = decide_edit(granted_diff, plan.diff, n_asked=n_asked, n_refused=n_refused)
        if step is EditStep.GIVE_UP:
            break
        if step is EditStep.ASK:
            _ask(plan, context)
            granted_diff, n_asked = plan.diff, n_asked + 1
        try:
            changed = push(context, plan.changes, granted)
        except RemoteChanged as exc:
            if exc.facts.get("done"):
                raise
            before = files
            files, granted = _pull(paths, context, granted)
            plan = _plan_anew(patch, before, files)
            continue
        lines = [_line(one, context) for one in plan.files]
        title = "\n".join(["Success. Updated the following files:", *lines])
        return ToolResult(title, title + in_place_note(changed), _metadata(plan, context))
    raise RemoteChanged(
        "the files of the patch changed on the remote machine again and again during this call; nothing was written",
        path=paths[0],
    )


def _held_files(paths: Sequence[RemotePath], context: Context) -> dict[RemotePath, Known] | None:
    """Return all files as this session saw them; None when one was not seen or is not held."""
    files = {}
    for path in paths:
        if isinstance(seen := context.sync.seen(context.session_id, path), Absent):
            files[path] = Known(path, seen, None, is_fresh=False)
        elif (file := held(context, path)) is not None:
            files[path] = file
        else:
            return None
    return files


def _pull(paths: Sequence[RemotePath], context: Context, granted: Granted) -> tuple[dict[RemotePath, Known], Granted]:
    pulled, granted = pull(context, paths, granted, n_asked=len(paths), session_id=context.session_id)
    return {one.observation.path: known(one, context, action="patch") for one in pulled}, granted


def _plan(patch: Patch, files: Mapping[RemotePath, Known]) -> _Plan:
    """Apply the patch to the contents, and return what is to be written and shown.

    Raises:
        PatchRejected, EncodingUnsupported: it does not fit.
    """
    try:
        patched = apply(patch, {path: file.contents for path, file in files.items()})
    except PatchRejected as exc:
        raise _rejected(exc) from exc
    if not patched:
        raise PatchRejected(f"{VERIFICATION}no hunks found")
    changes = [change for one in patched for change in _changes(one, files)]
    diffs = [_diff(one) for one in patched]
    return _Plan(changes, diffs, "".join(one.patch + "\n" for one in diffs))


def _plan_anew(patch: Patch, before: Mapping[RemotePath, Known], now: Mapping[RemotePath, Known]) -> _Plan:
    try:
        return _plan(patch, now)
    except ToolError as exc:
        path = next((path for path in now if before[path].contents != now[path].contents), next(iter(now)))
        why = f" meanwhile, and the patch no longer fits; nothing was written. {exc.message}"
        raise changed_meanwhile(path, before[path].text, now[path].text, why=why) from exc


def _changes(one: PatchedFile, files: Mapping[RemotePath, Known]) -> list[Change]:
    path = RemotePath(one.path)
    old = files[path].state
    if one.move_to is None:
        return [Change(path, old, one.new)]
    target = RemotePath(one.move_to)
    mode = old.mode & 0o7777 if isinstance(old, Present) else None
    return [Change(target, files[target].state, one.new, mode=mode), Change(path, old, None)]


def _diff(one: PatchedFile) -> _FileDiff:
    old = "" if one.old is None else diff_text(one.old)
    new = "" if one.new is None else diff_text(one.new)
    additions, deletions = count_changes(old, new)
    if one.kind == "delete":
        deletions = len(old.split("\n"))
    kind = "move" if one.move_to is not None else one.kind
    move_path = None if one.move_to is None else RemotePath(one.move_to)
    path = RemotePath(one.path)
    return _FileDiff(kind, path, move_path, unified(path, old, new), additions, deletions)


def _ask(plan: _Plan, context: Context) -> None:
    patterns = [shown(context, one.path) for one in plan.files]
    ask_to_edit(
        context,
        path=", ".join(patterns),
        patterns=patterns,
        diff=plan.diff,
        more={"files": [one.to_json(context) for one in plan.files]},
    )


def _line(one: _FileDiff, context: Context) -> str:
    letter = {"add": "A", "delete": "D"}.get(one.kind, "M")
    return f"{letter} {shown(context, one.move_path or one.path)}"


def _metadata(plan: _Plan, context: Context) -> JSONObject:
    return {"diff": plan.diff, "files": [one.to_json(context) for one in plan.files], "diagnostics": {}}
