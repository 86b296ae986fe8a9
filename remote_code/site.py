"""One target and what is found there: the settings that name it, the first look at it, the rooms that work on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from remote_code.config import Config
from remote_code.errors import ChannelRefused, ConfigError, NoSuchFile, NotADirectory, SFTPError
from remote_code.mirror.local import LocalMirror
from remote_code.mirror.naming import host_slug, root_slug
from remote_code.mirror.sync import SyncEngine
from remote_code.paths import RemotePath, Workspace
from remote_code.remote.files import ANYWHERE
from remote_code.remote.leftovers import Cleaned
from remote_code.remote.probe import Host, probe
from remote_code.remote.sftp_files import SFTPFiles
from remote_code.remote.sftp_link import SFTPLink
from remote_code.remote.sftp_probe import check_same_machine, probe_sftp
from remote_code.remote.sftp_session import SFTPSessions
from remote_code.remote.shell_files import ShellFiles
from remote_code.remote.state import Kind
from remote_code.shell.job import Flights
from remote_code.shell.pool import Shells
from remote_code.ssh.options import Options, resolve
from remote_code.ssh.target import parse_command


@dataclass(frozen=True, slots=True)
class Target:
    """What one engine works on, as the environment and the ssh configuration say it."""

    config: Config
    options: Options

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings and resolve the ssh options.

        Raises:
            ConfigError: something cannot be used.
        """
        config = Config.from_environment(environ)
        if config.files == "sftp" and config.enter is not None:
            raise ConfigError(
                "REMOTE_FILES=sftp cannot be used with REMOTE_ENTER: SFTP reaches the login host only; unset one of "
                "them",
                variable="REMOTE_FILES",
                value="sftp",
                accepted="auto",
            )
        return cls(config, resolve(parse_command(config.remote_ssh)))

    @property
    def label(self) -> str:
        """The target as the person typed it, for texts and the badge."""
        if self.config.enter is None:
            return self.options.host
        # `docker exec -i web`, `kubectl exec -i pod --`, `sudo -n -u app`: the last word names the place.
        words = [word for word in self.config.enter.split() if word != "--"]
        return f"{self.options.host} > {words[-1]}"

    @property
    def workdir_as_typed(self) -> str | None:
        """`REMOTE_WORKDIR` when it names the workspace without asking the remote."""
        typed = self.config.workdir
        return typed if typed is not None and typed.startswith("/") else None

    def mirror_folder(self, home: Path) -> Path:
        """Return the folder that holds the target's mirrors, one for each workspace."""
        base = self.config.mirror or home / ".opencode" / "mirrors"
        return base / host_slug(self.options.user, self.options.host_name, self.options.port, self.config.enter)


@dataclass(frozen=True, slots=True)
class Site:
    """The remote once it is known: what it is, and the rooms that work on it."""

    host: Host
    workspace: Workspace
    files: ShellFiles | SFTPFiles
    sync: SyncEngine
    has_shell: bool
    """False where the account gives SFTP only: commands and searches are refused by name."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Looks at a target for the first time."""

    target: Target
    home: Path
    """The home directory of this machine's user."""
    shells: Shells
    sftp: SFTPLink
    on_notice: Callable[[str], None]

    def look(self, *, has_shell: bool) -> Site:
        """Learn what the remote is, put together what works on its files, and clean up what cut writes have left.

        Raises:
            NoSuchFile, NotADirectory: the workspace is not there.
            ShellUnsupported: there is neither a shell nor SFTP.
            SFTPError: the SFTP server shows other files than the shell.
            ConnectionLost: the link broke meanwhile.
        """
        sessions = None
        if not has_shell or self.target.config.files == "sftp":
            sessions = SFTPSessions(self.sftp.open_channel)
        host = self._probe() if has_shell or sessions is None else self._probe_sftp(sessions)
        self._check_workdir(host)
        if sessions is not None and has_shell:
            check_same_machine(sessions, self.shells, host, flights=Flights())
        workspace = Workspace(root=host.workdir, home=host.home)
        folder = self.target.mirror_folder(self.home) / root_slug(workspace.root)
        mirror = LocalMirror(folder, workspace=workspace, on_notice=self.on_notice)
        files: ShellFiles | SFTPFiles
        if sessions is None:
            files = ShellFiles(self.shells, host, notes=mirror.notes)
        else:
            files = SFTPFiles(sessions, notes=mirror.notes)
        self._clean(mirror, files)
        return Site(host, workspace, files, SyncEngine(mirror, files=files, workspace=workspace), has_shell)

    def make_workdir(self) -> RemotePath:
        """Make the workspace and its parents on the remote, and return it.

        Raises:
            RemoteCodeError: it cannot be made.
        """
        host = self._probe()
        return ShellFiles(self.shells, host).make_dirs(host.workdir, roots=ANYWHERE, flights=Flights())

    def _probe(self) -> Host:
        return probe(self.shells, self.target.config.workdir, flights=Flights())

    def _probe_sftp(self, sessions: SFTPSessions) -> Host:
        """Learn what a machine without a shell gives by SFTP.

        Raises:
            ShellUnsupported: it gives no SFTP either.
        """
        target = self.target
        try:
            return probe_sftp(sessions, target.config.workdir, user=target.options.user, flights=Flights())
        except (ChannelRefused, SFTPError) as exc:
            error = self.shells.status.error
            raise (error.again() if error else exc) from exc

    def _clean(self, mirror: LocalMirror, files: ShellFiles | SFTPFiles) -> None:
        """Remove what writes that were cut have left on the remote, and mend what they left half-written."""
        leftovers = mirror.notes.left()
        if leftovers:
            for leftover, cleaned in zip(leftovers, files.clean(leftovers, flights=Flights()), strict=True):
                if cleaned in {Cleaned.REPAIRED, Cleaned.KEPT}:
                    self.on_notice(f'a write to "{leftover.path}" was cut; its contents: {cleaned.value}')
            mirror.notes.remove(leftovers)

    def _check_workdir(self, host: Host) -> None:
        if host.workdir_kind is Kind.DIRECTORY:
            return
        where = f'the workspace "{host.workdir}" (REMOTE_WORKDIR)'
        if host.workdir_kind in {Kind.ABSENT, Kind.ABSENT_DIRECTORY}:
            raise NoSuchFile(
                f"{where} does not exist on {self.target.label}; `remote-code doctor --create-workdir` creates it",
                path=host.workdir,
            )
        raise NotADirectory(
            f"{where} on {self.target.label} is not a directory that this account may enter; set REMOTE_WORKDIR to one",
            path=host.workdir,
        )
