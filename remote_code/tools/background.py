"""Which processes a command has left in the background: those of its process group that still run."""

import re

from remote_code.errors import RemoteCodeError
from remote_code.shell.job import Command
from remote_code.tools.context import Context

MAX_NAMED = 5
SHOWN_CHARACTERS = 80
TIMEOUT_S = 10.0

# POSIX first; BusyBox knows neither -e nor empty headings.
_LIST = "ps -eo pgid=,pid=,args= 2>/dev/null || ps -o pgid,pid,args"
_ROW = re.compile(r"\s*(\d+)\s+(\d+)\s+(.+)")


def left_behind(context: Context, process_group: int) -> list[str]:
    """Return `id command` of up to `MAX_NAMED` processes; none when they cannot be listed. One flight."""
    command = Command(_LIST, "/", TIMEOUT_S)
    try:
        result = context.shells.run_search(command, flights=context.flights, cancel=context.cancel)
    except RemoteCodeError:
        return []
    return read_processes(result.stdout.decode("utf-8", "replace"), process_group)


def read_processes(listing: str, process_group: int) -> list[str]:
    """Return the processes of a group in a listing of group, id and command. Pure."""
    rows = [match for line in listing.splitlines() if (match := _ROW.fullmatch(line))]
    alive = [row for row in rows if int(row[1]) == process_group and not row[3].endswith("<defunct>")]
    return [f"{row[2]} {row[3][:SHOWN_CHARACTERS]}" for row in alive[:MAX_NAMED]]
