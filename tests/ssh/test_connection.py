"""SSH-5 to SSH-7: channels, their ends, and how a lost link is noticed."""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.delay_proxy import DelayProxy
from remote_code.errors import ChannelRefused, ConnectionLost
from remote_code.ssh import connection as connection_module
from remote_code.ssh.connection import Connection, ExecChannel
from tests.support.connecting import connected, run
from tests.support.processes import wait_until
from tests.support.sshd import SSHServer


def test_signals_are_told_apart_from_exit_statuses(sshd: SSHServer) -> None:
    with connected(sshd.command()) as connection:
        assert run(connection, "kill -KILL $$")[2:] == (None, "KILL")
        assert run(connection, "exit 255")[2:] == (255, None)


def test_megabytes_pass_both_ways_unchanged(sshd: SSHServer) -> None:
    data = bytes(range(256)) * 20_000
    with connected(sshd.command()) as connection:
        # The window holds 2 MB, so the answer has to be taken while the rest is sent.
        assert run(connection, "cat | sha256sum", stdin=data)[0].split()[0] == hashlib.sha256(data).hexdigest().encode()
        assert run(connection, "head -c 5120000 /dev/zero") == (bytes(5_120_000), b"", 0, None)
        assert run(connection, "head -c 5120000 /dev/zero >&2") == (b"", bytes(5_120_000), 0, None)


def test_the_environment_of_the_configuration_reaches_the_commands(tmp_path: Path) -> None:
    """CFG-3: SetEnv and SendEnv."""
    with (
        SSHServer(tmp_path / "server", config=["AcceptEnv FOO BAR"]) as server,
        connected(server.command("-oSetEnv=FOO='a b'", "-oSendEnv=B*"), environ={"BAR": "sent"}) as connection,
    ):
        assert run(connection, 'echo "$FOO,$BAR"')[0] == b"a b,sent\n"


def test_max_sessions_refuses_a_channel_and_leaves_the_link_good(tmp_path: Path) -> None:
    """SSH-5."""
    with (
        SSHServer(tmp_path / "server", config=["MaxSessions 1"]) as server,
        connected(server.command()) as connection,
    ):
        held = connection.open_exec("cat", timeout_s=20)
        with pytest.raises(ChannelRefused):
            connection.open_exec("true", timeout_s=20)
        assert connection.is_alive
        held.shutdown_write()
        while not held.is_closed:
            held.wake.clear()
            if not held.is_closed:
                assert held.wake.wait(5)
        # OpenSSH frees the slot of a closed session a moment later.
        wait_until(lambda: opens(connection))


def opens(connection: Connection) -> bool:
    try:
        return run(connection, "echo again")[0] == b"again\n"
    except ChannelRefused:
        return False


def test_the_end_of_the_server_wakes_everybody(tmp_path: Path) -> None:
    """SSH-6: a reset link ends its channels, calls each listener once, and nothing invents an exit status."""
    with SSHServer(tmp_path / "server") as server, connected(server.command()) as connection:
        channel = connection.open_exec("sleep 100", timeout_s=20)
        calls: list[int] = []
        ended = threading.Event()
        connection.add_loss_listener(lambda: calls.append(1))
        connection.add_loss_listener(ended.set)
        server.drop_sessions()
        assert ended.wait(5)
        assert channel.wake.wait(5)
        assert calls == [1]
        assert channel.is_link_lost
        assert channel.is_closed
        assert channel.exit_status is None
        assert channel.exit_signal is None
        assert not connection.is_alive
        with pytest.raises(ConnectionLost) as caught:
            connection.open_exec("true", timeout_s=5)
        assert caught.value.facts["outcome"] == "not_started"
        with pytest.raises(ConnectionLost):
            channel.send(memoryview(b"x"), timeout_s=1)
        late: list[int] = []
        connection.add_loss_listener(lambda: late.append(1))
        assert late == [1]


def send_all(channel: ExecChannel, data: memoryview, *, timeout_s: float) -> None:
    while data:
        data = data[channel.send(data, timeout_s=timeout_s) :]


def lose(server: SSHServer, spoil: Callable[[DelayProxy], None]) -> float:
    """Spoil the link while somebody waits on a silent command; return how long it took to be noticed, in seconds."""
    with DelayProxy("127.0.0.1", server.port) as proxy, connected(server.command(port=proxy.port)) as connection:
        channel = connection.open_exec("sleep 100", timeout_s=20)
        ended = threading.Event()
        connection.add_loss_listener(ended.set)
        channel.send(memoryview(b"x"), timeout_s=5)  # From now on the channel is in use.
        channel.wake.clear()
        started = time.monotonic()
        spoil(proxy)
        assert ended.wait(30)
        assert channel.wake.is_set()
        assert channel.is_link_lost
        return time.monotonic() - started


