"""Reading a list of processes."""

from remote_code.tools.background import read_processes

LISTING = """  PGID   PID COMMAND
    7    70 sleep 30
    7    71 [sh] <defunct>
    8    80 other
    7    72 server --with a long tail
nonsense
"""


def test_processes_of_the_group_are_named_and_dead_ones_are_not() -> None:
    """BASH-4: GNU and BusyBox print rows of the same kind."""
    assert read_processes(LISTING, 7) == ["70 sleep 30", "72 server --with a long tail"]
    assert len(read_processes("".join(f"7 {n} x\n" for n in range(9)), 7)) == 5
