"""Quoting: whatever the text, a POSIX shell reads it as one word that equals it."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote_code.errors import InvalidPath
from remote_code.quoting import quote, split_words

SHELLS = [shell for shell in (["dash"], ["bash"], ["busybox", "ash"]) if shutil.which(shell[0])]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[-1])
@settings(max_examples=25, deadline=None)
@given(words=st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=8))
def test_a_quoted_text_is_one_word_for_every_shell(shell: list[str], words: list[str]) -> None:
    line = "printf '%s\\0' " + " ".join(quote(word) for word in ["", *words])
    printed = subprocess.run([*shell, "-c", line], check=True, capture_output=True).stdout
    assert printed == b"".join(word.encode() + b"\0" for word in ["", *words])


def test_a_nul_cannot_be_quoted() -> None:
    with pytest.raises(InvalidPath):
        quote("a\0b")


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0"), max_size=10)))
def test_words_are_split_where_they_were_joined(words: list[str]) -> None:
    assert split_words(" ".join(quote(word) for word in words)) == words
