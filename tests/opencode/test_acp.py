"""OpenCode in an editor, by the Agent Client Protocol (https://agentclientprotocol.com): JSON-RPC, a line a message."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from tests.opencode.conftest import Person
from tests.support.model import PATIENCE_S, Call, JSONObject, ScriptedModel, Turn
from tests.support.opencode import OpenCode

pytestmark = pytest.mark.opencode

GRANTED: JSONObject = {"outcome": {"outcome": "selected", "optionId": "once"}}


class Editor:
    """A client that can write files and grants whatever it is asked for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both streams are pipes")
        self._input = process.stdin
        self._output = process.stdout
        self._n_calls = 0
        self.asked: list[tuple[str, JSONObject]] = []
        """Method and params of all that OpenCode asked for."""
        self.updates: list[JSONObject] = []

    def call(self, method: str, params: JSONObject) -> JSONObject:
        """Send a request and return its result; what comes before is answered and kept."""
        self._n_calls += 1
        self._send({"id": self._n_calls, "method": method, "params": params})
        for line in self._output:
            message: JSONObject = json.loads(line)
            params = cast("JSONObject", message.get("params") or {})
            if "method" not in message:
                return cast("JSONObject", message["result"])
            if "id" in message:
                self.asked.append((str(message["method"]), params))
                self._send({"id": message["id"], "result": GRANTED})
            else:
                self.updates.append(cast("JSONObject", params["update"]))
        raise AssertionError(f"opencode acp ended before it answered {method}")

    def _send(self, message: JSONObject) -> None:
        self._input.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._input.flush()


@contextmanager
def editor(opencode: OpenCode) -> Iterator[Editor]:
    """Start OpenCode as an editor does; it ends when its input closes."""
    with opencode.start("acp", stdin=subprocess.PIPE) as process:
        yield Editor(process)
        process.communicate(timeout=PATIENCE_S)


def test_an_editor_works_on_the_remote_and_writes_nothing_itself(person: Person) -> None:
    """OC-6: OpenCode would have the editor write what was granted, to a path of this machine."""
    file = person.remote / "poem.txt"
    file.write_text("violets are green\n", encoding="utf-8")
    turns: list[Turn] = [
        [Call("bash", {"command": "pwd; cat poem.txt"})],
        [Call("edit", {"filePath": "poem.txt", "oldString": "green", "newString": "blue"})],
        [Call("write", {"filePath": "title.txt", "content": "Violets\n"})],
        "Mended.",
    ]
    with ScriptedModel({"mend it": turns}) as model:
        opencode = person.opencode(model, settings={"permission": {"edit": "ask"}})
        with editor(opencode) as client:
            abilities: JSONObject = {"fs": {"readTextFile": True, "writeTextFile": True}}
            client.call("initialize", {"protocolVersion": 1, "clientCapabilities": abilities})
            made = client.call("session/new", {"cwd": str(opencode.project), "mcpServers": []})
            prompt = [{"type": "text", "text": "mend it"}]
            ended = client.call("session/prompt", {"sessionId": made["sessionId"], "prompt": prompt})
    assert ended["stopReason"] == "end_turn"
    assert file.read_text(encoding="utf-8") == "violets are blue\n"
    assert (person.remote / "title.txt").read_text(encoding="utf-8") == "Violets\n"
    assert list(opencode.project.iterdir()) == []
    assert [method for method, _ in client.asked] == ["session/request_permission"] * 2
    shown = [cast("JSONObject", params["toolCall"]) for _, params in client.asked]
    assert [call["locations"] for call in shown] == [[{"path": str(file)}], [{"path": f"{person.remote}/title.txt"}]]
    assert "-violets are green\n+violets are blue" in str(cast("JSONObject", shown[0]["rawInput"])["diff"])
    statuses = [update["status"] for update in client.updates if update["sessionUpdate"] == "tool_call_update"]
    assert statuses.count("completed") == 3
    assert model.agent_requests[-1].results[0] == f"{person.remote}\nviolets are green\n"
    for request in model.requests:
        person.assert_unseen(request)
