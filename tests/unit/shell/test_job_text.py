"""The bytes of jobs."""

import pytest

from remote_code.errors import InvalidArguments
from remote_code.shell.job import Command, Script
from remote_code.shell.job_text import (
    can_share,
    check_command,
    command_job,
    library_job,
    script_job,
    script_jobs,
    search_job,
)

TOKEN = "0123456789abcdef"


def test_short_command_stands_quoted_in_its_job() -> None:
    job = command_job(Command("echo 'a'\n\udcff", "/it's", 1.5), TOKEN)
    assert job.lines == (b"_rc_d '/it'\\''s'\n_rc_c='echo '\\''a'\\''\n\xff'\n_rc_u 17\n" + TOKEN.encode() + b"\n")
    assert job.payload == b""


def test_longer_command_follows_its_job_with_the_token_behind_it() -> None:
    text = "#" * 2_001
    job = command_job(Command(text, "/", 60), TOKEN)
    assert job.lines == b"_rc_d '/'\n_rc_r 2017\n_rc_u 75\n" + TOKEN.encode() + b"\n"
    assert job.payload == text.encode() + TOKEN.encode()


def test_command_beyond_one_argument_reaches_bash_through_a_descriptor() -> None:
    job = command_job(Command("#" * 131_001, "/", 60), TOKEN)
    assert job.lines.startswith(b"_rc_d '/'\n_rc_r 131017\nexec 4<<")
    assert job.lines.count(TOKEN.encode()) == 1
    assert len(job.lines) < 400


def test_command_with_a_nul_is_refused_by_name() -> None:
    with pytest.raises(InvalidArguments) as refused:
        check_command(Command("echo\0", "/", 1))
    assert refused.value.message == (
        "the command holds a NUL character at position 4, which no command can hold; remove it"
    )
    assert refused.value.facts == {"tool": "bash", "problems": ["command: NUL at position 4"]}


@pytest.mark.parametrize(
    ("script", "lines", "payload"),
    [
        pytest.param(Script("f 1\n"), b"f 1\nTOKEN END\n", b"", id="lines"),
        pytest.param(Script("f 1", payload=b"\0x"), b"f 1\nTOKEN END\n", b"\0x", id="payload"),
        pytest.param(
            Script("#" * 4_001, payload=b"p"), b"_rc_b 4006\nTOKEN END\n", b"#" * 4_001 + b"TOKENp", id="block"
        ),
    ],
)
def test_script_is_sent_as_lines_or_as_a_block(script: Script, lines: bytes, payload: bytes) -> None:
    job = script_job(script, "TOKEN", "END")
    assert (job.lines, job.payload) == (lines, payload)


def test_library_is_a_block_without_an_answer() -> None:
    job = library_job("f() { :; }\n", "TOKEN")
    assert (job.lines, job.payload) == (b"_rc_b 16\nTOKEN\n", b"f() { :; }\nTOKEN")


def test_searches_of_one_flight_are_one_block() -> None:
    job = search_job({"E1": Command("a", "/", 1.5), "E2": Command("b", "/x", 2)}, "TOKEN", functions="f\n")
    text = "f\nrc_watch 19\n_rc_c='a'\nrc_search '/' E1\n_rc_c='b'\nrc_search '/x' E2 last\n"
    assert job.lines == f'_rc_r {len(text) + 5}\neval "$_rc_c"\nTOKEN +\n'.encode()
    assert job.payload == text.encode() + b"TOKEN"


def test_scripts_of_one_flight_follow_each_other() -> None:
    job = script_jobs({"E1": Script("f 1\n"), "E2": Script("f 2\n")}, "TOKEN")
    assert (job.lines, job.payload) == (b"f 1\nTOKEN E1\n", b"f 2\nTOKEN E2\n")


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        pytest.param(Script("f 1\n", is_repeatable=True), True, id="read"),
        pytest.param(Script("f 1\n"), False, id="change"),
        pytest.param(Script("f 1\n", payload=b"x", is_repeatable=True), False, id="payload"),
        pytest.param(Script("#" * 4_001, is_repeatable=True), False, id="block"),
        pytest.param(Command("rg", "/", 1), True, id="search"),
        pytest.param(Command("#" * 32_001, "/", 1), False, id="large search"),
    ],
)
def test_who_may_share_a_flight(job: Command | Script, expected: bool) -> None:
    assert can_share(job) is expected
