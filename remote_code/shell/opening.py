"""How worker shells come up: a channel, the boot text, and the wait for the ready line."""

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from remote_code.errors import ChannelRefused, ConnectionLost, ConnectTimeout, ShellUnsupported
from remote_code.shell import boot
from remote_code.shell.channel import Channel, Link
from remote_code.shell.worker import SEND_TIMEOUT_S, ResidentShell, StandbyShell

Opened = TypeVar("Opened")

READY_TIMEOUT_S = 30.0
"""How long a login may take until its ready line; a `.bashrc` that sleeps is no failure."""
REFUSED_RETRIES_S = (0.01, 0.05, 0.2)
"""Waits before a refused channel is asked for again: OpenSSH frees the slot of a closed session a moment late."""
STATUS_S = 1.0
"""How far the exit status and the end of the output may be apart."""
EOF_S = 3.0
"""How long after its deadline a login may take to end with its input, as what reads that for itself does."""
NUDGE_S = 3.0
NUDGE = b"\n\n\n\n"
"""Sent after so long without a ready line. A shell takes it for blank lines; an SFTP server, which would wait for a
packet for ever, takes it for one of an absurd length and ends."""


def open_standby(
    link: Link,
    place: boot.Place,
    *,
    timeout_s: float = READY_TIMEOUT_S,
    on_session: Callable[[], None] = lambda: None,
) -> StandbyShell:
    """Open a standby shell on `link` and wait for its ready line; see `_open`."""
    start = boot.start(boot.STANDBY, place)
    channel, ready = _open(link, start, timeout_s=timeout_s, on_session=on_session)
    return StandbyShell(link, channel, ready, start.token)


def open_resident(
    link: Link,
    place: boot.Place,
    *,
    library: str,
    timeout_s: float = READY_TIMEOUT_S,
    on_session: Callable[[], None] = lambda: None,
) -> ResidentShell:
    """Open a resident shell on `link`, wait for its ready line and send it `library`; see `_open`."""
    start = boot.start(boot.RESIDENT, place)
    channel, ready = _open(link, start, timeout_s=timeout_s, on_session=on_session)
    shell = ResidentShell(link, channel, ready, start.token)
    if library:
        shell.load(library)
        channel.is_in_use = False
    return shell


def patiently(open_channel: Callable[[], Opened], wait: Callable[[float], object]) -> Opened:
    """Open a channel, and ask again a few times when it is refused; `wait` may return true to give up.

    Raises:
        ChannelRefused: it is refused all the same.
    """
    for wait_s in REFUSED_RETRIES_S:
        try:
            return open_channel()
        except ChannelRefused:
            if wait(wait_s):
                raise
    return open_channel()


def _open(
    link: Link, start: boot.Start, *, timeout_s: float, on_session: Callable[[], None]
) -> tuple[Channel, boot.Ready]:
    """Start a worker and drop all that comes before its ready line, on each stream.

    `on_session` is called when the server has given the channel, long before a slow login is ready.

    Raises:
        ChannelRefused, ConnectionLost: as `Link.open_exec`, or the link was lost meanwhile.
        ShellUnsupported: the account started something else.
        ConnectTimeout: whatever it started is at work still.
    """
    deadline = time.monotonic() + timeout_s
    channel = link.open_exec(start.command, timeout_s=timeout_s)
    try:
        on_session()
        return channel, _wait_until_ready(channel, start, deadline, timeout_s)
    except BaseException:
        channel.close()
        raise


def _wait_until_ready(channel: Channel, start: boot.Start, deadline: float, timeout_s: float) -> boot.Ready:
    _send(channel, start.first_input)
    nudge_at = time.monotonic() + NUDGE_S
    stdout, stderr = bytearray(), bytearray()
    is_late = False
    while True:
        channel.wake.clear()
        has_ended, is_at_eof = channel.exit_status is not None, channel.is_at_eof
        is_over = channel.is_closed or channel.is_link_lost or (has_ended and is_at_eof)
        received = channel.receive(), channel.receive_stderr()
        stdout += received[0]
        stderr += received[1]
        ready = boot.find_ready(stdout, start.token)
        if ready and boot.find_ready(stderr, start.token) and not is_late:
            channel.is_in_use = False
            return ready
        if any(received):
            continue
        now = time.monotonic()
        if has_ended or is_at_eof:
            # Of the last words and the status, one is still on its way.
            deadline = min(deadline, now + STATUS_S)
        if not is_over and now >= deadline and not (is_late or has_ended or is_at_eof):
            # What reads its input for itself ends with it; a start file that takes its time does not.
            is_late, deadline, nudge_at = True, now + EOF_S, now + EOF_S
            channel.shutdown_write()
            continue
        if is_over or now >= deadline:
            said = _said(stdout, stderr)
            if is_late and (ready or not (has_ended or is_at_eof or is_over)):
                raise _too_late(start, said, timeout_s)
            raise _no_shell(channel, start, said, wanted_input=is_late)
        if now >= nudge_at:
            nudge_at = deadline
            with contextlib.suppress(ConnectionLost):
                _send(channel, NUDGE)
        channel.wake.wait(min(nudge_at, deadline) - now)


def _send(channel: Channel, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[channel.send(rest, timeout_s=SEND_TIMEOUT_S) :]


def _too_late(start: boot.Start, said: str, timeout_s: float) -> ConnectTimeout:
    what = f"REMOTE_ENTER ({start.command})" if start.first_input else "the login of the remote account"
    return ConnectTimeout(
        f"{what} started no shell within {timeout_s:g} s: it is still at work {_words(said)}. A start file (.bashrc, "
        ".cshrc, config.fish) that takes long, a home directory that does not answer or a forced command that does not "
        "end has this effect; `time ssh HOST true` shows it, and a start file may return early without a terminal",
        timeout_s=timeout_s,
        said=said,
    )


def _no_shell(
    channel: Channel, start: boot.Start, said: str, *, wanted_input: bool
) -> ShellUnsupported | ConnectionLost:
    if channel.is_link_lost:
        return ConnectionLost("the connection was lost while a shell started", outcome="not_started", retry_safe=True)
    if wanted_input:
        found = "it waited for input of its own"
    elif channel.exit_status is not None:
        found = f"it ended with status {channel.exit_status}"
    else:
        found = "it ended"
    if start.first_input:
        return ShellUnsupported(f"REMOTE_ENTER starts no shell: {start.command!r}: {found} {_words(said)}", said=said)
    return ShellUnsupported(
        f"the remote account starts no POSIX shell for commands: {found} {_words(said)}. "
        "An account for SFTP only, a forced command, or a shell start file that starts another program has this effect",
        said=said,
    )


def _said(*streams: bytearray) -> str:
    return b"\n".join(part.strip() for part in streams if part.strip())[-2000:].decode("utf-8", "replace")


def _words(said: str) -> str:
    return f"and said {said!r}" if said else "and said nothing"
