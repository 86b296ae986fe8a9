import json

import pytest

from remote_code.errors import NoSuchFile
from remote_code.opencode.message import Contents, Part, has_files, rewrite
from remote_code.paths import RemotePath, Workspace

DIRECTORY = "/home/me/project"
WORKSPACE = Workspace(root=RemotePath("/srv/app"), home=RemotePath("/root"))
REMOTE = {"/srv/app/src/a.py": "1: remote\n", "/srv/app/docs": "<entries>"}
IMAGE: Part = {"type": "file", "mime": "image/png", "url": "data:image/png;base64,UkVNT1RF"}


def read(path: str, *, offset: int | None, limit: int | None) -> Contents:
    if path == "/srv/app/logo.png":
        return Contents("Image read successfully", [IMAGE])
    if path not in REMOTE:
        raise NoSuchFile(f"File not found: {path}", path=path)
    shown = REMOTE[path] if offset is None else f"{REMOTE[path]} from {offset}, {limit} lines"
    return Contents(shown)


def part(number: int, **members: object) -> Part:
    return {"id": f"prt_{number}", "messageID": "msg_1", "sessionID": "ses_1", **members}


def synthetic(number: int, text: str) -> Part:
    return part(number, type="text", synthetic=True, text=text)


def called(number: int, **asked: object) -> Part:
    return synthetic(
        number, "Called the Read tool with the following input: " + json.dumps(asked, separators=(",", ":"))
    )


def attached(number: int, path: str, mime: str = "text/plain") -> Part:
    return part(number, type="file", mime=mime, url=f"file://{path}", filename="a.py", source={"path": path})


def test_a_mentioned_file_is_read_from_the_remote() -> None:
    """OC-3."""
    path = f"{DIRECTORY}/src/a.py"
    person = part(1, type="text", text="look at @src/a.py")
    local = [called(2, filePath=path), synthetic(3, "1: local\n"), attached(4, path)]
    assert rewrite([person, *local], directory=DIRECTORY, workspace=WORKSPACE, read=read) == [
        person,
        synthetic(2, 'Called the Read tool with the following input: {"filePath": "/srv/app/src/a.py"}'),
        synthetic(3, "1: remote\n"),
        part(
            4,
            type="file",
            mime="text/plain",
            url="file:///srv/app/src/a.py",
            filename="a.py",
            source={"path": "/srv/app/src/a.py"},
        ),
    ]


def test_a_range_of_lines_goes_to_the_remote_reader() -> None:
    path = f"{DIRECTORY}/src/a.py"
    local = [called(1, filePath=path, offset=3, limit=2), synthetic(2, "3: local"), attached(3, path)]
    rewritten = rewrite(local, directory=DIRECTORY, workspace=WORKSPACE, read=read)
    assert rewritten[1]["text"] == "1: remote\n from 3, 2 lines"


def test_a_file_that_only_this_machine_has_is_told_as_missing_and_its_content_dropped() -> None:
    """OC-3."""
    path = f"{DIRECTORY}/secret.txt"
    local = [called(1, filePath=path), synthetic(2, "1: local secret"), attached(3, path)]
    rewritten = rewrite(local, directory=DIRECTORY, workspace=WORKSPACE, read=read)
    failed = (
        "Read tool failed to read /srv/app/secret.txt with the following error: File not found: /srv/app/secret.txt"
    )
    assert [p["text"] for p in rewritten] == [
        'Called the Read tool with the following input: {"filePath": "/srv/app/secret.txt"}',
        failed,
    ]


def test_a_failed_local_read_is_tried_on_the_remote() -> None:
    local = [synthetic(1, f"Read tool failed to read {DIRECTORY}/docs with the following error: no such directory")]
    rewritten = rewrite(local, directory=DIRECTORY, workspace=WORKSPACE, read=read)
    assert [p.get("text") for p in rewritten][1] == "<entries>"
    assert [p["id"] for p in rewritten] == ["prt_1", "prt_1000", "prt_1001"]


def test_an_image_comes_from_the_remote() -> None:
    path = f"{DIRECTORY}/logo.png"
    header = synthetic(1, f'Called the Read tool with the following input: {{"filePath":"{path}"}}')
    local = [header, part(2, type="file", mime="image/png", url="data:image/png;base64,TE9DQUw=", filename="logo.png")]
    rewritten = rewrite(local, directory=DIRECTORY, workspace=WORKSPACE, read=read)
    assert rewritten[1]["url"] == "data:image/png;base64,UkVNT1RF"
    assert len(rewritten) == 2


def test_two_files_and_a_pasted_image_keep_their_order() -> None:
    path = f"{DIRECTORY}/src/a.py"
    pasted = part(7, type="file", mime="image/png", url="data:image/png;base64,UEFTVEVE")
    one = [called(1, filePath=path), synthetic(2, "1: local\n"), attached(3, path)]
    two = [called(4, filePath=f"{DIRECTORY}/docs"), synthetic(5, "local"), attached(6, path, "application/x-directory")]
    rewritten = rewrite([*one, *two, pasted], directory=DIRECTORY, workspace=WORKSPACE, read=read)
    assert [p.get("text", p.get("url")) for p in rewritten] == [
        'Called the Read tool with the following input: {"filePath": "/srv/app/src/a.py"}',
        "1: remote\n",
        "file:///srv/app/src/a.py",
        'Called the Read tool with the following input: {"filePath": "/srv/app/docs"}',
        "<entries>",
        "file:///srv/app/docs",
        "data:image/png;base64,UEFTVEVE",
    ]


def test_a_mention_that_only_the_remote_knows_is_attached() -> None:
    """OC-3."""
    person = part(1, type="text", text="compare @src/a.py, @explore and @nothing; mail me@src/a.py")
    agent = part(2, type="agent", name="explore")
    rewritten = rewrite([person, agent], directory=DIRECTORY, workspace=WORKSPACE, read=read)
    assert rewritten[:2] == [person, agent]
    assert [p.get("text", p.get("url")) for p in rewritten[2:]] == [
        'Called the Read tool with the following input: {"filePath": "/srv/app/src/a.py"}',
        "1: remote\n",
        "file:///srv/app/src/a.py",
    ]
    assert [p["id"] for p in rewritten[2:]] == ["prt_2001", "prt_2002", "prt_2003"]


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param([part(1, type="text", text="no files here")], id="text"),
        pytest.param([part(1, type="file", mime="image/png", url="data:image/png;base64,QQ==")], id="pasted-image"),
        pytest.param(
            [
                synthetic(1, "Reading MCP resource: x (mcp://x)"),
                synthetic(2, "its text"),
                part(3, type="file", mime="text/plain", url="mcp://x", source={"type": "resource"}),
            ],
            id="mcp-resource",
        ),
        pytest.param(
            [
                called(1, filePath="notes"),
                synthetic(2, "given by the client"),
                part(3, type="file", mime="text/plain", url="data:text/plain;base64,QQ=="),
            ],
            id="text-given-by-the-client",
        ),
        pytest.param([part(1, type="text", text="outside: @../x @/etc/passwd")], id="mention-outside-the-workspace"),
    ],
)
def test_what_is_no_local_file_stays_as_it_is(kept: list[Part]) -> None:
    assert rewrite(kept, directory=DIRECTORY, workspace=WORKSPACE, read=read) == kept


def test_a_message_without_files_needs_no_remote() -> None:
    assert not has_files([part(1, type="text", text="hello")])
    assert has_files([part(1, type="text", text="see @README.md")])
