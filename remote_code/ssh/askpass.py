"""Asking a person by the program of SSH_ASKPASS, where there is no terminal."""

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping

from remote_code.config import without_secrets
from remote_code.ssh.secrets import Ask

_log = logging.getLogger(__name__)

_ANSWER_TIMEOUT_S = 120.0


def find_askpass(environ: Mapping[str, str]) -> Ask | None:
    """Return a way to ask by SSH_ASKPASS; None when there is no such program, or SSH_ASKPASS_REQUIRE is `never`.

    The program gets the prompt as its argument and prints the answer. It does not inherit our passwords.
    """
    program = environ.get("SSH_ASKPASS", "")
    if environ.get("SSH_ASKPASS_REQUIRE") == "never" or not program or shutil.which(program) is None:
        return None

    def ask(prompt: str, echo: bool) -> str | None:
        try:
            done = subprocess.run(
                [program, prompt],
                env=without_secrets(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_ANSWER_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            _log.warning("event=askpass_failed error=%s", type(exc).__name__)
            return None
        if done.returncode:
            return None
        return done.stdout.decode("utf-8", "replace").removesuffix(os.linesep)

    return ask
