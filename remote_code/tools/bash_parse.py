"""What a bash command would run and touch, as far as permission rules need it: a tree-sitter parse. Pure.

The parser is loaded with the first command, not with this module.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from remote_code.tools.arity import prefix

if TYPE_CHECKING:
    import tree_sitter

CHANGE_DIRECTORY = frozenset({"cd", "chdir", "popd", "pushd"})
"""Programs that ask nothing of their own; where they lead is a question of the directory."""

TAKES_PATHS = CHANGE_DIRECTORY | {"rm", "cp", "mv", "mkdir", "touch", "chmod", "chown", "cat"}
"""Programs whose arguments are looked at as paths."""

_WORD_KINDS = frozenset({"command_name", "word", "string", "raw_string", "concatenation"})


@dataclass(frozen=True, slots=True)
class Scan:
    """What a command asks for."""

    patterns: tuple[str, ...]
    """One for each command in it, in the order of the text, without repetitions."""
    always: tuple[str, ...]
    """What "always allow" would cover."""
    paths: tuple[str, ...]
    """Arguments that may name files, unquoted, cut before the first glob character."""


def scan(text: str) -> Scan:
    """Return what the commands in `text` would run and touch; also those in pipes, subshells and substitutions."""
    tree = _parser().parse(text.encode("utf-8", "surrogateescape"))
    patterns: dict[str, None] = {}
    always: dict[str, None] = {}
    paths: dict[str, None] = {}
    for node in _commands(tree.root_node):
        words = [_text(child) for child in node.children if child.type in _WORD_KINDS]
        name = words[0] if words else ""
        if name in TAKES_PATHS:
            paths.update(dict.fromkeys(_path_arguments(words)))
        if words and name not in CHANGE_DIRECTORY:
            patterns.update(dict.fromkeys(_patterns(node, words)))
            always[" ".join(prefix(words)) + " *"] = None
    return Scan(tuple(patterns), tuple(always), tuple(paths))


@cache
def _parser() -> "tree_sitter.Parser":
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def _commands(root: "tree_sitter.Node") -> "Iterator[tree_sitter.Node]":
    """Yield the command nodes in the order of the text; without recursion, the nesting is the model's choice."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "command":
            yield node
        stack.extend(reversed(node.children))


def _text(node: "tree_sitter.Node") -> str:
    return (node.text or b"").decode("utf-8", "surrogateescape")


def _patterns(node: "tree_sitter.Node", words: list[str]) -> list[str]:
    """Return the source text of a command, and its plain spelling when the source hides what it runs.

    OpenCode asks for the source text alone, which `A=1 git push`, `"git" push` and `git  push` use to pass by a rule
    for `git push *`.
    """
    parent = node.parent
    whole = parent if parent is not None and parent.type == "redirected_statement" else node
    source = _text(whole).strip()
    plain_words = [unquote(word) for word in words]
    lead = " ".join(prefix(plain_words))
    if source == lead or source.startswith((lead + " ", lead + "\n", lead + "\t")):
        return [source]
    return [source, " ".join(plain_words)]


def unquote(word: str) -> str:
    """Return a word of the source without its quotes and backslashes; expansions are left as they are."""
    return re.sub(r"\\(.)|'([^']*)'|\"((?:[^\"\\]|\\.)*)\"", _unquoted, word, flags=re.DOTALL)


def _unquoted(match: re.Match[str]) -> str:
    escaped, single, double = match.groups()
    if escaped is not None:
        return "" if escaped == "\n" else str(escaped)
    if single is not None:
        return str(single)
    return re.sub(r'\\([$`"\\\n])', lambda inner: "" if inner[1] == "\n" else inner[1], double)


def _path_arguments(words: list[str]) -> Iterator[str]:
    for word in words[1:]:
        if word.startswith("-") or (words[0] == "chmod" and word.startswith("+")):
            continue
        if "$" in word or "`" in word:
            continue
        glob = re.search(r"[?*\[]", word)
        path = unquote(word if glob is None else word[: glob.start()])
        if path:
            yield path
