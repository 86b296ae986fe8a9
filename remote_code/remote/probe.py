"""What a remote machine is and has, learned by one job per connection."""

import codecs
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from remote_code.paths import RemotePath, decode_path, encode_path, resolve
from remote_code.quoting import quote
from remote_code.remote.parse import read_probe, read_resolved
from remote_code.remote.runner import Runner, run
from remote_code.remote.state import Kind
from remote_code.shell.job import Flights, Script

_NS = 1_000_000_000
_DRIFT = 200e-6
"""Seconds a second by which two uncorrected clocks may drift apart; crystals do with half of it."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the probe found; true for the life of the connection."""

    home: RemotePath
    workdir: RemotePath
    """`REMOTE_WORKDIR` as the person named it: absolute, `~` expanded, links not followed."""
    workdir_kind: Kind
    """`DIRECTORY` when it can be worked in; `ABSENT` and the like say why not."""
    workdir_real: RemotePath
    """All links followed."""
    is_workdir_writable: bool
    system: str
    """`uname -srm`, for example "Linux 6.1.0 x86_64"."""
    platform: str
    """The first word of it in small letters: "linux", "darwin", "freebsd"."""
    shell: str
    """What runs the user's commands: "bash", or "sh" where there is none."""
    user: str
    uid: int
    umask: int
    tools: frozenset[str]
    """Names of the programs found in PATH, of those that this product asks about."""
    variants: Mapping[str, str]
    """How our scripts do their work here, for `doctor`: "stat": "gnu", "flock": "1", …"""
    ripgrep: tuple[int, ...] | None
    """Version of `rg`; None where it is missing."""
    git: str | None
    """Version text of `git`; None where it is missing."""
    repository: RemotePath | None
    """The root of the git repository that the workdir lies in."""
    branch: str | None
    """The branch that is checked out; None outside of a repository and for a detached HEAD."""
    is_case_sensitive: bool
    """Whether names that differ in case only name two files in the workdir, as far as can be told without a write."""
    free_bytes: int | None
    """Free space of the workdir's file system for this account; None when unknown."""
    clock_offset_s: float
    """The remote's clock minus ours, as good as `clock_uncertainty_s`."""
    clock_uncertainty_s: float
    probed_clock_s: float
    """The remote's clock, in Unix seconds, at a moment before `probed_at_s`."""
    probed_at_s: float
    """Our monotonic clock when the answer had come."""
    charset: str = "utf-8"
    """Python's name of the encoding of the account's locale; UTF-8 where it names none."""

    @property
    def is_git_repo(self) -> bool:
        """Whether the workdir lies in a git repository."""
        return self.repository is not None

    @property
    def has_digests(self) -> bool:
        """Whether the remote can compute SHA-256."""
        return self.variants.get("sha") != "none"

    def clock_before_now_ns(self) -> int:
        """Return a time of the remote's clock that certainly lies before the present one, in ns since 1970.

        By our monotonic clock, which no correction of the time of day moves, and less what two clocks may drift apart.
        """
        elapsed_s = time.monotonic() - self.probed_at_s
        return int((self.probed_clock_s + elapsed_s * (1 - _DRIFT)) * _NS)


def probe(shells: Runner, workdir: str | None, *, flights: Flights) -> Host:
    """Ask the remote what it has; one flight.

    `workdir` is what the person wrote: absolute, with `~`, relative to the home directory, or None for it. A workdir
    that is missing is no error here: `workdir_kind` tells it.

    Raises:
        InvalidPath: `workdir` holds a NUL.
        ConnectionFailed, ConnectionLost: the remote did not answer.
        RemoteOperationFailed: its answer cannot be used.
    """
    sent_at_s, sent_clock_s = time.monotonic(), time.time()
    script = Script(f"rc_probe {quote(workdir or '')}\n", is_repeatable=True)
    facts = read_probe(run(shells, script, flights=flights))
    answered_at_s = time.monotonic()
    home = resolve(facts.get("home", "/"), base=RemotePath("/"), home=RemotePath("/"))
    asked = RemotePath(facts.get("workdir", home))
    resolved = resolve(asked, base=home, home=home)
    kind, real = Kind(facts.get("kind", "x")), RemotePath(facts.get("real", resolved))
    if resolved != asked.rstrip("/") and resolved != asked:
        # With "..", "." or "//" in it the text means another directory than the remote's own reading of it did.
        (kind, real) = _resolve(shells, resolved, flights=flights)
    clock_s = _clock(facts.get("clock", ""))
    # The answer was made somewhere between sending and receiving; before a slow first connection it was certainly not.
    middle_s = sent_clock_s + (answered_at_s - sent_at_s) / 2
    tools = frozenset(facts.get("programs", "").split())
    system = facts.get("system", "")
    free = facts.get("free", "")
    return Host(
        home=home,
        workdir=resolved,
        workdir_kind=kind,
        workdir_real=real,
        is_workdir_writable="writable" in facts,
        system=system,
        platform=system.split(" ", 1)[0].lower() or "unknown",
        shell="bash" if "bash" in tools else "sh",
        user=facts.get("user", ""),
        uid=_number(facts.get("uid", ""), default=-1),
        umask=int(facts["umask"], 8) if re.fullmatch("[0-7]+", facts.get("umask", "")) else 0o022,
        tools=tools,
        variants=dict(word.partition(":")[::2] for word in facts.get("variants", "").split()),
        ripgrep=_version(facts.get("rg")),
        git=facts["git"].removeprefix("git version ") if facts.get("git") else None,
        repository=_repository(real, facts.get("repository", "")),
        branch=facts.get("branch"),
        is_case_sensitive="caseless" not in facts,
        free_bytes=int(free) * 1024 if free.isascii() and free.isdecimal() else None,
        clock_offset_s=clock_s - middle_s,
        clock_uncertainty_s=(answered_at_s - sent_at_s) / 2,
        probed_clock_s=clock_s,
        probed_at_s=answered_at_s,
        charset=charset_of(facts.get("locale", "")),
    )


def _resolve(shells: Runner, path: RemotePath, *, flights: Flights) -> tuple[Kind, RemotePath]:
    script = Script(f"rc_resolve {quote(path)}\n", is_repeatable=True)
    return read_resolved(run(shells, script, flights=flights), count=1)[0]


def _repository(workdir_real: RemotePath, length: str) -> RemotePath | None:
    """Return the part of the real workdir, of so many bytes, that names its repository."""
    if not (length.isascii() and length.isdecimal()):
        return None
    return decode_path(encode_path(workdir_real)[: int(length)] or b"/")


def charset_of(locale: str) -> str:
    """Return the encoding that a locale such as `ja_JP.eucJP` or `de_DE.ISO-8859-1@euro` names."""
    name = locale.partition(".")[2].partition("@")[0]
    try:
        return codecs.lookup(name).name if name else "utf-8"
    except LookupError:
        return "utf-8"


def _clock(text: str) -> float:
    """Return the Unix seconds of `date +%s.%N`; BusyBox prints the %N as it stands."""
    found = re.match(r"(\d+)(\.\d+)?", text)
    return float(found[0]) if found else 0.0


def _version(text: str | None) -> tuple[int, ...] | None:
    found = re.search(r"(\d+(?:\.\d+)+)", text or "")
    return tuple(int(part) for part in found[1].split(".")) if found else None


def _number(text: str, *, default: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() else default


def new_token() -> str:
    """Return a fresh mark for one job: what frames contents that may hold anything."""
    return secrets.token_hex(8)
