"""How text becomes one word of a POSIX shell command; pure functions, no I/O."""

import shlex

from remote_code.errors import InvalidPath


def quote(text: str) -> str:
    r"""Return `text` as one single-quoted word of a POSIX shell.

    Every character but `'` stands for itself inside single quotes; `'` becomes `'\''`. The quotes are always there,
    so that a leading `-`, an empty text or a word of the shell's own needs no special care.

    Raises:
        InvalidPath: `text` holds a NUL, which no argument of a command can hold.
    """
    if "\0" in text:
        raise InvalidPath(f"{text!r} holds a NUL character, which no remote command or path can hold", path=text)
    return "'" + text.replace("'", "'\\''") + "'"


def split_words(text: str) -> list[str]:
    """Split a command line as a POSIX shell would, without expansions.

    Raises:
        ValueError: a quote is not closed, or the text ends with a backslash.
    """
    return shlex.split(text, posix=True)
