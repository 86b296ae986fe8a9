"""File operations by our scripts in resident shells: one flight each, however many paths."""

import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from remote_code.errors import RemoteCodeError
from remote_code.paths import RemotePath, encode_path
from remote_code.quoting import quote
from remote_code.remote import parse, refusals
from remote_code.remote.leftovers import Cleaned, Leftover, Notes, Pending
from remote_code.remote.probe import Host, new_token
from remote_code.remote.runner import Runner, run
from remote_code.remote.seen import absent, grown, has_only_grown, observation
from remote_code.remote.stamp import COARSEST_CLOCK_NS, read_present, second_of
from remote_code.remote.state import (
    Absent,
    Change,
    Changed,
    DirectoryEntry,
    FileRange,
    FileState,
    Kind,
    Observation,
    Present,
    Wanted,
)
from remote_code.shell.job import Flights, Script

_PATHS_PER_JOB = 1_000
_PATHS_PER_LOOK = 200
_PATH_BYTES_PER_JOB = 256 * 1024
"""Linux gives all arguments of one program 2 MB, macOS 1 MB; the paths of a job are the arguments of one `stat`."""
_ATTEMPTS = 10
"""How often a file is read again that changed while it was read."""
_TIMEOUT_S = 30.0
_SLOWEST_BYTES_PER_S = 64 * 1024


