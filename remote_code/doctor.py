"""`remote-code doctor`: looks at a target step by step and says what works, what does not, and what would help."""

import time
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from remote_code.app import Engine
from remote_code.errors import NoSuchFile, RemoteCodeError
from remote_code.remote.files import ANYWHERE
from remote_code.remote.state import Wanted
from remote_code.shell.job import Cancel, Flights
from remote_code.site import Site


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    is_good: bool
    text: str


def examine(engine: Engine, *, create_workdir: bool, console: Console | None = None) -> bool:
    """Print the report and return whether the target can be worked on."""
    console = console or Console(highlight=False)
    if engine.target is not None:
        options = engine.target.options
        _print(console, Finding(True, f"target {options.user}@{options.host_name} port {options.port}"))
    try:
        site = engine.site(Cancel())
    except NoSuchFile as exc:
        if not create_workdir:
            _print(console, Finding(False, exc.message))
            return False
        try:
            made = engine.create_workdir()
            _print(console, Finding(True, f"made the workspace {made}"))
            site = engine.site(Cancel())
        except RemoteCodeError as failed:
            _print(console, Finding(False, failed.message))
            return False
    except RemoteCodeError as exc:
        _print(console, Finding(False, exc.message))
        return False
    for finding in _findings(site):
        _print(console, finding)
    return True


def _findings(site: Site) -> list[Finding]:
    if not site.has_shell:
        return [
            Finding(False, "this account gives no shell: `bash` and `grep` are not to be had, files go by SFTP"),
            Finding(True, f"workspace {site.workspace.root}"),
            Finding(True, f"local copies in {site.sync.local.root}"),
        ]
    host = site.host
    started = time.monotonic()
    site.files.observe([Wanted(site.workspace.root)], roots=ANYWHERE, flights=Flights(), limit_bytes=0)
    flight_ms = (time.monotonic() - started) * 1000
    found = [
        Finding(True, f"connected; a small job takes {flight_ms:.0f} ms there and back"),
        Finding(True, f"system {host.system}; commands run in {host.shell} as {host.user}"),
        Finding(True, f"workspace {site.workspace.root}"),
        Finding(
            host.is_workdir_writable,
            "the workspace is writable"
            if host.is_workdir_writable
            else "the workspace is not writable for this account: files can be read and searched only",
        ),
        Finding(
            host.has_digests,
            "files are compared by SHA-256"
            if host.has_digests
            else "no program there computes SHA-256 (sha256sum, shasum, sha256, openssl): files are compared by "
            "size, times and inode",
        ),
    ]
    if host.ripgrep is None:
        found.append(Finding(False, "ripgrep is not there: install `rg` 13 or newer for fast searches"))
    else:
        found.append(Finding(True, f"ripgrep {'.'.join(str(part) for part in host.ripgrep)}"))
    if host.free_bytes is not None:
        found.append(Finding(host.free_bytes > 0, f"{host.free_bytes // (1 << 20)} MiB free in the workspace"))
    found.append(Finding(True, f"local copies in {site.sync.local.root}"))
    return found


def _print(console: Console, finding: Finding) -> None:
    mark = "[green]✓[/green]" if finding.is_good else "[red]✗[/red]"
    console.print(f"{mark} {escape(finding.text)}", soft_wrap=True)
