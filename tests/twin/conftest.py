"""Both implementations of the kernels, and how many generated inputs they are compared on."""

import os
import random
import types
from collections.abc import Iterator
from typing import Protocol, cast

import pytest
from hypothesis import HealthCheck, settings

from remote_code import _fast
from remote_code._fast import replacers_py, twin

IS_TORTURE = bool(os.environ.get("REMOTE_CODE_TORTURE"))
SEED = int(os.environ.get("REMOTE_CODE_SEED") or random.randrange(2**32))

settings.register_profile(
    "twin",
    max_examples=100_000 if IS_TORTURE else 2_000 if _fast.COMPILED else 200,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Kernel(Protocol):
    """The names that a compiled kernel and its twin share."""

    def replace(self, content: str, old: str, new: str, replace_all: bool = False) -> str: ...

    def locate(self, content: str, old: str, replace_all: bool = False) -> tuple[int, int]: ...

    def places(self, content: str, find: str) -> Iterator[tuple[str, int, int]]: ...

    def candidates(self, content: str, find: str) -> Iterator[tuple[str, str]]: ...

    def is_binary(self, name: str, head: bytes) -> bool: ...

    def split_bom(self, data: bytes) -> tuple[bytes, bytes]: ...

    def join_bom(self, bom: bytes, data: bytes) -> bytes: ...

    def greedy_edits(self, old: list[int], new: list[int], max_edits: int) -> list[tuple[int, int]] | None: ...

    def levenshtein(self, ours: str, theirs: str) -> int: ...


def twin_kernel() -> Kernel:
    return cast(
        "Kernel",
        types.SimpleNamespace(
            **{name: getattr(twin, name) for name in twin.__all__},
            levenshtein=replacers_py.levenshtein,
        ),
    )


def compiled_kernel() -> Kernel:
    modules = [pytest.importorskip(f"remote_code._fast.{name}") for name in ("_matcher", "_binary", "_bom", "_diff")]
    names = {name: getattr(module, name) for module in modules for name in twin.__all__ if hasattr(module, name)}
    return cast("Kernel", types.SimpleNamespace(**names, levenshtein=modules[0].levenshtein))


@pytest.fixture(params=["twin", "compiled"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """The twin, then the compiled kernel."""
    return twin_kernel() if request.param == "twin" else compiled_kernel()


@pytest.fixture(scope="session")
def both() -> tuple[Kernel, Kernel]:
    """The compiled kernel and its twin, to be compared."""
    return compiled_kernel(), twin_kernel()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which kernels served, and the seed that makes the generated inputs again."""
    serving = "compiled" if _fast.COMPILED else "pure Python"
    examples = settings.get_profile("twin").max_examples
    terminalreporter.write_line(
        f"kernels: {serving}; twins compared on {examples} inputs each, REMOTE_CODE_SEED={SEED}"
    )


__all__ = ["SEED", "Kernel", "both", "kernel"]
