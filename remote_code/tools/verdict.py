"""Whether a command failed, judged by its words alone: only for servers that report no exit status. Pure."""

import re

_FAILURES = re.compile(
    r"command not found|: not found$|no such file or directory|permission denied|operation not permitted"
    r"|segmentation fault|^killed$|^fatal:|^error:|syntax error|cannot (?:access|open|stat|create|execute)",
    re.IGNORECASE | re.MULTILINE,
)


def looks_failed(stderr: str) -> bool:
    """Tell whether the text of a standard error stream clearly speaks of a failure."""
    return _FAILURES.search(stderr) is not None
