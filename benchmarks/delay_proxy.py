"""A TCP proxy on loopback that adds a fixed delay in each direction, for counting round trips.

As a program: `python -m benchmarks.delay_proxy HOST PORT DELAY_MS` prints the port that it listens on.
"""

import asyncio
import contextlib
import socket
import sys
import threading
from types import TracebackType
from typing import Self


class DelayProxy:
    """Forwards connections to `host:port`, each byte `one_way_s` late; half the round trip that it adds.

    Order is kept and throughput is not limited. `cut()` resets all connections, `freeze()` stops forwarding without
    closing anything (a black hole), `delay` may be changed while it runs.
    """

    def __init__(self, host: str, port: int, *, one_way_s: float = 0.0) -> None:
        self.one_way_s = one_way_s
        self.is_frozen = False
        self._to = (host, port)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="delay-proxy", daemon=True)
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self) -> None:
        """Reset all connections that are open now."""
        done = threading.Event()

        def abort() -> None:
            for writer in list(self._writers):
                sock = writer.get_extra_info("socket")
                if sock.fileno() >= 0:  # Where one end went while the network was silent, the other still stands.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                writer.transport.abort()
            done.set()

        self._loop.call_soon_threadsafe(abort)
        done.wait(5)

    def freeze(self) -> None:
        """Forward nothing more and close nothing, as a network that has gone silent."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Forward again what comes from now on; what was sent meanwhile stays lost."""
        self.is_frozen = False

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener))
        self._loop.call_soon(self._started.set)
        self._loop.run_forever()
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        # Whatever still waits is ended; transports close in the loop's next turns.
        while tasks := asyncio.all_tasks(self._loop):
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(tasks))
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        for end in (writer, to_writer):
            self._writers.add(end)
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = [
            self._loop.create_task(self._forward(source, sink))
            for source, sink in ((reader, to_writer), (to_reader, writer))
        ]
        # At the end of the proxy this is cancelled; asyncio would print that as a failure of the connection.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(ways)
        for end in (writer, to_writer):
            self._writers.discard(end)
            end.transport.abort()

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sender = self._loop.create_task(self._send_late(queue, sink))
        try:
            while data := await source.read(1 << 16):
                queue.put_nowait((self._loop.time() + self.one_way_s, data))
        except (ConnectionError, asyncio.CancelledError):
            sink.transport.abort()
        queue.put_nowait((self._loop.time() + self.one_way_s, b""))
        await sender

    async def _send_late(self, queue: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if self.is_frozen:
                    continue
                if not data:
                    break
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()
        except (ConnectionError, OSError):
            sink.transport.abort()


def main() -> None:
    """Run a proxy until the standard input ends."""
    host, port, delay_ms = sys.argv[1:4]
    with DelayProxy(host, int(port), one_way_s=float(delay_ms) / 2000) as proxy:
        print(proxy.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
