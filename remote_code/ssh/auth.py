"""Logging in: keys, password, prompts, in the order that ssh would use, until the server is content or all is tried."""

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from remote_code.errors import AuthenticationFailed, ConnectionFailed, ConnectTimeout
from remote_code.ssh.agent import Agent
from remote_code.ssh.algorithms import CERTIFICATE_SUFFIX
from remote_code.ssh.exchange import Accepted, AuthenticationExchange, MethodReply, Refused, Reply
from remote_code.ssh.identities import Candidate, Identities, itself
from remote_code.ssh.keys import KeyUnusable, Signer, type_of
from remote_code.ssh.options import Options
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.transport import LinkTransport
from remote_code.ssh.wire import Reader, put_string

_log = logging.getLogger(__name__)

REPLY_TIMEOUT_S = 30.0
"""How long one reply may take; a server that delays after a wrong password needs a few seconds."""
EARLY_SESSIONS = 2
"""How many sessions are asked for during a login: for a command and for files, which are wanted at once."""
_EARLY_REQUESTS = 2
"""How many requests of a login take those along; servers log each that comes too early."""
_PROMPT_ROUNDS = 20
"""How many times a server may ask in one keyboard-interactive login."""
_RSA_ALGORITHMS = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
_ONE_TIME_PROMPT = re.compile(
    r"\b(code|otp|token|one[- ]time|verification|second factor|2fa|pin|passcode|duo|challenge|response)\b",
    re.IGNORECASE,
)


class CutTooEarly(ConnectionFailed):
    """The server ended the connection without a word after sessions were asked for: perhaps because of that."""


@dataclass(frozen=True, slots=True)
class Login:
    """How the login went."""

    methods: tuple[str, ...]
    """The methods that succeeded, in order."""
    needed_person: bool
    """Whether a person had to answer, so that it cannot be repeated unasked."""
    banner: str
    """The server's words before the login. Data, never instructions."""


def log_in(
    transport: LinkTransport,
    options: Options,
    secrets: Secrets,
    *,
    environ: Mapping[str, str],
    asks_sessions: bool,
) -> Login:
    """Authenticate on a transport whose host key has been checked.

    The first request travels together with the request for the service, so a key that is right at once costs one
    round trip. With `asks_sessions` the transport's first sessions are asked for in the same flight, where the
    server is known to let that be.

    Raises:
        CutTooEarly: it may go well without `asks_sessions`.
        AuthenticationFailed: all that could be tried was refused.
        ConnectTimeout: the server did not answer.
        ConnectionFailed: it ended the connection.
    """
    with ExitStack() as stack:
        agent = Agent.open(options.login.identity_agent, environ)
        if agent is not None:
            stack.enter_context(agent)
        return _Dialogue(transport, options, secrets, agent, asks_sessions=asks_sessions).run()


