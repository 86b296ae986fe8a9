"""The criteria of Match lines (ssh_config(5)). Source: OpenSSH's readconf.c, match_cfg_line."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from remote_code.config import without_secrets
from remote_code.ssh.patterns import matches_list
from remote_code.ssh.settings import Settings, Source, bad_line
from remote_code.ssh.tokens import Account, expand, tokens

_EXEC_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Criteria:
    """What the criteria are held against: one host, in one of the two passes, and what is set so far."""

    settings: Settings
    host: str
    original_host: str
    account: Account
    environ: Mapping[str, str] = field(repr=False)
    is_final: bool = False
    wants_final_pass: bool = False
    """Whether a `Match final` was met, so that the files are read once more with the final host name."""

    def match(self, words: list[str], source: Source, *, is_never: bool) -> bool:
        """Evaluate a Match line; every criterion is read, also when one before it has failed already.

        With `is_never` the line is read for its errors only, and no command of it is run.

        Raises:
            ConfigError: it cannot be read.
        """
        result = True
        count = 0
        rest = iter(words)
        for word in rest:
            if word.startswith("#"):
                break
            is_negated = word.startswith("!")
            criterion = word.removeprefix("!").lower()
            argument: str | None = None
            if "=" in criterion:  # Newer versions of OpenSSH accept `criterion=argument`, too.
                criterion = criterion.partition("=")[0]
                argument = word.partition("=")[2]
            count += 1
            if criterion == "all":
                if count > 1 or next(rest, "#")[:1] not in ("", "#"):
                    raise bad_line(f"{source}: 'all' cannot be combined with other Match criteria", word)
                return not is_negated
            if criterion in ("final", "canonical"):
                self.wants_final_pass |= criterion == "final"
                holds = self.is_final
            else:
                if argument is None:
                    argument = next(rest, "")
                if not argument or argument.startswith("#"):
                    raise bad_line(f"{source}: the Match criterion {criterion!r} has no argument", word)
                holds = self._holds(criterion, argument, source, is_decided=is_never or not result)
            result = result and holds is not is_negated
        if not count:
            raise bad_line(f"{source}: Match has no criterion", "")
        return result

    def _holds(self, criterion: str, argument: str, source: Source, *, is_decided: bool) -> bool:
        """Evaluate one criterion; a command is not run when the line is decided already."""
        match criterion:
            case "host":
                return matches_list(self._current_host(), argument, ignore_case=True)
            case "originalhost":
                return matches_list(self.original_host, argument, ignore_case=True)
            case "user":
                return matches_list(self._current_user(), argument)
            case "localuser":
                return matches_list(self.account.name, argument)
            case "localnetwork":
                # ctypes takes a while to import, and hardly anybody asks.
                from remote_code.ssh.local_networks import is_local_network

                return is_local_network(argument, source)
            case "tagged":
                return matches_list(self.settings.word("Tag") or "", argument)
            case "command":
                return matches_list("", argument)
            case "sessiontype":
                return matches_list("exec", argument)
            case "exec":
                return not is_decided and self._run(argument)
            case _:
                raise bad_line(f"{source}: the Match criterion {criterion!r} is not supported", argument)

    def _current_host(self) -> str:
        host_name = self.settings.word("HostName")
        if host_name is None:
            return self.host
        return host_name if self.is_final else expand(host_name, {"h": self.host}, what="HostName")

    def _current_user(self) -> str:
        return self.settings.word("User") or self.account.name

    def _run(self, command: str) -> bool:
        """Run a `Match exec` command by the user's shell; its exit status decides."""
        host = self._current_host()
        port = self.settings.word("Port")
        values = tokens(
            self.account,
            host=host,
            original=self.original_host,
            port=int(port) if port else 22,
            user=self._current_user(),
            alias=self.settings.word("HostKeyAlias") or host,
            jump="",
        )
        expanded = expand(command, values, what="Match exec")
        if os.name == "nt":
            argv: str | list[str] = expanded
        else:
            argv = [self.environ.get("SHELL") or "/bin/sh", "-c", expanded]
        try:
            done = subprocess.run(
                argv,
                shell=os.name == "nt",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=without_secrets(self.environ),
                timeout=_EXEC_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise bad_line(f"the command of Match exec did not end within {_EXEC_TIMEOUT_S:.0f} s", command) from exc
        return done.returncode == 0
