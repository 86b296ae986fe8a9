"""Binary or text, and byte order marks; both kernels."""

import pytest

from tests.twin.conftest import Kernel


@pytest.mark.parametrize(
    ("name", "head", "is_binary"),
    [
        pytest.param("a.zip", b"", True, id="an extension, even when empty"),
        pytest.param("dir/A.PyC", b"text", True, id="an extension in any case"),
        pytest.param("dir.zip/a", b"text", False, id="an extension of the directory"),
        pytest.param(".zip", b"text", False, id="a name that is no extension"),
        pytest.param("a.txt", b"", False, id="empty"),
        pytest.param("a.zip.txt", b"a", False, id="the last extension counts"),
        pytest.param("a", b"a\x00b", True, id="a NUL"),
        pytest.param("a", b"\x01" * 3 + b"a" * 7, False, id="control bytes of 30 percent"),
        pytest.param("a", b"\x01" * 31 + b"a" * 69, True, id="control bytes of 31 percent"),
        pytest.param("a", b"\x08\x0e\x1f" + b"a" * 6, True, id="8, 14 and 31 are control bytes"),
        pytest.param("a", b"\x09\x0a\x0b\x0c\x0d\x20\x7f\xff", False, id="9 to 13, 32, 127 and 255 are not"),
        pytest.param("a", b"a" * 4096 + b"\x00", False, id="behind the sample"),
        pytest.param("a", b"\xff\xfea\x00b\x00", False, id="UTF-16 little endian"),
        pytest.param("a", b"\xfe\xff\x00a\x00b", False, id="UTF-16 big endian"),
        pytest.param("a", b"\x00\x00\xfe\xff\x00\x00\x00a", False, id="UTF-32 big endian"),
        pytest.param("a", b"\xff\xfe\x00\x00a\x00\x00\x00", False, id="UTF-32 little endian"),
        pytest.param("a", b"a\x00b\x00", True, id="UTF-16 without a mark"),
        pytest.param("a", b"\xef\xbb\xbf\x00", True, id="a NUL behind the mark of UTF-8"),
        pytest.param("a.bin", b"\xff\xfea\x00", True, id="the extension comes first"),
    ],
)
def test_binary_by_extension_nul_or_control_bytes(kernel: Kernel, name: str, head: bytes, is_binary: bool) -> None:
    """READ-1: the rule for binary files."""
    assert kernel.is_binary(name, head) is is_binary


@pytest.mark.parametrize(
    ("data", "bom"),
    [
        (b"", b""),
        (b"a", b""),
        (b"\xef\xbb", b""),
        (b"\xef\xbb\xbfa", b"\xef\xbb\xbf"),
        (b"\xff\xfea\x00", b"\xff\xfe"),
        (b"\xfe\xff\x00a", b"\xfe\xff"),
        (b"\xff\xfe\x00\x00", b"\xff\xfe\x00\x00"),
        (b"\x00\x00\xfe\xff", b"\x00\x00\xfe\xff"),
        (b"\xff\xfe\x00", b"\xff\xfe"),
        (b"\xef\xbb\xbf\xef\xbb\xbf", b"\xef\xbb\xbf"),
    ],
)
def test_a_byte_order_mark_is_split_off_and_joined_again(kernel: Kernel, data: bytes, bom: bytes) -> None:
    found, rest = kernel.split_bom(data)
    assert (found, rest) == (bom, data[len(bom) :])
    assert kernel.join_bom(found, rest) == data
