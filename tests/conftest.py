"""Fixtures that every suite shares: one OpenSSH server for the whole run."""

from collections.abc import Iterator

import pytest

from tests.support.sshd import SSHServer


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    """An OpenSSH server with default settings, shared by all tests that do not break it."""
    with SSHServer(tmp_path_factory.mktemp("sshd")) as server:
        yield server
