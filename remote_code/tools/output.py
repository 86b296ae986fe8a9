"""The text of a command's result: stdout, then stderr, whole or head and tail, always within the limits."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from remote_code.tools.context import Limits
from remote_code.tools.spill import OutputStore, Spool
from remote_code.tools.terminal import Cleaner, clean

PREVIEW_CHARACTERS = 30_000
"""How much of the end is shown to the person while a command runs."""

HEAD_SHARE = 4
"""One part in so many of what is shown is the head; the end of an output says more."""

STDERR_SHARE = 3
"""At most one part in so many is stderr's, unless stdout leaves more."""


class Stream:
    """One output stream of a command while it runs: its head and its tail as text, all of it in a spool when long."""

    def __init__(self, store: OutputStore, *, keep_bytes: int, charset: str) -> None:
        self._store = store
        self._keep_bytes = keep_bytes
        self._cleaner = Cleaner(charset)
        self._head = bytearray()
        self._tail = bytearray()
        self._spool: Spool | None = None
        self.size_bytes = 0
        self.n_newlines = 0
        self.problem: str | None = None
        """Why not all of it is kept, if it is not."""

    def feed(self, data: bytes, *, is_end: bool = False) -> None:
        """Take what has come."""
        text = self._cleaner.feed(data, is_end=is_end)
        if not text:
            return
        piece = text.encode("utf-8", "replace")
        self._keep_all(piece)
        self.size_bytes += len(piece)
        self.n_newlines += piece.count(b"\n")
        if len(self._head) < self._keep_bytes:
            self._head += piece[: self._keep_bytes - len(self._head)]
        self._tail += piece
        if len(self._tail) > 4 * self._keep_bytes:
            del self._tail[: -2 * self._keep_bytes]

    def _keep_all(self, piece: bytes) -> None:
        """Put what no longer fits in memory into a spool; a disk that is full ends the keeping, not the command."""
        if self.problem is not None:
            return
        try:
            if self._spool is None and self.size_bytes + len(piece) > self._keep_bytes:
                self._spool = self._store.create_unnamed()
                self._spool.write(self._head)
            if self._spool is not None:
                self._spool.write(piece)
        except OSError as exc:
            self.problem = exc.strerror or str(exc)

    def preview(self) -> str:
        """Return the end of the text so far, with the line that is not complete yet."""
        tail = bytes(self._tail[-4 * PREVIEW_CHARACTERS :]).decode("utf-8", "ignore")
        return (tail + clean(self._cleaner.pending))[-PREVIEW_CHARACTERS:]

    def text(self) -> str:
        """Return all of it; only what `fits` is asked for."""
        return self._head.decode("utf-8", "replace")

    def fits(self, max_lines: int, max_bytes: int) -> bool:
        """Tell whether all of it keeps within the bounds."""
        return self.size_bytes <= min(max_bytes, self._keep_bytes) and self.n_newlines < max_lines

    def shortened(self, max_lines: int, max_bytes: int) -> str:
        """Return head and tail within the bounds, with a line between them that says what is left out."""
        marker = "... {} lines ({} bytes) left out here ...\n"
        room = max_bytes - len(marker.format(self.n_newlines, self.size_bytes)) - 1
        lines = max_lines - 2
        if room <= 0 or lines <= 0:
            return ""
        head = _first(bytes(self._head), max(1, lines // HEAD_SHARE), room // HEAD_SHARE)
        tail = _last(bytes(self._tail), max(1, lines - lines // HEAD_SHARE), room - room // HEAD_SHARE)
        n_lines = self.n_newlines - head.count(b"\n") - tail.count(b"\n")
        left_out = marker.format(n_lines, self.size_bytes - len(head) - len(tail))
        gap = b"" if not head or head.endswith(b"\n") else b"\n"
        return (head + gap + left_out.encode() + tail).decode("utf-8", "replace")

    def copy_to(self, spool: Spool) -> None:
        """Append all that is kept to `spool`."""
        if self._spool is None:
            spool.write(self._head)
            return
        self._spool.finish()
        for block in self._spool.blocks():
            spool.write(block)

    def close(self) -> None:
        """Give the disk space back."""
        if self._spool is not None:
            self._spool.close()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text of a result."""

    text: str
    is_truncated: bool
    spill: str | None
    """Name of the full output, when it was truncated and could be kept."""


class Output:
    """The output of one command. Feed it as it comes, `render` it once, `close` it."""

    def __init__(self, store: OutputStore, limits: Limits, *, charset: str = "utf-8") -> None:
        self._store = store
        self._limits = limits
        self.stdout = Stream(store, keep_bytes=limits.max_bytes, charset=charset)
        self.stderr = Stream(store, keep_bytes=limits.max_bytes, charset=charset)

    def feed(self, stream: str, data: bytes) -> None:
        """Take what has come on "stdout" or "stderr"."""
        (self.stdout if stream == "stdout" else self.stderr).feed(data)

    def finish(self) -> None:
        """No more will come."""
        self.stdout.feed(b"", is_end=True)
        self.stderr.feed(b"", is_end=True)

    def preview(self) -> str:
        """Return the end of what a person would see now."""
        text = _joined(self.stdout.preview(), self.stderr.preview())
        return text if len(text) <= PREVIEW_CHARACTERS else "...\n\n" + text[-PREVIEW_CHARACTERS:]

    def render(self, *, head: str = "", notes: Sequence[str] = ()) -> Rendered:
        """Return `head`, the output, and the notes in their wrapper, all within the limits."""
        tail = _shell_metadata(notes)
        max_lines = self._limits.max_lines - head.count("\n") - tail.count("\n")
        max_bytes = self._limits.max_bytes - len((head + tail).encode("utf-8", "replace"))
        whole_lines = self.stdout.n_newlines + self.stderr.n_newlines + 4
        whole_bytes = self.stdout.size_bytes + self.stderr.size_bytes + len("\n\nstderr:\n")
        if whole_lines <= max_lines and whole_bytes <= max_bytes:
            text = _joined(self.stdout.text(), self.stderr.text()) or "(no output)"
            return Rendered(head + text + tail, is_truncated=False, spill=None)
        spill, where = self._keep()
        prefix = f"...output truncated...\n\n{where}\n\n"
        room_lines = max_lines - prefix.count("\n") - 4
        room_bytes = max_bytes - len(prefix) - len("\n\nstderr:\n")
        err = self._share(self.stderr, self.stdout, room_lines, room_bytes)
        room = (room_lines - err.count("\n") - 1, room_bytes - len(err.encode("utf-8", "replace")))
        out = self.stdout.text() if self.stdout.fits(*room) else self.stdout.shortened(*room)
        return Rendered(head + prefix + _joined(out, err) + tail, is_truncated=True, spill=spill)

    def close(self) -> None:
        """Give the disk space of the streams back; what was kept under a name stays."""
        self.stdout.close()
        self.stderr.close()

    def _share(self, stderr: Stream, stdout: Stream, max_lines: int, max_bytes: int) -> str:
        """Return stderr within its share, or within what stdout leaves if that is more."""
        lines = max(max_lines // STDERR_SHARE, max_lines - stdout.n_newlines - 1)
        size = max(max_bytes // STDERR_SHARE, max_bytes - stdout.size_bytes)
        return stderr.text() if stderr.fits(lines, size) else stderr.shortened(lines, size)

    def _keep(self) -> tuple[str | None, str]:
        """Keep the whole output under a name; return it, and the sentence that tells the model."""
        problem = self.stdout.problem or self.stderr.problem
        if problem is None:
            try:
                spool = self._store.create()
                with closing(spool):
                    self.stdout.copy_to(spool)
                    if self.stderr.size_bytes:
                        spool.write(b"\n\nstderr:\n" if self.stdout.size_bytes else b"stderr:\n")
                        self.stderr.copy_to(spool)
                    spool.finish()
            except OSError as exc:
                problem = exc.strerror or str(exc)
            else:
                note = "(Only the read and grep tools open this name; no shell command can.)"
                return spool.name, f"Full output saved to: {spool.name}\n{note}"
        return None, f"The full output could not be kept on this machine: {problem}"


def clamp(text: str, limits: Limits) -> str:
    """Return `text` cut to the limits, with a last line that says so; unchanged when it is within them."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limits.max_bytes and text.count("\n") < limits.max_lines:
        return text
    note = b"\n... cut here: the text is longer than a result may be ..."
    kept = _first(data, max(1, limits.max_lines - 2), max(0, limits.max_bytes - len(note)))
    return (kept.removesuffix(b"\n") + note).decode("utf-8", "replace")


def _joined(stdout: str, stderr: str) -> str:
    """Return stdout, a blank line, and stderr under its name."""
    if not stderr:
        return stdout
    if not stdout:
        return f"stderr:\n{stderr}"
    return f"{stdout}{'' if stdout.endswith(chr(10)) else chr(10)}\nstderr:\n{stderr}"


def _shell_metadata(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return "\n\n<shell_metadata>\n" + "\n".join(notes) + "\n</shell_metadata>"


def _first(data: bytes, max_lines: int, max_bytes: int) -> bytes:
    """Return whole lines from the beginning; the beginning of the first line when that alone is too long."""
    end = 0
    for _ in range(max_lines):
        newline = data.find(b"\n", end, max_bytes)
        if newline == -1:
            break
        end = newline + 1
    if end or not data:
        return data[:end]
    cut = min(max_bytes, len(data))
    while 0 < cut < len(data) and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return data[:cut]


def _last(data: bytes, max_lines: int, max_bytes: int) -> bytes:
    """Return whole lines from the end; the end of the last line when that alone is too long."""
    lowest = max(0, len(data) - max_bytes)
    if lowest == 0 and data.count(b"\n") < max_lines:
        return data
    start = len(data) - 1 if data.endswith(b"\n") else len(data)
    best = -1
    for _ in range(max_lines):
        newline = data.rfind(b"\n", max(0, lowest - 1), start)
        if newline == -1:
            break
        best = start = newline
    if best != -1:
        return data[best + 1 :]
    while lowest < len(data) and data[lowest] & 0xC0 == 0x80:
        lowest += 1
    return data[lowest:]
