"""Finding lines by a regular expression: the command, and the hits in its answer. Pure; by byte order of paths."""

from collections.abc import Sequence
from dataclasses import dataclass

from remote_code.paths import RemotePath, decode_path
from remote_code.quoting import quote
from remote_code.search.command import Answer, command
from remote_code.search.glob_pattern import parse_glob
from remote_code.search.regex import to_posix
from remote_code.shell.job import Command

MAX_HITS = 100


@dataclass(frozen=True, slots=True)
class Hit:
    """One matching line."""

    name: str
    """Of its file, relative to the place."""
    line: int
    text: str
    """Without its newline; what is not valid UTF-8 shows as U+FFFD."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The lines that were found."""

    hits: list[Hit]
    """At most `MAX_HITS`."""
    has_more: bool


def ripgrep_command(pattern: str, include: str | None, *, place: RemotePath, roots: Sequence[RemotePath]) -> Command:
    """Return the command that finds lines with ripgrep."""
    words = [str(MAX_HITS + 1), quote(pattern)]
    if include is not None:
        words.append(quote("--glob=" + include))
    return command("ripgrep", f"rg_matches {' '.join(words)}", place=place, roots=roots)


def posix_command(pattern: str, include: str | None, *, place: RemotePath, roots: Sequence[RemotePath]) -> Command:
    """Return the command that finds the same lines with POSIX tools, but for ignore files.

    Raises:
        SearchFailed: the pattern is wrong, or says something that POSIX tools cannot.
    """
    posix = to_posix(pattern)
    option = " -i" if posix.ignores_case else ""
    lines = f"grep_files {MAX_HITS + 1} {quote(posix.text)}{option}"
    names = f"find_files {_included(include)} | to_lines | sort | from_lines"
    call = f'if [ "$kind" = f ]; then printf \'./%s\\0\' "$base"; else {names}; fi | {lines}'
    return command("posix", call, place=place, roots=roots)


def _included(include: str | None) -> str:
    """Return the arguments of `find_files` for a glob; hidden files are searched too."""
    glob = None if include is None else parse_glob(include)
    if glob is None or glob.is_empty:
        return "'' everything"
    if glob.is_negated:
        return f"{quote(glob.regex)} {'omit-directories' if glob.is_for_directories else 'omit-hidden'}"
    return "'' none" if glob.is_for_directories else f"{quote(glob.regex)} hidden"


def read_blocks(answer: Answer) -> Hits:
    """Return the hits in an answer of `posix_command`, whose blocks are `name NUL number:text newline ... NUL`."""
    hits: list[Hit] = []
    parts = answer.body.split(b"\0")
    for name, lines in zip(parts[::2], parts[1::2], strict=False):
        for line in lines.split(b"\n")[:-1]:
            number, _, text = line.partition(b":")
            if number.isdigit():
                shown = decode_path(name.removeprefix(b"./"))
                hits.append(Hit(shown, int(number), text.decode("utf-8", "replace")))
    return Hits(hits[:MAX_HITS], len(hits) > MAX_HITS)


def read_hits(answer: Answer) -> Hits:
    """Return the hits in an answer, whose records are `name NUL number : text newline`.

    The last record may have been cut by the bound on the output; it is then left out.
    """
    body, position = answer.body, 0
    hits: list[Hit] = []
    while (name_end := body.find(b"\0", position)) != -1:
        number_end = body.find(b":", name_end)
        line_end = body.find(b"\n", number_end)
        if number_end == -1 or line_end == -1 or not body[name_end + 1 : number_end].isdigit():
            break
        name = decode_path(body[position:name_end].removeprefix(b"./"))
        text = body[number_end + 1 : line_end].decode("utf-8", "replace")
        hits.append(Hit(name, int(body[name_end + 1 : number_end]), text))
        position = line_end + 1
    return Hits(hits[:MAX_HITS], len(hits) > MAX_HITS)
