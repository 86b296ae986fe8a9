"""What the model is told about the machine that it works on: the remote's environment, instructions and files.

The rules of OpenCode's texts are `opencode.system`'s and `opencode.message`'s; here the remote is asked.
"""

import logging
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace

from remote_code.app import Call, Engine
from remote_code.errors import RemoteCodeError
from remote_code.opencode import message, system
from remote_code.opencode.local import local_side
from remote_code.opencode.system import INSTRUCTION_NAMES, Environment, Instruction
from remote_code.paths import RemotePath, Workspace, is_within
from remote_code.shell.job import Cancel, Flights
from remote_code.site import Site
from remote_code.tools.context import JSONObject

log = logging.getLogger(__name__)

SESSION = "prompts"
"""The session that reads what prompts need; what it has seen is no other session's."""
INSTRUCTIONS_LIMIT_BYTES = 256 * 1024
"""An instructions file that is larger is left out."""


class Prompts:
    """Answers `environment`, `system/rewrite` and `message/rewrite` for one engine."""

    def __init__(self, engine: Engine, environ: Mapping[str, str]) -> None:
        self._engine = engine
        self._environ = environ
        self._known: Environment | None = None
        """What was told last, while the link was up."""

    def environment(self, cancel: Cancel) -> JSONObject:
        """Return what the remote is, as protocol.md's `environment` says; waits for the connection.

        Raises:
            RemoteCodeError: the target cannot be used.
        """
        site = self._engine.site(cancel)
        host, found = site.host, self._look(site)
        return {
            "host": self._engine.label,
            "workdir": site.workspace.root,
            "home": site.workspace.home,
            "user": host.user,
            "system": host.system,
            "platform": host.platform,
            "shell": host.shell,
            "isGitRepo": host.is_git_repo,
            "branch": found.branch,
            "instructions": [{"path": each.path, "text": each.text} for each in found.instructions],
            "hasRipgrep": host.ripgrep is not None,
            "tools": sorted(host.tools),
            "freeBytes": host.free_bytes,
        }

    def rewrite_system(self, parts: Sequence[str], *, directory: str, worktree: str) -> list[str]:
        """Return the system prompt with the remote's environment in place of the local one, whatever happens.

        Waits until the link is up or has failed; then what was known before has to do.
        """
        try:
            site = self._engine.site(Cancel())
            self._engine.wait_for_link(Cancel())
            self._known = environment = self._look(site)
        except RemoteCodeError as exc:
            known = self._known or Environment(host=self._engine.label, workdir=self._engine.status().workdir)
            environment = replace(known, problem=exc.message)
        local = local_side(self._environ, home=self._engine.home, directory=directory, worktree=worktree)
        return system.rewrite(parts, environment=environment, local=local)

    def rewrite_message(self, parts: Sequence[message.Part], *, directory: str, session_id: str) -> list[message.Part]:
        """Return the parts of a user message with its files read on the remote; no local content is left."""
        if not message.has_files(parts):
            return list(parts)
        try:
            workspace = self._engine.site(Cancel()).workspace
        except RemoteCodeError as exc:
            log.info("event=message_without_remote error=%s", exc.message)
            root = RemotePath(self._engine.status().workdir or "/")
            workspace = Workspace(root=root, home=root)
        # A link that has failed makes every read say so, which is what the model is then told of each file.
        read = _Reader(self._engine, session_id)
        return message.rewrite(parts, directory=directory, workspace=workspace, read=read)

    def _look(self, site: Site) -> Environment:
        """Ask for the instructions and the branch in one flight; what was read before is only compared."""
        root = site.host.repository or site.host.workdir_real
        head = RemotePath(posixpath.join(root, ".git", "HEAD"))
        directories = _upwards(site.host.workdir_real, root)
        wanted = [RemotePath(posixpath.join(each, name)) for name in INSTRUCTION_NAMES for each in directories]
        pulled = site.sync.pull(
            [head, *wanted],
            session_id=SESSION,
            roots=[root],
            flights=Flights(),
            limit_bytes=INSTRUCTIONS_LIMIT_BYTES,
        )
        texts = {
            path: each.contents.decode("utf-8", "replace").removeprefix("\ufeff")
            for path, each in zip([head, *wanted], pulled, strict=True)
            if each.contents is not None
        }
        return Environment(
            host=self._engine.label,
            workdir=site.workspace.root,
            platform=site.host.platform,
            shell=site.host.shell,
            is_git_repo=site.host.is_git_repo,
            branch=_branch(texts.get(head)) or site.host.branch,
            instructions=_instructions(texts, directories),
        )


class _Reader:
    """Reads a file for a message as tool read does; the person named it, so nothing is asked."""

    def __init__(self, engine: Engine, session_id: str) -> None:
        self._engine = engine
        self._session_id = session_id

    def __call__(self, path: str, *, offset: int | None, limit: int | None) -> message.Contents:
        arguments = {"filePath": path, "offset": offset, "limit": limit}
        result = self._engine.call(
            Call(
                call_id=f"message:{path}",
                name="read",
                arguments={name: value for name, value in arguments.items() if value is not None},
                session_id=self._session_id,
                ask=_granted,
                progress=lambda title, metadata: None,
                cancel=Cancel(),
            )
        )
        return message.Contents(result.output, result.attachments)


def _granted(
    permission: str, *, patterns: Sequence[str], always: Sequence[str], metadata: Mapping[str, object]
) -> None:
    return None


def _upwards(directory: RemotePath, root: RemotePath) -> list[RemotePath]:
    """Return `directory` and its parents up to `root`, the nearest first."""
    found = [directory]
    while found[-1] != root and is_within(found[-1], root):
        found.append(RemotePath(posixpath.dirname(found[-1])))
    return found


def _instructions(texts: Mapping[RemotePath, str], directories: Sequence[RemotePath]) -> list[Instruction]:
    """Return all files of the first name that exists anywhere, as OpenCode picks them."""
    for name in INSTRUCTION_NAMES:
        paths = [RemotePath(posixpath.join(each, name)) for each in directories]
        found = [Instruction(path, texts[path]) for path in paths if path in texts]
        if found:
            return found
    return []


def _branch(head: str | None) -> str | None:
    """Return the branch that a `.git/HEAD` names; None for a detached one."""
    prefix = "ref: refs/heads/"
    return head.strip().removeprefix(prefix) if head is not None and head.startswith(prefix) else None
