"""Finding files by name: the command, and the names in its answer. Pure; newest first, equal times by byte order."""

from collections.abc import Sequence
from dataclasses import dataclass

from remote_code.paths import RemotePath
from remote_code.quoting import quote
from remote_code.search.command import Answer, command, name_of_line
from remote_code.search.glob_pattern import GlobPattern, parse_glob
from remote_code.shell.job import Command

MAX_FILES = 100


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a glob."""

    names: list[str]
    """Relative to the place, at most `MAX_FILES`."""
    has_more: bool


def ripgrep_command(pattern: str, *, place: RemotePath, roots: Sequence[RemotePath]) -> Command:
    """Return the command that finds files with ripgrep."""
    call = f"rg_files {quote('--glob=' + pattern)} | newest | head -n {MAX_FILES + 1}"
    return command("ripgrep", call, place=place, roots=roots)


def posix_command(pattern: str, *, place: RemotePath, roots: Sequence[RemotePath]) -> Command:
    """Return the command that finds the same files with POSIX tools, but for ignore files.

    Raises:
        SearchFailed: the pattern cannot be parsed.
    """
    glob = parse_glob(pattern)
    call = f"find_files {quote(glob.regex)} {_mode(glob)} | newest | head -n {MAX_FILES + 1}"
    return command("posix", call, place=place, roots=roots)


def _mode(glob: GlobPattern) -> str:
    if glob.is_empty:
        return "all"
    if glob.is_negated:
        return "omit-directories-visible" if glob.is_for_directories else "omit"
    return "none" if glob.is_for_directories else "match"


def read_found(answer: Answer) -> Found:
    """Return the files in an answer; its lines are `time name`."""
    lines = [line for line in answer.body.split(b"\n") if line]
    names = [name_of_line(line.partition(b" ")[2]) for line in lines]
    return Found(names[:MAX_FILES], len(names) > MAX_FILES)
