"""Searching a file of this machine: the kept outputs of commands."""

import re
from pathlib import Path

from remote_code.errors import SearchFailed
from remote_code.search.grep import MAX_HITS, Hit, Hits


def search_file(path: Path, pattern: str) -> Hits:
    """Return the matching lines of a UTF-8 file, in order.

    Raises:
        SearchFailed: the pattern cannot be compiled.
    """
    try:
        regex = re.compile(pattern)
    except re.error as exc:
        raise SearchFailed(f"regex parse error: {exc}", pattern=pattern, stderr=str(exc)) from exc
    hits: list[Hit] = []
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            text = line.removesuffix("\n")
            if regex.search(text):
                hits.append(Hit(path.name, number, text))
                if len(hits) > MAX_HITS:
                    break
    return Hits(hits[:MAX_HITS], len(hits) > MAX_HITS)
