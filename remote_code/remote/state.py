"""What is known of a remote file: `Absent | Present`, and what an observation of it found."""

import enum
from dataclasses import dataclass

from remote_code.paths import RemotePath


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing has this name."""


@dataclass(frozen=True, slots=True)
class Present:
    """A file is there, with exactly these properties.

    `stamp` is the whole line of the remote's `stat`, `mode(hex) size links uid gid inode device mtime|ctime`, or its
    equal over SFTP: two states are compared by it as text. The fields are read from it.
    """

    real_path: RemotePath
    """Where the file is once all links are followed."""
    stamp: str
    digest: str | None
    """SHA-256 of the contents in hex; None when it was not learned or the host has no tool for it."""
    size_bytes: int
    mode: int
    n_links: int
    uid: int
    gid: int
    inode: int
    mtime_ns: int
    is_settled: bool = False
    """Whether an equal stamp alone proves equal contents: the last change was well before this was observed, so the
    clock has ticked since. False is always safe; it costs a digest on the remote.
    """


FileState = Absent | Present


class Kind(enum.Enum):
    """What a path names on the remote."""

    FILE = "f"
    DIRECTORY = "d"
    OTHER = "o"
    """A FIFO, device or socket; never opened."""
    ABSENT = "a"
    ABSENT_DIRECTORY = "A"
    """Absent, and its directory too."""
    LINK_CYCLE = "c"
    NO_ACCESS = "x"
    """A directory on the way may not be searched."""
    OUTSIDE = "O"
    """The real path lies outside of the allowed roots: no state and no byte was read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A path to observe, and the state of the contents that we hold already, if any."""

    path: RemotePath
    held: Present | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What `observe` found for one path."""

    path: RemotePath
    """As asked."""
    kind: Kind
    real_path: RemotePath
    """All links followed; for an absent file where a write would create it."""
    state: FileState | None
    """None for anything but a file or an absent name. As observed now: it may be settled where the held one was not."""
    contents: bytes | None
    """The bytes, when they were asked for and differ from what is held; None when equal to what is held
    (`is_as_held`), too large, unreadable, or not a file.
    """
    is_as_held: bool = False
    is_too_large: bool = False
    is_unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One file to write or remove, and the state that it must still have."""

    path: RemotePath
    expected: FileState
    contents: bytes | None
    """New contents, or None to remove the file."""
    mode: int | None = None
    """Permission bits for a new file; None leaves them to the remote's umask. An existing file keeps its own."""


@dataclass(frozen=True, slots=True)
class Changed:
    """How one `Change` was carried out."""

    path: RemotePath
    state: FileState
    """The file's new state; `Absent` after a removal."""
    in_place: str | None = None
    """Why the file was written in place instead of renamed over: "links", "owner", "mode", "mount", "dir"."""
    late_contents: bytes | None = None
    """What a foreign writer put into the replaced file between our last comparison and the rename."""


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One name in a remote directory."""

    name: str
    """Surrogate-escaped like a path."""
    is_directory: bool
    """True also for a link that leads to a directory."""
    is_link: bool


@dataclass(frozen=True, slots=True)
class FileRange:
    """A part of a remote file, as `read_lines` and `read_bytes` return it."""

    kind: Kind
    real_path: RemotePath
    state: FileState | None
    contents: bytes
