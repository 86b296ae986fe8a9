"""Files too large to be pulled whole: only the lines that are shown travel, at any offset.

Lines end at LF alone here: where a line begins is for the remote's `tail` to say, which knows no other line end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from remote_code._fast import split_bom
from remote_code.errors import Cancelled, OffsetOutOfRange, RemoteOperationFailed, ShellUnsupported
from remote_code.paths import RemotePath
from remote_code.quoting import quote
from remote_code.remote.state import Observation, Present
from remote_code.shell.job import Command
from remote_code.text import codec
from remote_code.text.page import Page, page_text
from remote_code.tools.boundary import Granted
from remote_code.tools.context import Context
from remote_code.tools.pages import DEFAULT_LIMIT, Wish, printable

RANGE_BYTES = 1024 * 1024
"""How much of a file travels at most for one page."""
COUNTED_BYTES = 64 * 1024 * 1024
"""Lines of larger files are not counted."""
HEAD_BYTES = 4096
"""How much tells what kind of file it is."""
TIMEOUT_S = 120.0

_LONE_CR = "\ue00d"
"""Stands for a carriage return inside a line while the text is paged."""


class Source(Protocol):
    """A file that is read by ranges."""

    def head(self) -> bytes:
        """Return its first 4 KiB."""

    def lines(self) -> bytes:
        """Return the lines that are wished for, and one more; `RANGE_BYTES` at most."""

    def whole(self) -> bytes:
        """Return all of it, `COUNTED_BYTES` at most."""

    def count(self) -> int | None:
        """Return its number of lines; None when it is too large to be counted."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A part of a file, ready to be paged within bounds that only the renderer knows."""

    page: Callable[[int, int], Page]
    """Takes a number of lines and a number of bytes."""
    note: str | None


def choose(source: Source, wish: Wish) -> Chosen:
    """Return the part of a file that is asked for.

    Raises:
        OffsetOutOfRange: the file has fewer lines.
    """
    bom, _ = split_bom(source.head())
    if len(bom) in (2, 4):  # UTF-16 and UTF-32: a byte of value 10 is no line end there.
        return _chosen(source.whole(), wish, first=1, total=None, is_partial=False)
    data = source.lines()
    total = source.count()
    if not data and wish.offset > 1:
        known = "" if total is None else f" ({total} lines)"
        raise OffsetOutOfRange(
            f"Offset {wish.offset} is out of range for this file{known}", offset=wish.offset, lines=total
        )
    is_partial = len(data) >= RANGE_BYTES or data.count(b"\n") >= n_wished(wish)
    return _chosen(_whole_lines(data), wish, first=wish.offset, total=total, is_partial=is_partial)


def n_wished(wish: Wish) -> int:
    """Return how many lines to fetch: one more than can be shown tells whether the file goes on."""
    return min(wish.limit, DEFAULT_LIMIT) + 1


def _chosen(data: bytes, wish: Wish, *, first: int, total: int | None, is_partial: bool) -> Chosen:
    decoded = codec.decode(data)
    text = printable(decoded.text).replace("\r\n", "\n").replace("\r", _LONE_CR)

    def page(limit: int, max_bytes: int) -> Page:
        found = page_text(
            text,
            offset=wish.offset,
            limit=limit,
            max_bytes=max_bytes,
            first_line=first,
            total=total,
            is_partial=is_partial and total is None,
        )
        return replace(found, lines=tuple(line.replace(_LONE_CR, "\r") for line in found.lines))

    return Chosen(page, codec.encoding_note(decoded))


def _whole_lines(data: bytes) -> bytes:
    """Return `data` without what was cut at its end; a single line that was cut keeps its whole characters."""
    if len(data) < RANGE_BYTES:
        return data
    end = data.rfind(b"\n") + 1
    if end:
        return data[:end]
    return data.decode("utf-8", "ignore").encode() if _is_mostly_utf8(data) else data


