"""CFG-6: the REMOTE_* variables, and one clear line for each value that cannot be used."""

from pathlib import Path

import pytest

from remote_code.config import Config, without_secrets
from remote_code.errors import ConfigError


def test_unset_variables_have_the_documented_defaults() -> None:
    config = Config.from_environment({"REMOTE_SSH": "ssh host"})
    assert config == Config(remote_ssh="ssh host")
    assert (config.pool_command_size, config.pool_file_size, config.pool_stagger_ms) == (3, 2, 0)


def test_every_variable_reaches_its_field() -> None:
    config = Config.from_environment(
        {
            "REMOTE_SSH": " ssh -p 2222 me@host ",
            "REMOTE_WORKDIR": "~/project",
            "REMOTE_PASSWORD": " spaces count ",
            "REMOTE_SUDO_PASSWORD": "s",
            "REMOTE_POOL_COMMAND_SIZE": "5",
            "REMOTE_POOL_FILE_SIZE": "1",
            "REMOTE_POOL_STAGGER_MS": "250",
            "REMOTE_ENTER": "docker exec -i web",
            "REMOTE_FILES": "sftp",
            "REMOTE_TRANSPORT": "ssh",
            "REMOTE_MIRROR": "/var/mirror",
            "REMOTE_LOG": "/tmp/a,b.log,debug",
        }
    )
    assert config.remote_ssh == "ssh -p 2222 me@host"
    assert config.workdir == "~/project"
    assert config.password is not None
    assert config.password.get_secret_value() == " spaces count "
    assert config.sudo_password is not None
    assert (config.pool_command_size, config.pool_file_size, config.pool_stagger_ms) == (5, 1, 250)
    assert config.enter == "docker exec -i web"
    assert (config.files, config.transport) == ("sftp", "ssh")
    assert config.mirror == Path("/var/mirror")
    assert (config.log, config.log_level) == ("/tmp/a,b.log", "debug")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("REMOTE_POOL_COMMAND_SIZE", "0", id="pool-of-none"),
        pytest.param("REMOTE_POOL_COMMAND_SIZE", "three", id="number-in-words"),
        pytest.param("REMOTE_POOL_FILE_SIZE", "-1", id="negative"),
        pytest.param("REMOTE_POOL_STAGGER_MS", "1.5", id="fraction"),
        pytest.param("REMOTE_POOL_STAGGER_MS", "٣", id="digit-of-another-script"),
        pytest.param("REMOTE_WORKDIR", "project", id="relative-workdir"),
        pytest.param("REMOTE_WORKDIR", "~other/x", id="home-of-another-user"),
        pytest.param("REMOTE_FILES", "scp", id="files"),
        pytest.param("REMOTE_TRANSPORT", "telnet", id="transport"),
        pytest.param("REMOTE_MIRROR", "mirror", id="relative-mirror"),
        pytest.param("REMOTE_LOG", "/tmp/x,loud", id="log-level"),
        pytest.param("REMOTE_ENTER", "a\nb", id="two-lines"),
    ],
)
def test_a_bad_value_names_variable_value_and_what_is_accepted(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_environment({"REMOTE_SSH": "ssh host", variable: value})
    assert caught.value.facts["variable"] == variable
    assert caught.value.facts["value"] == value
    assert variable in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_target_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_environment({"REMOTE_SSH": "  "})
    assert caught.value.facts["variable"] == "REMOTE_SSH"


def test_secrets_show_in_no_text_of_the_model() -> None:
    """CFG-5: no log line that prints the configuration gives a password away."""
    config = Config.from_environment(
        {"REMOTE_SSH": "ssh host", "REMOTE_PASSWORD": "hunter2", "REMOTE_SUDO_PASSWORD": "swordfish"}
    )
    for text in (repr(config), str(config), config.model_dump_json()):
        assert "hunter2" not in text
        assert "swordfish" not in text


def test_the_environment_of_our_processes_holds_no_password() -> None:
    """CFG-5: what the engine starts does not inherit the passwords."""
    environ = {"PATH": "/bin", "REMOTE_PASSWORD": "x", "REMOTE_SUDO_PASSWORD": "y"}
    assert without_secrets(environ) == {"PATH": "/bin"}
