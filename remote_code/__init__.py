"""Remote Code: file and shell tools of an AI coding agent act on a machine that is only reachable by SSH."""

from remote_code.version import __version__

__all__ = ["__version__"]
