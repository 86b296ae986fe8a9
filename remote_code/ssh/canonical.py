"""Canonical host names (ssh_config(5), CanonicalizeHostname), by this machine's resolver. Source: OpenSSH's ssh.c."""

import socket

from remote_code.errors import ConfigError
from remote_code.ssh.patterns import matches_list
from remote_code.ssh.settings import Settings

FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
"""What AddressFamily means to the resolver."""


def is_wanted(settings: Settings) -> bool:
    """Tell whether the host's name is made canonical, after which the files are read once more."""
    return settings.word("CanonicalizeHostname") in ("true", "always")


def canonical_name(host: str, settings: Settings) -> str:
    """Return the host's canonical name: an address in its usual form, a short name with the domain that has it.

    Names are looked up only if the configuration asks for it; blocks as long as the resolver does.

    Raises:
        ConfigError: no domain has the name, and CanonicalizeFallbackLocal is off.
    """
    if is_address(host, settings):
        return _usual_form(host, settings)
    host = host.lower()
    # As for ssh, a `ProxyJump none` counts as a proxy here, a `ProxyCommand none` does not.
    command = settings.word("ProxyCommand") or "none"
    is_direct = command.lower() == "none" and settings.first("ProxyJump") is None
    if not is_wanted(settings) or not (is_direct or settings.word("CanonicalizeHostname") == "always"):
        return host
    is_qualified = host.count(".") > int(settings.word("CanonicalizeMaxDots") or 1)
    candidates = [host]
    if not host.endswith("."):
        domains = () if is_qualified else _words(settings, "CanonicalDomains")
        candidates = [f"{host}.{domain.lower().removesuffix('.')}." for domain in domains]
    for candidate in candidates:
        alias = _look_up(candidate, settings)
        if alias is not None:
            return _follow(candidate.removesuffix("."), alias, settings)
    if settings.word("CanonicalizeFallbackLocal") == "no" and (host.endswith(".") or not is_qualified):
        raise ConfigError(
            f"no address was found for {host!r} in {', '.join(candidates) or 'CanonicalDomains, which are none'}, and "
            "CanonicalizeFallbackLocal is no",
            variable="REMOTE_SSH",
            value=host,
            accepted="a host that CanonicalDomains have, or CanonicalizeFallbackLocal yes",
        )
    if not _words(settings, "CanonicalizePermittedCNAMEs"):
        return host
    return _follow(host, _look_up(host, settings) or "", settings)


def is_address(host: str, settings: Settings) -> bool:
    """Tell whether this is an address, or can be nothing else."""
    return (
        any(mark in host for mark in "%:")
        or not host.strip("0123456789.")
        or _resolve_address(host, settings) is not None
    )


def _usual_form(host: str, settings: Settings) -> str:
    found = _resolve_address(host, settings)
    return host if found is None or found.lower() == host.lower() else found


def _resolve_address(host: str, settings: Settings) -> str | None:
    try:
        rows = socket.getaddrinfo(
            host,
            0,
            _family(settings),
            socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        return socket.getnameinfo(rows[0][4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    except (OSError, UnicodeError):
        return None


def _look_up(name: str, settings: Settings) -> str | None:
    """Return the name that the resolver calls canonical, or nothing of it; None when it does not know `name`."""
    try:
        rows = socket.getaddrinfo(name, 0, _family(settings), socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return None
    return rows[0][3].lower()


def _follow(name: str, alias: str, settings: Settings) -> str:
    """Return the name that `name` is an alias of, if a rule of CanonicalizePermittedCNAMEs allows to follow it."""
    if not alias or alias == name:
        return name
    for rule in _words(settings, "CanonicalizePermittedCNAMEs"):
        sources, _, targets = ("*:*" if rule == "*" else rule.lower()).partition(":")
        if matches_list(name, sources, ignore_case=True) and matches_list(alias, targets, ignore_case=True):
            return alias
    return name


def _words(settings: Settings, keyword: str) -> tuple[str, ...]:
    value = settings.first(keyword)
    return () if value is None or value.words[0].lower() == "none" else value.words


def _family(settings: Settings) -> socket.AddressFamily:
    return FAMILIES[settings.word("AddressFamily") or "any"]
