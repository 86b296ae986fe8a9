"""Command output as text: decoded across chunks, progress bars collapsed, what drives a terminal removed. Pure."""

import codecs
import re

MAX_LINE = 65_536
"""A line without an end is given out when it is so long; carriage returns behind that collapse nothing before it."""

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b\][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links, clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"  # all other, of two characters or with intermediates
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_OPEN_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b\n]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)\Z|\x9b[0-?]*[ -/]*\Z"
)
_TO_COLUMN_1 = re.compile(r"\x1b\[[01]?G")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab, newline and carriage return; and those that turn the direction of text around."""
_SPECIAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_RUBBED_OUT = re.compile(r"[^\x08]\x08")


class Cleaner:
    """Turns a stream of bytes into lines of text that say what a person would have read in the end."""

    def __init__(self, charset: str = "utf-8") -> None:
        is_utf8 = charset in {"utf-8", "ascii"}
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace") if is_utf8 else _EitherDecoder(charset)
        self.pending = ""
        """The last line while it has no end yet, as it came."""

    def feed(self, data: bytes, *, is_end: bool = False) -> str:
        """Return the text that is complete with `data`: whole lines, and at the end all of it."""
        text = self.pending + self._decoder.decode(data, is_end)
        cut = len(text) if is_end or len(text) - text.rfind("\n") > MAX_LINE else text.rfind("\n") + 1
        if not is_end and (escape := _OPEN_ESCAPE.search(text, max(0, cut - 256), cut)):
            cut = escape.start()
        self.pending = _without_old_states(text[cut:])
        return clean(text[:cut])


class _EitherDecoder:
    """Decodes each line as UTF-8 if it is that, else by the charset of the remote's locale."""

    def __init__(self, charset: str) -> None:
        self._charset = charset
        self._held = b""

    def decode(self, data: bytes, is_end: bool = False) -> str:
        """Return the text of the lines that are complete; a part of one only when it is very long, or the last."""
        data = self._held + data
        cut = len(data) if is_end or len(data) - data.rfind(b"\n") > MAX_LINE else data.rfind(b"\n") + 1
        self._held = data[cut:]
        return "".join(self._line(line) for line in data[:cut].splitlines(keepends=True))

    def _line(self, line: bytes) -> str:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            return line.decode(self._charset, "replace")


def _without_old_states(line: str) -> str:
    """Return an unfinished line from its last redrawing on, so that a long progress bar stays short."""
    return line[line.rstrip("\r").rfind("\r") + 1 :]


def clean(text: str) -> str:
    """Return whole lines of terminal output as they read in the end."""
    if not _SPECIAL.search(text):
        return text
    text = _ESCAPE.sub("", _TO_COLUMN_1.sub("\r", text))
    return "\n".join(_settled(line) for line in text.split("\n")) if _SPECIAL.search(text) else text


def _settled(line: str) -> str:
    """Return the last state of a line that was redrawn."""
    if "\r" in line:
        line = line.rstrip("\r").rpartition("\r")[2]
    while "\b" in line and _RUBBED_OUT.search(line):
        line = _RUBBED_OUT.sub("", line)
    return _CONTROL.sub("", line)
