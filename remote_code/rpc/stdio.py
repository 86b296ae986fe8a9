"""The wire on standard input and output, out of reach of every stray `print`."""

import os
import sys
from typing import BinaryIO


def claim_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output for the wire and return them as byte streams.

    Descriptor 1 then leads to standard error, and descriptor 0 to nothing: what prints, and what a child process
    reads or writes, cannot touch the wire. The returned descriptors are private: `os.dup` makes
    them non-inheritable.
    """
    sys.stdout.flush()
    reader = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    writer = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return reader, writer
