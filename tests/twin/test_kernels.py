"""Which kernels serve."""

import os
import subprocess
import sys

import pytest

from remote_code import _fast
from remote_code._fast import twin


def test_the_compiled_kernels_serve_where_they_are_required() -> None:
    if not os.environ.get("REMOTE_CODE_REQUIRE_EXTENSIONS"):
        pytest.skip("REMOTE_CODE_REQUIRE_EXTENSIONS is not set")
    assert _fast.COMPILED


def test_the_environment_chooses_the_twins() -> None:
    code = "from remote_code import _fast; print(_fast.COMPILED, _fast.replace.__module__)"
    environment = {**os.environ, "REMOTE_CODE_NO_EXTENSIONS": "1"}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert result.stdout == "False remote_code._fast.matcher_py\n"


def test_the_chooser_and_the_twin_have_the_same_names() -> None:
    assert set(_fast.__all__) == {*twin.__all__, "COMPILED"}


@pytest.mark.parametrize("name", ["_matcher", "_binary", "_bom", "_diff"])
def test_a_compiled_module_can_be_imported_alone(name: str) -> None:
    pytest.importorskip(f"remote_code._fast.{name}")
    code = f"import remote_code._fast.{name}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
