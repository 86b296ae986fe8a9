"""Keeps the pool as the schedule wants it: connects, starts and ends shells, and repairs lost links.

One supervisor thread asks the schedule; each handshake and each start of a shell is a short-lived thread of its own.
"""

import logging
import threading
import time
from collections.abc import Callable

from remote_code.errors import ChannelRefused, ConnectionFailed, ConnectionLost, RemoteCodeError, ShellUnsupported
from remote_code.shell import schedule
from remote_code.shell.channel import Connect
from remote_code.shell.members import Connection, LinkStatus, Worker
from remote_code.shell.opening import open_resident, open_standby, patiently
from remote_code.shell.roster import Roster
from remote_code.shell.schedule import Kind
from remote_code.shell.worker import Slot, Tenant

_log = logging.getLogger(__name__)

END_S = 2.0
"""How long the server may take to close an ended session."""
JOIN_S = 2.0
"""How long the end of the pool waits for its threads; a handshake may take longer and ends by itself."""


class Keeper:
    """Carries out plans until it is told to stop."""

    def __init__(
        self, roster: Roster, connect: Connect, *, library: str, on_status: Callable[[LinkStatus], None]
    ) -> None:
        self._roster = roster
        self._connect = connect
        self._library = library
        self._on_status = on_status
        self._stopping = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._is_started = False
        self._threads_lock = threading.Lock()  # Guards the two above; held while a thread is started.

    def start(self) -> None:
        """Begin to work in the background; does nothing when it has begun."""
        with self._threads_lock:
            if self._is_started:
                return
            self._is_started = True
        self._spawn("shells-keeper", self._keep)

    def stop(self) -> None:
        """Close every shell and connection and wait for the threads; the roster is closed already."""
        self._stopping.set()
        with self._roster.changed:
            shells = [worker.shell for worker in self._roster.workers if worker.shell]
            links = [connection.link for connection in self._roster.connections]
        for shell in shells:
            shell.close()
        for link in links:
            link.close()
        deadline = time.monotonic() + JOIN_S
        with self._threads_lock:
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def end(self, worker: Worker) -> None:
        """End a worker's session, without making the caller wait for the server."""
        assert worker.shell is not None
        if worker.shell.is_over or not worker.connection.ends_badly:
            self._end(worker)
        else:
            self._spawn("shells-end", lambda: self._end_in_order(worker))

    def drop_distrusted(self) -> None:
        """Drop the connections that did not outlive a sleep of this machine for certain."""
        with self._roster.changed:
            distrusted = self._roster.distrusted()
        for connection in distrusted:
            self._note_loss(connection)

    def _keep(self) -> None:
        """Carry out plans; the only thread that tells the status, so that it is told in order."""
        shown: LinkStatus | None = None
        roster = self._roster
        while True:
            with roster.changed:
                if roster.is_closed:
                    return
                tasks = [self._begin(action) for action in schedule.plan(roster.view())]
                status = roster.status()
                is_news = shown is None or (status.state, status.error) != (shown.state, shown.error)
                if not tasks and not is_news:
                    roster.changed.wait(roster.timer_s())
                    continue
            if is_news:
                shown = status
                self._tell(status)
            for name, task in tasks:
                self._spawn(name, task)

    def _tell(self, status: LinkStatus) -> None:
        try:
            self._on_status(status)
        except Exception:  # noqa: BLE001  # Part of a thread's main: whatever a listener does, the pool goes on.
            _log.exception("pool=shells event=listener_failed")

    def _begin(self, action: schedule.Action) -> tuple[str, Callable[[], None]]:
        """Note an action as under way; return the work, which is to be done without the lock."""
        match action:
            case schedule.Connect(purpose):
                self._roster.begin_connecting()
                return "shells-connect", lambda: self._add_connection(purpose)
            case schedule.Open(link_id, kind):
                opening = self._roster.begin_opening(link_id, kind)
                return "shells-open", lambda: self._open(opening)
            case schedule.Retire(worker_id):
                ending = self._roster.begin_ending(worker_id)
                return "shells-end", lambda: self._end(ending)
            case schedule.Drop(link_id):
                return "shells-drop", self._roster.drop(link_id).link.close

    def _add_connection(self, purpose: Kind) -> None:
        started_at = time.monotonic()
        try:
            link = self._connect()
        except RemoteCodeError as exc:
            self._note_failure(exc)
            return
        except Exception as exc:  # noqa: BLE001  # A thread's main: callers must be answered whatever broke.
            _log.exception("pool=shells event=connect_crashed")
            self._note_failure(ConnectionFailed(f"the connection could not be made: {exc}"))
            return
        with self._roster.changed:
            connection = self._roster.connected(link, purpose)
        if connection is None:
            link.close()
            return
        took_ms = (time.monotonic() - started_at) * 1000
        _log.info("pool=shells event=connected purpose=%s server=%s took_ms=%.0f", purpose.value, link.server, took_ms)
        link.add_loss_listener(lambda: self._note_loss(connection))
        if not link.is_alive:
            self._note_loss(connection)

    def _note_failure(self, error: RemoteCodeError) -> None:
        _log.warning("pool=shells event=connect_failed error=%s", error.kind)
        with self._roster.changed:
            self._roster.connect_failed(error)

    def _note_loss(self, connection: Connection) -> None:
        with self._roster.changed:
            if not self._roster.lost(connection):
                return
        _log.warning("pool=shells event=link_lost purpose=%s", connection.purpose.value)
        # A link may tell of its loss from a thread of its own, which its close() waits for.
        self._spawn("shells-drop", connection.link.close)

    def _open(self, worker: Worker) -> None:
        """Start a worker's shell and put it into service."""
        try:
            shell = self._start_shell(worker)
        except ChannelRefused as exc:
            with self._roster.changed:
                n_open = self._roster.refused(worker, exc)
            _log.info("pool=shells event=channel_refused sessions=%d", n_open)
        except ConnectionLost:
            with self._roster.changed:
                self._roster.ended(worker)
            # Whatever ended the channel ended the link, or left it in a state that nothing is to be built on.
            self._note_loss(worker.connection)
        except RemoteCodeError as exc:
            self._note_bad_boot(worker, exc)
        except Exception as exc:  # noqa: BLE001  # A thread's main: callers must be answered whatever broke.
            _log.exception("pool=shells event=open_crashed")
            self._note_bad_boot(worker, ShellUnsupported(f"no shell could be started: {exc}", said=""))
        else:
            with self._roster.changed:
                is_in_service = self._roster.opened(worker, shell)
            if not is_in_service:
                self._end(worker)

    def _start_shell(self, worker: Worker) -> Tenant:
        link, place = worker.connection.link, self._roster.settings.place
        timeout_s = self._roster.settings.start_timeout_s
        if worker.kind is Kind.TERMINAL:
            return Slot(link)

        def on_session() -> None:
            with self._roster.changed:
                self._roster.got_session(worker)

        if worker.kind is Kind.RESIDENT:
            library = self._library
            return patiently(
                lambda: open_resident(link, place, library=library, timeout_s=timeout_s, on_session=on_session),
                self._stopping.wait,
            )
        return patiently(
            lambda: open_standby(link, place, timeout_s=timeout_s, on_session=on_session), self._stopping.wait
        )

    def _note_bad_boot(self, worker: Worker, error: RemoteCodeError) -> None:
        _log.warning("pool=shells event=no_shell kind=%s error=%s", worker.kind.value, error.kind)
        with self._roster.changed:
            self._roster.did_not_boot(worker, error)

    def _end_in_order(self, worker: Worker) -> None:
        """Let the server close the session first: Dropbear loses a connection on which one opens while one ends."""
        assert worker.shell is not None
        worker.shell.wait_until_over(END_S)
        self._end(worker)

    def _end(self, worker: Worker) -> None:
        if worker.shell:
            worker.shell.close()
        with self._roster.changed:
            self._roster.ended(worker)

    def _spawn(self, name: str, task: Callable[[], None]) -> None:
        def run() -> None:
            try:
                task()
            finally:
                with self._threads_lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._threads_lock:
            self._threads.add(thread)
            thread.start()
