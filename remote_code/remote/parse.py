"""The answers of our scripts, read strictly: a value that was sent, or `RemoteOperationFailed`. Pure.

The scripts say what each answer looks like. Lengths and a random token frame what comes from the remote's files, so no
name and no contents can be taken for structure.
"""

import hashlib
import re
from dataclasses import dataclass, replace

from remote_code.errors import RemoteOperationFailed
from remote_code.paths import RemotePath, decode_path
from remote_code.remote.leftovers import Cleaned
from remote_code.remote.stamp import is_stamp, size_of
from remote_code.remote.state import DirectoryEntry, Kind

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Seen:
    """One path of an `rc_observe` answer."""

    kind: Kind
    real_path: RemotePath
    verdict: str
    """`=` state as held, `~` contents as held, `+` contents follow, `>` too large, `!` unreadable, `-` not a file."""
    stamp: str | None
    digest: str | None
    contents: bytes | None
    """The bytes that were sent with verdict `+`; for a torn file all that came, None when it cannot be told apart."""
    after: str | None
    """The stamp after the reading; None for a torn file that had vanished."""
    is_torn: bool
    """Whether the file may have changed while it was read."""


@dataclass(frozen=True, slots=True)
class Done:
    """One file that a replace has changed."""

    index: int
    real_path: RemotePath
    stamp: str | None
    """None when the name is absent now."""
    in_place: str | None
    late_contents: bytes | None


@dataclass(frozen=True, slots=True)
class Replaced:
    """An `rc_commit` answer."""

    done: list[Done]
    reason: str
    """"ok", or why the rest was not changed."""
    index: int
    """The item that `reason` is about; 0 for none."""
    lock: str


@dataclass(frozen=True, slots=True)
class Range:
    """An `rc_lines` or `rc_bytes` answer."""

    kind: Kind
    real_path: RemotePath
    is_readable: bool
    stamp: str | None
    after: str | None
    contents: bytes


class _Answer:
    """Reads an answer from its beginning; every step that does not fit raises."""

    def __init__(self, data: bytes, operation: str) -> None:
        self._data = data
        self._at = 0
        self._operation = operation

    def fail(self, why: str) -> RemoteOperationFailed:
        excerpt = self._data[max(0, self._at - 40) : self._at + 80]
        return RemoteOperationFailed(
            f"the remote's answer to {self._operation} cannot be read: {why} at byte {self._at} ({excerpt!r})",
            reason="answer",
        )

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def line(self) -> str:
        text = self.text_line()
        if not text.isascii():
            raise self.fail("a line of structure holds other bytes than ASCII")
        return text

    def text_line(self) -> str:
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise self.fail("a line has no end")
        text = _text(self._data[self._at : end])
        self._at = end + 1
        return text

    def path(self, length: str) -> RemotePath:
        n = self.number(length)
        end = self._at + n
        if end >= len(self._data) or self._data[end : end + 1] != b"\n":
            raise self.fail(f"a path of {n} bytes does not end there")
        raw = self._data[self._at : end]
        if b"\0" in raw or not raw.startswith(b"/"):
            raise self.fail("a path is not absolute")
        self._at = end + 1
        return decode_path(raw)

    def number(self, text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 20):
            raise self.fail(f"{text!r} is not a number")
        return int(text)

    def kind(self, text: str) -> Kind:
        try:
            return Kind(text)
        except ValueError:
            raise self.fail(f"{text!r} is not a kind of file") from None

    def stamp(self, text: str) -> str:
        if not is_stamp(text):
            raise self.fail(f"{text!r} is not a state")
        return text

    def digest(self, text: str) -> str | None:
        if text == "-":
            return None
        if _DIGEST.fullmatch(text) is None:
            raise self.fail(f"{text!r} is not a digest")
        return text

    def until(self, mark: bytes) -> bytes:
        end = self._data.find(mark, self._at)
        if end < 0:
            raise self.fail("contents have no end")
        contents = self._data[self._at : end]
        self._at = end + len(mark)
        return contents

    def until_last(self, mark: bytes) -> bytes:
        end = self._data.rfind(mark, self._at)
        if end < 0:
            raise self.fail("contents have no end")
        contents = self._data[self._at : end]
        self._at = end + len(mark)
        return contents


def read_observation(data: bytes, *, token: str, count: int) -> list[Seen]:
    """Return what `rc_observe` said about its `count` paths."""
    answer = _Answer(data, "observe")
    heads = [_read_head(answer, index + 1) for index in range(count)]
    word, _, number = answer.line().partition(" ")
    following = [index for index, head in enumerate(heads) if head.verdict == "+"]
    if word != "B" or answer.number(number) != len(following):
        raise answer.fail("the number of files that follow is wrong")
    if following:
        body = answer.until_last(f"\n{token}\n".encode())
        digests: dict[int, str | None] = {}
        after: list[str] = []
        while not answer.is_at_end:
            line = answer.line()
            if line.startswith("D ") and not after:
                number, _, digest = line[2:].partition(" ")
                digests[answer.number(number) - 1] = answer.digest(digest)
            else:
                after.append(answer.stamp(line))
        _attach(heads, following, body, after)
        for index in digests.keys() & set(following):
            heads[index] = _proven(heads[index], digests[index])
    if not answer.is_at_end:
        raise answer.fail("there is more than was asked for")
    return heads


