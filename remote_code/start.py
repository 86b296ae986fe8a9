"""Starts the engine as a process of its own: its environment, its log, its wire."""

from pathlib import Path
from typing import NoReturn

from remote_code.logs import configure_logging
from remote_code.process import take_environment
from remote_code.serve import serve


def start() -> NoReturn:
    """Serve on standard input and output until the client goes."""
    environ = take_environment()
    configure_logging(environ)
    serve(environ, home=Path.home())
