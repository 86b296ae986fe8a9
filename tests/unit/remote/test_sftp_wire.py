"""SFTP packets: what was sent is read, and anything else is refused by name."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_code.errors import SFTPError
from remote_code.remote import sftp_wire as wire
from remote_code.remote.sftp_wire import Attributes, Data, Handle, Names, Reply, Status


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


FULL = struct.pack(">IQIIIII", 0x0F, 5 << 32, 1, 2, 0o100644, 7, 8)
FULL_ATTRIBUTES = Attributes(5 << 32, 1, 2, 0o100644, 7, 8)

REPLIES: dict[str, tuple[bytes, Reply]] = {
    "status": (b"\x65" + struct.pack(">II", 9, 2) + string(b"gone") + string(b"en"), Status(2, "gone")),
    "old-status": (b"\x65" + struct.pack(">II", 9, 4), Status(4, "")),
    "handle": (b"\x66" + struct.pack(">I", 9) + string(b"\0\xff"), Handle(b"\0\xff")),
    "data": (b"\x67" + struct.pack(">I", 9) + string(b"x" * 300), Data(b"x" * 300)),
    "attributes": (b"\x69" + struct.pack(">I", 9) + FULL, FULL_ATTRIBUTES),
    "no-attributes": (b"\x69" + struct.pack(">II", 9, 0), Attributes()),
    "extended": (
        b"\x69" + struct.pack(">II", 9, 0x80000000) + struct.pack(">I", 1) + string(b"a@b") + string(b"c"),
        Attributes(),
    ),
    "names": (
        b"\x68" + struct.pack(">II", 9, 1) + string(b"\xffname\n") + string(b"-rw-r--r--") + FULL,
        Names([(b"\xffname\n", FULL_ATTRIBUTES)]),
    ),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read(name: str) -> None:
    packet, reply = REPLIES[name]
    assert wire.parse_reply(packet) == (9, reply)


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_that_is_cut_is_refused(name: str) -> None:
    packet, _ = REPLIES[name]
    for end in range(len(packet)):
        try:
            reply = wire.parse_reply(packet[:end])
        except SFTPError:
            continue
        assert reply == (9, Status(2, "gone")) or reply == (9, Status(2, "")), (
            "only the texts of a status may be missing"
        )


@given(packet=st.binary(max_size=100))
def test_garbage_is_refused_or_read_but_never_crashes(packet: bytes) -> None:
    for parse in (wire.parse_reply, wire.parse_version):
        try:
            parse(packet)
        except SFTPError:
            continue


def test_requests_are_framed_as_the_draft_says() -> None:
    request = wire.open_file(b"/a", wire.READ | wire.WRITE, mode=0o600)
    assert wire.frame(request, 7) == bytes.fromhex("000000170300000007000000022f61000000030000000400000180")
    assert wire.frame(wire.read(Handle(b"h"), 1 << 33, 10), 1)[9:] == b"\0\0\0\x01h" + struct.pack(">QI", 1 << 33, 10)
    assert wire.init() == bytes.fromhex("000000050100000003")


def test_the_extensions_of_a_server_are_known() -> None:
    packet = b"\x02" + struct.pack(">I", 3) + string(b"posix-rename@openssh.com") + string(b"1")
    assert wire.parse_version(packet) == {"posix-rename@openssh.com": b"1"}
    with pytest.raises(SFTPError):
        wire.parse_version(b"\x02" + struct.pack(">I", 2))
