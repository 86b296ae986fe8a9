"""The addresses of this machine's network interfaces, for `Match localnetwork`. Source: getifaddrs(3)."""

import ctypes
import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from remote_code.ssh.settings import Source, bad_line

_IFF_UP = 1


class _Interface(ctypes.Structure):
    """The first fields of `struct ifaddrs`, which Linux, macOS and the BSDs have in common."""


_Interface._fields_ = [
    ("next", ctypes.POINTER(_Interface)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.POINTER(ctypes.c_ubyte)),
]


def is_local_network(networks: str, source: Source) -> bool:
    """Tell whether an interface that is up has an address in one of the comma-separated `networks`.

    Raises:
        ConfigError: a network cannot be read, or this machine cannot be asked for its addresses.
    """
    wanted: list[IPv4Network | IPv6Network] = []
    for text in networks.split(","):
        try:
            wanted.append(ip_network(text))
        except ValueError as exc:
            raise bad_line(
                f"{source}: Match localnetwork cannot be {text!r}", text, accepted="a network such as 10.0.0.0/8"
            ) from exc
    try:
        addresses = list(_addresses())
    except (OSError, AttributeError, TypeError) as exc:
        # Windows has neither the function nor a library of this name.
        raise bad_line(f"{source}: Match localnetwork cannot be used on this machine", networks) from exc
    return any(address in network for address in addresses for network in wanted)


def _addresses() -> Iterator[IPv4Address | IPv6Address]:
    """Yield the IP addresses of the interfaces that are up.

    Raises:
        OSError: they are not told.
        AttributeError, TypeError: this platform has no such function.
    """
    library = ctypes.CDLL(None, use_errno=True)
    first = ctypes.POINTER(_Interface)()
    if library.getifaddrs(ctypes.byref(first)) != 0:
        raise OSError(ctypes.get_errno(), "getifaddrs failed")
    try:
        entry = first
        while bool(entry):  # A null pointer is false.
            interface = entry.contents
            if interface.address and interface.flags & _IFF_UP:
                # The family stands behind a length in the sockaddr of the BSDs, in two bytes elsewhere.
                is_bsd = not sys.platform.startswith("linux")
                family = interface.address[1] if is_bsd else interface.address[0] | interface.address[1] << 8
                if family == socket.AF_INET:
                    yield ip_address(bytes(interface.address[4:8]))
                elif family == socket.AF_INET6:
                    yield ip_address(bytes(interface.address[8:24]))
            entry = interface.next
    finally:
        library.freeifaddrs(first)
