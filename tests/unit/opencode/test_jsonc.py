import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_code.opencode.jsonc import JSONCError, append_item, member, parse, remove_item

CASES = [
    pytest.param("{}", '{\n  "plugin": [\n    "ours"\n  ]\n}', id="empty-object"),
    pytest.param('{"a": 1}', '{"a": 1, "plugin": [\n    "ours"\n  ]}', id="one-line"),
    pytest.param(
        '{\n\t"a": 1 // why\n}\n', '{\n\t"a": 1, // why\n\t"plugin": [\n\t\t"ours"\n\t]\n}\n', id="comment-behind"
    ),
    pytest.param('{\n  "a": 1,\n}', '{\n  "a": 1,\n  "plugin": [\n    "ours"\n  ],\n}', id="trailing-comma"),
    pytest.param('{"plugin": []}', '{"plugin": ["ours"]}', id="empty-array"),
    pytest.param('{"plugin": ["x"]}', '{"plugin": ["x", "ours"]}', id="one-line-array"),
    pytest.param(
        '{\n  "plugin": [\n    // mine\n    "x" /* no comma */\n    // end\n  ]\n}',
        '{\n  "plugin": [\n    // mine\n    "x", /* no comma */\n    // end\n    "ours"\n  ]\n}',
        id="commented-array",
    ),
    pytest.param(
        '{\r\n  "plugin": [\r\n    "x",\r\n  ],\r\n}\r\n',
        '{\r\n  "plugin": [\r\n    "x",\r\n    "ours",\r\n  ],\r\n}\r\n',
        id="crlf-trailing-commas",
    ),
    pytest.param(
        '// "plugin": ["not this"]\n{\n  "s": "} // no comment",\n  "plugin": [["y", {"k": [1]}]]\n}',
        '// "plugin": ["not this"]\n{\n  "s": "} // no comment",\n  "plugin": [["y", {"k": [1]}], "ours"]\n}',
        id="strings-and-comments-that-mislead",
    ),
]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_an_item_is_added_and_every_other_byte_stays(before: str, after: str) -> None:
    """OC-1."""
    assert append_item(before, "plugin", '"ours"') == after


@pytest.mark.parametrize(("before", "after"), CASES)
def test_removing_the_item_gives_back_the_old_text(before: str, after: str) -> None:
    """OC-1."""
    found = member(parse(after), "plugin")
    assert found is not None
    assert remove_item(after, "plugin", len(found.node.items) - 1) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param('{"plugin": ["ours", "x"]}', '{"plugin": ["x"]}', id="first"),
        pytest.param('{"plugin": ["x", "ours", "y"]}', '{"plugin": ["x", "y"]}', id="middle"),
        pytest.param(
            '{"plugin": [\n  "ours", // gone\n  "x"\n]}', '{"plugin": [ // gone\n  "x"\n]}', id="first-of-several-lines"
        ),
        pytest.param('{\n  "plugin": [\n    "ours"\n  ],\n  "a": 1\n}', '{\n  "a": 1\n}', id="array-of-ours-first"),
    ],
)
def test_an_item_that_was_moved_is_removed_with_its_comma(before: str, after: str) -> None:
    items = member(parse(before), "plugin")
    assert items is not None
    assert isinstance(items.node.value, list)
    assert remove_item(before, "plugin", items.node.value.index("ours")) == after


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param('{\n  "a": 1\n  "b": 2\n}', "line 3, column 3", id="missing-comma"),
        pytest.param("{", "line 1, column 2", id="cut-short"),
        pytest.param('{"a": tru}', "line 1, column 7", id="unknown-word"),
        pytest.param("{} x", "line 1, column 4", id="more-behind-the-end"),
        pytest.param("[1]", "line 1, column 1", id="no-object"),
        pytest.param('{"plugin": "x"}', "line 1, column 12", id="no-list"),
    ],
)
def test_a_malformed_text_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(JSONCError) as caught:
        append_item(text, "plugin", '"ours"')
    assert str(caught.value).startswith(where)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text().filter(lambda key: key != "plugin"), JSON, max_size=4), st.sampled_from([None, 2, "\t"])
)
def test_any_json_object_keeps_its_other_members(config: dict[str, object], indent: int | str | None) -> None:
    text = json.dumps(config, indent=indent)
    added = append_item(text, "plugin", '"ours"')
    assert json.loads(added) == {**config, "plugin": ["ours"]}
    assert remove_item(added, "plugin", 0) == text
