"""How much later OpenCode is there with the plugin, and how much later the first tool call has its result.

`python -m benchmarks.opencode_start` starts the real OpenCode in turns with and without the plugin, then plays a
session's first tool call over a slow link: at once, and once the connection is up. It needs `make opencode`.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.delay_proxy import DelayProxy
from benchmarks.page import ROOT, machine, write_section
from remote_code.opencode.install import engine_command, install
from tests.support.model import Call, ScriptedModel, Scripts
from tests.support.opencode import VERSION, OpenCode, binary_in
from tests.support.opencode_server import OpenCodeServer
from tests.support.processes import wait_until
from tests.support.sshd import SSHServer

REPEATS = 10
ROUND_TRIP_S = 0.05
"""Round trip of the link in the measurement of the first tool call."""
PROMPT = "begin"
Measured = TypeVar("Measured")

SCRIPTS: Scripts = {PROMPT: [[Call("bash", {"command": "true"})], "Done."]}


@dataclass(frozen=True)
class Clients:
    """The same OpenCode three times, each in a HOME of its own."""

    plain: OpenCode
    empty: OpenCode
    """With a plugin that does nothing."""
    remote: OpenCode


@dataclass(frozen=True)
class Start:
    """One start of OpenCode, up to a session that can be prompted."""

    took_ms: float
    processor_ms: float


def main() -> None:
    """Measure everything and put the section into the page."""
    with tempfile.TemporaryDirectory(prefix="opencode-start-") as name, SSHServer(Path(name) / "sshd") as sshd:
        with _clients(Path(name) / "start", sshd.command()) as (clients, _):
            plain, remote = _in_turns(lambda: _start(clients.plain), lambda: _start(clients.remote))
            empty, again = _in_turns(lambda: _start(clients.empty), lambda: _start(clients.remote))
        with (
            DelayProxy("127.0.0.1", sshd.port, one_way_s=ROUND_TRIP_S / 2) as proxy,
            _clients(Path(name) / "call", sshd.command(port=proxy.port)) as (clients, model),
        ):
            warm_ms, cold_ms = _in_turns(
                lambda: _first_call_ms(clients.remote, model, is_connected=True),
                lambda: _first_call_ms(clients.remote, model, is_connected=False),
            )
    write_section(
        "opencode start",
        [
            "## OpenCode's start",
            "",
            f"{machine()}. OpenCode {VERSION} after its first start, so that its package for plugin authors is "
            f"installed and npm is not loaded; medians of {REPEATS} in milliseconds (best in parentheses), both kinds "
            "in turns, by `python -m benchmarks.opencode_start`. The start is from the process to a session that can "
            "be prompted; processor time is that of OpenCode's process until then, which other work on the machine "
            f"changes less (its load average was {os.getloadavg()[0]:.0f}). The first call, `bash true` over a link "
            f"with a round trip of {ROUND_TRIP_S * 1000:.0f} ms, is from the session's first prompt to the result in "
            "the model's hands; the prompt comes the moment OpenCode is there, or once the connection is up. A plugin "
            "that does nothing shows what OpenCode itself spends on having any.",
            "",
            "| | without | with | more | goal |",
            "|---|--:|--:|--:|--:|",
            f"| start, without and with the plugin | {_row(*_took(plain, remote))} | 100 |",
            f"| the same, processor time | {_row(*_processor(plain, remote))} | |",
            f"| start, with a plugin that does nothing and with ours | {_row(*_took(empty, again))} | 100 |",
            f"| the same, processor time | {_row(*_processor(empty, again))} | |",
            f"| first call, connected and from nothing | {_row(warm_ms, cold_ms)} | 300 |",
            "",
        ],
    )


@contextmanager
def _clients(folder: Path, remote_ssh: str) -> Iterator[tuple[Clients, ScriptedModel]]:
    program = binary_in(ROOT / "build" / "opencode")
    workdir = folder / "remote"
    workdir.mkdir(parents=True)
    target = {"REMOTE_SSH": remote_ssh, "REMOTE_WORKDIR": str(workdir)}
    with ScriptedModel(SCRIPTS) as model:
        plain = OpenCode(program, folder / "plain", model.base_url)
        remote = OpenCode(program, folder / "with", model.base_url, environment=target)
        nothing = folder / "nothing.js"
        nothing.write_text('export default {id: "nothing", server: async () => ({})}\n', encoding="utf-8")
        empty = OpenCode(program, folder / "empty", model.base_url, settings={"plugin": [nothing.as_uri()]})
        for client in (plain, empty, remote):
            client.prepare()
        install(remote.config_dir, command=engine_command())
        yield Clients(plain, empty, remote), model


def _in_turns(one: Callable[[], Measured], other: Callable[[], Measured]) -> tuple[list[Measured], list[Measured]]:
    one(), other()  # The first start of each makes its database.
    pairs = [(one(), other()) for _ in range(REPEATS)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _start(client: OpenCode) -> Start:
    started = time.monotonic()
    with OpenCodeServer(client) as server:
        server.new_session()
        took_ms = (time.monotonic() - started) * 1000
        # After the name, which may hold anything: user and system time are the 12th and 13th field (proc(5)).
        fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
    return Start(took_ms, ticks * 1000 / os.sysconf("SC_CLK_TCK"))


def _took(*kinds: list[Start]) -> list[list[float]]:
    return [[start.took_ms for start in kind] for kind in kinds]


def _processor(*kinds: list[Start]) -> list[list[float]]:
    return [[start.processor_ms for start in kind] for kind in kinds]


def _first_call_ms(client: OpenCode, model: ScriptedModel, *, is_connected: bool) -> float:
    with OpenCodeServer(client) as server:
        session = server.new_session()
        status = client.home / ".opencode" / "remote-code" / f"status-{server.pid}.json"
        if is_connected:
            wait_until(lambda: _state(status) == "ready", timeout_s=60)
        n_before = len(model.agent_requests)
        started = time.monotonic()
        server.begin_prompt(session, PROMPT)
        model.wait_for_requests(n_before + 2)
        took_ms = (time.monotonic() - started) * 1000
    return took_ms


def _state(status: Path) -> object:
    return json.loads(status.read_text(encoding="utf-8")).get("state") if status.exists() else None


def _row(less_ms: list[float], more_ms: list[float]) -> str:
    cells = [f"{statistics.median(times):.0f} ({min(times):.0f})" for times in (less_ms, more_ms)]
    return " | ".join([*cells, f"{statistics.median(more_ms) - statistics.median(less_ms):.0f}"])


if __name__ == "__main__":
    main()
