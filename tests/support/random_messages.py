"""Random lines for the engine's wire: valid messages, wrong ones, broken ones. Harmless to the machine that runs them.

Commands come from a fixed list, and every name that could lead out of the test's own folder starts with `base`.
"""

import json
import math
import random
import string
from collections.abc import Callable
from pathlib import Path

JSON = dict[str, object]

COMMANDS = (
    "echo one; echo two >&2",
    "false",
    "exit 3",
    "cat a.txt",
    "sleep 0.05",
    "seq 3000",
    "kill -TERM $$",
    "printf '\\033[31mred\\377'",
    "sleep 0.2 &",
    "echo in >>log.txt",
    "",
    "no-such-program --help",
    "echo 'unclosed",
)
INJECTIONS = ("$(touch canary)", "`touch canary`", "'; touch canary; '", '"; touch canary; "', "\ntouch canary\n")
"""Names that would make a file `canary` if any shell read them as code."""
PATCHES = (
    "*** Begin Patch\n*** Add File: added.txt\n+one\n*** End Patch",
    "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+uno\n*** End Patch",
    "*** Begin Patch\n*** Delete File: added.txt\n*** End Patch",
    "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-uno\n+one\n",
    "*** Begin Patch\n*** End Patch",
    "*** Begin Patch",
    "",
)
PATTERNS = ("*", "**/*.txt", "*.{txt,py}", "[a-", "o", "(", "\\", "(?<=a)b", "x" * 3000, "")

RECENT = 500
"""Calls of so short a time that some of them may still run."""


