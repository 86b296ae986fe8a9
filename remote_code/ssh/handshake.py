"""From options to an authenticated transport: the way there, algorithms, host key, login; every failure by its name."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from paramiko.ssh_exception import IncompatiblePeer

from remote_code.errors import (
    AlgorithmUnsupported,
    ChannelRefused,
    ConnectionFailed,
    ConnectionLost,
    ConnectTimeout,
    RemoteCodeError,
    ServerBusy,
)
from remote_code.ssh.algorithms import CERTIFICATE_SUFFIX, KEYWORD, ON_REQUEST, Algorithms, Kind, with_known_first
from remote_code.ssh.auth import CutTooEarly, Login, log_in
from remote_code.ssh.certificates import find_objection, is_certificate, parse_certificate
from remote_code.ssh.connection import Connection, connect
from remote_code.ssh.dial import CHECK_SERVER, DEFAULT_CONNECT_TIMEOUT_S, ENDED_EARLY, ProxyProcess, TunnelStream, dial
from remote_code.ssh.host_keys import HostKey, HostKeyCheck, Place
from remote_code.ssh.options import Options, resolve_jump
from remote_code.ssh.packets import BannerMissing, Stream
from remote_code.ssh.secrets import Secrets
from remote_code.ssh.transport import LinkTransport

_log = logging.getLogger(__name__)

_JUMP_LIMIT = 16
_BUSY_WORDS = ("exceeded maxstartups", "not allowed at this time")


@dataclass(frozen=True, slots=True)
class Opened:
    """An authenticated transport, and the links that carry it."""

    transport: LinkTransport
    login: Login
    carriers: list[Connection]


def open_transport(
    options: Options, *, secrets: Secrets, on_notice: Callable[[str], None], for_sessions: bool
) -> Opened:
    """Connect, check the host key, log in, and with `for_sessions` ask for the first sessions meanwhile.

    Raises:
        RemoteCodeError: as `connection.connect` describes; nothing is left open.
    """
    try:
        return _open_transport(options, secrets=secrets, on_notice=on_notice, asks_sessions=for_sessions)
    except CutTooEarly as exc:
        _log.info("event=early_session_cut host=%s reason=%s", options.host, exc.message)
        return _open_transport(options, secrets=secrets, on_notice=on_notice, asks_sessions=False)


def _open_transport(
    options: Options, *, secrets: Secrets, on_notice: Callable[[str], None], asks_sessions: bool
) -> Opened:
    environ = options.context.environ if options.context is not None else os.environ
    for note in options.notes:
        _log.info("event=not_honoured %s", note)
    if options.login.batch_mode:
        secrets = replace(secrets, ask=None)
    with ExitStack() as stack:
        stream, carriers = _open_stream(options, environ, secrets=secrets, on_notice=on_notice)
        for carrier in carriers:
            stack.callback(carrier.close)
        stack.callback(stream.close)
        place = Place.of(options.host_name, options.port, options.host_keys.alias)
        ask = secrets.ask if secrets.asks_about_hosts else None
        check = HostKeyCheck(options.host_keys, place, ask=ask, on_notice=on_notice)
        transport = LinkTransport(stream, _offer(options, check), compress=options.network.compression)
        stack.callback(transport.abandon)
        _negotiate(transport, options, stream)
        _check_host_key(transport.host_key_blob, check, place, algorithms=options.host_keys.ca_signatures)
        login = log_in(transport, options, secrets, environ=environ, asks_sessions=asks_sessions)
        stack.pop_all()
    return Opened(transport, login, carriers)


def _check_host_key(blob: bytes, check: HostKeyCheck, place: Place, *, algorithms: tuple[str, ...]) -> None:
    """Decide on what the server has shown: a key, or a certificate of an authority that is known for it.

    A certificate of any other authority counts as the bare key that is in it.
    """
    certificate = parse_certificate(blob) if is_certificate(blob) else None
    if certificate is None:
        check.check(HostKey(blob))
        return
    authorities = [entry.key.blob for entry in check.known.authorities]
    if certificate.authority in authorities:
        objection = find_objection(blob, place.principal, authorities, algorithms=algorithms)
        check.check_certificate(HostKey(certificate.key), HostKey(certificate.authority), objection)
    else:
        check.check(HostKey(certificate.key))


def _offer(options: Options, check: HostKeyCheck) -> Algorithms:
    """Return the algorithms to offer: those of keys that are known for the host first, certificates only if of use."""
    algorithms = options.algorithms
    host_keys = algorithms.host_keys
    if not check.known.authorities:
        host_keys = tuple(name for name in host_keys if not name.endswith(CERTIFICATE_SUFFIX))
    if not algorithms.is_host_key_order_given:
        host_keys = with_known_first(host_keys, check.known.key_types)
    return replace(algorithms, host_keys=host_keys)


def _open_stream(
    options: Options, environ: Mapping[str, str], *, secrets: Secrets, on_notice: Callable[[str], None]
) -> tuple[Stream, list[Connection]]:
    network = options.network
    if network.proxy_jump is not None:
        return _open_jump(options, secrets=secrets, on_notice=on_notice)
    if network.proxy_command is not None:
        return ProxyProcess(network.proxy_command, environ), []
    return dial(options), []


def _open_jump(
    options: Options, *, secrets: Secrets, on_notice: Callable[[str], None]
) -> tuple[Stream, list[Connection]]:
    """Connect to the jump host, by its own options and host key check, and open a channel to the target from there."""
    carrier = connect(resolve_jump(options), secrets=secrets, on_notice=on_notice, for_sessions=False)
    try:
        timeout_s = options.network.connect_timeout_s or DEFAULT_CONNECT_TIMEOUT_S
        channel = carrier.open_tunnel(options.host_name, options.port, timeout_s=timeout_s)
    except (ChannelRefused, ConnectionLost) as exc:
        carrier.close()
        raise ConnectionFailed(
            f"cannot reach {options.host_name!r} port {options.port} through the jump host: {exc.message}",
            host=options.host,
            port=options.port,
        ) from exc
    return TunnelStream(channel), [carrier]


def _negotiate(transport: LinkTransport, options: Options, stream: Stream) -> None:
    """Exchange identification strings and keys; afterwards the server's host key is known to be its own."""
    timeout_s = options.network.connect_timeout_s or DEFAULT_CONNECT_TIMEOUT_S
    transport.banner_timeout = timeout_s
    transport.handshake_timeout = timeout_s
    if options.network.rekey_bytes:
        transport.packetizer.REKEY_BYTES = options.network.rekey_bytes
    done = threading.Event()
    transport.start_client(event=done)
    done.wait(2 * timeout_s + 5)
    if transport.is_active() and transport.host_key_blob:
        return
    raise _explain(transport, options, stream, timeout_s)


