"""The text that stands for a file's state, as the remote's `stat` prints it. Pure.

`mode(hex) size links uid gid inode device mtime|ctime`; states are compared as text, and read from it.
"""

import re
import time

from remote_code.errors import RemoteOperationFailed
from remote_code.paths import RemotePath
from remote_code.remote.state import Present

_TIME = r"(?:(-?\d{4,})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?: \+0000)?|(-?\d+)(?:\.(\d{1,9})\d*)?)"
_STAMP = re.compile(rf"([0-9a-fA-F]+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) {_TIME}\|{_TIME}", re.ASCII)
_NS = 1_000_000_000
COARSEST_CLOCK_NS = 2 * _NS
"""The coarsest clock of a file system (FAT): two changes within it may leave equal times."""


def is_stamp(text: str) -> bool:
    """Tell whether `text` is a stamp."""
    return _STAMP.fullmatch(text) is not None


def read_present(stamp: str, *, real_path: RemotePath, digest: str | None, now_ns: int) -> Present:
    """Return the state that `stamp` describes.

    `now_ns`: a moment of the remote's clock that certainly lay before the stamp was taken; a file that last changed
    more than `COARSEST_CLOCK_NS` before it is settled.

    Raises:
        RemoteOperationFailed: `stamp` is none.
    """
    found = _STAMP.fullmatch(stamp)
    if found is None:
        raise RemoteOperationFailed(f"the remote's answer cannot be read: {stamp!r} is not a state", reason="answer")
    fields = found.groups()
    mtime_ns, ctime_ns = _time_ns(fields[7:16]), _time_ns(fields[16:25])
    return Present(
        real_path=real_path,
        stamp=stamp,
        digest=digest,
        size_bytes=int(found[2]),
        mode=int(found[1], 16),
        n_links=int(found[3]),
        uid=int(found[4]),
        gid=int(found[5]),
        inode=int(found[6]),
        mtime_ns=mtime_ns,
        is_settled=max(mtime_ns, ctime_ns) < now_ns - COARSEST_CLOCK_NS,
    )


def _time_ns(fields: tuple[str | None, ...]) -> int:
    year, month, day, hour, minute, second, fraction, seconds, seconds_fraction = fields
    if seconds is not None:
        sign = -1 if seconds.startswith("-") else 1
        return int(seconds) * _NS + sign * int((seconds_fraction or "").ljust(9, "0"))
    days = _days_since_epoch(int(year or 0), int(month or 0), int(day or 0))
    whole = days * 86_400 + int(hour or 0) * 3_600 + int(minute or 0) * 60 + int(second or 0)
    return whole * _NS + int((fraction or "").ljust(9, "0"))


def _days_since_epoch(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 in the proleptic Gregorian calendar; `datetime` ends at the year 9999."""
    year -= month <= 2
    year_of_era = year % 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return year // 400 * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def second_of(clock_ns: int, *, is_bsd: bool) -> tuple[int, int]:
    """Return a moment as the two numbers that `rc_is_young` compares with a stamp of that form."""
    second = max(0, clock_ns // _NS)
    if is_bsd:
        return divmod(second, 86_400)
    moment = time.gmtime(second)
    day = moment.tm_year * 10_000 + moment.tm_mon * 100 + moment.tm_mday
    return day, moment.tm_hour * 10_000 + moment.tm_min * 100 + moment.tm_sec


def size_of(stamp: str) -> int:
    """Return the size in bytes that a valid stamp holds."""
    return int(stamp.split(" ", 2)[1])


def inode_of(stamp: str) -> tuple[str, str]:
    """Return inode and device of a valid stamp: which file it is."""
    words = stamp.split(" ", 7)
    return words[5], words[6]
