import json
from pathlib import Path

import pytest

from remote_code.errors import ConfigError
from remote_code.opencode.install import PLUGIN_DIR, install, uninstall

COMMAND = ["/venv/bin/python", "-P", "-m", "remote_code.cli"]
SERVER = [(PLUGIN_DIR / "index.js").as_uri(), {"command": COMMAND}]
BADGE = (PLUGIN_DIR / "tui.tsx").as_uri()


def test_install_writes_both_files_and_uninstall_deletes_them(tmp_path: Path) -> None:
    """OC-1."""
    install(tmp_path, command=COMMAND)
    assert json.loads((tmp_path / "opencode.json").read_text(encoding="utf-8")) == {
        "$schema": "https://opencode.ai/config.json",
        "plugin": [SERVER],
    }
    assert json.loads((tmp_path / "tui.json").read_text(encoding="utf-8"))["plugin"] == [BADGE]
    uninstall(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_start_waits_for_npms_retries_in_any_of_opencodes_folders(tmp_path: Path) -> None:
    """OC-2: what a user has set for npm there stays, and comes back byte for byte."""
    config_dir, own_dir = tmp_path / "config", tmp_path / "own"
    for folder, text in ((config_dir, "registry=http://mirror/"), (own_dir, "fetch-retries = 7\n")):
        folder.mkdir()
        (folder / ".npmrc").write_text(text, encoding="utf-8")
    install(config_dir, command=COMMAND, own_dir=own_dir)
    lines = (config_dir / ".npmrc").read_text(encoding="utf-8").splitlines()
    assert lines[1:] == ["fetch-retries=0", "registry=http://mirror/"]
    assert (own_dir / ".npmrc").read_text(encoding="utf-8") == "fetch-retries = 7\n"
    assert install(config_dir, command=COMMAND, own_dir=own_dir).changes == []
    uninstall(config_dir, own_dir=own_dir)
    assert (config_dir / ".npmrc").read_text(encoding="utf-8") == "registry=http://mirror/"
    assert (own_dir / ".npmrc").read_text(encoding="utf-8") == "fetch-retries = 7\n"


def test_the_folder_of_our_files_gets_and_loses_its_setting(tmp_path: Path) -> None:
    install(tmp_path / "config", command=COMMAND, own_dir=tmp_path / "own")
    assert "fetch-retries=0\n" in (tmp_path / "own" / ".npmrc").read_text(encoding="utf-8")
    uninstall(tmp_path / "config", own_dir=tmp_path / "own")
    assert list((tmp_path / "own").iterdir()) == []


def test_what_a_user_has_stays_byte_for_byte(tmp_path: Path) -> None:
    """OC-1."""
    mine = b'// mine\r\n{\r\n  "plugin": ["other@1.0.0"], // keep\r\n  "x-unknown": {"a": [1,2,],},\r\n}\r\n'
    (tmp_path / "opencode.jsonc").write_bytes(mine)
    install(tmp_path, command=COMMAND)
    entry = json.dumps(SERVER).encode()
    expected = mine.replace(b'"other@1.0.0"]', b'"other@1.0.0", ' + entry + b"]")
    assert (tmp_path / "opencode.jsonc").read_bytes() == expected
    assert not (tmp_path / "opencode.json").exists()
    uninstall(tmp_path)
    assert (tmp_path / "opencode.jsonc").read_bytes() == mine


def test_a_second_install_changes_nothing(tmp_path: Path) -> None:
    """OC-1."""
    install(tmp_path, command=COMMAND)
    assert install(tmp_path, command=COMMAND).changes == []


def test_an_entry_of_another_installation_is_replaced_where_it_stands(tmp_path: Path) -> None:
    old = '["file:///old/lib/remote_code/plugin/index.js", {"command": ["/old/python"]}]'
    (tmp_path / "opencode.json").write_text(f'{{"plugin": [{old}, "other"]}}', encoding="utf-8")
    install(tmp_path, command=COMMAND)
    text = (tmp_path / "opencode.json").read_text(encoding="utf-8")
    assert text == f'{{"plugin": [{json.dumps(SERVER)}, "other"]}}'


def test_a_dry_run_shows_the_difference_and_writes_nothing(tmp_path: Path) -> None:
    """OC-1."""
    file = tmp_path / "opencode.json"
    file.write_text('{\n  "theme": "x"\n}\n', encoding="utf-8")
    report = install(tmp_path, command=COMMAND, dry_run=True)
    assert file.read_text(encoding="utf-8") == '{\n  "theme": "x"\n}\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["opencode.json"]
    hunk = '@@ -1,3 +1,6 @@\n {\n-  "theme": "x"\n+  "theme": "x",\n+  "plugin": [\n'
    assert report.diff().startswith(f"--- {file} (now)\n+++ {file} (then)\n{hunk}")


def test_a_link_to_the_configuration_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "opencode.json").write_text("{}", encoding="utf-8")
    (tmp_path / "dotfiles" / "opencode.json").chmod(0o600)
    config_dir = tmp_path / "config"
    config_dir.mkdir()
    (config_dir / "opencode.json").symlink_to(tmp_path / "dotfiles" / "opencode.json")
    install(config_dir, command=COMMAND)
    assert (config_dir / "opencode.json").is_symlink()
    assert (tmp_path / "dotfiles" / "opencode.json").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "dotfiles" / "opencode.json").read_text(encoding="utf-8"))["plugin"] == [SERVER]


def test_a_malformed_configuration_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "tui.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 1, column 2"):
        install(tmp_path, command=COMMAND)
    assert [path.name for path in tmp_path.iterdir()] == ["tui.json"]  # Neither an .npmrc.


def test_uninstall_without_an_installation_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "opencode.json").write_text('{"plugin": ["x"]}', encoding="utf-8")
    assert uninstall(tmp_path).changes == []
