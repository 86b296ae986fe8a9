"""Arguments of 10 MB: carried out where that means something, refused by what is wrong with them where it does not."""

from pathlib import Path

import pytest

from tests.support.engine import JSON, EngineClient, EngineError
from tests.support.sshd import SSHServer

LARGE = "x" * 10_000_000


@pytest.mark.timeout(300)
def test_arguments_of_10_mb_are_carried_out_or_refused(sshd: SSHServer, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.txt").write_text("one\n", encoding="utf-8")
    environ = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(work)}
    with EngineClient(environ, home=tmp_path / "home") as engine:
        assert engine.call("bash", {"command": f"true #{LARGE}"}).output == "(no output)"
        engine.call("write", {"filePath": "large.txt", "content": LARGE})
        engine.call("edit", {"filePath": "large.txt", "oldString": LARGE, "newString": "small"})
        engine.call("apply_patch", {"patchText": f"*** Begin Patch\n*** Add File: b.txt\n+{LARGE}\n*** End Patch"})
        refused: dict[str, list[tuple[str, JSON]]] = {
            "invalid_path": [
                ("read", {"filePath": LARGE}),
                ("write", {"filePath": f"{work}/{LARGE}", "content": ""}),
                ("glob", {"pattern": "*", "path": LARGE}),
                ("bash", {"command": "true", "workdir": LARGE}),
            ],
            "invalid_arguments": [
                ("glob", {"pattern": LARGE}),
                ("grep", {"pattern": LARGE}),
                ("grep", {"pattern": "one", "include": LARGE}),
            ],
            "unknown_tool": [(LARGE, {})],
            "edit_not_found": [("edit", {"filePath": "a.txt", "oldString": LARGE, "newString": ""})],
            "patch_rejected": [("apply_patch", {"patchText": LARGE})],
        }
        for kind, calls in refused.items():
            for tool, args in calls:
                with pytest.raises(EngineError) as refusal:
                    engine.call(tool, args)
                assert refusal.value.kind == kind
                assert len(refusal.value.message.encode()) <= 51_200
        assert engine.call("bash", {"command": "wc -c <b.txt; cat large.txt"}).output == f"{len(LARGE) + 1}\nsmall"
