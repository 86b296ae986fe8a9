"""Answers of the scripts: what was sent comes out, and anything else is refused by name."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_code.errors import RemoteOperationFailed
from remote_code.paths import RemotePath
from remote_code.remote import parse
from remote_code.remote.stamp import read_present, second_of
from remote_code.remote.state import Kind

TOKEN = "00112233445566ff"
TIMES = "2026-11-24 22:31:54.123456789 +0000|2026-11-24 22:31:55.000000001 +0000"
STAMP = f"81a4 3 1 0 0 77 2049 {TIMES}"


def observed(contents: bytes = b"abc", after: str = STAMP) -> bytes:
    head = f"1 f 0 + - 4 {STAMP}\n/a\nb\nB 1\n".encode()
    return head + contents + f"\n{TOKEN}\n{after}\n".encode()


READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "observe": (lambda data: parse.read_observation(data, token=TOKEN, count=1), observed()),
    "replace": (
        lambda data: parse.read_replaced(data, token=TOKEN, count=1),
        f"L 1\nlate\n{TOKEN}\nI 1 links 2 {STAMP}\n/a\nE ok 0 lock=flock done=1\n".encode(),
    ),
    "range": (
        lambda data: parse.read_range(data, token=TOKEN),
        f"f 2 {STAMP}\n/a\nabc\n{TOKEN}\n{STAMP}\n".encode(),
    ),
    "listing": (
        lambda data: parse.read_listing(data, token=TOKEN),
        f"d 2 print0\n/a\n./x\0./y\0\0{TOKEN}\0./y\0\0{TOKEN}\0\0{TOKEN}\0".encode(),
    ),
    "resolve": (lambda data: parse.read_resolved(data, count=2), b"f 0 2\n/a\nd 1 4\n/b\nc\n"),
    "made": (parse.read_made_dirs, b"new 2\n/a\n"),
    "moved": (parse.read_moved, f"ok 0 2 {STAMP}\n/a\n".encode()),
    "cleaned": (lambda data: parse.read_cleaned(data, count=2), b"1 none\n2 repaired\n"),
    "probe": (parse.read_probe, b"uid=0\nhome=2\n/r\nend=\n"),
}


def test_an_observation_keeps_names_with_newlines_and_any_contents() -> None:
    data = f"1 f 0 + - 4 {STAMP}\n/a\nb\n2 a 1 - - 2 -\n/c\nB 1\n".encode() + f"abc\n{TOKEN}\n{STAMP}\n".encode()
    file, absent = parse.read_observation(data, token=TOKEN, count=2)
    assert file == parse.Seen(Kind.FILE, RemotePath("/a\nb"), "+", STAMP, None, b"abc", STAMP, is_torn=False)
    assert absent == parse.Seen(Kind.ABSENT, RemotePath("/c"), "-", None, None, None, None, is_torn=False)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(observed(b"abcd"), id="grown"),
        pytest.param(observed(b"ab"), id="shrunk"),
        pytest.param(observed(after=STAMP.replace(" 77 ", " 78 ")), id="replaced"),
        pytest.param(observed(after=STAMP.replace("54.1", "54.2")), id="rewritten"),
        pytest.param(observed(after="")[:-1], id="vanished"),
    ],
)
def test_a_file_that_changed_while_it_was_read_is_torn(data: bytes) -> None:
    (seen,) = parse.read_observation(data, token=TOKEN, count=1)
    assert seen.is_torn


def test_late_contents_belong_to_the_item_after_them() -> None:
    answer = parse.read_replaced(READERS["replace"][1], token=TOKEN, count=1)
    assert answer.done == [parse.Done(1, RemotePath("/a"), STAMP, "links", b"late")]


@pytest.mark.parametrize(
    ("time", "ns"),
    [
        pytest.param("1970-01-01 00:00:00.000000000 +0000", 0, id="epoch"),
        pytest.param("1969-12-31 23:59:59.500000000 +0000", -500_000_000, id="before-epoch"),
        pytest.param("2024-02-29 12:00:00", 1_709_208_000 * 10**9, id="no-fraction"),
        pytest.param("12024-01-01 00:00:00.000000000 +0000", 317_273_587_200 * 10**9, id="year-12024"),
        pytest.param("1700000000.5", 1_700_000_000_500_000_000, id="bsd"),
        pytest.param("-1.250000000", -1_250_000_000, id="bsd-before-epoch"),
        pytest.param("1700000000", 1_700_000_000 * 10**9, id="bsd-whole"),
    ],
)
def test_times_of_every_stat_are_read(time: str, ns: int) -> None:
    state = read_present(f"81a4 3 1 0 0 77 2049 {time}|{time}", real_path=RemotePath("/a"), digest=None, now_ns=0)
    assert state.mtime_ns == ns


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_calendar_dates_become_the_same_instant_as_datetime_says(moment: datetime) -> None:
    text = f"{moment.year:04}-{moment:%m-%d %H:%M:%S}.{moment.microsecond:06}000 +0000"
    state = read_present(f"81a4 3 1 0 0 77 2049 {text}|{text}", real_path=RemotePath("/a"), digest=None, now_ns=0)
    assert (
        state.mtime_ns
        == (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    )


def test_a_state_is_settled_when_its_last_change_is_well_before_now() -> None:
    changed_ns = int(datetime(2026, 11, 24, 22, 31, 55, tzinfo=UTC).timestamp()) * 10**9 + 1
    for now_ns, is_settled in [(changed_ns + 2 * 10**9, False), (changed_ns + 2 * 10**9 + 1, True), (0, False)]:
        state = read_present(STAMP, real_path=RemotePath("/a"), digest=None, now_ns=now_ns)
        assert state.is_settled is is_settled


@pytest.mark.parametrize("name", READERS)
def test_a_good_answer_is_read(name: str) -> None:
    reader, data = READERS[name]
    reader(data)


@pytest.mark.parametrize("name", READERS)
def test_a_cut_answer_is_refused_at_every_byte(name: str) -> None:
    reader, data = READERS[name]
    whole = reader(data)
    for end in range(len(data)):
        try:
            assert is_torn(reader(data[:end])), f"{data[:end]!r} became {whole!r}"
        except RemoteOperationFailed:
            continue


def is_torn(answer: object) -> bool:
    """Whether a cut answer was at least taken for a file that changed while it was read."""
    seen = answer[0] if isinstance(answer, list) else answer
    if isinstance(seen, parse.Range):
        return seen.after is None
    return isinstance(seen, parse.Seen) and seen.is_torn


@pytest.mark.parametrize("name", READERS)
@given(data=st.binary(max_size=200))
def test_garbage_is_refused(name: str, data: bytes) -> None:
    reader, _ = READERS[name]
    with pytest.raises(RemoteOperationFailed) as caught:
        reader(data)
    assert re.match("the remote's answer to ", caught.value.message)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_a_damaged_answer_is_refused_or_read_but_never_crashes(name: str, data: st.DataObject) -> None:
    reader, good = READERS[name]
    at = data.draw(st.integers(0, len(good) - 1))
    replacement = data.draw(st.binary(max_size=4))
    try:
        reader(good[:at] + replacement + good[at + data.draw(st.integers(0, 4)) :])
    except RemoteOperationFailed:
        return


@given(contents=st.binary(max_size=300), name=st.binary(min_size=1, max_size=50))
def test_contents_and_names_are_never_taken_for_structure(contents: bytes, name: bytes) -> None:
    name = b"/" + name.replace(b"\0", b"").replace(b"/", b"")
    stamp = STAMP.replace(" 3 1 ", f" {len(contents)} 1 ")
    data = b"1 f 0 + - %d %b\n%b\nB 1\n%b\n%b\n%b\n" % (
        len(name),
        stamp.encode(),
        name,
        contents,
        TOKEN.encode(),
        stamp.encode(),
    )
    (seen,) = parse.read_observation(data, token=TOKEN, count=1)
    assert (seen.contents, seen.real_path.encode("utf-8", "surrogateescape"), seen.is_torn) == (contents, name, False)


@pytest.mark.parametrize(
    ("clock_s", "is_bsd", "second"),
    [
        pytest.param(1_700_000_000, False, (20231114, 221320), id="gnu"),
        pytest.param(1_700_000_000, True, (19675, 80000), id="bsd"),
        pytest.param(951_782_405, False, (20000229, 5), id="leap-day-just-begun"),
        pytest.param(-2, False, (19700101, 0), id="a-machine-without-a-clock"),
    ],
)
def test_a_moment_is_told_in_the_digits_of_a_stamp(clock_s: int, is_bsd: bool, second: tuple[int, int]) -> None:
    assert second_of(clock_s * 10**9 + 999_999_999, is_bsd=is_bsd) == second
