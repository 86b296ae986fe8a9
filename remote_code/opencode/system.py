"""The system prompt as the remote sees it: OpenCode's block about the local machine out, the remote's in. Pure.

OpenCode joins everything into one string: the agent's prompt, the `<env>` block, instructions, skills, MCP servers
(`experimental.chat.system.transform`). Skills, MCP servers, references and the global instructions are the user's own
and stay as they are.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath

INSTRUCTION_NAMES = ("AGENTS.md", "CLAUDE.md", "CONTEXT.md")
"""Files that hold a project's instructions; the first name that exists anywhere up the tree is the one that counts."""

_ENVIRONMENT = re.compile(
    r"(?:Here is some useful information about the environment you are running in:\n)?<env>\n(.*?)</env>", re.DOTALL
)
_HEADING = "Here is some useful information about the environment you are running in:"
_DATE = re.compile(r"^ *Today's date: .*$", re.MULTILINE)
_INSTRUCTION = re.compile(r"^Instructions from: (.+)$", re.MULTILINE)
_NEXT_BLOCK = re.compile(
    r"\n(?=Instructions from: |Skills provide specialized instructions|<mcp_instructions>|<available_references>)"
)
# OpenCode 1.15 takes the place of its own skills for a file of the local project.
_BUILT_IN_SKILL = re.compile(r"(?<=<location>)file://[^<\n]*/%3Cbuilt-in%3E(?=</location>)")

ReadLocal = Callable[[str], str | None]
"""Returns the text of a file of this machine; None when it cannot be read."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instructions file of the remote project."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Environment:
    """What the model is told about the remote. Unknown things are None."""

    host: str
    """The target as the person typed it."""
    workdir: str | None
    platform: str | None = None
    """As OpenCode names it: linux, darwin, freebsd."""
    shell: str | None = None
    """The shell that runs the commands of tool bash: bash or sh."""
    is_git_repo: bool = False
    branch: str | None = None
    instructions: Sequence[Instruction] = ()
    problem: str | None = None
    """Why the remote cannot be used, as the tools say it."""


@dataclass(frozen=True, slots=True)
class LocalSide:
    """What belongs to this machine and must not reach the model."""

    directory: str
    worktree: str
    global_files: Collection[str]
    """Instructions of the user, which stay: `~/.config/opencode/AGENTS.md`, `~/.claude/CLAUDE.md`."""
    read: ReadLocal

    def owns(self, path: str) -> bool:
        """Tell whether an instructions file is one of the local project (or of a directory above it)."""
        if path in self.global_files or path.startswith(("https://", "http://")):
            return False
        file = PurePath(path)
        roots = [self.directory] if self.worktree in {"", "/"} else [self.directory, self.worktree]
        return file.name in INSTRUCTION_NAMES or any(file.is_relative_to(root) for root in roots)


def rewrite(system: Sequence[str], *, environment: Environment, local: LocalSide) -> list[str]:
    """Return the parts of the system prompt with the remote's environment and instructions in place of the local ones.

    A part without an environment block (titles, summaries) only loses local instructions.
    """
    return [_rewrite_part(part, environment, local) for part in system]


def environment_block(environment: Environment, *, date: str | None = None) -> str:
    """Return the text that stands in place of OpenCode's `<env>` block. `date` is OpenCode's own line."""
    lines = [f"Remote machine: {environment.host} (every tool acts there over SSH; all paths are paths there)"]
    if environment.workdir is not None:
        lines += [f"Working directory: {environment.workdir}", f"Workspace root folder: {environment.workdir}"]
    if environment.problem is not None:
        lines.append(f"The remote machine cannot be used now: {environment.problem}")
    else:
        lines.append(f"Is directory a git repo: {'yes' if environment.is_git_repo else 'no'}")
    if environment.branch is not None:
        lines.append(f"Git branch: {environment.branch}")
    if environment.platform is not None:
        lines.append(f"Platform: {environment.platform}")
    if environment.shell is not None:
        lines.append(f"Shell: {environment.shell}")
    if date is not None:
        lines.append(date)
    body = "".join(f"  {line.strip()}\n" for line in lines)
    return f"{_HEADING}\n<env>\n{body}</env>"


def _rewrite_part(part: str, environment: Environment, local: LocalSide) -> str:
    kept = _BUILT_IN_SKILL.sub("built-in", _without_local_instructions(part, local))
    block = _ENVIRONMENT.search(kept)
    if block is None:
        return kept
    date = _DATE.search(block[1])
    texts = [environment_block(environment, date=date[0] if date else None)]
    texts += [f"Instructions from: {each.path}\n{each.text}" for each in environment.instructions]
    before, after = kept[: block.start()], kept[block.end() :]
    return before + "\n".join(texts) + _ENVIRONMENT.sub("", after)


def _without_local_instructions(part: str, local: LocalSide) -> str:
    kept: list[str] = []
    position = 0
    while found := _INSTRUCTION.search(part, position):
        end = _end_of_instruction(part, found, local.read)
        if local.owns(found[1]):
            # The newline that joined the block to the text before it goes too.
            kept.append(part[position : found.start()].removesuffix("\n"))
        else:
            kept.append(part[position:end])
        position = end
    return "".join(kept) + part[position:]


def _end_of_instruction(part: str, heading: re.Match[str], read: ReadLocal) -> int:
    """Return where the text of an instructions file ends: by the file itself, else by what can follow it."""
    start = heading.end() + 1
    text = read(heading[1])
    if text is not None and part.startswith(text, start):
        return start + len(text)
    following = _NEXT_BLOCK.search(part, heading.end())
    return following.start() if following else len(part)
