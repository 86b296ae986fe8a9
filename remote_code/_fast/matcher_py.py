"""Where `oldString` is in a file: OpenCode's `replace` in plain Python, the twin of `_matcher.pyx`.

Two deviations from OpenCode: empty candidates are dropped, and `$` in the new text means itself.
"""

from collections.abc import Iterator

from remote_code._fast.javascript import length, trim
from remote_code._fast.limits import LARGE_CHARACTERS, MAX_CANDIDATES_IN_LARGE, MAX_FUZZY_CHARACTERS, MAX_FUZZY_LINES
from remote_code._fast.replacers_py import REPLACERS
from remote_code._fast.verdicts import empty_old_string, no_change, not_found, not_unique, too_large


def replace(content: str, old: str, new: str, replace_all: bool = False) -> str:
    """Return `content` with `old` replaced by `new`, found exactly or by the first replacer that finds one place.

    With `replace_all` every exact occurrence of the first candidate is replaced.

    Raises:
        NoChange: `old` and `new` are equal.
        OldStringEmpty: `old` is empty.
        EditNotFound: no replacer finds anything.
        EditAmbiguous: whatever was found is there several times.
        EditTooLarge: what was found is out of proportion to `old`.
    """
    if old == new:
        raise no_change()
    start, end = locate(content, old, replace_all)
    if replace_all:
        return content.replace(content[start:end], new)
    return content[:start] + new + content[end:]


def locate(content: str, old: str, replace_all: bool = False) -> tuple[int, int]:
    """Return start and end of what `replace` would replace; with `replace_all`, of its first occurrence.

    Raises:
        OldStringEmpty, EditNotFound, EditAmbiguous, EditTooLarge: as `replace` does.
    """
    if not old:
        raise empty_old_string()
    n_found = 0
    for _, start, end in places(content, old):
        if n_found >= MAX_CANDIDATES_IN_LARGE and len(content) > LARGE_CHARACTERS:
            break
        n_found += 1
        text = content[start:end]
        if _is_out_of_proportion(text, old):
            raise too_large()
        first = content.find(text)
        if replace_all or content.rfind(text) == first:
            return first, first + len(text)
    raise not_unique() if n_found else not_found()


def places(content: str, find: str) -> Iterator[tuple[str, int, int]]:
    """Yield the name of the replacer, start and end for all that the nine replacers find in `content`, in order.

    No place is empty; of places with the same text a replacer gives the first. In a file beyond the bounds of
    `limits` only the exact text is looked for.
    """
    if not find:
        return
    is_fuzzy = len(content) <= MAX_FUZZY_CHARACTERS and content.count("\n") < MAX_FUZZY_LINES
    for name, replacer in REPLACERS if is_fuzzy else REPLACERS[:1]:
        seen: set[str] = set()
        for start, end in replacer(content, find):
            text = content[start:end]
            if text and text not in seen:
                seen.add(text)
                yield name, start, end


def candidates(content: str, find: str) -> Iterator[tuple[str, str]]:
    """Yield the name of the replacer and the text of all `places`."""
    for name, start, end in places(content, find):
        yield name, content[start:end]


def _is_out_of_proportion(text: str, find: str) -> bool:
    n_wanted = find.count("\n") + 1
    n_found = text.count("\n") + 1
    if n_found >= max(n_wanted + 3, n_wanted * 2):
        return True
    if n_wanted == 1:
        return False
    wanted_length = length(trim(find))
    return length(trim(text)) > max(wanted_length + 500, wanted_length * 4)
