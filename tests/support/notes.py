"""Where leftovers are noted when there is no mirror."""

from collections.abc import Sequence

from remote_code.remote.leftovers import Leftover


class Notes:
    """Keeps leftovers in memory; the mirror keeps them on disk."""

    def __init__(self) -> None:
        self.kept: list[Leftover] = []

    def add(self, leftovers: Sequence[Leftover]) -> None:
        self.kept += leftovers

    def remove(self, leftovers: Sequence[Leftover]) -> None:
        self.kept = [each for each in self.kept if each not in leftovers]
