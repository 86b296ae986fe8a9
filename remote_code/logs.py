"""Where log lines go; never to standard output, which is the wire."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from remote_code.config import Config
from remote_code.errors import ConfigError
from remote_code.ssh.target import parse_command


def configure_logging(environ: Mapping[str, str], *, unset_level: str = "warning") -> None:
    """Send log lines where REMOTE_LOG says, else where `-E` and `-v` of REMOTE_SSH say.

    Where neither says anything they go to standard error, from `unset_level` on.
    """
    try:
        config = Config.from_environment(environ)
        log, level = config.log, config.log_level if environ.get("REMOTE_LOG") else unset_level
        if not environ.get("REMOTE_LOG"):
            command = parse_command(config.remote_ssh)
            log = os.path.expanduser(command.log_file) if command.log_file else None
            level = (unset_level, "info", "debug")[min(command.verbosity, 2)]
    except ConfigError:
        log, level = None, unset_level
    handler: logging.Handler = logging.StreamHandler()
    if log is not None:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # paramiko logs tracebacks of every refused login; our own errors say it in one line.
    logging.getLogger("paramiko").setLevel(logging.DEBUG if level == "debug" else logging.CRITICAL)
