"""Loads paramiko without Invoke, which paramiko takes for one keyword of a configuration reader that is not used here.

Invoke brings asyncio, unittest.mock and YAML with it: half of the time of the import, and 6 MB.
"""

import sys


def load_paramiko() -> None:
    """Import paramiko; what is imported already, by whomever, stays as it is."""
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    # None makes an import fail as that of a missing module does (Python's import system, `sys.modules`).
    sys.modules["invoke"] = None  # type: ignore[assignment]  # typeshed knows modules only
    try:
        import paramiko  # noqa: F401 - the import is what is asked for
    finally:
        del sys.modules["invoke"]
