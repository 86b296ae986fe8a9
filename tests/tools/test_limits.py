"""BASH-5 and the like for all tools: the whole text of a result or an error is within the client's limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import EngineClient, EngineError
from tests.support.sshd import SSHServer

LIMITS = [(2000, 51_200), (20, 100_000), (2000, 900)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("limits") / "app"
    (root / "many").mkdir(parents=True)
    for number in range(150):
        (root / "many" / f"file-{number:03}-{'n' * 60}.txt").write_text(
            f"needle {'w' * 900} {number}\n" * 3, encoding="utf-8"
        )
    (root / "long.txt").write_text("".join(f"line {n} ü\n" for n in range(5000)), encoding="utf-8")
    (root / "wide.txt").write_text("x" * 100_000 + "\n", encoding="utf-8")
    (root / "large.txt").write_text("".join(f"line {n}\n" for n in range(200_000)), encoding="utf-8")
    (root / "many" / "AGENTS.md").write_text("rules\n" * 3000, encoding="utf-8")
    return root


@pytest.fixture(scope="module", params=LIMITS, ids=lambda limits: f"{limits[0]}-lines-{limits[1]}-bytes")
def engine(
    request: pytest.FixtureRequest, sshd: SSHServer, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineClient]:
    max_lines, max_bytes = request.param
    environ = {"REMOTE_SSH": sshd.command(), "REMOTE_WORKDIR": str(workspace)}
    limits = {"maxLines": max_lines, "maxBytes": max_bytes}
    with EngineClient(environ, home=tmp_path_factory.mktemp("home"), limits=limits) as client:
        yield client


CALLS: list[tuple[str, dict[str, object]]] = [
    ("bash", {"command": "seq 1 3000"}),
    ("bash", {"command": "seq 1 3000 >&2; seq 1 3000"}),
    ("bash", {"command": "head -c 200000 /dev/zero | tr '\\0' x"}),
    ("bash", {"command": "seq 1 100 >&2; exit 4"}),
    ("bash", {"command": "yes 'ü' | head -n 40000; exit 5"}),
    ("read", {"filePath": "long.txt"}),
    ("read", {"filePath": "wide.txt"}),
    ("read", {"filePath": "large.txt", "offset": 100_000}),
    ("read", {"filePath": "many"}),
    ("read", {"filePath": f"many/file-000-{'n' * 60}.txt"}),
    ("read", {"filePath": "many/file"}),
    ("glob", {"pattern": "**/*.txt"}),
    ("grep", {"pattern": "needle"}),
    ("grep", {"pattern": "[" * 3000}),
    ("edit", {"filePath": "x" * 4000, "oldString": "a", "newString": "b"}),
    ("apply_patch", {"patchText": "nonsense " * 1000}),
    ("write", {"filePath": 5, "content": ["x"] * 1000}),
]


def test_every_text_is_within_the_limits(engine: EngineClient) -> None:
    assert engine.limits is not None
    max_lines, max_bytes = engine.limits["maxLines"], engine.limits["maxBytes"]
    for tool, args in CALLS:
        try:
            text = engine.call(tool, args).output
        except EngineError as exc:
            text = exc.message
        assert len(text.encode("utf-8", "surrogatepass")) <= max_bytes, (tool, args)
        assert text.count("\n") < max_lines, (tool, args)
