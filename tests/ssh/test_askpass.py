"""CFG-5: prompts that the passwords cannot answer go to the program of SSH_ASKPASS."""

import os
from pathlib import Path

import pytest

from remote_code.ssh.askpass import find_askpass
from tests.support.connecting import connected
from tests.support.ssh_servers import Script, ScriptedServer


def make_program(folder: Path, text: str) -> dict[str, str]:
    program = folder / "askpass"
    program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    program.chmod(0o755)
    return {**os.environ, "SSH_ASKPASS": str(program), "REMOTE_PASSWORD": "hunter2"}


def test_a_one_time_code_comes_from_the_program(tmp_path: Path) -> None:
    environ = make_program(tmp_path, f'printf "%s" "$1" > {tmp_path}/prompt; env > {tmp_path}/environ; echo 123456')
    script = Script(
        steps=["keyboard-interactive"],
        prompts=[[("Password: ", False), ("Your code: ", False)]],
        answers=[["correct horse", "123456"]],
    )
    with (
        ScriptedServer(tmp_path, script) as server,
        connected(server.command(), password="correct horse", ask=find_askpass(environ)) as connection,
    ):
        assert connection.login.needed_person
    assert (tmp_path / "prompt").read_text(encoding="utf-8") == "Your code: "
    assert "hunter2" not in (tmp_path / "environ").read_text(encoding="utf-8")


def test_a_program_that_fails_answers_nothing(tmp_path: Path) -> None:
    ask = find_askpass(make_program(tmp_path, "echo no; exit 1"))
    assert ask is not None
    assert ask("x", False) is None


@pytest.mark.parametrize(
    "changes", [{"SSH_ASKPASS": ""}, {"SSH_ASKPASS": "/nowhere"}, {"SSH_ASKPASS_REQUIRE": "never"}]
)
def test_without_a_program_nobody_is_asked(tmp_path: Path, changes: dict[str, str]) -> None:
    assert find_askpass(make_program(tmp_path, "echo x") | changes) is None
