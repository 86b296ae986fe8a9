"""The ssh-agent, by its protocol (draft-ietf-sshm-ssh-agent): list the keys, have one sign. Knows no paramiko."""

import logging
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from remote_code.ssh.keys import KeyUnusable, type_of
from remote_code.ssh.wire import Reader, put_string

_log = logging.getLogger(__name__)

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_SIGN_FLAGS = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}

_LIST_TIMEOUT_S = 5.0
_SIGN_TIMEOUT_S = 60.0
"""A person may have to touch a key or to confirm."""
_ANSWER_LIMIT = 1 << 20
_WINDOWS_PIPE = r"\\.\pipe\openssh-ssh-agent"


class _Stream(Protocol):
    def write(self, data: bytes, /) -> object: ...

    def read(self, count: int, /) -> bytes: ...

    def close(self) -> None: ...


class _SocketStream:
    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(_LIST_TIMEOUT_S)
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise

    def write(self, data: bytes, /) -> None:
        self.sock.sendall(data)

    def read(self, count: int, /) -> bytes:
        return self.sock.recv(count)

    def close(self) -> None:
        self.sock.close()


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A key that the agent holds."""

    name: str
    blob: bytes
    agent: "Agent"

    @property
    def key_type(self) -> str:
        """The name in front of `blob`."""
        return type_of(self.blob)

    @property
    def may_need_a_person(self) -> bool:
        """Whether signing waits for a touch, so that the server is asked first whether the key is any use."""
        return self.key_type.startswith("sk-")

    def sign(self, data: bytes, algorithm: str) -> bytes:
        """Have the agent sign."""
        return self.agent.sign(self.blob, data, algorithm)


class Agent:
    """One conversation with the agent. Used by the connecting thread only."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def open(setting: str | None, environ: Mapping[str, str]) -> "Agent | None":
        """Connect to the agent that `setting` names: a path, or a variable that holds one. None when there is none."""
        if setting is None:
            return None
        path = setting if os.sep in setting else environ.get(setting, "")
        if not path and sys.platform == "win32":
            path = _WINDOWS_PIPE
        if not path:
            return None
        try:
            return Agent(_open_stream(path))
        except OSError as exc:
            _log.info("event=agent_unreachable path=%s error=%s", path, exc.strerror or type(exc).__name__)
            return None

    def close(self) -> None:
        """End the conversation."""
        self._stream.close()

    def keys(self) -> list[AgentKey]:
        """Return the agent's keys and certificates; none when it does not answer in time."""
        try:
            answer = self._ask(bytes([_REQUEST_IDENTITIES]), timeout_s=_LIST_TIMEOUT_S)
            if answer.take(1)[0] != _IDENTITIES_ANSWER:
                return []
            found = [(answer.take_string(), answer.take_text()) for _ in range(min(answer.take_int(), 1000))]
        except (OSError, ValueError) as exc:
            _log.warning("event=agent_failed error=%s", exc)
            return []
        return [AgentKey(f"agent key {comment or type_of(blob)}", blob, self) for blob, comment in found]

    def sign(self, blob: bytes, data: bytes, algorithm: str) -> bytes:
        """Return the signature blob.

        Raises:
            KeyUnusable: the agent refuses or does not answer.
        """
        flags = next((flag for name, flag in _SIGN_FLAGS.items() if algorithm.startswith(name)), 0)
        request = bytes([_SIGN_REQUEST]) + put_string(blob, data) + flags.to_bytes(4, "big")
        try:
            answer = self._ask(request, timeout_s=_SIGN_TIMEOUT_S)
            if answer.take(1)[0] != _SIGN_RESPONSE:
                raise KeyUnusable("the agent refused to sign with it")
            return answer.take_string()
        except (OSError, ValueError) as exc:
            raise KeyUnusable("the agent did not answer") from exc

    def _ask(self, request: bytes, *, timeout_s: float) -> Reader:
        if isinstance(self._stream, _SocketStream):
            self._stream.sock.settimeout(timeout_s)
        self._stream.write(put_string(request))
        length = int.from_bytes(self._read(4), "big")
        if length > _ANSWER_LIMIT:
            raise ValueError("the answer is too long")
        return Reader(self._read(length))

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._stream.read(count - len(data))
            if not more:
                raise ValueError("the agent closed the connection")
            data += more
        return data


def _open_stream(path: str) -> _Stream:
    if sys.platform == "win32":
        pipe: BinaryIO = open(path, "r+b", buffering=0)  # noqa: SIM115 - closed by Agent.close
        return pipe
    return _SocketStream(path)
