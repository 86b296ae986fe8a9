"""Files of a user message as the remote has them: `@file` mentions and `-f` attachments. Pure, given a reader.

OpenCode resolves mentions on the local disk before any plugin sees the message (`SessionPrompt.resolveUserPart`): a
synthetic text `Called the Read tool with the following input: {…}`, what the local read said, and the file itself.
All of that is dropped here and read again on the remote. Pasted images, MCP resources and agents stay.
"""

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Protocol

from remote_code.errors import RemoteCodeError
from remote_code.paths import Workspace

Part = dict[str, object]
"""One part of a message, as OpenCode keeps it."""

_CALLED = "Called the Read tool with the following input: "
_FAILED = "Read tool failed to read "
_MENTION = re.compile(r"(?<![\w`])@(\.?[^\s`,.]*(?:\.[^\s`,.]+)*)")
"""What OpenCode takes for a mention of a file in a text."""

_MENTIONS_MAX = 20
"""Mentions of one message that are looked for on the remote."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What tool read says about a file or directory."""

    output: str
    attachments: Sequence[Part] = ()
    """Images and PDFs: parts of type `file` with a data URL."""


class Read(Protocol):
    """Reads a file or directory of the remote, as tool read would, without a permission question."""

    def __call__(self, path: str, *, offset: int | None, limit: int | None) -> Contents:
        """Return what is at the absolute remote `path`.

        Raises:
            RemoteCodeError: it cannot be read; the message says why.
        """


@dataclass(frozen=True, slots=True)
class _LocalFile:
    """The parts that OpenCode made of one local file, and what it was asked to read."""

    path: str
    offset: int | None
    limit: int | None
    parts: list[Part] = field(default_factory=list)


def rewrite(parts: Sequence[Part], *, directory: str, workspace: Workspace, read: Read) -> list[Part]:
    """Return the parts of a message with every local file replaced by the remote one of the same relative path.

    `directory` is where OpenCode was opened. A mention in the text that names no local file is attached when it names a
    remote one. What cannot be read is told to the model in OpenCode's own words; no local content is left.
    """
    rewritten: list[Part] = []
    attached: set[str] = set()
    for item in _group(parts):
        if isinstance(item, _LocalFile):
            path = to_remote(item.path, directory=directory, workspace=workspace)
            attached.add(path)
            rewritten += _remote_parts(item, path, read)
        else:
            rewritten.append(item)
    rewritten += _mentioned_parts(parts, attached, workspace, read)
    return rewritten


def has_files(parts: Sequence[Part]) -> bool:
    """Tell whether `rewrite` would look at the remote at all."""
    return any(isinstance(item, _LocalFile) for item in _group(parts)) or any(_mentions(parts))


def to_remote(path: str, *, directory: str, workspace: Workspace) -> str:
    """Return the remote path that a local one stands for: below `directory` the same path below the workspace."""
    file = PurePath(path)
    if file.is_relative_to(directory):
        return workspace.resolve(file.relative_to(directory).as_posix())
    return workspace.resolve(file.as_posix())


def _group(parts: Sequence[Part]) -> Iterator[Part | _LocalFile]:
    """Yield the parts, those that come from one local file together."""
    current: _LocalFile | None = None
    for part in parts:
        started = _read_input(part)
        if started is not None:
            if current is not None:
                yield from _finished(current)
            current = started
        elif current is not None and _belongs(part, current):
            current.parts.append(part)
        else:
            if current is not None:
                yield from _finished(current)
                current = None
            yield part
    if current is not None:
        yield from _finished(current)


def _finished(file: _LocalFile) -> Iterator[Part | _LocalFile]:
    # A client may send a text of its own as a data URL; that is no file of this machine.
    if any(part.get("mime") == "text/plain" and str(part.get("url")).startswith("data:") for part in file.parts):
        yield from file.parts
    else:
        yield file