class _Dialogue:
    """One login. Used by one thread."""

    def __init__(
        self,
        transport: LinkTransport,
        options: Options,
        secrets: Secrets,
        agent: Agent | None,
        *,
        asks_sessions: bool,
    ) -> None:
        self._transport = transport
        self._asks_sessions = asks_sessions
        self._n_early_requests = 0
        self._options = options
        self._secrets = secrets
        self._exchange = AuthenticationExchange(transport, options.user)
        self._tried: list[str] = []
        identities = Identities(options.login, agent, passphrase=self._passphrase, on_unusable=self._tried.append)
        self._candidates = deque(identities.find())
        self._succeeded: list[str] = []
        self._offered: tuple[str, ...] = ()
        self._needed_person = False
        self._passwords_left = {"password": self._prompts(), "keyboard-interactive": self._prompts()}
        self._password_uses: set[str] = set()

    def _prompts(self) -> int:
        return max(1, self._options.login.password_prompts)

    def run(self) -> Login:
        try:
            return self._run()
        except (EOFError, OSError) as exc:
            # The transport ends with either, whether we were sending or waiting.
            raise self._cut() from exc
        except ValueError as exc:
            raise ConnectionFailed(
                f"{self._options.host!r} broke the protocol during the login of {self._options.user!r}",
                host=self._options.host,
                port=self._options.port,
            ) from exc

    def _run(self) -> Login:
        self._exchange.request_service()
        method, reply = self._first_step()
        while not isinstance(reply, Accepted):
            if isinstance(reply, Refused):
                if reply.is_partial_success:
                    self._succeeded.append(method)
                    # The next step may be the same method again, with another key or password.
                    self._tried[-1:] = [f"{self._tried[-1]} (accepted)"] if self._tried else []
                self._offered = reply.methods
            found = self._next_step()
            if found is None:
                raise self._failed()
            method, reply = found
        _log.info("event=logged_in host=%s methods=%s", self._options.host, ",".join(self._tried[-1:]))
        return Login((*self._succeeded, method), self._needed_person, self._exchange.banner)

    def _first_step(self) -> tuple[str, Reply]:
        """Send the first request without knowing the methods: a key that costs nothing, else `none`."""
        if "publickey" in self._options.login.methods:
            while self._candidates and not self._candidates[0].is_costly:
                reply = self._try_key(self._candidates.popleft())
                if reply is not None:
                    return "publickey", reply
        self._exchange.request("none")
        return "none", self._wait()

    def _next_step(self) -> tuple[str, Reply] | None:
        steps: dict[str, Callable[[], Reply | None]] = {
            "publickey": self._step_key,
            "keyboard-interactive": self._step_prompts,
            "password": self._step_password,
        }
        for method in self._options.login.methods:
            if method in self._offered:
                reply = steps[method]()
                if reply is not None:
                    return method, reply
        return None

    # --- public keys

    def _step_key(self) -> Reply | None:
        while self._candidates:
            reply = self._try_key(self._candidates.popleft())
            if reply is not None:
                return reply
        return None

    def _try_key(self, candidate: Candidate) -> Reply | None:
        """Try one key; None when nothing was sent."""
        blob = candidate.blob
        try:
            if candidate.is_costly and blob is not None:
                algorithm = candidate.algorithm or self._signature_algorithm(blob)
                self._exchange.request("publickey", b"\0" + put_string(algorithm.encode("ascii"), blob))
                reply = self._wait()
                if not isinstance(reply, MethodReply):
                    self._tried.append(candidate.name)
                    return reply
            signer = candidate.load()
            algorithm = candidate.algorithm or self._signature_algorithm(signer.blob)
            fields = b"\1" + put_string(algorithm.encode("ascii"), signer.blob)
            signature = signer.sign(self._exchange.to_be_signed(fields), algorithm)
        except KeyUnusable as exc:
            self._tried.append(f"{candidate.name} ({exc})")
            return None
        self._request("publickey", fields + put_string(signature))
        self._tried.append(candidate.name)
        reply = self._wait()
        if isinstance(reply, Refused) and not reply.is_partial_success:
            self._fall_back_to_sha1(candidate, signer, algorithm)
        return reply

    def _fall_back_to_sha1(self, candidate: Candidate, signer: Signer, refused: str) -> None:
        """Put an RSA key in front once more, where SHA-1 is allowed: some servers accept less than they say."""
        if not refused.startswith("rsa-sha2-"):
            return
        suffix = CERTIFICATE_SUFFIX if refused.endswith(CERTIFICATE_SUFFIX) else ""
        if "ssh-rsa" + suffix in self._options.algorithms.pubkeys:
            again = Candidate(f"{candidate.name} with SHA-1", signer.blob, partial(itself, signer))
            again.algorithm = "ssh-rsa" + suffix
            self._candidates.appendleft(again)
        elif self._is_old_server():
            self._tried[-1] += " (this old server may need -oPubkeyAcceptedAlgorithms=+ssh-rsa)"

    def _signature_algorithm(self, blob: bytes) -> str:
        """Choose the signature algorithm for a key; for RSA there are several.

        A server that says nothing of what it accepts is taken for an old one only when the user allows SHA-1 and the
        server's host keys know nothing newer: OpenSSH 5.3 refuses rsa-sha2.
        """
        key_type = type_of(blob)
        plain = key_type.removesuffix(CERTIFICATE_SUFFIX)
        suffix = CERTIFICATE_SUFFIX if plain != key_type else ""
        allowed = self._options.algorithms.pubkeys
        if plain != "ssh-rsa":
            if key_type not in allowed:
                raise KeyUnusable(f"PubkeyAcceptedAlgorithms does not allow {key_type}")
            return key_type
        mine = [name for name in _RSA_ALGORITHMS if name + suffix in allowed]
        accepted = self._exchange.server_signature_algorithms(REPLY_TIMEOUT_S)
        if accepted:
            mine = [name for name in mine if name in accepted or name + suffix in accepted]
        elif "ssh-rsa" in mine and self._is_old_server():
            mine = ["ssh-rsa"]
        if not mine:
            raise KeyUnusable(
                "no RSA signature algorithm is both allowed and accepted; old servers need "
                "-oPubkeyAcceptedAlgorithms=+ssh-rsa"
            )
        return mine[0] + suffix

    def _is_old_server(self) -> bool:
        host_keys = self._transport.server_lists.get("server_key_algo_list", [])
        return "ssh-rsa" in host_keys and not any(name.startswith("rsa-sha2-") for name in host_keys)

    def _passphrase(self, path: Path, attempt: int) -> str | None:
        """Return a passphrase to try for a key file: the password first, then what a person says."""
        if self._secrets.password is not None:
            if attempt == 0:
                return self._secrets.password.get_secret_value()
            attempt -= 1
        if attempt >= self._prompts() or self._secrets.ask is None:
            return None
        self._needed_person = True
        return self._secrets.ask(f"Passphrase for key '{path}': ", False)

    # --- password and prompts

    def _step_password(self) -> Reply | None:
        password = self._password("password", f"{self._options.user}@{self._options.host}'s password: ")
        if password is None:
            return None
        self._request("password", b"\0" + put_string(password.encode()))
        self._tried.append("password")
        reply = self._wait()
        if isinstance(reply, MethodReply):
            self._tried[-1] = "password (it has expired and must be changed by an ordinary login)"
            self._offered = tuple(name for name in self._offered if name != "password")
            return Refused(self._offered, is_partial_success=False)
        return reply

    def _password(self, method: str, prompt: str) -> str | None:
        """Return the next password for a method: REMOTE_PASSWORD once, then what a person says."""
        if self._secrets.password is not None and method not in self._password_uses:
            self._password_uses.add(method)
            return self._secrets.password.get_secret_value()
        if self._secrets.ask is None or self._passwords_left[method] <= 0:
            return None
        self._passwords_left[method] -= 1
        self._needed_person = True
        return self._secrets.ask(prompt, False)

    def _step_prompts(self) -> Reply | None:
        method = "keyboard-interactive"
        if self._secrets.ask is None and method in self._password_uses:
            return None
        if self._passwords_left[method] <= 0:
            return None
        self._passwords_left[method] -= 1
        self._exchange.request(method, put_string(b"", b""))
        self._tried.append(method)
        asked = False
        for _ in range(_PROMPT_ROUNDS):
            reply = self._wait()
            if not isinstance(reply, MethodReply):
                if not asked and isinstance(reply, Refused) and not reply.is_partial_success:
                    self._passwords_left[method] = 0
                return reply
            prompts = _read_prompts(reply)
            asked = asked or bool(prompts)
            self._exchange.respond([self._answer(text, echo) for text, echo in prompts])
        raise self._failed("the server does not stop asking")

    def _answer(self, text: str, echo: bool) -> str:
        method = "keyboard-interactive"
        password = self._secrets.password
        is_password = not echo and _ONE_TIME_PROMPT.search(text) is None
        if is_password and password is not None and method not in self._password_uses:
            self._password_uses.add(method)
            return password.get_secret_value()
        answer = self._secrets.ask(text, echo) if self._secrets.ask is not None else None
        if answer is None:
            hint = "set REMOTE_PASSWORD, or " if is_password and password is None else ""
            raise self._failed(
                f"it asks {_printable(text)!r}, and nothing here can answer: {hint}log in from a terminal "
                "with `remote-code launch`, or set SSH_ASKPASS"
            )
        self._needed_person = True
        return answer

    # --- requests and replies

    def _request(self, method: str, fields: bytes) -> None:
        """Send a request that may complete the login, and ask for sessions behind it."""
        self._exchange.request(method, fields)
        may_ask = self._asks_sessions and self._n_early_requests < _EARLY_REQUESTS
        if may_ask and self._transport.takes_early_sessions:
            self._n_early_requests += 1
            self._transport.ask_early_sessions(EARLY_SESSIONS)

    def _wait(self) -> Reply:
        host, user = self._options.host, self._options.user
        started = time.monotonic()
        try:
            reply = self._exchange.wait(REPLY_TIMEOUT_S)
        except TimeoutError as exc:
            raise ConnectTimeout(
                f"{host!r} did not answer the login of {user!r} within {REPLY_TIMEOUT_S:.0f} s",
                host=host,
                port=self._options.port,
                timeout_s=time.monotonic() - started,
            ) from exc
        if not isinstance(reply, Accepted):
            self._transport.drop_early_sessions()
        return reply

    def _cut(self) -> ConnectionFailed:
        said = _printable(self._transport.disconnect_reason)
        if said:
            return self._failed(f"it ended the connection: {said}")
        host, user = self._options.host, self._options.user
        # A refusal may have come before the end. A person is not asked twice for what is a guess.
        may_be_too_early = self._n_early_requests and not self._needed_person
        return (CutTooEarly if may_be_too_early else ConnectionFailed)(
            f"{host!r} ended the connection during the login of {user!r}; check the log of the SSH server there",
            host=host,
            port=self._options.port,
        )

    def _failed(self, reason: str = "") -> AuthenticationFailed:
        user, host = self._options.user, self._options.host
        offered = ", ".join(self._offered) or "nothing that it names"
        tried = ", ".join(self._tried) or "nothing"
        hint = ""
        wants_password = {"password", "keyboard-interactive"} & set(self._offered)
        if not reason and wants_password and self._secrets.password is None:
            hint = "; set REMOTE_PASSWORD if the account has a password"
        elif not reason and wants_password:
            hint = "; check REMOTE_PASSWORD and the user's name"
        elif not reason and self._offered == ("publickey",):
            hint = "; name the right key with -i, or add it to ssh-agent"
        return AuthenticationFailed(
            f"{host!r} refused the login of {user!r}{': ' + reason if reason else ''}; it offers {offered}; "
            f"tried: {tried}{hint}",
            host=host,
            user=user,
            offered=list(self._offered),
            tried=list(self._tried),
        )


def _read_prompts(reply: MethodReply) -> list[tuple[str, bool]]:
    """Read the prompts of an information request (RFC 4256, 3.2): text, and whether the answer may be shown."""
    reader = Reader(reply.message.get_remainder())
    name, instruction = reader.take_text(), reader.take_text()
    reader.take_string()
    prompts = [(reader.take_text(), reader.take(1) != b"\0") for _ in range(min(reader.take_int(), 50))]
    if prompts and (name or instruction):
        text, echo = prompts[0]
        prompts[0] = ("\n".join(filter(None, (name.strip(), instruction.strip(), text))), echo)
    return prompts


def _printable(text: str) -> str:
    """Return a server's words without control characters, bounded."""
    return "".join(char if char.isprintable() else " " for char in text.strip())[:500]
