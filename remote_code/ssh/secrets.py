"""What can answer the server's questions. Holds them for the connecting thread; nothing here prints one."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

Ask = Callable[[str, bool], str | None]
"""Asks a person: the prompt, and whether the answer may be shown. None comes back when nobody answers."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The password of the configuration, and a way to ask a person where there is one."""

    password: SecretStr | None = None
    """The login password; also tried as the passphrase of an encrypted key."""
    ask: Ask | None = None
    asks_about_hosts: bool = True
    """Whether `ask` reaches somebody who may decide on an unknown host key: a terminal does, a pop-up does not."""