def _read_head(answer: _Answer, index: int) -> Seen:
    words = answer.line().split(" ", 6)
    if len(words) != 7 or words[0] != str(index):
        raise answer.fail(f"the line of path {index} is damaged")
    kind, verdict = answer.kind(words[1]), words[3]
    answer.number(words[2])
    real_path = answer.path(words[5])
    stamp = None if words[6] == "-" else answer.stamp(words[6])
    verdicts = ("=", "~", "+", ">", "!") if kind is Kind.FILE else ("-",)
    if verdict not in verdicts or (kind is Kind.FILE and stamp is None):
        raise answer.fail(f"verdict {verdict!r} does not fit a path of kind {words[1]!r}")
    return Seen(kind, real_path, verdict, stamp, answer.digest(words[4]), None, None, False)


def _attach(heads: list[Seen], following: list[int], body: bytes, after: list[str]) -> None:
    """Give the files their bytes, or call them torn: by one wrong size all that follows it would be wrong."""
    sizes = [size_of(heads[index].stamp or "") for index in following]
    is_whole = sum(sizes) == len(body) and len(after) == len(following)
    at = 0
    for n, index in enumerate(following):
        head = heads[index]
        contents: bytes | None = body[at : at + sizes[n]]
        at += sizes[n]
        stamp_after = after[n] if len(after) == len(following) else None
        if not is_whole:
            contents = body if len(following) == 1 else None
        is_torn = not is_whole or stamp_after != head.stamp
        heads[index] = Seen(head.kind, head.real_path, "+", head.stamp, head.digest, contents, stamp_after, is_torn)


def _proven(seen: Seen, digest: str | None) -> Seen:
    """Return what was seen of a young file: torn unless a reading after the first gave the same bytes."""
    if seen.is_torn or seen.contents is None or hashlib.sha256(seen.contents).hexdigest() == digest:
        return seen
    return replace(seen, is_torn=True)


_CHANGED = ("changed", "exists", "gone", "kind")
_DENIED = ("outside", "readonly", "denied", "mkdir")
_FAILED = ("space", "payload", "busy", "broken")
_REASONS = frozenset(["ok", *_CHANGED, *_DENIED, *_FAILED])
_IN_PLACE = frozenset(["0", "links", "owner", "mode", "mount", "dir"])
_LOCKS = frozenset(["flock", "some", "none", "file", "busy"])


def read_replaced(data: bytes, *, token: str, count: int) -> Replaced:
    """Return what `rc_commit` said about its `count` items."""
    answer = _Answer(data, "replace")
    done: list[Done] = []
    late: bytes | None = None
    while True:
        words = answer.line().split(" ", 4)
        if words[0] == "L" and len(words) == 2 and words[1] == str(len(done) + 1) and late is None:
            late = answer.until(f"\n{token}\n".encode())
        elif words[0] == "I" and len(words) == 5 and words[1] == str(len(done) + 1) and words[2] in _IN_PLACE:
            real_path = answer.path(words[3])
            stamp = None if words[4] == "absent" else answer.stamp(words[4])
            in_place = None if words[2] == "0" else words[2]
            done.append(Done(len(done) + 1, real_path, stamp, in_place, late))
            late = None
        elif words[0] == "E" and len(words) == 5 and late is None:
            break
        else:
            raise answer.fail("a line is none of L, I and E in order")
    reason, lock = words[1], words[3].removeprefix("lock=")
    index, n_done = answer.number(words[2]), answer.number(words[4].removeprefix("done="))
    if not answer.is_at_end or reason not in _REASONS or lock not in _LOCKS or n_done != len(done) or index > count:
        raise answer.fail("the last line is damaged")
    if (reason == "ok") != (n_done == count):
        raise answer.fail(f"{n_done} of {count} items were answered with {reason!r}")
    return Replaced(done, reason, index, lock)


def read_range(data: bytes, *, token: str) -> Range:
    """Return what `rc_lines` or `rc_bytes` said."""
    answer = _Answer(data, "read a part of a file")
    kind, real_path, is_readable, rest = _read_target(answer)
    if kind is not Kind.FILE or not is_readable:
        if not answer.is_at_end:
            raise answer.fail("there is more than was asked for")
        return Range(kind if is_readable else Kind.FILE, real_path, is_readable, None, None, b"")
    stamp = answer.stamp(rest)
    contents = answer.until_last(f"\n{token}\n".encode())
    after = None if answer.is_at_end else answer.stamp(answer.line())
    if not answer.is_at_end:
        raise answer.fail("there is more than was asked for")
    return Range(kind, real_path, True, stamp, after, contents)


