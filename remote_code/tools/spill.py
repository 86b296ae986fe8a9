"""Full outputs of commands, kept on this machine under names that only our own `read` and `grep` open."""

import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

PREFIX = "remote-code:output/"
"""How the model names a kept output; no shell command on the remote can open such a name."""

KEEP_S = 7 * 24 * 3600.0
"""How long an output is kept."""

END_BYTES = 32 * 1024 * 1024
"""How much is kept of the beginning and of the end, each."""


class OutputStore:
    """Kept outputs in one directory, numbered from 1; safe for several threads and engines.

    Files are 0600 in a 0700 directory, which is made when the first output is kept.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time, end_bytes: int = END_BYTES) -> None:
        self._folder = folder
        self._clock = clock
        self._end_bytes = end_bytes
        self._lock = threading.Lock()  # Guards the removal of old outputs, which is done once per engine.
        self._is_swept = False

    def create(self) -> "Spool":
        """Begin a new output under the next free number."""
        self._prepare()
        number = max(self._numbers(), default=0) + 1
        while True:
            try:
                descriptor = os.open(self._folder / str(number), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                number += 1
                continue
            return Spool(os.fdopen(descriptor, "w+b"), name=f"{PREFIX}{number}", end_bytes=self._end_bytes)

    def create_unnamed(self) -> "Spool":
        """Begin an output that is gone when it is closed."""
        self._prepare()
        return Spool(tempfile.TemporaryFile(dir=self._folder), name="", end_bytes=self._end_bytes)

    def find(self, name: str) -> Path | None:
        """Return the local file of a kept output; None when `name` is not such a name or the output is gone."""
        match = re.fullmatch(re.escape(PREFIX) + r"([0-9]{1,12})", name)
        if match is None:
            return None
        path = self._folder / match[1]
        return path if path.is_file() else None

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def _numbers(self) -> list[int]:
        return [int(name) for name in os.listdir(self._folder) if name.isdecimal()]

    def _sweep(self) -> None:
        with self._lock:
            if self._is_swept:
                return
            self._is_swept = True
        for number in self._numbers():
            path = self._folder / str(number)
            with suppress(FileNotFoundError):  # Another engine sweeps at the same time.
                if self._clock() - path.stat().st_mtime > KEEP_S:
                    path.unlink()


class Spool:
    """One output while it grows: its beginning is written straight, its end into a ring behind it.

    `finish` puts the ring in order, with a line that names the gap if there is one; then it can be read.
    """

    def __init__(self, file: IO[bytes], *, name: str, end_bytes: int = END_BYTES) -> None:
        self.name = name
        """What the model calls this output."""
        self.size_bytes = 0
        """All bytes that were written, kept or not."""
        self._end_bytes = end_bytes
        self._file = file

    def write(self, data: bytes | bytearray) -> None:
        """Append `data`."""
        view = memoryview(data)
        while view:
            beyond = self.size_bytes - self._end_bytes
            if beyond < 0:
                position, room = self.size_bytes, -beyond
            else:
                position = self._end_bytes + beyond % self._end_bytes
                room = 2 * self._end_bytes - position
            piece = view[:room]
            self._file.seek(position)
            self._file.write(piece)
            self.size_bytes += len(piece)
            view = view[len(piece) :]

    def finish(self) -> None:
        """Put the kept parts in order; nothing is written behind this."""
        gap = self.size_bytes - 2 * self._end_bytes
        if gap <= 0:
            return
        turn = gap % self._end_bytes
        self._file.seek(self._end_bytes)
        ring = self._file.read(self._end_bytes)
        self._file.seek(self._end_bytes)
        self._file.write(b"\n... %d bytes are not kept ...\n" % gap)
        self._file.write(ring[turn:])
        self._file.write(ring[:turn])

    def blocks(self) -> Iterator[bytes]:
        """Yield what is kept, from the beginning."""
        self._file.seek(0)
        while block := self._file.read(1 << 20):
            yield block

    def close(self) -> None:
        """Close the file; a named one stays on the disk."""
        self._file.close()