class ShellFiles:
    """The `Files` of a machine with a POSIX shell.

    `notes` keeps what a cut write may leave for the next engine; this one cleans up by itself once the link is back.
    """

    def __init__(self, runner: Runner, host: Host, *, notes: Notes | None = None) -> None:
        self._runner = runner
        self._host = host
        self._pending = Pending(notes)

    def observe(
        self, wanted: Sequence[Wanted], *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> list[Observation]:
        """Return what each path is now, with contents up to `limit_bytes` each where they differ from what is held.

        One flight for up to 1,000 paths. A file that changed while it was read is asked for again. One that only ever
        grows, a log, is returned as it was when the reading began.

        Raises:
            RemoteOperationFailed: a file was rewritten during every attempt.
        """
        self._clean_unanswered(flights)
        found: list[Observation] = []
        for part in _jobs(wanted):
            found += self._observe_part(part, roots=roots, flights=flights, limit_bytes=limit_bytes)
        return found

    def _observe_part(
        self, wanted: Sequence[Wanted], *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> list[Observation]:
        found: dict[int, Observation] = {}
        open_indices = list(range(len(wanted)))
        for _ in range(_ATTEMPTS):
            asked = [wanted[index] for index in open_indices]
            seen, now_ns = self._ask(asked, roots=roots, flights=flights, limit_bytes=limit_bytes)
            for index, each in zip(open_indices, seen, strict=True):
                if not each.is_torn:
                    found[index] = observation(wanted[index], each, now_ns=now_ns)
            open_indices = [index for index in open_indices if index not in found]
            if not open_indices:
                break
        for index in open_indices:
            found[index] = self._observe_growing(wanted[index], roots=roots, flights=flights, limit_bytes=limit_bytes)
        return [found[index] for index in range(len(wanted))]

    def _observe_growing(
        self, wanted: Wanted, *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> Observation:
        first: parse.Seen | None = None
        for _ in range(2):
            (seen,), now_ns = self._ask([wanted], roots=roots, flights=flights, limit_bytes=limit_bytes)
            whole = grown(first, seen) if seen.is_torn else seen
            if whole is not None:
                return observation(wanted, whole, now_ns=now_ns)
            first = seen
        raise refusals.keeps_changing(wanted.path)

    def _ask(
        self, wanted: Sequence[Wanted], *, roots: Sequence[RemotePath], flights: Flights, limit_bytes: int
    ) -> tuple[list[parse.Seen], int]:
        """Run one `rc_observe`; also return a time of the remote's clock that lay before it."""
        token, now_ns = new_token(), self._host.clock_before_now_ns()
        # A file that is younger than this could be rewritten while it is read, with equal stamps before and after.
        young_ns = now_ns - COARSEST_CLOCK_NS
        day, second = second_of(young_ns, is_bsd=self._host.variants.get("stat") == "bsd")
        words = [_roots(roots), f"rc_observe {token} {limit_bytes} {day} {second}\n"]
        for first in range(0, len(wanted), _PATHS_PER_LOOK):
            words.append("rc_look_at")
            for each in wanted[first : first + _PATHS_PER_LOOK]:
                stamp, digest = self._proof(each.held)
                words.append(f" {quote(each.path)} {quote(stamp)} {digest}")
            words.append("\n")
        text = "".join([*words, "rc_contents\n"])
        # The size of what will come is not known: a limit on many paths would allow hours.
        timeout_s = _timeout_s(min(limit_bytes * len(wanted), 64 << 20))
        data = run(self._runner, Script(text, timeout_s=timeout_s, is_repeatable=True), flights=flights)
        return parse.read_observation(data, token=token, count=len(wanted)), now_ns

    def _proof(self, held: Present | None) -> tuple[str, str]:
        """Return the stamp and the digest that prove the contents of `held` unchanged; "-" for none."""
        if held is None:
            return "-", "-"
        if held.digest is None or not self._host.has_digests:
            return held.stamp, "-"
        # Too young: the clock may not have ticked between the last change that we know and the next one.
        return held.stamp if held.is_settled else "-", held.digest

    def replace(self, changes: Sequence[Change], *, roots: Sequence[RemotePath], flights: Flights) -> list[Changed]:
        """Write, create and remove files in one flight; all are compared before the first is changed.

        Removals come after all writes, so that a file under way to a new name has one at every moment. The results
        stand in the order of `changes`.

        Raises:
            RemoteChanged: a file is no longer as expected. Nothing was written, or (`done`) only the files named there.
            PermissionDenied, NoSpace, IsADirectory, OutsideWorkspace, RemoteOperationFailed: likewise.
            ConnectionLost: with outcome "unknown" the job may have run; observe before trying again.
        """
        if not changes:
            return []
        self._clean_unanswered(flights)
        order = sorted(range(len(changes)), key=lambda index: changes[index].contents is None)
        items = [_Item.of(changes[index]) for index in order]
        token, now_ns = new_token(), self._host.clock_before_now_ns()
        leftovers = [item.leftover(token, n + 1) for n, item in enumerate(items)]
        with self._pending.noted(leftovers):
            data = run(self._runner, self._replace_script(items, token, roots), flights=flights)
            answer = parse.read_replaced(data, token=token, count=len(items))
            if answer.reason == "broken":
                raise _refused(answer, items)
        if answer.reason != "ok":
            raise _refused(answer, items)
        results = [_changed(items[each.index - 1], each, now_ns=now_ns) for each in answer.done]
        return [changed for _, changed in sorted(zip(order, results, strict=True), key=lambda pair: pair[0])]

    def _clean_unanswered(self, flights: Flights) -> None:
        self._pending.clean_unanswered(lambda leftovers: self.clean(leftovers, flights=flights))

    def _replace_script(self, items: Sequence["_Item"], token: str, roots: Sequence[RemotePath]) -> Script:
        lines = ["exec <&3\n", _roots(roots), f"rc_begin {token}\n"]
        lines.extend(item.line(*self._expectation(item.change.expected)) for item in items)
        locks = sorted(range(len(items)), key=lambda index: items[index].directory)
        lines.append(f"rc_commit {' '.join(str(index + 1) for index in locks)}\n")
        payload = b"".join(item.change.contents or b"" for item in items)
        return Script("".join(lines), payload=payload, timeout_s=_timeout_s(len(payload)) + 0.1 * len(items))

    def _expectation(self, expected: FileState) -> tuple[str, str]:
        """Return STATE and OLD-DIGEST of `rc_item`."""
        if isinstance(expected, Absent):
            return "absent", "-"
        if expected.digest is None or not self._host.has_digests or expected.is_settled:
            return expected.stamp, expected.digest or "-"
        now_ns = self._host.clock_before_now_ns()
        state = read_present(expected.stamp, real_path=expected.real_path, digest=None, now_ns=now_ns)
        return ("-" if state.is_settled else "+") + expected.stamp, expected.digest

    def list_directory(
        self, path: RemotePath, *, roots: Sequence[RemotePath], flights: Flights
    ) -> tuple[Observation, list[DirectoryEntry]]:
        """Return the kind of `path` and, when it is a directory, its entries in no particular order.

        Raises:
            PermissionDenied: the directory may not be read.
        """
        token = new_token()
        data = self._read(f"rc_list {token} {quote(path)}\n", roots=roots, flights=flights)
        kind, real_path, is_readable, entries = parse.read_listing(data, token=token)
        if not is_readable:
            raise refusals.unreadable(path, action="list")
        return Observation(path, kind, real_path, absent(kind), None), entries

    def read_lines(
        self,
        path: RemotePath,
        *,
        first: int,
        limit: int,
        limit_bytes: int,
        roots: Sequence[RemotePath],
        flights: Flights,
    ) -> FileRange:
        """Return whole lines `first` (from 1) to `first + limit - 1` of a file, cut at `limit_bytes`.

        Raises:
            PermissionDenied: the file may not be read.
            RemoteOperationFailed: it was replaced or shrunk during every attempt.
        """
        call = f"{quote(path)} {first} {limit} {limit_bytes}"
        return self._range("rc_lines", path, call, roots=roots, flights=flights)

    def read_bytes(
        self, path: RemotePath, *, offset: int, limit: int, roots: Sequence[RemotePath], flights: Flights
    ) -> FileRange:
        """Return up to `limit` bytes from `offset` of a file.

        Raises:
            PermissionDenied: the file may not be read.
            RemoteOperationFailed: it was replaced or shrunk during every attempt.
        """
        return self._range("rc_bytes", path, f"{quote(path)} {offset} {limit}", roots=roots, flights=flights)

    def _range(
        self, function: str, path: RemotePath, call: str, *, roots: Sequence[RemotePath], flights: Flights
    ) -> FileRange:
        for _ in range(_ATTEMPTS):
            token, now_ns = new_token(), self._host.clock_before_now_ns()
            data = self._read(f"{function} {token} {call}\n", roots=roots, flights=flights)
            found = parse.read_range(data, token=token)
            if not found.is_readable:
                raise refusals.unreadable(path, action="read")
            if found.stamp is None:
                return FileRange(found.kind, found.real_path, absent(found.kind), b"")
            # What a log gets at its end meanwhile does not touch the part that was read.
            if found.after is not None and has_only_grown(found.stamp, found.after):
                state = read_present(found.stamp, real_path=found.real_path, digest=None, now_ns=now_ns)
                return FileRange(found.kind, found.real_path, state, found.contents)
        raise refusals.keeps_changing(path)

    def resolve(self, paths: Sequence[RemotePath], *, flights: Flights) -> list[tuple[Kind, RemotePath]]:
        """Return the kind and the real path of each path, whatever it leads to; one flight, no contents."""
        if not paths:
            return []
        text = " ".join(["rc_resolve", *map(quote, paths)]) + "\n"
        data = run(self._runner, Script(text, is_repeatable=True), flights=flights)
        return parse.read_resolved(data, count=len(paths))

    def make_dirs(self, path: RemotePath, *, roots: Sequence[RemotePath], flights: Flights) -> RemotePath:
        """Make a directory and its parents where they are missing; return its real path.

        Raises:
            PermissionDenied, OutsideWorkspace, RemoteOperationFailed: it was not made.
        """
        data = run(self._runner, Script(f"{_roots(roots)}rc_make_dirs {quote(path)}\n"), flights=flights)
        word, real_path = parse.read_made_dirs(data)
        if word not in ("new", Kind.DIRECTORY.value):
            raise refusals.cannot_make_directory(path, None if word == "denied" else Kind(word))
        return real_path

    def move(
        self,
        source: RemotePath,
        expected: Present,
        target: RemotePath,
        *,
        roots: Sequence[RemotePath],
        flights: Flights,
    ) -> Present:
        """Give a file another name, never over something that has it; return its new state.

        A link is moved as a link. After a cut the file may have both names.

        Raises:
            RemoteChanged: the file is no longer `expected`, or the new name is taken.
            NoSuchFile: the new directory does not exist.
            PermissionDenied, OutsideWorkspace, RemoteOperationFailed: nothing was moved.
        """
        now_ns = self._host.clock_before_now_ns()
        text = f"{_roots(roots)}rc_move {quote(source)} {quote(expected.stamp)} {quote(target)}\n"
        reason, about, real_path, stamp = parse.read_moved(run(self._runner, Script(text), flights=flights))
        if real_path is None or stamp is None:
            raise refusals.move_refused(reason, source, target, is_target=about == 2)
        return read_present(stamp, real_path=real_path, digest=expected.digest, now_ns=now_ns)

    def clean(self, leftovers: Sequence[Leftover], *, flights: Flights) -> list[Cleaned]:
        """Remove what cut writes have left, and make whole what was half-written in place; touch nothing else.

        To be called with the noted leftovers after connecting. Whatever the answer, the notes have served.
        """
        if not leftovers:
            return []
        words = ["rc_clean"]
        for each in leftovers:
            real_path = "-" if each.real_path is None else quote(each.real_path)
            digests = f"{each.old_digest or '-'} {each.new_digest or '-'}"
            words.append(f" {each.token} {each.index} {quote(each.path)} {real_path} {digests}")
        script = Script("".join([*words, "\n"]), timeout_s=_TIMEOUT_S + len(leftovers))
        return parse.read_cleaned(run(self._runner, script, flights=flights), count=len(leftovers))

    def _read(self, call: str, *, roots: Sequence[RemotePath], flights: Flights) -> bytes:
        return run(self._runner, Script(_roots(roots) + call, timeout_s=120.0, is_repeatable=True), flights=flights)


@dataclass(frozen=True, slots=True)
class _Item:
    """One change on its way."""

    change: Change
    digest: str | None
    """Of the new contents; None for a removal."""
    real_path: RemotePath | None

    @classmethod
    def of(cls, change: Change) -> "_Item":
        digest = None if change.contents is None else hashlib.sha256(change.contents).hexdigest()
        real_path = None if isinstance(change.expected, Absent) else change.expected.real_path
        return cls(change, digest, real_path)

    @property
    def directory(self) -> str:
        """What directories are ordered by, so that two engines lock them in one order."""
        return posixpath.dirname(self.real_path or self.change.path)

    def line(self, stamp: str, digest: str) -> str:
        path = quote(self.change.path)
        if self.change.contents is None:
            return f"rc_item r {path} {quote(stamp)} {digest} - -\n"
        mode = "-" if self.change.mode is None else f"{self.change.mode & 0o7777:o}"
        return f"rc_item w {path} {quote(stamp)} {digest} {self.digest} {mode} {len(self.change.contents)}\n"

    def leftover(self, token: str, index: int) -> Leftover:
        expected = self.change.expected
        old_digest = None if isinstance(expected, Absent) else expected.digest
        return Leftover(token, index, self.change.path, self.real_path, old_digest, self.digest)


def _refused(answer: parse.Replaced, items: Sequence[_Item]) -> RemoteCodeError:
    refused = items[answer.index - 1].change if answer.index else None
    done = [items[each.index - 1].change.path for each in answer.done]
    return refusals.replace_refused(answer.reason, refused, done=done)


def _changed(item: _Item, done: parse.Done, *, now_ns: int) -> Changed:
    state: FileState = Absent()
    if done.stamp is not None:
        state = read_present(done.stamp, real_path=done.real_path, digest=item.digest, now_ns=now_ns)
    return Changed(item.change.path, state, done.in_place, done.late_contents)


def _jobs(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    """Split `wanted` into what one job can take, in order."""
    first, n_bytes = 0, 0
    for index, each in enumerate(wanted):
        size_bytes = len(encode_path(each.path))
        if index - first == _PATHS_PER_JOB or (index > first and n_bytes + size_bytes > _PATH_BYTES_PER_JOB):
            yield wanted[first:index]
            first, n_bytes = index, 0
        n_bytes += size_bytes
    if first < len(wanted):
        yield wanted[first:]


def _roots(roots: Sequence[RemotePath]) -> str:
    return " ".join(["rc_roots", *map(quote, roots)]) + "\n"


def _timeout_s(size_bytes: int) -> float:
    return _TIMEOUT_S + size_bytes / _SLOWEST_BYTES_PER_S
