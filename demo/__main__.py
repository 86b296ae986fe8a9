"""Sets the scene, plays the story, shows what it left on the remote, and sees that nothing is left running."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from demo import client, engine
from demo.show import Story
from demo.story import Chapter, Happening, chapters, further_chapters, scripts, setup_script
from demo.target import DemoError, Target, loopback, own_host
from remote_code.opencode.install import engine_command
from remote_code.opencode.install import install as install_plugin
from tests.support.model import ScriptedModel
from tests.support.opencode import OpenCode, binary_in
from tests.support.opencode import install as install_opencode

BUILD = Path(__file__).parents[1] / "build" / "opencode"


def main() -> int:
    """Play the demo and return its exit status; `--svg FILE` draws what it printed."""
    drawing = Path(sys.argv[2]) if sys.argv[1:2] == ["--svg"] else None
    console = Console(record=drawing is not None, width=100 if drawing else None)
    story = Story(console)
    try:
        with tempfile.TemporaryDirectory(prefix="remote-code-demo-") as name:
            folder = Path(name).resolve()
            with _target(folder, console) as target:
                _play(folder, target, story)
            left = _processes_of(folder)
    except (DemoError, subprocess.CalledProcessError) as exc:
        said = exc.stderr if isinstance(exc, subprocess.CalledProcessError) else ""
        console.print(f"[red]{exc}[/]\n{said or ''}")
        return 1
    story.note(f"Left running: {', '.join(left) or 'nothing'}.")
    if drawing is not None:
        console.save_svg(str(drawing), title="make demo")
    return 1 if left else 0


@contextlib.contextmanager
def _target(folder: Path, console: Console) -> Iterator[Target]:
    command = os.environ.get("REMOTE_SSH")
    question = f"REMOTE_SSH is set. Play the demo on `{command}`, in a temporary folder there? [y/N] "
    if command and sys.stdin.isatty() and console.input(question, markup=False).strip().lower() in {"y", "yes"}:
        with own_host(folder, os.environ) as target:
            yield target
    else:
        with loopback(folder) as target:
            yield target


def _play(folder: Path, target: Target, story: Story) -> None:
    story.title(f"A machine that can only be reached by SSH: {target.label}")
    target.home.mkdir(exist_ok=True)
    target.run(setup_script(target.workdir))
    story.note(f"A small project was put there: {target.workdir}")
    played = _chapters(target)
    if _has_opencode(story):
        story.title("A real OpenCode works there; its model is scripted")
        _play_with_opencode(played, folder, target, story)
    else:
        story.title("The same tool calls through the engine alone")
        engine.play(played, target, story)
    story.title("git diff, on the remote")
    story.diff(target.run("git --no-pager diff"))


def _chapters(target: Target) -> list[Chapter]:
    """Return the story; a host of the person's own is not stopped for it."""
    further = further_chapters(target.workdir)
    if target.server is None:
        further = [each for each in further if each.before in {Happening.SOMEBODY_EDITS, Happening.UNDO}]
    return chapters(target.workdir) + further


def _has_opencode(story: Story) -> bool:
    if binary_in(BUILD).exists():
        return True
    if shutil.which("npm") is None:
        story.note("Node.js is missing, so OpenCode cannot be installed (https://nodejs.org).")
        return False
    story.note(f"Installing OpenCode from npm into {BUILD}")
    install_opencode(BUILD)
    return True


def _play_with_opencode(played: Sequence[Chapter], folder: Path, target: Target, story: Story) -> None:
    with ScriptedModel(scripts(played)) as model:
        opencode = OpenCode(binary_in(BUILD), folder, model.base_url, environment=target.variables)
        opencode.prepare()
        report = install_plugin(opencode.config_dir, command=engine_command())
        story.note("`remote-code install` wrote " + ", ".join(change.path.name for change in report.changes))
        client.play(played, opencode, model, target, story)


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that still have to do with the demo's folder."""
    listing = subprocess.run(["ps", "-eo", "args="], check=True, capture_output=True, text=True).stdout
    return [line.strip() for line in listing.splitlines() if str(folder) in line]


if __name__ == "__main__":
    sys.exit(main())