def _read_input(part: Part) -> _LocalFile | None:
    """Return the file that a part begins to tell about, if it does."""
    text = part.get("text")
    if not part.get("synthetic") or not isinstance(text, str):
        return None
    if text.startswith(_FAILED):
        path, _, _ = text.removeprefix(_FAILED).partition(" with the following error: ")
        return _LocalFile(path, None, None, [part])
    if not text.startswith(_CALLED):
        return None
    written = text.removeprefix(_CALLED)
    try:
        asked = json.loads(written)
        return _LocalFile(str(asked["filePath"]), asked.get("offset"), asked.get("limit"), [part])
    except (ValueError, KeyError, TypeError):
        # For images OpenCode writes the path without escaping it.
        return _LocalFile(written.removeprefix('{"filePath":"').removesuffix('"}'), None, None, [part])


def _belongs(part: Part, file: _LocalFile) -> bool:
    """Tell whether a part still tells about `file`: its text, an attachment, or the file itself, which ends it."""
    if any(known.get("type") == "file" and not known.get("synthetic") for known in file.parts):
        return False
    if part.get("type") == "file":
        source = part.get("source")
        return not (isinstance(source, dict) and source.get("type") == "resource")
    is_text = part.get("type") == "text" and bool(part.get("synthetic"))
    return is_text and not str(part.get("text")).startswith(("Reading MCP resource: ", " Use the above message"))


def _remote_parts(file: _LocalFile, path: str, read: Read) -> list[Part]:
    model = file.parts[0]
    own = next((part for part in file.parts if part.get("type") == "file"), None)
    return list(_with_ids(file.parts, _parts_for(path, file, model, own, read)))


def _parts_for(path: str, file: _LocalFile, model: Part, own: Part | None, read: Read) -> Iterator[Part]:
    asked = {"filePath": path, "offset": file.offset, "limit": file.limit}
    written = json.dumps({name: value for name, value in asked.items() if value is not None}, ensure_ascii=False)
    yield _text(model, _CALLED + written)
    try:
        contents = read(path, offset=file.offset, limit=file.limit)
    except RemoteCodeError as exc:
        yield _text(model, f"{_FAILED}{path} with the following error: {exc.message}")
        return
    base = {**_identity(model), "type": "file", "filename": posixpath.basename(path)}
    if own is not None:
        base |= {name: own[name] for name in ("filename", "source") if name in own}
    if isinstance(source := base.get("source"), dict) and "path" in source:
        base["source"] = {**source, "path": path}
    if contents.attachments:
        yield from ({**base, "mime": each["mime"], "url": each["url"]} for each in contents.attachments)
        return
    yield _text(model, contents.output)
    yield {**base, "mime": "text/plain", "url": f"file://{path}"}


def _mentioned_parts(parts: Sequence[Part], attached: set[str], workspace: Workspace, read: Read) -> Iterator[Part]:
    """Yield parts for the files that the text mentions and only the remote has."""
    last = parts[-1] if parts else {}
    n_made = 0
    for name in _mentions(parts):
        path = workspace.resolve(name)
        if path in attached or not workspace.is_within(path):
            continue
        attached.add(path)
        made = list(_parts_for(path, _LocalFile(path, None, None), last, None, read))
        if any(str(part.get("text", "")).startswith(_FAILED) for part in made):
            continue  # An "@" before something that is no file.
        for part in made:
            n_made += 1
            yield {**part, "id": f"{last.get('id')}{n_made:03d}"}


def _mentions(parts: Sequence[Part]) -> Iterator[str]:
    """Yield what the person's own text mentions, agents apart."""
    agents = {str(part.get("name")) for part in parts if part.get("type") == "agent"}
    texts = [str(part["text"]) for part in parts if part.get("type") == "text" and not part.get("synthetic")]
    names = [found for text in texts for found in _MENTION.findall(text)]
    yield from [name for name in dict.fromkeys(names) if name and name not in agents][:_MENTIONS_MAX]


def _text(model: Part, text: str) -> Part:
    return {**_identity(model), "type": "text", "synthetic": True, "text": text}


def _identity(model: Part) -> Part:
    return {name: model[name] for name in ("id", "messageID", "sessionID") if name in model}


def _with_ids(old: Sequence[Part], new: Sequence[Part] | Iterator[Part]) -> Iterator[Part]:
    """Give the new parts the ids of the old ones; further ones sort right behind them (OpenCode orders by id)."""
    ids = [part.get("id") for part in old]
    for index, part in enumerate(new):
        yield {**part, "id": ids[index] if index < len(ids) else f"{ids[-1]}{index - len(ids):03d}"}
