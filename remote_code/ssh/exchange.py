"""The messages of a login (RFC 4252) on one transport, sent and received; what is sent when, `auth.py` decides."""

import queue
import threading
from dataclasses import dataclass

from paramiko.common import (
    MSG_SERVICE_ACCEPT,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_SUCCESS,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_INFO_RESPONSE,
    cMSG_USERAUTH_REQUEST,
)
from paramiko.message import Message

from remote_code.ssh.transport import LinkTransport
from remote_code.ssh.wire import put_string

_EXTENSIONS_WAIT_S = 0.02


@dataclass(frozen=True, slots=True)
class Accepted:
    """The login is complete."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request failed, or was one step of several; `methods` may go on."""

    methods: tuple[str, ...]
    is_partial_success: bool


@dataclass(frozen=True, slots=True)
class MethodReply:
    """Message 60, whose meaning depends on the method: key accepted, password expired, or prompts."""

    message: Message


Reply = Accepted | Refused | MethodReply


class AuthenticationExchange:
    """The messages of RFC 4252 on one transport: requests go out at once, replies are waited for with a deadline.

    The transport's thread puts replies into a queue, the connecting thread takes them; nothing else is shared.
    """

    def __init__(self, transport: LinkTransport, user: str) -> None:
        self._transport = transport
        self._user = user
        self._replies: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        self._service_accepted = threading.Event()
        self._is_authenticated = False
        self.banner = ""
        """What the server wants to be shown before the login. Data, never instructions."""
        self._handler_table = {
            MSG_SERVICE_ACCEPT: lambda message: self._service_accepted.set(),
            MSG_USERAUTH_SUCCESS: self._on_success,
            MSG_USERAUTH_FAILURE: self._on_failure,
            MSG_USERAUTH_BANNER: self._on_banner,
            MSG_USERAUTH_INFO_REQUEST: lambda message: self._replies.put(MethodReply(message)),
        }
        transport.auth_handler = self  # type: ignore[assignment] # it takes the place of paramiko's

    def is_authenticated(self) -> bool:
        """Tell the transport whether the login is complete."""
        return self._is_authenticated

    def get_username(self) -> str:
        """Tell the transport the user's name."""
        return self._user

    def abort(self) -> None:
        """Wake who waits: the transport has ended."""
        self._service_accepted.set()
        self._replies.put(None)

    @property
    def session_id(self) -> bytes:
        """What signatures are bound to (RFC 4253, 7.2)."""
        return self._transport.session_id or b""

    def server_signature_algorithms(self, timeout_s: float) -> tuple[str, ...]:
        """Return the algorithms that the server accepts for public keys (RFC 8308, 3.1); empty when it does not say.

        The word comes with the end of the key exchange, before the service is accepted; a server that does not give
        it costs the wait for that acceptance.
        """
        if not self._transport.extensions_came.wait(_EXTENSIONS_WAIT_S):
            self._service_accepted.wait(timeout_s)
        extensions: dict[str, bytes] = self._transport.server_extensions  # type: ignore[attr-defined] # private
        found = extensions.get("server-sig-algs", b"")
        return tuple(found.decode("ascii", "replace").split(",")) if found else ()

    def request_service(self) -> None:
        """Ask for the service; its acceptance is not waited for, so the first request travels with it."""
        message = Message()
        message.add_byte(cMSG_SERVICE_REQUEST)
        message.add_string("ssh-userauth")
        self._transport._send_message(message)  # type: ignore[attr-defined] # private

    def request(self, method: str, fields: bytes = b"") -> None:
        """Send an authentication request; `fields` are encoded."""
        message = Message()
        message.add_byte(cMSG_USERAUTH_REQUEST)
        message.add_bytes(self._request_head(method) + fields)
        self._transport._send_message(message)  # type: ignore[attr-defined] # private

    def to_be_signed(self, fields: bytes) -> bytes:
        """Return what a public key request signs (RFC 4252, 7)."""
        return put_string(self.session_id) + cMSG_USERAUTH_REQUEST + self._request_head("publickey") + fields

    def respond(self, answers: list[str]) -> None:
        """Answer the prompts of keyboard-interactive (RFC 4256, 3.4)."""
        message = Message()
        message.add_byte(cMSG_USERAUTH_INFO_RESPONSE)
        message.add_int(len(answers))
        for answer in answers:
            message.add_string(answer.encode())
        self._transport._send_message(message)  # type: ignore[attr-defined] # private

    def wait(self, timeout_s: float) -> Reply:
        """Return the next reply.

        Raises:
            TimeoutError: none came in time.
            EOFError: the server ended the connection.
        """
        try:
            reply = self._replies.get(timeout=timeout_s)
        except queue.Empty as exc:
            raise TimeoutError from exc
        if reply is None:
            raise EOFError
        return reply

    def _request_head(self, method: str) -> bytes:
        return put_string(self._user.encode("utf-8", "surrogateescape"), b"ssh-connection", method.encode())

    def _on_success(self, message: Message) -> None:
        self._is_authenticated = True
        self._transport._auth_trigger()  # type: ignore[attr-defined] # private
        self._replies.put(Accepted())

    def _on_failure(self, message: Message) -> None:
        methods = message.get_text().split(",")
        self._replies.put(Refused(tuple(filter(None, methods)), message.get_boolean()))

    def _on_banner(self, message: Message) -> None:
        self.banner += message.get_string().decode("utf-8", "replace")[:10_000]
