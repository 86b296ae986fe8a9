"""JSON with comments, edited by splicing: every byte that is not ours stays. Pure.

The library way (parse, change, print) loses comments or layout, so values are only located here and the text around
them is kept. Accepted is what OpenCode accepts: both kinds of comments and trailing commas.
"""

import json
import re
from dataclasses import dataclass, field

_BLANK = re.compile(r"(?:\s|\ufeff|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_SCALAR = re.compile(r'"(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')


class JSONCError(ValueError):
    """A text is not JSON with comments; says where."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands in the text: `text[start:end]`."""

    start: int
    end: int
    value: object
    members: list["Member"] = field(default_factory=list)
    """Of an object, in order."""
    items: list["Node"] = field(default_factory=list)
    """Of an array, in order."""


@dataclass(frozen=True, slots=True)
class Member:
    """A key of an object with its value."""

    key: str
    start: int
    node: Node


def parse(text: str) -> Node:
    """Return the value that a text holds.

    Raises:
        JSONCError: the text is malformed.
    """
    node = _value(text, _skip(text, 0))
    if (rest := _skip(text, node.end)) != len(text):
        raise _error(text, rest, "the end of the text")
    return node


def member(node: Node, key: str) -> Member | None:
    """Return the last member of an object with this key: the one that counts."""
    return next((each for each in reversed(node.members) if each.key == key), None)


def append_item(text: str, key: str, item: str) -> str:
    """Return the text with `item`, itself JSON, as the last one of the top-level array `key`, made when missing.

    Raises:
        JSONCError: the text is malformed, holds no object, or `key` no array.
    """
    root = _object(text)
    indent = _indent_of(text, root.members[0].start) if root.members else "  "
    newline = "\r\n" if "\r\n" in text else "\n"
    found = member(root, key)
    if found is None:
        made = f"{json.dumps(key)}: [{newline}{indent * 2}{item}{newline}{indent}]"
        last = root.members[-1].node if root.members else None
        return _append(text, root, last, made, separator=newline + indent)
    array = _array(text, found)
    last = array.items[-1] if array.items else None
    if "\n" not in text[array.start : array.end]:
        return _append(text, array, last, item, separator=" " if last else "")
    separator = newline + (_indent_of(text, array.items[0].start) if array.items else indent * 2)
    return _append(text, array, last, item, separator=separator)


def replace(text: str, node: Node, item: str) -> str:
    """Return the text with another value in the place of `node`."""
    return text[: node.start] + item + text[node.end :]


def remove_item(text: str, key: str, index: int) -> str:
    """Return the text without one item of the top-level array `key`: the inverse of `append_item`.

    An array that `append_item` made, with nothing else in it, goes too.
    """
    root = _object(text)
    found = member(root, key)
    if found is None:
        return text
    array = _array(text, found)
    item = array.items[index]
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = _indent_of(text, found.start)
    made = f"[{newline}{indent * 2}{text[item.start : item.end]}{newline}{indent}]"
    if text[array.start : array.end] == made:
        spans = [(each.start, each.node.end) for each in root.members]
        return _remove(text, root, spans, root.members.index(found))
    return _remove(text, array, [(each.start, each.end) for each in array.items], index)


def _append(text: str, parent: Node, last: Node | None, made: str, *, separator: str) -> str:
    """Insert `made` before the closing bracket of `parent`, behind all comments, with the comma where it belongs."""
    close = parent.end - 1
    before = text[:close].rstrip(" \t\r\n")
    tail = text[len(before) : close]
    if last is None:
        if "\n" in separator and "\n" not in tail:
            tail = separator[: separator.index("\n") + 1] + _indent_of(text, parent.start)
        return before + separator + made + tail + text[close:]
    comma = _skip(text, last.end)
    if text[comma] == ",":  # The writer likes trailing commas.
        return before + separator + made + "," + tail + text[close:]
    if "\n" in separator and "\n" not in tail:  # {"a": 1}: keep it on one line.
        separator = " "
    return text[: last.end] + "," + before[last.end :] + separator + made + tail + text[close:]


def _remove(text: str, parent: Node, spans: list[tuple[int, int]], index: int) -> str:
    start, end = spans[index]
    comma = _skip(text, end)
    has_comma = text[comma] == ","
    lead = len(text[:start].rstrip(" \t\r\n"))
    if has_comma:
        # The blank before the item goes with it; of the first item, the blank behind.
        if index > 0 or "\n" in text[lead:start]:
            return text[:lead] + text[comma + 1 :]
        return text[:start] + text[comma + 1 :].lstrip(" ")
    if index == 0:
        close = parent.end - 1
        is_alone_on_lines = not text[parent.start + 1 : start].strip() and not text[end:close].strip()
        return text[: parent.start + 1] + text[close:] if is_alone_on_lines else text[:lead] + text[end:]
    previous = _skip(text, spans[index - 1][1])
    return text[:previous] + text[previous + 1 : lead] + text[end:]


def _object(text: str) -> Node:
    root = parse(text)
    if not isinstance(root.value, dict):
        raise _error(text, root.start, "an object")
    return root


def _array(text: str, found: Member) -> Node:
    if not isinstance(found.node.value, list):
        raise _error(text, found.node.start, f'a list as "{found.key}"')
    return found.node


def _value(text: str, at: int) -> Node:
    if text[at : at + 1] == "{":
        return _members(text, at)
    if text[at : at + 1] == "[":
        return _items(text, at)
    scalar = _SCALAR.match(text, at)
    if scalar is None:
        raise _error(text, at, "a value")
    try:
        return Node(at, scalar.end(), json.loads(scalar[0]))
    except ValueError as exc:
        raise _error(text, at, "a value") from exc


def _members(text: str, start: int) -> Node:
    members: list[Member] = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "}":
        key = _value(text, at)
        colon = _skip(text, key.end)
        if not isinstance(key.value, str) or text[colon : colon + 1] != ":":
            raise _error(text, at, 'a key and ":"')
        node = _value(text, _skip(text, colon + 1))
        members.append(Member(key.value, at, node))
        at = _after_comma(text, node.end, "}")
    return Node(start, at + 1, {each.key: each.node.value for each in members}, members=members)


def _items(text: str, start: int) -> Node:
    items: list[Node] = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "]":
        items.append(_value(text, at))
        at = _after_comma(text, items[-1].end, "]")
    return Node(start, at + 1, [each.value for each in items], items=items)


def _after_comma(text: str, at: int, close: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    if text[at : at + 1] != close:
        raise _error(text, at, f'"," or "{close}"')
    return at


def _skip(text: str, at: int) -> int:
    """Return where the next token begins, behind blanks and comments."""
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _indent_of(text: str, at: int) -> str:
    """Return the blanks before a token on its line; two spaces for one that does not begin its line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    if not line:
        return ""
    return line if not line.strip() else "  "


def _error(text: str, at: int, due: str) -> JSONCError:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return JSONCError(f"line {line}, column {column}: {due} is due")
