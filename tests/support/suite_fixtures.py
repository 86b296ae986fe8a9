"""The fixtures of the suites `e2e` and `extended`; their conftest files import them."""

import itertools
import os
import re
from collections.abc import Iterator

import pytest

from tests.support.engine import EngineClient
from tests.support.suite import LOOPBACK, Bench, Hand, Target, loopback_target, named_target

_numbers = itertools.count(1)


def _names() -> list[str]:
    """Return the machines to run on: the named one, else all that loopback can play (Dropbear as root only)."""
    if named_target() is not None:
        return ["named"]
    return [name for name in LOOPBACK if not name.startswith("dropbear") or os.getuid() == 0]


@pytest.fixture(scope="session", params=_names())
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The machine that the suite works on."""
    named = named_target()
    if named is not None:
        yield named
        return
    with loopback_target(request.param, tmp_path_factory.mktemp("target")) as loopback:
        yield loopback


@pytest.fixture(scope="session")
def engine(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    """The engine under test."""
    with EngineClient(target.environ, home=tmp_path_factory.mktemp("home")) as client:
        yield client


@pytest.fixture(scope="session")
def hand(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    """Another engine, for preparing and inspecting."""
    with EngineClient(target.environ, home=tmp_path_factory.mktemp("hand")) as client:
        yield Hand(client)


@pytest.fixture
def bench(request: pytest.FixtureRequest, engine: EngineClient, hand: Hand, target: Target) -> Iterator[Bench]:
    """A directory on the remote for one test, removed behind it; the test is a session of its own."""
    workspace: str = engine.request("environment", {})["workdir"]
    name = re.sub(r"\W+", "-", request.node.name)[:80]
    session = f"{name}-{next(_numbers)}"
    folder = f"{workspace}/test-{session}"
    hand.run(f"mkdir -p '{folder}'")
    engine.answer = lambda question: True
    yield Bench(engine, hand, target, folder, workspace, session, first_question=len(engine.questions))
    engine.answer = lambda question: True
    hand.run(f"rm -rf '{folder}'")
