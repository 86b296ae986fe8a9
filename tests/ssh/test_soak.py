"""SSH-6: links that are cut anywhere, with work on them; nothing is left behind, no wrong claim is made."""

import os
import random
import threading

import pytest

from remote_code.errors import RemoteCodeError
from remote_code.ssh.connection import Connection
from tests.support.connecting import connected, run
from tests.support.processes import wait_until
from tests.support.ssh_servers import RawServer, cuts_after
from tests.support.sshd import SSHServer

N_LINKS = 500 if os.environ.get("REMOTE_CODE_TORTURE") else 8


def test_links_cut_at_random_places_leave_nothing_and_lie_never(sshd: SSHServer) -> None:
    """Set REMOTE_CODE_SEED to repeat a run."""
    seed = int(os.environ.get("REMOTE_CODE_SEED") or random.SystemRandom().randrange(10**9))
    print(f"REMOTE_CODE_SEED={seed}")
    rng = random.Random(seed)
    n_descriptors, n_threads = len(os.listdir("/dev/fd")), threading.active_count()
    outcomes: list[str] = []
    for _ in range(N_LINKS):
        n_bytes = rng.choice([rng.randint(0, 3_000), rng.randint(3_000, 100_000), 1 << 30])
        with RawServer(cuts_after(n_bytes, sshd.port)) as proxy:
            try:
                with connected(sshd.command(port=proxy.port)) as connection:
                    outcomes += work(connection, rng)
            except RemoteCodeError as exc:
                outcomes.append(exc.kind)
    assert "done" in outcomes
    assert "wrong" not in outcomes
    wait_until(lambda: len(os.listdir("/dev/fd")) <= n_descriptors)
    wait_until(lambda: threading.active_count() <= n_threads)


def work(connection: Connection, rng: random.Random) -> list[str]:
    """Run four commands at once, with the link closed under them now and then; return how each went."""
    outcomes: list[str] = []

    def command(stdin: bytes) -> None:
        try:
            out, err, status, signal = run(connection, "cat; echo end >&2; exit 7", stdin=stdin)
        except RemoteCodeError as exc:
            outcomes.append(exc.kind)
            return
        is_whole = (out, err, signal) == (stdin, b"end\n", None)
        outcomes.append("unknown" if status is None else "done" if status == 7 and is_whole else "wrong")

    threads = [threading.Thread(target=command, args=(rng.randbytes(rng.randint(0, 50_000)),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    if rng.random() < 0.2:
        connection.close()
    for thread in threads:
        thread.join(30)
    if any(thread.is_alive() for thread in threads):
        pytest.fail("a command on a lost link did not end")
    return outcomes
