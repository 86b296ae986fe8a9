"""The POSIX texts of this room, as they are sent: package data, stripped of what only people read."""

import functools
from importlib import resources

_FILES = ("programs", "paths", "observe", "ranges", "staging", "replace", "compare", "names", "clean", "probe")
"""Files of `scripts/`, in the order in which they are loaded."""


@functools.cache
def library() -> str:
    """Return the text that a resident shell evaluates once, before its first job."""
    folder = resources.files("remote_code.remote").joinpath("scripts")
    return "".join(strip(folder.joinpath(f"{name}.sh").read_text(encoding="utf-8")) for name in _FILES)


def strip(source: str) -> str:
    """Return a script without comment lines, indentation and empty lines.

    Right for texts in which no quoted string and no here-document runs over a line, as ours are.
    """
    lines = (line.strip() for line in source.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))
