"""A real OpenCode for the tests and the demo: its own HOME and configuration, the scripted model as its provider."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.support.model import PATIENCE_S, JSONObject

VERSION = "1.18.33"
"""The OpenCode that the tests and the demo work with."""

OLDEST_VERSION = "1.15.0"
"""The oldest OpenCode that is supported."""

PLAIN_MODEL = "scripted/agent-1"
"""A model that is offered `edit` and `write`."""

GPT_MODEL = "scripted/gpt-5-scripted"
"""A model that is offered `apply_patch` instead, because of its id."""


def binary_in(folder: Path) -> Path:
    """Return where npm puts OpenCode's program when it is installed in `folder`."""
    system = {"Linux": "linux", "Darwin": "darwin", "Windows": "windows"}[platform.system()]
    machine = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    name = "opencode.exe" if system == "windows" else "opencode"
    return folder / "node_modules" / f"opencode-{system}-{machine}" / "bin" / name


def install(folder: Path, *, version: str = VERSION) -> Path:
    """Install OpenCode from npm into `folder`, unless it is there, and return its program.

    Raises:
        subprocess.CalledProcessError: npm failed; its words are in `stderr`.
    """
    program = binary_in(folder)
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"opencode-ai@{version}"]
        subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return program


@dataclass(frozen=True, slots=True)
class OpenCode:
    """One user's OpenCode: everything that it reads and writes lies in `folder`."""

    program: Path
    folder: Path
    model_url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside the ones that every OpenCode of the tests gets: REMOTE_SSH and the like."""
    settings: JSONObject = field(default_factory=dict)
    """Entries of opencode.json beside the provider: permissions, plugins."""

    @property
    def home(self) -> Path:
        """The user's home directory."""
        return self.folder / "home"

    @property
    def project(self) -> Path:
        """The local directory that OpenCode is started in."""
        return self.folder / "project"

    @property
    def config_dir(self) -> Path:
        """Where opencode.json and tui.json stand."""
        return self.home / ".config" / "opencode"

    def prepare(self) -> None:
        """Make the folders and write opencode.json."""
        for folder in (self.home, self.project, self.config_dir):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.config_dir, self.home / ".opencode"):
            finish_npm(folder)
        config = {"$schema": "https://opencode.ai/config.json", **provider(self.model_url), **self.settings}
        (self.config_dir / "opencode.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def variables(self) -> dict[str, str]:
        """Return the whole environment of the process."""
        path = os.environ["PATH"]
        home = str(self.home)
        base = {"PATH": path, "HOME": home, "USERPROFILE": home, "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        kinds = {"CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state", "CACHE": ".cache"}
        base |= {f"XDG_{kind}_HOME": str(self.home / where) for kind, where in kinds.items()}
        base |= {"SHELL": shutil.which("bash") or "/bin/sh", "USER": os.environ.get("USER", "root")}
        base |= dict.fromkeys(("OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_DISABLE_AUTOUPDATE"), "1")
        # A later OpenCode may look for its package in another way; nothing here needs it, and no network is needed.
        base |= {"npm_config_registry": "http://127.0.0.1:9/", "npm_config_fetch_retries": "0"}
        return base | dict(self.environment)

    def start(
        self,
        *arguments: str,
        directory: Path | None = None,
        stdin: int = subprocess.DEVNULL,
        stderr: int | IO[str] = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start OpenCode with `arguments`; the caller waits for it or ends it."""
        return subprocess.Popen(
            [str(self.program), *arguments],
            cwd=directory or self.project,
            env=self.variables(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, prompt: str, *arguments: str, model: str = PLAIN_MODEL) -> "Run":
        """Run one prompt to its end with `opencode run` and return what it printed, event by event."""
        words = ["run", "--format", "json", "--model", model, prompt, *arguments]
        with self.start(*words) as process:
            try:
                output, errors = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired as exc:
                process.kill()
                output, errors = process.communicate()
                raise AssertionError(f"opencode run did not end:\n{output}\n{errors}") from exc
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return Run(process.returncode, events, errors)


@dataclass(frozen=True, slots=True)
class Run:
    """What `opencode run --format json` printed."""

    exit_status: int
    events: Sequence[JSONObject]
    errors: str

    @property
    def session_id(self) -> str:
        """The session that was made or continued."""
        assert self.events, f"opencode run ended with status {self.exit_status} and said nothing: {self.errors}"
        return str(self.events[0]["sessionID"])

    @property
    def parts(self) -> list[JSONObject]:
        """The message parts of all events, oldest first."""
        return [event["part"] for event in self.events if isinstance(event.get("part"), dict)]  # type: ignore[misc]  # JSON

    @property
    def tool_states(self) -> list[tuple[str, JSONObject]]:
        """Name and state of every tool call that ended."""
        return [(str(p["tool"]), p["state"]) for p in self.parts if p["type"] == "tool"]  # type: ignore[misc]  # JSON

    @property
    def text(self) -> str:
        """What the model said."""
        return "\n".join(str(part["text"]) for part in self.parts if part["type"] == "text")


def finish_npm(folder: Path) -> None:
    """Leave in a configuration folder what OpenCode looks for there: npm has installed its package for plugin authors.

    Without that, or with an empty `node_modules`, each start with a plugin loads npm, tries, and waits for the outcome.
    """
    (folder / "node_modules").mkdir(parents=True, exist_ok=True)
    root: JSONObject = {"dependencies": {"@opencode-ai/plugin": VERSION}}
    lock: JSONObject = {"lockfileVersion": 3, "requires": True, "packages": {"": root}}
    for name, contents in (("package.json", root), ("package-lock.json", lock)):
        (folder / name).write_text(json.dumps(contents), encoding="utf-8")


def provider(model_url: str) -> JSONObject:
    """Return the configuration entries that make the scripted model the only one."""
    models = {name.split("/")[1]: {"name": name, "tool_call": True} for name in (PLAIN_MODEL, GPT_MODEL)}
    scripted = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": model_url, "apiKey": "none"},
        "models": models,
    }
    return {"provider": {"scripted": scripted}, "model": PLAIN_MODEL, "small_model": PLAIN_MODEL}
