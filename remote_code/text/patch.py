"""Patches in both formats, OpenCode's and unified diffs: parse them, and apply them to named contents."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from remote_code.errors import PatchRejected
from remote_code.text.codec import BOM_CHARACTER, Decoded, decode, encode
from remote_code.text.hunks import apply_hunks
from remote_code.text.native import parse_native
from remote_code.text.section import Kind, Section

Format = Literal["native", "unified"]

MAX_PATCH_CHARACTERS = 16 * 2**20
"""A longer patch is refused: no model writes one, and its lines would fill the memory."""

_NATIVE = re.compile(r"^[^\S\n]*\*\*\* Begin Patch[^\S\n]*$", re.MULTILINE)
_UNIFIED = re.compile(r"^(?:diff --git |--- [^\n]*\n\+\+\+ |@@ -\d)", re.MULTILINE)
_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*)\n```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Patch:
    """A parsed patch."""

    format: Format
    sections: tuple[Section, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that the patch names, as written, in order, each once: `apply` wants the contents of them all."""
        named = (path for section in self.sections for path in (section.path, section.move_to))
        return tuple(dict.fromkeys(path for path in named if path is not None))


@dataclass(frozen=True, slots=True)
class PatchedFile:
    """What a patch makes of one file; several sections on it are one change."""

    kind: Kind
    path: str
    """As written where it is first named."""
    move_to: str | None
    old: bytes | None
    """None if there was no file."""
    new: bytes | None
    """None if it is deleted."""


def format_of(text: str) -> Format | None:
    """Tell in which format a patch is, None if in neither."""
    if _NATIVE.search(text):
        return "native"
    return "unified" if _UNIFIED.search(text) else None


def parse(text: str) -> Patch:
    """Parse a patch in either format; CRLF in it counts as LF, and a Markdown fence around it is taken away.

    Raises:
        PatchRejected: with the `line` of the patch where it is known.
    """
    if len(text) > MAX_PATCH_CHARACTERS:
        raise PatchRejected(
            f"the patch has {len(text)} characters; more than {MAX_PATCH_CHARACTERS} are not accepted, split it"
        )
    text = text.replace("\r\n", "\n")
    fenced = _FENCE.fullmatch(text.strip())
    text = fenced[1] if fenced else text
    kind = format_of(text)
    if kind == "native":
        return Patch(kind, tuple(parse_native(text)))
    if kind == "unified":
        from remote_code.text.unified import parse_unified  # Its library is loaded when there is such a patch.

        return Patch(kind, tuple(parse_unified(text)))
    raise PatchRejected("Invalid patch format: missing Begin/End markers")


def apply(patch: Patch, contents: Mapping[str, bytes | None]) -> list[PatchedFile]:
    """Return what `patch` makes of the files in `contents`: all of it, or an error and nothing.

    Keys of `contents` are the paths as written in the patch, None standing for no such file. Sections that name one
    file several times build on each other. Untouched and context lines keep their own bytes.

    Raises:
        PatchRejected: with `path`, and `hunk` and `line` (of the patch) where there is one.
        EncodingUnsupported: an added line cannot be written in its file's encoding.
    """
    files: list[_File] = []
    for section in patch.sections:
        file = next((known for known in reversed(files) if known.name == section.path), None)
        if file is None:
            if any(known.path == section.path for known in files):
                raise PatchRejected(
                    f'cannot apply: "{section.path}" was moved away earlier in the patch',
                    path=section.path,
                    line=section.patch_line,
                )
            before = contents.get(section.path)
            file = _File(section.path, section.path, before, before)
            files.append(file)
        _apply_section(file, section, _existing_names(files, contents))
    return [change for file in files if (change := file.change()) is not None]


@dataclass(slots=True)
class _File:
    """A file while the sections are applied."""

    path: str
    name: str
    """Its present name, another one than `path` after a move."""
    before: bytes | None
    now: bytes | None
    is_added_over: bool = False
    """Whether the patch adds it though it exists."""

    def change(self) -> PatchedFile | None:
        if self.before is None and self.now is None:
            return None
        if self.now is None:
            return PatchedFile("delete", self.path, None, self.before, None)
        move_to = self.name if self.name != self.path else None
        if self.before is None:
            return PatchedFile("add", move_to or self.path, None, None, self.now)
        kind: Kind = "add" if self.is_added_over else "update"
        return PatchedFile(kind, self.path, move_to, self.before, self.now)


def _existing_names(files: Iterable[_File], contents: Mapping[str, bytes | None]) -> set[str]:
    names = {path for path, data in contents.items() if data is not None}
    for file in files:
        names.discard(file.path)
    return names | {file.name for file in files if file.now is not None}


def _apply_section(file: _File, section: Section, existing: set[str]) -> None:
    if section.kind == "add":
        _add(file, section)
    elif file.now is None:
        action = "delete" if section.kind == "delete" else "update"
        raise PatchRejected(
            f"Failed to read file to {action}: {section.path}", path=section.path, line=section.patch_line
        )
    elif section.kind == "delete":
        _delete(file, section)
    else:
        file.now = _updated(file.now, section)
        if section.move_to is not None and section.move_to != file.name:
            if section.move_to in existing:
                raise PatchRejected(
                    f'cannot move "{section.path}" to "{section.move_to}": a file of that name exists; '
                    "delete it in the patch first if it is to be replaced",
                    path=section.path,
                    line=section.patch_line,
                )
            file.name = section.move_to


def _add(file: _File, section: Section) -> None:
    if section.must_be_new and file.now is not None:
        raise PatchRejected(
            f'cannot add "{section.path}": it exists already', path=section.path, line=section.patch_line
        )
    text = section.content
    bom = b"\xef\xbb\xbf" if text.startswith(BOM_CHARACTER) else b""
    file.is_added_over = file.now is not None
    file.now = encode(text.removeprefix(BOM_CHARACTER), like=Decoded("", "utf-8", bom))


def _delete(file: _File, section: Section) -> None:
    if section.hunks and file.now is not None and _updated(file.now, section):
        raise PatchRejected(
            f'cannot delete "{section.path}": it has lines that the patch does not name',
            path=section.path,
            line=section.patch_line,
        )
    file.now = None


def _updated(data: bytes, section: Section) -> bytes:
    if not section.hunks:
        return data
    decoded = decode(data)
    text = apply_hunks(decoded.text, section.hunks, path=section.path)
    if not text and section.kind == "delete":
        return b""
    return encode(text.removeprefix(BOM_CHARACTER), like=decoded)


__all__ = ["Format", "Kind", "Patch", "PatchedFile", "Section", "apply", "format_of", "parse"]
