"""Scripts in resident shells of dash, bash and BusyBox ash."""

import os
import random

import pytest

from remote_code.errors import Cancelled, ConnectionLost
from remote_code.shell.job import Cancel, Outcome, Result, Script
from remote_code.shell.job_text import script_job
from tests.shell.conftest import Machine


def done(exit_status: int = 0, *, stdout: bytes = b"", stderr: bytes = b"") -> Result:
    return Result(Outcome.DONE, exit_status, None, stdout, stderr)


def test_library_and_first_job_go_in_one_flight(machine: Machine) -> None:
    shell = machine.resident('greet() { echo hello "$1"; }\n' + "# filler\n" * 2_000)
    assert shell.run(Script("greet you; greet me >&2; exit 3")) == done(3, stdout=b"hello you\n", stderr=b"hello me\n")
    shell.close()


def test_jobs_do_not_see_each_other(machine: Machine) -> None:
    shell = machine.resident("a=library\n")
    assert shell.run(Script("a=job; cd /tmp; set -e; false; echo never")).exit_status == 1
    assert shell.run(Script('echo "$a"; pwd')) != done(stdout=b"job\n/tmp\n")
    assert shell.run(Script('echo "$a"')) == done(stdout=b"library\n")
    shell.close()


def test_syntax_error_harms_only_its_job(machine: Machine) -> None:
    shell = machine.resident()
    assert shell.run(Script("if then 'fi")).exit_status == 2
    assert shell.run(Script("echo good")) == done(stdout=b"good\n")
    shell.close()


def test_answer_may_be_any_bytes_with_and_without_a_last_newline(machine: Machine) -> None:
    shell = machine.resident()
    for data in (b"", b"\n", b"\0\xff'\n\n", random.Random(1).randbytes(300_000)):
        script = Script(f"exec <&3; _rc_x {len(data)}", payload=data)
        assert shell.run(script) == done(stdout=data)
    shell.close()


def test_large_script_and_its_payload_arrive_whole(machine: Machine) -> None:
    shell = machine.resident()
    payload = os.urandom(100_000)
    text = "".join(f": line {i}\n" for i in range(5_000)) + f"exec <&3\n_rc_x {len(payload)}\nexit 5"
    assert shell.run(Script(text, payload=payload)) == done(5, stdout=payload)
    assert shell.run(Script("echo still here")) == done(stdout=b"still here\n")
    shell.close()


def test_200_jobs_in_a_row_are_all_right(machine: Machine) -> None:
    shell = machine.resident()
    for i in range(200):
        assert shell.run(Script(f"echo {i}; echo e{i} >&2; exit {i % 120}")) == done(
            i % 120, stdout=b"%d\n" % i, stderr=b"e%d\n" % i
        )
    shell.close()


@pytest.mark.parametrize("n_missing", [1, 10, 4_500])
def test_script_that_was_cut_is_not_run(machine: Machine, n_missing: int) -> None:
    shell = machine.resident()
    target = f"/tmp/remote-code-test-{os.getpid()}-{n_missing}"
    job = script_job(Script(f"touch {target}\n" + "# filler\n" * 600), shell.token, "0" * 16)
    shell.channel.send(memoryview((job.lines + job.payload)[:-n_missing]), timeout_s=5)
    shell.channel.shutdown_write()
    machine.link.channels[-1].join()
    assert not os.path.exists(target)


def test_lost_link_leaves_the_outcome_unknown(machine: Machine) -> None:
    shell = machine.resident()
    with pytest.raises(ConnectionLost) as lost:
        shell.run(Script("kill -9 $$; exit"))
    assert lost.value.facts == {"outcome": "unknown", "retry_safe": False}
    shell.close()


def test_script_that_does_not_answer_in_time_is_unknown(machine: Machine) -> None:
    shell = machine.resident()
    with pytest.raises(ConnectionLost, match="did not answer in time") as lost:
        shell.run(Script("sleep 1", timeout_s=0.3, is_repeatable=True))
    assert lost.value.facts == {"outcome": "unknown", "retry_safe": True}
    shell.close()


def test_answer_may_take_longer_than_the_timeout_while_it_comes(machine: Machine) -> None:
    shell = machine.resident()
    text = "i=0; while [ $i -lt 5 ]; do i=$((i+1)); echo $i; sleep 0.2; done"
    assert shell.run(Script(text, timeout_s=0.7)) == done(stdout=b"1\n2\n3\n4\n5\n")
    shell.close()


def test_wait_for_a_repeatable_script_can_be_given_up(machine: Machine) -> None:
    shell = machine.resident()
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        shell.run(Script("sleep 1", is_repeatable=True), cancel=cancel)
    assert shell.run(Script("echo write; exit 1"), cancel=cancel).stdout.endswith(b"write\n")
    shell.close()
