"""What `glob` and `grep` share: a search in one flight, with the question for a place that leads outside."""

from collections.abc import Callable, Sequence

from remote_code.errors import Cancelled, NoSuchFile, PermissionDenied, SearchFailed
from remote_code.paths import RemotePath
from remote_code.remote.state import Kind
from remote_code.search.command import TIMEOUT_S, Answer, read_answer
from remote_code.shell.job import Command
from remote_code.tools.boundary import Granted, ask_for_real_path
from remote_code.tools.context import Context

WITHOUT_RIPGREP = (
    "(ripgrep 13 or newer is not installed on the remote machine: ignore files such as .gitignore were not read"
)

WITHOUT_IGNORE_FILES = WITHOUT_RIPGREP + ".)"

WITHOUT_UNICODE = WITHOUT_RIPGREP + r", and \w, \d, \s, \b and (?i) know ASCII only.)"

Build = Callable[[Sequence[RemotePath]], Command]
"""Makes the command for the roots that are granted."""


def search(context: Context, place: RemotePath, granted: Granted, build: Build, *, pattern: str) -> Answer:
    """Run a search and return its answer; two flights more when the place leads outside and is granted.

    Raises:
        NoSuchFile, PermissionDenied: the place cannot be searched.
        SearchFailed: the program refused the pattern, or took too long.
        PermissionRejected: the place leads outside, and the person said no.
    """
    while True:
        answer = _run(context, build(granted.roots), pattern)
        if answer.kind is not Kind.OUTSIDE:
            break
        granted = ask_for_real_path(context, answer.real_path, granted)
    if answer.kind is Kind.ABSENT:
        raise NoSuchFile(f"No such file or directory: {place}", path=place)
    if answer.kind is Kind.NO_ACCESS:
        raise PermissionDenied(
            f'cannot search "{place}": permission denied for {context.host.user} on the remote machine',
            path=place,
            action="search",
        )
    return answer


def _run(context: Context, command: Command, pattern: str) -> Answer:
    result = context.shells.run_search(command, flights=context.flights, cancel=context.cancel)
    if result.is_cancelled:
        raise Cancelled("the search was cancelled")
    if result.is_timed_out:
        raise SearchFailed(
            f"the search took longer than {TIMEOUT_S:g} s; search in a subdirectory or with a narrower pattern",
            pattern=pattern,
            stderr="",
        )
    try:
        answer = read_answer(result.stdout, result.stderr)
    except ValueError as exc:
        said = result.stderr.decode("utf-8", "replace").strip()
        raise SearchFailed(
            f"the search ended with exit status {result.exit_status} and no answer: {said[:2000]}",
            pattern=pattern,
            stderr=said[:2000],
        ) from exc
    refused = answer.program_status is not None and answer.program_status > 1
    if refused and not answer.body and answer.complaint:
        raise SearchFailed(answer.complaint, pattern=pattern, stderr=answer.complaint)
    return answer