def _read_target(answer: _Answer) -> tuple[Kind, RemotePath, bool, str]:
    """Return kind, real path, whether it is readable, and the last word of the line."""
    words = answer.line().split(" ", 2)
    if len(words) != 3:
        raise answer.fail("the first line is damaged")
    is_readable = words[0] != "!"
    kind = answer.kind(words[0]) if is_readable else Kind.FILE
    return kind, answer.path(words[1]), is_readable, words[2]


def read_listing(data: bytes, *, token: str) -> tuple[Kind, RemotePath, bool, list[DirectoryEntry]]:
    """Return what `rc_list` said: kind, real path, whether it is readable, and the entries."""
    answer = _Answer(data, "list a directory")
    kind, real_path, is_readable, form = _read_target(answer)
    entries: list[DirectoryEntry] = []
    if kind is Kind.DIRECTORY and is_readable:
        mark = f"\0{token}\0".encode()
        if form == "printf":
            names = _names(answer, answer.until(mark), prefix=b"")
            entries = [_printf_entry(answer, name) for name in names]
        elif form == "print0":
            names, directories, links = (_names(answer, answer.until(mark), prefix=b"./") for _ in range(3))
            is_directory, is_link = set(directories), set(links)
            entries = [DirectoryEntry(_text(name), name in is_directory, name in is_link) for name in names]
        else:
            raise answer.fail(f"{form!r} is not a form of listing")
    if not answer.is_at_end:
        raise answer.fail("there is more than was asked for")
    return kind, real_path, is_readable, entries


def _names(answer: _Answer, block: bytes, *, prefix: bytes) -> list[bytes]:
    if not block:
        return []
    if not block.endswith(b"\0"):
        raise answer.fail("a name has no end")
    names = block[:-1].split(b"\0")
    if not all(name.startswith(prefix) and name != prefix and b"/" not in name[len(prefix) :] for name in names):
        raise answer.fail("a name is damaged")
    return [name[len(prefix) :] for name in names]


def _printf_entry(answer: _Answer, raw: bytes) -> DirectoryEntry:
    if len(raw) < 3:
        raise answer.fail("an entry is damaged")
    return DirectoryEntry(_text(raw[2:]), raw[1:2] == b"d", raw[:1] == b"l")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def read_resolved(data: bytes, *, count: int) -> list[tuple[Kind, RemotePath]]:
    """Return what `rc_resolve` said about its `count` paths."""
    answer = _Answer(data, "resolve")
    resolved = []
    for _ in range(count):
        words = answer.line().split(" ")
        if len(words) != 3:
            raise answer.fail("a line is damaged")
        answer.number(words[1])
        resolved.append((answer.kind(words[0]), answer.path(words[2])))
    if not answer.is_at_end:
        raise answer.fail("there is more than was asked for")
    return resolved


def read_made_dirs(data: bytes) -> tuple[str, RemotePath]:
    """Return what `rc_make_dirs` said: "new", "denied" or the letter of a kind, and the real path."""
    answer = _Answer(data, "make a directory")
    words = answer.line().split(" ")
    if len(words) != 2:
        raise answer.fail("the line is damaged")
    if words[0] not in ("new", "denied"):
        answer.kind(words[0])
    real_path = answer.path(words[1])
    if not answer.is_at_end:
        raise answer.fail("there is more than was asked for")
    return words[0], real_path


def read_moved(data: bytes) -> tuple[str, int, RemotePath | None, str | None]:
    """Return what `rc_move` said: reason, which path it is about (0: none), the new real path, its stamp."""
    answer = _Answer(data, "move")
    words = answer.line().split(" ", 3)
    if len(words) != 4 or words[0] not in _REASONS | {"directory"}:
        raise answer.fail("the line is damaged")
    is_ok = words[0] == "ok"
    stamp = answer.stamp(words[3]) if is_ok else None
    real_path = answer.path(words[2]) if is_ok else None
    if is_ok and not answer.is_at_end:
        raise answer.fail("there is more than was asked for")
    return words[0], answer.number(words[1]), real_path, stamp


def read_cleaned(data: bytes, *, count: int) -> list[Cleaned]:
    """Return what `rc_clean` said about its `count` leftovers."""
    answer = _Answer(data, "clean up")
    cleaned = []
    for index in range(count):
        number, _, word = answer.line().partition(" ")
        if number != str(index + 1) or word not in {member.value for member in Cleaned}:
            raise answer.fail("a line is damaged")
        cleaned.append(Cleaned(word))
    if not answer.is_at_end:
        raise answer.fail("there is more than was asked for")
    return cleaned


def read_probe(data: bytes) -> dict[str, str]:
    """Return the facts of an `rc_probe` answer by name; paths are surrogate-escaped."""
    answer = _Answer(data, "probe")
    facts: dict[str, str] = {}
    while True:
        name, equals, value = answer.text_line().partition("=")
        if not equals or name in facts:
            raise answer.fail("a line is no fact")
        if name == "end":
            break
        facts[name] = answer.path(value) if name in ("home", "workdir", "real") else value
    if not answer.is_at_end:
        raise answer.fail("there is more than was asked for")
    return facts
