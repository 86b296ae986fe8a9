"""The kernels of text handling: compiled where the extension modules were built, their pure-Python twins elsewhere.

Both give the same results and raise the same errors. `REMOTE_CODE_NO_EXTENSIONS=1` chooses the twins. No I/O here.
"""

import os
from typing import TYPE_CHECKING

NO_EXTENSIONS = bool(os.environ.get("REMOTE_CODE_NO_EXTENSIONS"))
"""Whether the environment asks for the twins."""

if TYPE_CHECKING or NO_EXTENSIONS:
    from remote_code._fast.twin import candidates, greedy_edits, is_binary, join_bom, locate, places, replace, split_bom
else:
    try:
        from remote_code._fast._binary import is_binary
        from remote_code._fast._bom import join_bom, split_bom
        from remote_code._fast._diff import greedy_edits
        from remote_code._fast._matcher import candidates, locate, places, replace
    except ImportError:
        from remote_code._fast.twin import (
            candidates,
            greedy_edits,
            is_binary,
            join_bom,
            locate,
            places,
            replace,
            split_bom,
        )

COMPILED: bool = replace.__module__ != "remote_code._fast.matcher_py"
"""Whether the compiled kernels serve."""

__all__ = [
    "COMPILED",
    "candidates",
    "greedy_edits",
    "is_binary",
    "join_bom",
    "locate",
    "places",
    "replace",
    "split_bom",
]
