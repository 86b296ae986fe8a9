"""A real ssh-agent."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def ssh_agent(folder: Path) -> Iterator[dict[str, str]]:
    """Run an agent without keys; gives the environment of its clients."""
    path = folder / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        while not path.exists():
            assert process.poll() is None
        yield {**os.environ, "SSH_AUTH_SOCK": str(path)}
    finally:
        process.terminate()
        process.wait(5)


def add_to_agent(environ: dict[str, str], key: Path) -> None:
    """Give a key to the agent of `environ`."""
    subprocess.run(["ssh-add", "-q", str(key)], env=environ, check=True, stdin=subprocess.DEVNULL)
