"""SSH-6: who closes a channel does not wait for a stuck link, and the end of a channel never stops a link."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from paramiko.message import Message

from benchmarks.delay_proxy import DelayProxy
from remote_code.errors import ConnectionLost
from remote_code.ssh import connection as connection_module
from remote_code.ssh.channel_data import DataToSend
from remote_code.ssh.connection import Connection, ExecChannel
from tests.support.connecting import connected, run
from tests.support.processes import wait_until
from tests.support.sshd import SSHServer


def test_closing_does_not_wait_for_a_key_exchange_on_a_frozen_link(sshd: SSHServer) -> None:
    with DelayProxy("127.0.0.1", sshd.port) as proxy, connected(sshd.command(port=proxy.port)) as connection:
        channels = [connection.open_exec("cat", timeout_s=20) for _ in range(3)]
        proxy.freeze()
        connection.transport.watched.request_rekey()
        wait_until(lambda: not connection.transport.clear_to_send.is_set())
        for channel in channels:
            channel.shutdown_write()
            channel.close()
            assert channel.is_closed
        assert connection.is_alive


def test_closing_does_not_wait_for_a_write_that_is_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_S", 0.1)
    with SSHServer(tmp_path / "server") as server, connected(server.command()) as connection:
        busy = [connection.open_exec("cat >/dev/null", timeout_s=20) for _ in range(5)]
        idle = [connection.open_exec("cat", timeout_s=20) for _ in range(5)]
        with stopped(server), filling(connection, busy):
            for channel in idle:
                channel.shutdown_write()
                channel.close()
                assert channel.is_closed
            # Nine seconds without a byte taken would have closed it.
            assert not connection.transport.watched.closed


@contextmanager
def stopped(server: SSHServer) -> Iterator[None]:
    """Have the server's sessions take nothing for a while."""
    pids = server.session_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def send_for_ever(channel: ExecChannel, note: Callable[[], None] = lambda: None) -> NoReturn:
    while True:
        channel.send(memoryview(bytes(1 << 18)), timeout_s=60)
        note()


@contextmanager
def filling(connection: Connection, channels: list[ExecChannel]) -> Iterator[None]:
    """Send to all channels; go on when the socket takes no more, and end the link at the end."""
    sock = connection.transport.sock
    assert isinstance(sock, socket.socket)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    last_sent = [time.monotonic()] * len(channels)

    def fill(number: int) -> None:
        def note() -> None:
            last_sent[number] = time.monotonic()

        with pytest.raises(ConnectionLost):
            send_for_ever(channels[number], note)

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(len(channels))]
    for thread in threads:
        thread.start()
    wait_until(lambda: time.monotonic() - max(last_sent) > 0.5)
    try:
        yield
    finally:
        connection.close()
        for thread in threads:
            thread.join(20)


def test_channels_may_end_while_keys_are_exchanged(sshd: SSHServer) -> None:
    """The transport's thread answers the end of a channel, but after the exchange, which nobody else finishes."""
    with connected(sshd.command("-o", "RekeyLimit=64K")) as connection:
        for _ in range(40):
            assert run(connection, "head -c 200000 /dev/zero") == (bytes(200_000), b"", 0, None)
        assert connection.n_key_exchanges > 10


def test_a_process_that_ends_while_it_is_sent_to_leaves_the_link_good(sshd: SSHServer) -> None:
    """Data behind the end of a channel would make the server end the connection."""
    with connected(sshd.command()) as connection:
        for _ in range(60):
            channel = connection.open_exec("head -c 100000 >/dev/null", timeout_s=20)
            with pytest.raises(ConnectionLost):
                send_for_ever(channel)
            channel.close()
            assert connection.is_alive
        assert run(connection, "echo on")[0] == b"on\n"


def assert_set(event: threading.Event) -> None:
    assert event.wait(20)


def test_the_end_of_the_input_is_never_said_behind_that_of_the_channel(
    sshd: SSHServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server closes while our own last word waits; one that came after our answer would end the connection."""
    monkeypatch.setattr(connection_module, "CLOSE_S", 0.1)
    go_on = threading.Event()
    with connected(sshd.command()) as connection:
        channel = connection.open_exec("read -r line", timeout_s=20)
        channel.send(memoryview(b"\n"), timeout_s=20)
        connection._last_words.do(lambda: assert_set(go_on))
        channel.shutdown_write()
        wait_until(lambda: channel.is_closed)
        go_on.set()
        assert run(connection, "echo on")[0] == b"on\n"
        assert connection.is_alive


def test_what_was_sent_before_the_link_broke_counts_as_sent(
    sshd: SSHServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSH-6: a command that the server may have got is never called "not started", or it would be run twice."""
    target = tmp_path / "ran"
    line = f"echo x >>{target}\n".encode()
    with connected(sshd.command()) as connection:
        channel = connection.open_exec("sh", timeout_s=20)
        transport = connection.transport
        send_message = transport._send_user_message

        def send_and_break(message: Message | DataToSend) -> None:
            send_message(message)
            wait_until(target.exists)
            transport.close()
            wait_until(lambda: channel.is_link_lost)

        monkeypatch.setattr(transport, "_send_user_message", send_and_break)
        assert channel.send(memoryview(line), timeout_s=5) == len(line)
        monkeypatch.undo()
        with pytest.raises(ConnectionLost):
            channel.send(memoryview(line), timeout_s=5)
    assert target.read_text(encoding="ascii") == "x\n"
