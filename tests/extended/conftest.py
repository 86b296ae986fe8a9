"""Runs on the machine that the environment or `.env.test` names, or on loopback; see tests/support/suite.py."""

import pytest

from tests.support.suite import stop_without_target
from tests.support.suite_fixtures import bench, engine, hand, target

__all__ = ["bench", "engine", "hand", "target"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    stop_without_target(items)
