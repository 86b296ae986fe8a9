"""`glob` where the account gives no shell: a walk by listings, a flight for each directory."""

import posixpath

from remote_code.errors import PermissionDenied
from remote_code.paths import RemotePath, is_within
from remote_code.remote.state import Kind, Observation, Present
from remote_code.search.glob import MAX_FILES, Found
from remote_code.search.walk import WalkPattern
from remote_code.tools.boundary import Granted, ask_for_links, observe
from remote_code.tools.context import Context
from remote_code.tools.refusals import not_a_directory, refuse

MAX_DIRECTORIES = 2000
MAX_DATED = 5000
"""How many files are dated to find the newest; of more, the first ones by name."""

NOTE = "(This account gives no shell: directories were listed over SFTP, and ignore files were not read.)"
CUT_NOTE = (
    f"(This account gives no shell: the first {MAX_DIRECTORIES} directories were listed over SFTP. "
    "Consider searching in a subdirectory.)"
)


def find(context: Context, pattern: str, place: RemotePath, granted: Granted) -> tuple[Found, str]:
    """Return the files that match, newest first, and a note on how they were found.

    Raises:
        NoSuchFile, NotADirectory, PermissionDenied: the place cannot be searched.
        Cancelled: the call was cancelled.
    """
    walk = WalkPattern(pattern)
    granted = _checked(context, place, granted)
    pending, names, n_listed = [""], list[str](), 0
    while pending and n_listed < MAX_DIRECTORIES:
        context.raise_if_cancelled()
        directory = pending.pop()
        n_listed += 1
        for name, is_directory in _listed(context, RemotePath(posixpath.join(place, directory)), granted):
            path = posixpath.join(directory, name)
            if is_directory:
                pending += [path] if walk.enters(path) else []
            elif walk.takes(path):
                names.append(path)
    files = observe(context, [RemotePath(posixpath.join(place, name)) for name in sorted(names)[:MAX_DATED]])
    found = [posixpath.relpath(one.path, place) for one in sorted(files, key=_age) if one.kind is Kind.FILE]
    return Found(found[:MAX_FILES], len(found) > MAX_FILES), CUT_NOTE if pending else NOTE


def _checked(context: Context, place: RemotePath, granted: Granted) -> Granted:
    """Return what is granted once the place is known to be a directory that may be listed."""
    (found,) = observe(context, [place])
    if not any(is_within(found.real_path, root) for root in granted.roots):
        outside = Observation(place, Kind.OUTSIDE, found.real_path, None, None)
        granted = ask_for_links(context, [outside], granted) or granted
    if found.kind is Kind.FILE:
        raise not_a_directory(place, "glob")
    if found.kind is not Kind.DIRECTORY:
        refuse(found, context, action="search")
    return granted


def _listed(context: Context, directory: RemotePath, granted: Granted) -> list[tuple[str, bool]]:
    """Return the names in a directory; none when it may not be read, as for the other searches."""
    try:
        _, entries = context.files.list_directory(directory, roots=granted.roots, flights=context.flights)
    except PermissionDenied:
        return []
    return [(entry.name, entry.is_directory) for entry in entries if not entry.is_link]


def _age(found: Observation) -> tuple[int, str]:
    state = found.state
    return (-state.mtime_ns if isinstance(state, Present) else 0, found.path)
