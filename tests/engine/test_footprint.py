"""What the engine leaves on the remote machine, nothing, and what it takes on this one, little."""

import functools
import itertools
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from tests.support.account import ID, Account, account_server
from tests.support.engine import JSON, EngineClient, EngineError, Pending
from tests.support.footprint import Use, marked_processes, owned_by, tree, use_of
from tests.support.processes import wait_until
from tests.support.sshd import SSHServer

MARK = f"REMOTE_CODE_MARK={uuid.uuid4().hex}"
SHARED = [Path(name) for name in ("/tmp", "/var/tmp", "/dev/shm", "/run")]
"""Where programs leave files of theirs."""
N_CALLS = 500 if os.environ.get("REMOTE_CODE_TORTURE") else 200
N_CUTS = 8
RSS_LIMIT_MIB = 80
MAX_WAITING = 8
"""Shells that wait for calls: the two pools of 3 and 2, and one more for searches, each a process, some just ending."""


@pytest.fixture
def account() -> Iterator[Account]:
    name, _, value = MARK.partition("=")
    with account_server("no password is used", environment={name: value}) as account:
        work = account.home / "work"
        (work / "sub").mkdir(parents=True)
        for number in range(5):
            (work / f"{number}.txt").write_text(f"line of {number}\n" * 20, encoding="utf-8")
        (work / "sub" / "script.sh").write_text("#!/bin/sh\necho hi\n", encoding="utf-8")
        (work / "sub" / "script.sh").chmod(0o750)
        (work / "link").symlink_to("0.txt")
        for path in [work, *work.rglob("*")]:
            os.chown(path, ID, ID, follow_symlinks=False)
        yield account


def environ(account: Account) -> dict[str, str]:
    return {"REMOTE_SSH": account.server.command(), "REMOTE_WORKDIR": str(account.home / "work")}


def has_begun(pending: Pending) -> bool:
    """Tell whether the command's first line was seen."""
    return any("begun" in str(progress.get("output")) for progress in pending.progress)


def all_have_begun(calls: list[Pending]) -> bool:
    """Tell the same of several."""
    return all(map(has_begun, calls))


def is_waiting_shell(command: str) -> bool:
    """Tell whether a command line is that of a worker: one shell, with its own text as an argument."""
    return command.startswith("/bin/sh -c ")


def use_all_seven_tools(engine: EngineClient) -> None:
    """Use each tool, change files and change them back by new ones, fail, and be cancelled."""
    engine.call("bash", {"command": "echo one; sleep 100 >/dev/null 2>&1 & kill $!"})
    engine.call("glob", {"pattern": "**/*.txt"})
    engine.call("grep", {"pattern": "line of [0-3]"})
    engine.call("read", {"filePath": "."})
    engine.call("read", {"filePath": "link"})
    engine.call("write", {"filePath": "new/deep/er.txt", "content": "one\n" * 5000})
    engine.call("edit", {"filePath": "new/deep/er.txt", "oldString": "one\n", "newString": "two\n", "replaceAll": True})
    engine.call("apply_patch", {"patchText": "*** Begin Patch\n*** Delete File: new/deep/er.txt\n*** End Patch"})
    engine.call("bash", {"command": "rmdir -p new/deep"})
    for tool, args in (("bash", {"command": "exit 3"}), ("read", {"filePath": "none"}), ("grep", {"pattern": "("})):
        with pytest.raises(EngineError):
            engine.call(tool, args)
    slow = engine.start_call("bash", {"command": "echo begun; sleep 1000"})
    wait_until(lambda: has_begun(slow))
    engine.cancel(slow)
    slow.result()
    with pytest.raises(EngineError):
        engine.call("bash", {"command": "cat /dev/zero | head -c 5000000; exit 1"})
    timed_out = engine.call("bash", {"command": "sleep 1000", "timeout": 300})
    assert "exceeding timeout" in timed_out.output


