"""The error tree: kinds, codes and facts as the wire shows them."""

import inspect

import pytest

from remote_code import errors
from remote_code.errors import NoSuchFile, RemoteCodeError, SFTPError, ToolError

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, RemoteCodeError) and value is not RemoteCodeError
]


def test_a_kind_is_the_class_name_in_snake_case() -> None:
    assert NoSuchFile("x").kind == "no_such_file"
    assert SFTPError("x").kind == "sftp_error"
    assert ToolError("x").kind == "tool_error"


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_tells_its_facts_on_the_wire_and_as_attributes(error: type[RemoteCodeError]) -> None:
    raised = error("what was asked, found, and would help", path="/x")
    assert raised.path == "/x"
    assert str(raised) == "what was asked, found, and would help"
    assert raised.to_error_object() == {
        "code": -32010,
        "message": "what was asked, found, and would help",
        "data": {"kind": raised.kind, "path": "/x"},
    }


def test_an_error_that_is_kept_gathers_no_frames_of_who_raises_it() -> None:
    kept = NoSuchFile("x", path="/x")
    for _ in range(3):
        with pytest.raises(NoSuchFile) as caught:
            raise kept.again()
        assert caught.value.to_error_object() == kept.to_error_object()
    assert kept.__traceback__ is None


def test_an_unknown_fact_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no fact 'size'"):
        _ = NoSuchFile("x").size
