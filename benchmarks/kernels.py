"""The compiled kernels and their twins, side by side."""

import importlib
import types
from typing import Protocol, cast

from remote_code._fast import twin


class Kernel(Protocol):
    """What is measured of a kernel."""

    def replace(self, content: str, old: str, new: str, replace_all: bool = False) -> str: ...

    def is_binary(self, name: str, head: bytes) -> bool: ...

    def split_bom(self, data: bytes) -> tuple[bytes, bytes]: ...

    def greedy_edits(self, old: list[int], new: list[int], max_edits: int) -> list[tuple[int, int]] | None: ...


def _compiled() -> Kernel:
    kernel = types.SimpleNamespace()
    for module_name in ("_matcher", "_binary", "_bom", "_diff"):
        module = importlib.import_module(f"remote_code._fast.{module_name}")
        for name in set(twin.__all__) & set(dir(module)):
            setattr(kernel, name, getattr(module, name))
    return cast("Kernel", kernel)


KERNELS: dict[str, Kernel] = {"compiled": _compiled(), "twin": cast("Kernel", twin)}
