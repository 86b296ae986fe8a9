"""The data types of the SSH protocol (RFC 4251, 5) that keys, certificates and the agent need; pure."""


def put_string(*parts: bytes) -> bytes:
    """Return each part with its length in front."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def put_mpint(number: int) -> bytes:
    """Return a number that is not negative as an `mpint`."""
    return put_string(number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b"")


class Reader:
    """Takes values from the front of a message.

    Every method raises ValueError when the message is too short.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def rest(self) -> bytes:
        """What has not been taken."""
        return self._data[self._place :]

    @property
    def taken(self) -> bytes:
        """What has been taken."""
        return self._data[: self._place]

    def take(self, count: int) -> bytes:
        """Take `count` bytes."""
        found = self._data[self._place : self._place + count]
        if len(found) < count:
            raise ValueError("the message ends too early")
        self._place += count
        return found

    def take_int(self) -> int:
        """Take a `uint32`."""
        return int.from_bytes(self.take(4), "big")

    def take_long(self) -> int:
        """Take a `uint64`."""
        return int.from_bytes(self.take(8), "big")

    def take_string(self) -> bytes:
        """Take a `string`."""
        return self.take(self.take_int())

    def take_text(self) -> str:
        """Take a `string` of UTF-8; what is not UTF-8 is replaced."""
        return self.take_string().decode("utf-8", "replace")
