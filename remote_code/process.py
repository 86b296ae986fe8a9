"""What this process is to its parent: it hides the passwords from children, and ends when the parent has gone."""

import os
import signal
import threading

from remote_code.config import SECRET_VARIABLES

PARENT_POLL_S = 1.0
"""How often the parent's process id is looked at; the end of the input usually tells first."""


def take_environment() -> dict[str, str]:
    """Return the whole environment and take the passwords out of ours, so that no child inherits them."""
    whole = dict(os.environ)
    for name in SECRET_VARIABLES:
        os.environ.pop(name, None)
    return whole


def end_with_parent() -> None:
    """Have this process sent SIGTERM once its parent has gone without a word."""
    threading.Thread(target=_watch, args=(os.getppid(),), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    never = threading.Event()
    while os.getppid() == parent:
        never.wait(PARENT_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