def _is_mostly_utf8(data: bytes) -> bool:
    try:
        data[:-4].decode("utf-8")
    except UnicodeDecodeError as exc:
        return exc.start >= len(data) - 8
    return True


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one flight brought."""

    head: bytes
    lines: bytes
    n_lines: int | None


class RemoteSource:
    """A file of the remote machine; all that is asked for comes in one flight (over SFTP: in three)."""

    def __init__(self, path: RemotePath, found: Observation, context: Context, granted: Granted, wish: Wish) -> None:
        self._path = path
        self._found = found
        self._context = context
        self._roots = granted.roots
        self._wish = wish
        self._looked: _Looked | None = None

    def head(self) -> bytes:
        """Return its first 4 KiB."""
        return self._look().head

    def lines(self) -> bytes:
        """Return the lines that are wished for, and one more."""
        return self._look().lines

    def whole(self) -> bytes:
        """Return all of it."""
        return self._bytes(COUNTED_BYTES)

    def count(self) -> int | None:
        """Return its number of lines."""
        return self._look().n_lines

    def _look(self) -> _Looked:
        if self._looked is None:
            try:
                self._looked = self._look_by_shell()
            except ShellUnsupported:
                self._looked = _Looked(self._bytes(HEAD_BYTES), self._lines(), None)
        return self._looked

    def _look_by_shell(self) -> _Looked:
        state = self._found.state
        is_counted = isinstance(state, Present) and state.size_bytes <= COUNTED_BYTES
        file = quote(self._found.real_path)
        lines = f"tail -n +{self._wish.offset} <{file} | head -n {n_wished(self._wish)} | head -c {RANGE_BYTES}"
        count = f"{{ wc -l <{file} && tail -c 1 <{file} | wc -l; }} >&2" if is_counted else ":"
        text = f"head -c {HEAD_BYTES} <{file} && {{ {lines}; {count}; }}"
        command = Command(text, "/", TIMEOUT_S)
        result = self._context.shells.run_search(command, flights=self._context.flights, cancel=self._context.cancel)
        if result.is_cancelled:
            raise Cancelled("the call was cancelled")
        if result.exit_status != 0 or len(result.stdout) < HEAD_BYTES:
            said = result.stderr.decode("utf-8", "replace").strip()[:500]
            raise RemoteOperationFailed(f'cannot read "{self._path}": {said}', path=self._path, reason="changed")
        words = result.stderr.split()[-2:] if is_counted else []
        n_lines = int(words[0]) + 1 - int(words[1]) if len(words) == 2 else None
        return _Looked(result.stdout[:HEAD_BYTES], result.stdout[HEAD_BYTES:], n_lines)

    def _lines(self) -> bytes:
        return self._context.files.read_lines(
            self._path,
            first=self._wish.offset,
            limit=n_wished(self._wish),
            limit_bytes=RANGE_BYTES,
            roots=self._roots,
            flights=self._context.flights,
        ).contents

    def _bytes(self, limit: int) -> bytes:
        return self._context.files.read_bytes(
            self._path, offset=0, limit=limit, roots=self._roots, flights=self._context.flights
        ).contents


class LocalSource:
    """A kept output on this machine's disk."""

    def __init__(self, path: Path, wish: Wish) -> None:
        self._path = path
        self._wish = wish

    def head(self) -> bytes:
        """Return its first 4 KiB."""
        with self._path.open("rb") as file:
            return file.read(HEAD_BYTES)

    def lines(self) -> bytes:
        """Return the lines that are wished for, and one more."""
        first = self._wish.offset - 1
        kept = bytearray()
        with self._path.open("rb") as file:
            for line in islice(file, first, first + n_wished(self._wish)):
                kept += line
                if len(kept) >= RANGE_BYTES:
                    break
        return bytes(kept)

    def whole(self) -> bytes:
        """Return all of it."""
        with self._path.open("rb") as file:
            return file.read(COUNTED_BYTES)

    def count(self) -> int | None:
        """Return its number of lines."""
        n_newlines, last = 0, b"\n"
        for block in self._blocks():
            n_newlines += block.count(b"\n")
            last = block
        return n_newlines + (0 if last.endswith(b"\n") else 1)

    def _blocks(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while block := file.read(1 << 20):
                yield block
