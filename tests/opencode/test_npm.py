"""OpenCode's own package for plugin authors, which it fetches before it loads any plugin."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.opencode.conftest import Person
from tests.support.model import ScriptedModel
from tests.support.opencode_server import OpenCodeServer

pytestmark = pytest.mark.opencode


@contextmanager
def failing_registry(asked: list[str]) -> Iterator[str]:
    """Serve an npm registry that answers nothing but 503, which npm takes for a reason to try again."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(503)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet: what was asked is kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_registry_that_fails_is_asked_once_and_not_waited_for(person: Person) -> None:
    """OC-2: npm's usual retries would keep the plugin, and so OpenCode, from starting for more than a minute."""
    asked: list[str] = []
    with failing_registry(asked) as url, ScriptedModel({}) as model:
        # An empty variable counts as unset: the setting that `remote-code install` wrote decides.
        environment = {"npm_config_registry": url, "npm_config_fetch_retries": ""}
        opencode = person.opencode(model, environment=environment)
        shutil.rmtree(opencode.config_dir / "node_modules")
        with OpenCodeServer(opencode) as server:
            server.new_session()
    assert asked == ["/@opencode-ai%2fplugin"]