@pytest.mark.root
def test_a_session_with_all_seven_tools_leaves_the_machine_as_it_was(account: Account, tmp_path: Path) -> None:
    """SSH-8: no process, no file and no connection is left behind, bit for bit."""
    before = tree(account.home)
    with EngineClient(environ(account), home=tmp_path / "home") as engine:
        use_all_seven_tools(engine)
        # Meanwhile, without calls, nothing runs there but shells that wait.
        wait_until(lambda: all(is_waiting_shell(command) for command in marked_processes(MARK).values()))
        assert 0 < len(marked_processes(MARK)) <= MAX_WAITING
        assert engine.close() == 0
    wait_until(lambda: not marked_processes(MARK))
    assert tree(account.home) == before
    assert owned_by(ID, *SHARED) == []


@pytest.mark.root
def test_kill_9_in_the_middle_of_work_leaves_nothing_that_the_next_engine_does_not_remove(
    account: Account, tmp_path: Path
) -> None:
    """SSH-8: also after `kill -9` of the engine; what it had begun to write is removed at the next connection."""
    before = tree(account.home)
    work, home = account.home / "work", tmp_path / "home"
    old, new = (work / "0.txt").read_bytes(), b"new\n" * 500_000
    for round_number in range(2):
        with EngineClient(environ(account), home=home) as engine:
            engine.call("read", {"filePath": "0.txt"})
            running = [engine.start_call("bash", {"command": "echo begun; sleep 1000"}) for _ in range(2)]
            wait_until(functools.partial(all_have_begun, running))
            engine.start_call("write", {"filePath": "0.txt", "content": new.decode("ascii")})
            if round_number:
                # A moment of the write itself: its staging place is there.
                wait_until(lambda: any(work.glob(".rc-*")) or (work / "0.txt").read_bytes() != old)
            os.kill(engine.pid, signal.SIGKILL)
        wait_until(lambda: not marked_processes(MARK), timeout_s=10)
        with EngineClient(environ(account), home=home) as engine:
            engine.call("read", {"filePath": "1.txt"})
            assert engine.close() == 0
        wait_until(lambda: not marked_processes(MARK))
        after = tree(account.home)
        assert after.pop("work/0.txt")[-1] in {old, new}
        assert after == {name: about for name, about in before.items() if name != "work/0.txt"}
        assert owned_by(ID, *SHARED) == []
        (work / "0.txt").write_bytes(old)


@pytest.mark.timeout(240)
def test_memory_threads_and_descriptors_do_not_grow(tmp_path: Path) -> None:
    """SSH-8: a link is cut eight times; charset detection and unified diffs are loaded too."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.txt").write_text("one\ntwo\n" * 100, encoding="utf-8")
    (work / "latin.txt").write_bytes("Grüße aus Köln, schöne Straßen\n".encode("latin-1") * 20)
    each: list[tuple[str, JSON]] = [
        ("bash", {"command": "seq 200"}),
        ("read", {"filePath": "a.txt"}),
        ("grep", {"pattern": "two"}),
        ("glob", {"pattern": "*"}),
        ("read", {"filePath": "latin.txt"}),
        ("edit", {"filePath": "a.txt", "oldString": "one", "newString": "one ", "replaceAll": True}),
        ("apply_patch", {"patchText": "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n-one \n+one\n two\n"}),
        ("write", {"filePath": "a.txt", "content": "one\ntwo\n" * 100}),
    ]
    calls = itertools.islice(itertools.cycle(each), N_CALLS)
    uses: list[Use] = []
    with (
        SSHServer(tmp_path / "sshd") as server,
        DelayProxy("127.0.0.1", server.port) as proxy,
    ):
        variables = {"REMOTE_SSH": server.command(port=proxy.port), "REMOTE_WORKDIR": str(work)}
        with EngineClient(variables, home=tmp_path / "home") as engine:
            for number, (tool, args) in enumerate(calls, 1):
                engine.call(tool, args)
                if number % (N_CALLS // N_CUTS) == 0:
                    uses.append(use_of(engine.pid))
                    proxy.cut()
                    # A call that meets the cut itself may say so; the next one works.
                    engine.call("glob", {"pattern": "*"})
    print(*uses, sep="\n")
    assert max(use.rss_mib for use in uses) < RSS_LIMIT_MIB
    # Workers come and go with their links: a leak of one for each link would be eight.
    assert max(use.n_threads for use in uses[4:]) <= max(use.n_threads for use in uses[:3]) + 4
    assert max(use.n_descriptors for use in uses[4:]) <= max(use.n_descriptors for use in uses[:3]) + 4
