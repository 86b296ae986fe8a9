"""What every suite shares: one OpenSSH server for the whole run, and the figures that are printed at its end."""

from collections.abc import Iterator

import pytest

from tests.support.figures import Figures
from tests.support.sshd import SSHServer

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash[FIGURES].lines():
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def figures(pytestconfig: pytest.Config) -> Figures:
    """Takes what a proof has tried, for the end of the run."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHServer]:
    """An OpenSSH server with default settings, shared by all tests that do not break it."""
    with SSHServer(tmp_path_factory.mktemp("sshd")) as server:
        yield server