class RandomMessages:
    """Makes lines. `call_ids` are those of tool calls so far, for cancels."""

    def __init__(self, chance: random.Random, base: Path) -> None:
        self.call_ids: list[str] = []
        self._chance = chance
        self._base = base
        self._ids: list[object] = []

    def line(self) -> bytes:
        """Return one line without its newline."""
        chance = self._chance.random()
        if chance < 0.12:
            return self._garbage()
        if chance < 0.2:
            return self._broken(json.dumps(self._call("status", {})).encode("ascii"))
        if chance < 0.35:
            return self.cancel()
        message = self._message()
        if self._chance.random() < 0.15:
            self._mutate(message)
        line = json.dumps(message, ensure_ascii=self._chance.random() < 0.5).encode("utf-8", "surrogatepass")
        # Python writes infinity as no JSON has it; 1e999 is JSON.
        return line.replace(b"Infinity", b"1e999") if self._chance.random() < 0.5 else line

    def cancel(self) -> bytes:
        """Return a cancel of some call, or of none."""
        recent = self.call_ids[-RECENT:]
        call_id = self._chance.choice(recent) if recent and self._chance.random() < 0.9 else "nobody"
        return json.dumps({"jsonrpc": "2.0", "method": "tool/cancel", "params": {"callId": call_id}}).encode("ascii")

    def value(self, depth: int = 0) -> object:
        """Return any JSON value, and some that only Python takes for one."""
        makers: list[Callable[[], object]] = [
            lambda: None,
            lambda: self._chance.random() < 0.5,
            lambda: self._chance.randint(-3, 3),
            lambda: self._chance.choice((10**20, -(10**300), 2**53, 2**63, 10**4000)),
            lambda: self._chance.choice((0.5, -0.0, 1e308, math.inf, -math.inf, math.nan)),
            self.text,
            self.text,
        ]
        if depth < 4:
            makers += [
                lambda: [self.value(depth + 1) for _ in range(self._chance.randrange(4))],
                lambda: {self.text(): self.value(depth + 1) for _ in range(self._chance.randrange(4))},
            ]
        return self._chance.choice(makers)()

    def text(self) -> str:
        """Return a random string: plain, of any characters, or very long."""
        kind = self._chance.randrange(4)
        if kind == 0:
            return "".join(self._chance.choices(string.ascii_letters + string.digits, k=self._chance.randrange(12)))
        if kind == 1:
            points = [self._chance.choice((0x20, 0xD800, 0x1F600, 0x10FFFF, 0x202E, 0x0, 0x85)) for _ in range(5)]
            return "".join(chr(point + self._chance.randrange(1 if point > 0xFFFFF else 16)) for point in points)
        if kind == 2:
            return "é\n\r\t\x1b]0;title\x07\x7f" * self._chance.randrange(3)
        return "long " * self._chance.choice((1, 2000))

    def _message(self) -> JSON:
        makers: list[Callable[[], JSON]] = [
            lambda: self._call("status", {}),
            lambda: self._call("environment", {}),
            lambda: self._call("initialize", self._initialize()),
            lambda: self._call("message/rewrite", self._rewrite_message()),
            lambda: self._call("system/rewrite", self._rewrite_system()),
            lambda: self._call(self.text(), {}),
            lambda: {"jsonrpc": "2.0", "id": self._chance.randrange(200), "result": self.value()},
            lambda: {"jsonrpc": "2.0", "id": self._chance.randrange(200), "error": self.value()},
        ]
        weights = [2, 1, 1, 1, 1, 1, 1, 1]
        makers.append(lambda: self._call("tool/call", self._tool_call()))
        weights.append(12)
        return self._chance.choices(makers, weights)[0]()

    def _call(self, method: str, params: object) -> JSON:
        message: JSON = {"jsonrpc": "2.0", "method": method, "params": params}
        if self._chance.random() < 0.93:
            message["id"] = self._id()
        return message

    def _id(self) -> object:
        kind = self._chance.randrange(10)
        if kind == 0 and self._ids:
            return self._chance.choice(self._ids)
        if kind == 1:
            return self.value()
        new: object = len(self._ids) + 10**6
        self._ids.append(str(new) if kind < 4 else new)
        return self._ids[-1]

    def _initialize(self) -> JSON:
        params: JSON = {"protocolVersion": self._chance.choice((1, 1, 1, 2, "1", None))}
        params |= {"client": {"name": self.text(), "version": ""}, "directory": "/", "worktree": "/"}
        if self._chance.random() < 0.5:
            params["limits"] = {"maxLines": self._chance.choice((1, 2000, 10**30, 0)), "maxBytes": 51_200}
        if self._chance.random() < 0.3:
            name = self._chance.choice(("exec.sock", "a.txt/exec.sock", "x" * 300, "nul\0", "exec\ud800"))
            params["execSocket"] = f"{self._base}/{name}"
        return params

    def _rewrite_message(self) -> JSON:
        url = self._chance.choice(("file:///a.txt", "file://" + self._path(), "data:,x", "", self.text()))
        parts: list[JSON] = [{"type": "text", "text": self.text()}, {"type": "file", "url": url, "mime": "text/plain"}]
        odd: list[JSON] = [{"type": self.value()}, {self.text(): self.value()}, {}]
        return {"parts": [*parts, self._chance.choice(odd)], "sessionId": self.text(), "directory": "/"}

    def _rewrite_system(self) -> JSON:
        blocks = [self.text(), "a\n<env>\n  Working directory: /here\n</env>", "<env>", "</env>"]
        return {"system": self._chance.sample(blocks, 2), "directory": self.text(), "worktree": "/"}

    def _tool_call(self) -> JSON:
        calls: tuple[tuple[str, JSON], ...] = (
            ("bash", {"command": self._chance.choice(COMMANDS), "timeout": 2000}),
            ("glob", {"pattern": self._chance.choice((*PATTERNS, self.text()))}),
            ("grep", {"pattern": self._chance.choice((*PATTERNS, self.text())), "include": "*.txt"}),
            ("read", {"filePath": self._path(), "offset": self._chance.choice((1, 2, 10**9))}),
            ("write", {"filePath": self._path(), "content": self.text()}),
            ("edit", {"filePath": self._path(), "oldString": self._chance.choice(("one", "")), "newString": "uno"}),
            ("apply_patch", {"patchText": self._chance.choice((*PATCHES, self.text()))}),
        )
        name, args = self._chance.choice(calls)
        if name in {"glob", "grep"} and self._chance.random() < 0.3:
            args["path"] = self._path()
        if self._chance.random() < 0.2:
            self._mutate(args)
        if self._chance.random() < 0.03:
            name = self.text()
        fresh = not self.call_ids or self._chance.random() < 0.9
        call_id = f"random-{len(self.call_ids)}" if fresh else self._chance.choice(self.call_ids)
        self.call_ids.append(call_id)
        params: JSON = {"callId": call_id, "name": name, "args": args, "sessionId": self._chance.choice("abc")}
        if self._chance.random() < 0.1:
            self._mutate(params)
        return params

    def _path(self) -> str:
        inside = ("a.txt", "sub/b.txt", "sub", "./sub/../a.txt", "new.txt", "deep/er/new.txt", "link", "log.txt", "-rf")
        odd = (".", "", "~", "\0", "a\0b", "a\nb", "x" * 5000, "caf\udce9", "\ud800", "/etc/hostname", "../outside.txt")
        return self._chance.choice(
            (*inside, *odd, *INJECTIONS, f"{self._base}/elsewhere/c.txt", self.text().lstrip("/"))
        )

    def _mutate(self, members: JSON) -> None:
        """Drop, replace or add one member; a command is never replaced by another text."""
        name = self._chance.choice([*members, "extra"])
        if self._chance.random() < 0.4:
            members.pop(name, None)
        elif name in {"command", "filePath", "path", "patchText", "pattern", "args", "params"}:
            members[name] = self._chance.choice((None, 7, [], {}, True, ["echo"]))
        else:
            members[name] = self.value()

    def _broken(self, line: bytes) -> bytes:
        """Return a line with some bytes cut, changed or added."""
        data = bytearray(line)
        for _ in range(self._chance.randint(1, 3)):
            at = self._chance.randrange(len(data))
            match self._chance.randrange(3):
                case 0:
                    del data[at:]
                case 1:
                    data[at] = self._chance.randrange(256)
                case _:
                    data[at:at] = self._chance.randbytes(self._chance.randrange(4))
            data = data or bytearray(b"{")
        return bytes(data).replace(b"\n", b" ")

    def _garbage(self) -> bytes:
        return self._chance.choice(
            (
                self._chance.randbytes(self._chance.randrange(1, 60)).replace(b"\n", b""),
                b"",
                b"   \t",
                b"null",
                b"[]",
                b'[{"jsonrpc":"2.0","id":1,"method":"status"}]',
                b"[" * 100_000,
                b'{"a":' * 100_000,
                b'{"jsonrpc":"2.0","id":1,"method":"status","params":' + b"[" * 50 + b"]" * 50 + b"}",
                b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"status"}',
                b'{"jsonrpc":"2.0","id":1e999,"method":"status"}',
                b'{"jsonrpc":"2.0","id":NaN,"method":"status"}',
                b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"status"}',
                json.dumps(self.value()).encode("ascii"),
                json.dumps({"jsonrpc": self.value(), "id": 1, "method": "status"}).encode("ascii"),
                json.dumps({"jsonrpc": "2.0", "id": 1, "method": self.value()}).encode("ascii"),
            )
        )


def answered_id(line: bytes) -> str | None:
    """Return the id, as JSON, with which JSON-RPC 2.0 wants a line to be answered; None for no answer."""

    def finite(text: str) -> float:
        if not math.isfinite(float(text)):
            raise ValueError(text)
        return float(text)

    if not line.strip():
        return None
    try:
        message: object = json.loads(line.decode("utf-8"), parse_float=finite, parse_constant=finite)
    except (ValueError, RecursionError):
        return "null"
    if not isinstance(message, dict):
        return "null"
    message_id = message.get("id")
    is_valid = message_id is None or (isinstance(message_id, str | int | float) and not isinstance(message_id, bool))
    if not is_valid:
        return "null"
    key = json.dumps(message_id)
    if message.get("jsonrpc") != "2.0":
        return key
    if "method" in message:
        is_sound = isinstance(message["method"], str) and isinstance(message.get("params", {}), dict)
        return key if "id" in message or not is_sound else None
    is_response = "id" in message and ("result" in message or "error" in message)
    return None if is_response else key