def test_a_reset_is_noticed_at_once(sshd: SSHServer) -> None:
    assert lose(sshd, DelayProxy.cut) < 5


def test_a_black_hole_is_noticed_by_the_ping(sshd: SSHServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSH-6, with the waits made ten times shorter: 15 s become 1.5 s, and a second of polling."""
    monkeypatch.setattr(connection_module, "PING_IN_USE_S", 0.5)
    monkeypatch.setattr(connection_module, "PING_DEADLINE_S", 0.8)
    assert lose(sshd, DelayProxy.freeze) < 5


def test_a_silent_but_living_link_is_kept(sshd: SSHServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "PING_IN_USE_S", 0.1)
    monkeypatch.setattr(connection_module, "PING_DEADLINE_S", 0.5)
    with connected(sshd.command()) as connection:
        out, _, status, _ = run(connection, "sleep 2; echo done")
        assert (out, status) == (b"done\n", 0)
        assert connection.rtt_s is not None
        assert connection.rtt_s < 1


def test_a_write_into_a_black_hole_ends(sshd: SSHServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait has a deadline, also that of a full send buffer."""
    monkeypatch.setattr(connection_module, "PING_IN_USE_S", 0.5)
    monkeypatch.setattr(connection_module, "PING_DEADLINE_S", 0.8)
    with DelayProxy("127.0.0.1", sshd.port) as proxy, connected(sshd.command(port=proxy.port)) as connection:
        channel = connection.open_exec("cat >/dev/null", timeout_s=20)
        proxy.freeze()
        data = memoryview(bytes(50_000_000))
        started = time.monotonic()
        with pytest.raises(ConnectionLost):
            send_all(channel, data, timeout_s=3)
        assert time.monotonic() - started < 15


def test_a_process_that_reads_nothing_ends_the_wait_for_its_window(sshd: SSHServer) -> None:
    with connected(sshd.command()) as connection:
        channel = connection.open_exec("sleep 100", timeout_s=20)
        with pytest.raises(ConnectionLost):
            send_all(channel, memoryview(bytes(10_000_000)), timeout_s=0.3)
        assert connection.is_alive


def test_keys_are_exchanged_anew_after_the_time_of_rekey_limit(sshd: SSHServer) -> None:
    """CFG-3: RekeyLimit, here of a second; commands go on meanwhile."""
    with connected(sshd.command("-o", "RekeyLimit=default 1s")) as connection:
        out, _, status, _ = run(connection, "sleep 2.5; echo done")
        assert (out, status) == (b"done\n", 0)
        assert run(connection, "echo on")[0] == b"on\n"
        assert connection.n_key_exchanges >= 2


def n_pings(server: SSHServer) -> int:
    return server.log.read_text(encoding="utf-8").count("rtype keepalive@openssh.com")


def test_an_idle_link_carries_one_keepalive_per_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSH-7, with 15 s made 0.2 s: standby shells that wait for work are no use of the link."""
    monkeypatch.setattr(connection_module, "PING_IDLE_S", 0.2)
    monkeypatch.setattr(connection_module, "PING_IN_USE_S", 0.01)
    with SSHServer(tmp_path / "server", config=["LogLevel DEBUG1"]) as server:
        with connected(server.command()) as connection:
            standby = connection.open_exec("cat", timeout_s=20)
            wait_until(lambda: n_pings(server) >= 3)
            started, before = time.monotonic(), n_pings(server)
            wait_until(lambda: n_pings(server) >= before + 2)
            n_expected = (time.monotonic() - started) / 0.2
            assert n_pings(server) - before <= n_expected + 1
            standby.close()
        before = n_pings(server)
        with connected(server.command("-oServerAliveInterval=0")) as connection:
            # The first one measures the round trip.
            wait_until(lambda: connection.rtt_s is not None)
            run(connection, "sleep 1")
        assert n_pings(server) == before + 1


def test_closing_leaves_no_thread_and_no_session(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with SSHServer(tmp_path / "server") as server:
        for _ in range(3):
            with connected(server.command()) as connection:
                run(connection, "true")
        for thread in set(threading.enumerate()) - before:
            thread.join(5)
            assert not thread.is_alive(), thread
