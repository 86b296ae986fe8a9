"""The engine: one target, its pools, files, mirror and tools, put together; with `site` what sees every room.

An `Engine` is usable at once. It connects in the background; calls wait for the connection, and answer with its error
when it has failed. What a person set wrongly is an error of every call, never of the start.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from remote_code.errors import ConfigError, NoSuchFile, NotADirectory, RemoteCodeError, ShellUnsupported
from remote_code.paths import RemotePath
from remote_code.remote.scripts import library
from remote_code.remote.sftp_link import SFTPLink
from remote_code.remote.state import Changed
from remote_code.shell.boot import Place
from remote_code.shell.job import Cancel, Command, Flights, OnOutput, Result
from remote_code.shell.pool import LinkState, LinkStatus, PoolSettings, Shells
from remote_code.site import Site, Survey, Target
from remote_code.tools.context import Ask, Context, JSONObject, Limits, ToolResult
from remote_code.tools.memory import Memory
from remote_code.tools.registry import find, validate

if TYPE_CHECKING:
    from remote_code.ssh.connection import Connection
    from remote_code.ssh.program import ProgramLink

log = logging.getLogger(__name__)

Prompt = Callable[[str, bool], str | None]
"""Asks the person for one line (text, whether it is shown as it is typed); None when they give none."""

CONNECT_S = 30.0
"""How long a call waits for a connection where `ConnectTimeout` sets no bound."""
HISTORY_ENTRIES = 100_000
"""How many writes one undo takes back at most."""
PROBE_S = 30.0
"""How long a call waits for the first look at the remote, beyond the connect timeout."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the badge shows; the shape of protocol.md's `status`."""

    state: str
    host: str
    workdir: str | None
    rtt_ms: float | None
    error: RemoteCodeError | None
    notice: str | None

    def to_json(self) -> JSONObject:
        """Return the members as the wire names them; `error` and `notice` only when there is one."""
        shown: JSONObject = {"state": self.state, "host": self.host, "workdir": self.workdir, "rttMs": self.rtt_ms}
        if self.error is not None:
            shown["error"] = self.error.to_error_object()
        if self.notice is not None:
            shown["notice"] = self.notice
        return shown


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call as a client makes it, with its ways back to that client."""

    call_id: str
    name: str
    arguments: Mapping[str, object]
    session_id: str
    ask: Ask
    progress: Callable[[str | None, JSONObject], None]
    cancel: Cancel


class Engine:
    """Everything for one target. All methods may be called from any thread; `close` once, at the end."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        home: Path,
        prompt: Prompt | None = None,
        on_status: Callable[[Status], None] = lambda status: None,
    ) -> None:
        self.home = home
        self.memory = Memory(home / ".opencode" / "remote-code" / "outputs")
        self._prompt = prompt
        self._on_status = on_status
        self._site_lock = threading.Lock()  # One thread probes, the others wait for it; guards `_site`.
        self._site: Site | None = None
        self._error: RemoteCodeError | None = None
        self._notice: str | None = None
        self._is_link_ready = False
        self._limits = Limits()
        self._shells: Shells | None = None
        self.target: Target | None = None
        """None when the configuration is in error."""
        try:
            self.target = Target.from_environment(environ)
        except RemoteCodeError as exc:
            self._error = exc
            return
        config = self.target.config
        settings = PoolSettings(
            config.pool_command_size,
            config.pool_file_size,
            config.pool_stagger_ms / 1000,
            place=Place(enter=config.enter),
            sudo_password=config.sudo_password,
        )
        self._sftp = SFTPLink(self._connect)
        self._shells = Shells(self._connect, settings=settings, library=library(), on_status=self._link_changed)

    @property
    def label(self) -> str:
        """The target as the person typed it, for texts and the badge."""
        return "" if self.target is None else self.target.label

    def start(self) -> None:
        """Begin to connect in the background; the remote is looked at as soon as the link is up. Returns at once."""
        if self._shells is not None:
            self._shells.start()

    def set_limits(self, limits: Limits) -> None:
        """Take over the client's bounds for the text of results."""
        self._limits = limits

    def status(self) -> Status:
        """Return what is known now, without any I/O."""
        site = self._site
        link = LinkStatus(LinkState.FAILED, None, None) if self._shells is None else self._shells.status
        error = self._error or link.error
        state = "failed" if self._error is not None else link.state.value
        notice = self._notice
        if site is not None and not site.has_shell:
            state, error = LinkState.READY.value, None
            notice = notice or "this account gives no shell: files only, by SFTP"
        workdir: str | None = None
        if site is not None:
            workdir = site.workspace.root
        elif self.target is not None:
            workdir = self.target.workdir_as_typed
        rtt_ms = None if link.rtt_s is None else round(link.rtt_s * 1000, 1)
        return Status(state, self.label, workdir, rtt_ms, error, notice)

    def site(self, cancel: Cancel) -> Site:
        """Return the remote's rooms, waiting for the connection and the first look at it.

        Raises:
            ConfigError, ConnectionFailed: the target cannot be used; raised at once when it is known.
            NoSuchFile, NotADirectory: the workspace is not there; looked for again at every call.
            Cancelled: `cancel` came first.
        """
        if self._site is not None:
            return self._site
        survey = self._survey()
        self.start()
        has_shell = True
        try:
            self.wait_for_link(cancel, beyond_s=PROBE_S)
        except ShellUnsupported:
            if survey.target.config.enter is not None:
                raise
            has_shell = False
        # Held across the look on purpose: the others need what it finds. Bounded by the probe's own deadline.
        with self._site_lock:
            if self._site is None:
                try:
                    self._site, self._error = survey.look(has_shell=has_shell), None
                except (NoSuchFile, NotADirectory) as exc:
                    self._error = exc
                    raise
                finally:
                    self._on_status(self.status())
            return self._site

    def wait_for_link(self, cancel: Cancel, *, beyond_s: float = 0.0) -> None:
        """Block until the link is up, for the connect timeout and `beyond_s` at most.

        Raises:
            ConnectionFailed: it is down, and so was the last attempt to repair it.
            ConnectionLost: nothing was heard in that time.
            Cancelled: `cancel` came first.
        """
        survey = self._survey()
        timeout_s = survey.target.options.network.connect_timeout_s or CONNECT_S
        survey.shells.wait_until_ready(timeout_s=timeout_s + beyond_s, cancel=cancel)

    def call(self, call: Call) -> ToolResult:
        """Run one tool; the result carries what it cost in `metadata["remote"]`.

        Raises:
            RemoteCodeError: whatever the tool or the connection has to say, within the limits.
        """
        shells = self._survey().shells
        tool = find(call.name)
        arguments = validate(tool, call.arguments)
        site = self.site(call.cancel)
        flights = Flights(cancel=call.cancel)
        started = time.monotonic()
        context = Context(
            session_id=call.session_id,
            call_id=call.call_id,
            workspace=site.workspace,
            host=site.host,
            label=self.label,
            shells=shells,
            files=site.files,
            sync=site.sync,
            limits=self._limits,
            memory=self.memory,
            ask=call.ask,
            progress=call.progress,
            cancel=call.cancel,
            flights=flights,
        )
        result = tool.run(arguments, context)
        cost: JSONObject = {
            "roundTrips": flights.count,
            "tookMs": round((time.monotonic() - started) * 1000, 1),
            "rttMs": self.status().rtt_ms,
        }
        return replace(result, metadata={**result.metadata, "remote": cost})

    def create_workdir(self) -> RemotePath:
        """Make the workspace and its parents on the remote, and return it.

        Raises:
            RemoteCodeError: the target cannot be used, or the directory cannot be made.
        """
        return self._survey().make_workdir()

    def run_command(self, text: str, *, timeout_s: float, cancel: Cancel, on_output: OnOutput) -> Result:
        """Run a command of the person's own in the workspace; see `Shells.run_command`."""
        site = self.site(cancel)
        command = Command(text, workdir=site.workspace.root, timeout_s=timeout_s, keep_bytes=0)
        return self._survey().shells.run_command(command, flights=Flights(), cancel=cancel, on_output=on_output)

    def undo(
        self, number: int | None, *, call_id: str | None, path: str | None, session_id: str | None
    ) -> list[Changed]:
        """Take back one write of the history, or all that fit; see `SyncEngine.undo`."""
        site = self.site(Cancel())
        history = site.sync.history
        if number is not None:
            entries = [history.show(number).entry]
        else:
            wanted = None if path is None else site.workspace.resolve(path)
            entries = history.entries(call_id=call_id, path=wanted, session_id=session_id, limit=HISTORY_ENTRIES)
        undone_as = f"undo-{secrets.token_hex(4)}"
        return site.sync.undo(
            entries, session_id="undo", call_id=undone_as, roots=[site.workspace.root], flights=Flights()
        )

    def close(self) -> None:
        """End the connections, the commands that still run, and write the manifest."""
        if self._shells is not None:
            self._shells.close()
            self._sftp.close()
        if self._site is not None:
            self._site.sync.close()

    def _connect(self) -> "Connection | ProgramLink":
        from remote_code.ssh.askpass import find_askpass
        from remote_code.ssh.link import open_link
        from remote_code.ssh.secrets import Secrets

        target = self._survey().target
        # A pop-up answers prompts of the login; on an unknown host key only somebody at a terminal decides.
        ask = self._prompt or find_askpass(os.environ)
        return open_link(
            target.options,
            secrets=Secrets(target.config.password, ask, asks_about_hosts=self._prompt is not None),
            on_notice=self._take_notice,
            transport=target.config.transport,
        )

    def _survey(self) -> Survey:
        """Return what looks at the target.

        Raises:
            ConfigError: there is none; the configuration is in error.
        """
        if self.target is None or self._shells is None:
            raise self._error.again() if self._error else ConfigError("the engine has no target")
        return Survey(self.target, self.home, self._shells, self._sftp, self._take_notice)

    def _prepare(self) -> None:
        """Look at the remote as soon as the link is up, so that the first call need not."""
        try:
            self.site(Cancel())
        except RemoteCodeError as exc:
            log.warning("event=prepare_failed error=%s", exc.message)

    def _link_changed(self, link: LinkStatus) -> None:
        was_ready, self._is_link_ready = self._is_link_ready, link.state is LinkState.READY
        self._on_status(self.status())
        if self._is_link_ready and not was_ready and self._site is None:
            threading.Thread(target=self._prepare, name="prepare", daemon=True).start()

    def _take_notice(self, notice: str) -> None:
        log.warning("event=notice text=%s", notice)
        self._notice = notice
        self._on_status(self.status())