def _explain(transport: LinkTransport, options: Options, stream: Stream, timeout_s: float) -> RemoteCodeError:
    """Turn the end of a handshake into the error that names its cause."""
    cause = transport.get_exception()
    where = f"{options.host_name!r} port {options.port}"
    said = _printable(" ".join([*transport.preamble, transport.disconnect_reason]))
    if isinstance(stream, ProxyProcess) and stream.complaint:
        said = _printable(f"{said} {stream.complaint}")
    if any(words in said.lower() for words in _BUSY_WORDS):
        return ServerBusy(
            f"{where} takes no further login at the moment (it says {said!r}); it is tried again later",
            host=options.host,
            said=said,
        )
    if isinstance(cause, IncompatiblePeer):
        return _no_common_algorithm(transport, options)
    saying = f"; it says {said!r}" if said else ""
    is_late = isinstance(cause, BannerMissing) and isinstance(cause.__cause__, TimeoutError)
    if is_late or transport.watched.is_late:
        step = "did not identify itself as an SSH server" if is_late else "did not finish the key exchange"
        return ConnectTimeout(
            f"{where} {step} within {timeout_s:.0f} s{saying}; {CHECK_SERVER}, or raise ConnectTimeout",
            host=options.host,
            port=options.port,
            timeout_s=timeout_s,
        )
    if isinstance(cause, BannerMissing) and cause.__cause__ is None:
        step = f"is no SSH server of use ({_printable(str(cause))})"
    elif not transport.remote_version:
        step = ENDED_EARLY
    elif cause is None or isinstance(cause, (EOFError, ConnectionError)):
        # Which of the two ends it, a close or a reset, depends on what of ours the server had not read.
        step = "ended the connection during the key exchange"
    else:
        step = f"broke the key exchange ({_printable(str(cause))})"
    return ConnectionFailed(f"{where} {step}{saying}; {CHECK_SERVER}", host=options.host, port=options.port)


_SERVER_LISTS: Mapping[str, Kind] = {
    "kex_algo_list": "kex",
    "server_key_algo_list": "host_keys",
    "client_encrypt_algo_list": "ciphers",
    "server_encrypt_algo_list": "ciphers",
    "client_mac_algo_list": "macs",
    "server_mac_algo_list": "macs",
}


def _no_common_algorithm(transport: LinkTransport, options: Options) -> AlgorithmUnsupported:
    offered = transport.offered
    for name, kind in _SERVER_LISTS.items():
        theirs = [
            item for item in transport.server_lists.get(name, []) if not item.startswith(("ext-info-", "kex-strict-"))
        ]
        ours: tuple[str, ...] = getattr(offered, kind)
        if set(ours) & set(theirs):
            continue
        known = set(ON_REQUEST[kind]) | set(getattr(options.algorithms, kind))
        speakable = [item for item in theirs if item in known]
        option = f"-o{KEYWORD[kind]}=+{','.join(speakable)}" if speakable else "REMOTE_TRANSPORT=ssh"
        help_text = (
            f"add {option} to REMOTE_SSH" if speakable else "your own ssh program may know one: REMOTE_TRANSPORT=ssh"
        )
        if kind == "host_keys" and "ssh-rsa" in speakable:
            help_text += " (and -oPubkeyAcceptedAlgorithms=+ssh-rsa for an RSA key of yours)"
        return AlgorithmUnsupported(
            f"{options.host_name!r} and we have no {KEYWORD[kind]} in common: we offer {', '.join(ours)}; it offers "
            f"{', '.join(theirs)}; {help_text}",
            host=options.host,
            ours=list(ours),
            theirs=theirs,
            option=option,
        )
    return AlgorithmUnsupported(
        f"{options.host_name!r} and we have no compression in common",
        host=options.host,
        ours=["none"],
        theirs=transport.server_lists.get("server_compress_algo_list", []),
        option="-C",
    )


def _printable(text: str) -> str:
    """Return a server's words without control characters, bounded."""
    return "".join(char if char.isprintable() else " " for char in text).strip()[:500]
