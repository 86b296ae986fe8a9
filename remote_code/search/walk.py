"""Finding files by name where only listings are to be had (SFTP): which directories to enter, which names fit. Pure."""

import re

from remote_code.paths import encode_path
from remote_code.search.glob_pattern import parse_glob


class WalkPattern:
    """A glob for a walk by listings, with the rules of the other two makers.

    Raises:
        SearchFailed: the glob cannot be parsed.
    """

    def __init__(self, pattern: str) -> None:
        self._glob = parse_glob(pattern)
        self._regex = re.compile(self._glob.regex.replace("\1", "\n").encode("utf-8", "surrogateescape"), re.DOTALL)

    def enters(self, directory: str) -> bool:
        """Tell whether the walk goes into a directory, named relative to the place."""
        name = directory.rpartition("/")[2]
        if name == ".git":
            return False
        if self._glob.is_negated and self._fits(directory):
            return False
        if not name.startswith("."):
            return True
        return not self._glob.is_negated and not self._glob.is_empty and self._fits(directory)

    def takes(self, file: str) -> bool:
        """Tell whether a file, named relative to the place, is found."""
        is_hidden = file.rpartition("/")[2].startswith(".")
        if self._glob.is_empty:
            return not is_hidden
        if self._glob.is_negated:
            return not is_hidden and (self._glob.is_for_directories or not self._fits(file))
        return not self._glob.is_for_directories and self._fits(file)

    def _fits(self, name: str) -> bool:
        return self._regex.search(encode_path(name)) is not None
