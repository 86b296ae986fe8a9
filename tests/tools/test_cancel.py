"""OC-5: cancelling in OpenCode ends every tool's call at once, also on a link that has gone silent."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from tests.support.engine import EngineClient, EngineError, Question
from tests.support.sshd import SSHServer


@pytest.fixture(scope="module")
def proxy(sshd: SSHServer) -> Iterator[DelayProxy]:
    with DelayProxy("127.0.0.1", sshd.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def engine(sshd: SSHServer, proxy: DelayProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineClient]:
    workdir = tmp_path_factory.mktemp("work")
    (workdir / "a.txt").write_bytes(b"one\n")
    environ = {"REMOTE_SSH": sshd.command(port=proxy.port), "REMOTE_WORKDIR": str(workdir)}
    with EngineClient(environ, home=tmp_path_factory.mktemp("home")) as client:
        client.call("read", {"filePath": "a.txt"})
        yield client


CALLS: list[tuple[str, dict[str, object]]] = [
    ("read", {"filePath": "a.txt"}),
    ("read", {"filePath": "."}),
    ("glob", {"pattern": "*"}),
    ("grep", {"pattern": "one"}),
    ("edit", {"filePath": "unseen.txt", "oldString": "a", "newString": "b"}),
    ("write", {"filePath": "unseen.txt", "content": "x"}),
    ("apply_patch", {"patchText": "*** Begin Patch\n*** Update File: unseen.txt\n@@\n-a\n+b\n*** End Patch"}),
]


def test_calls_on_a_silent_link_end_when_they_are_cancelled(engine: EngineClient, proxy: DelayProxy) -> None:
    """OC-5: before anything was changed, as `cancelled`."""
    proxy.freeze()
    try:
        calls = [engine.start_call(tool, args) for tool, args in CALLS]
        for call in calls:
            engine.cancel(call)
        kinds = []
        for call in calls:
            with pytest.raises(EngineError) as caught:
                call.result(5)
            kinds.append(caught.value.kind)
    finally:
        proxy.cut()
        proxy.thaw()
    assert kinds == ["cancelled"] * len(CALLS)


def test_call_whose_question_is_open_ends_when_it_is_cancelled(engine: EngineClient, tmp_path: Path) -> None:
    """OC-5: nobody need answer."""
    is_over = threading.Event()

    def answer_late(question: Question) -> bool:
        return is_over.wait(20)

    engine.answer = answer_late
    call = engine.start_call("bash", {"command": f"touch {tmp_path}/made"})
    engine.cancel(call)
    with pytest.raises(EngineError) as caught:
        call.result(5)
    is_over.set()
    engine.answer = lambda question: True
    assert caught.value.kind == "cancelled"
    assert not (tmp_path / "made").exists()
