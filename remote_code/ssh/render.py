"""The effective options for people: one `keyword value` a line, in the form and order of `ssh -G`."""

from collections.abc import Iterator
from dataclasses import dataclass

from remote_code.ssh.algorithms import KEYWORD, Kind
from remote_code.ssh.meaning import DEFAULT_IDENTITY_FILES
from remote_code.ssh.options import Options
from remote_code.ssh.settings import Jump, read_rekey_limit


@dataclass(frozen=True, slots=True)
class Line:
    """One option; `source` is the file and line that set it, or `default`."""

    keyword: str
    value: str
    source: str

    def __str__(self) -> str:
        return f"{self.keyword} {self.value}"


def render(options: Options, *, explain: bool = False) -> str:
    """Return the options as text; with `explain`, each line ends with what set it.

    The lists of algorithms are those that we would offer; everything else is what `ssh -G` prints.
    """
    found = list(lines(options))
    if not explain:
        return "".join(f"{line}\n" for line in found)
    width = min(72, max(len(str(line)) for line in found))
    return "".join(f"{line!s:<{width}}  # {line.source}\n" for line in found)


def lines(options: Options) -> Iterator[Line]:
    """Yield the options in the order of `ssh -G`."""
    printer = _Printer(options)
    yield from printer.always("user", options.user, "User")
    yield from printer.host_name()
    yield from printer.always("port", str(options.port), "Port")
    for keyword, default in _PLAIN:
        yield from printer.always(keyword.lower(), options.settings.word(keyword) or default, keyword)
    for keyword in ("BindAddress", "BindInterface"):
        yield from printer.if_set(keyword)
    yield from printer.algorithms("ciphers", "host_keys")
    yield from printer.if_set("HostKeyAlias")
    yield from printer.identity_agent()
    yield from printer.algorithms("kex", "ca_signatures", "macs")
    yield from printer.if_set("PreferredAuthentications")
    yield from printer.algorithms("pubkeys")
    yield from printer.each("IdentityFile", DEFAULT_IDENTITY_FILES)
    yield from printer.words("CanonicalDomains")
    yield from printer.each("CertificateFile", ())
    yield from printer.known_hosts("GlobalKnownHostsFile", options.host_keys.global_files)
    yield from printer.known_hosts("UserKnownHostsFile", options.host_keys.user_files)
    yield from printer.each_word("SendEnv")
    yield from printer.each_word("SetEnv")
    yield from printer.always("connecttimeout", _seconds(options.settings.word("ConnectTimeout")), "ConnectTimeout")
    yield from printer.permitted_aliases()
    yield from printer.rekey_limit()
    yield from printer.proxy()


_PLAIN = (
    ("AddressFamily", "any"),
    ("BatchMode", "no"),
    ("CanonicalizeFallbackLocal", "yes"),
    ("CanonicalizeHostname", "false"),
    ("Compression", "no"),
    ("HashKnownHosts", "no"),
    ("IdentitiesOnly", "no"),
    ("KbdInteractiveAuthentication", "yes"),
    ("NoHostAuthenticationForLocalhost", "no"),
    ("PasswordAuthentication", "yes"),
    ("PubkeyAuthentication", "true"),
    ("StrictHostKeyChecking", "ask"),
    ("TCPKeepAlive", "yes"),
    ("CanonicalizeMaxDots", "1"),
    ("ConnectionAttempts", "1"),
    ("NumberOfPasswordPrompts", "3"),
    ("ServerAliveCountMax", "3"),
    ("ServerAliveInterval", "0"),
    ("RequiredRSASize", "1024"),
)


def _seconds(word: str | None) -> str:
    return "none" if word in (None, "none") else str(word)


class _Printer:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._settings = options.settings

    def _source(self, keyword: str) -> str:
        value = self._settings.first(keyword)
        return str(value.source) if value else "default"

    def always(self, name: str, value: str, keyword: str) -> Iterator[Line]:
        yield Line(name, value, self._source(keyword))

    def host_name(self) -> Iterator[Line]:
        is_set = self._settings.first("HostName") is not None
        options = self._options
        is_typed = options.host_name == options.host.lower()
        yield from self.always(
            "hostname", options.host_name, "HostName" if is_set or is_typed else "CanonicalizeHostname"
        )

    def words(self, keyword: str) -> Iterator[Line]:
        value = self._settings.first(keyword)
        yield Line(keyword.lower(), " ".join(value.words) if value else "none", self._source(keyword))

    def permitted_aliases(self) -> Iterator[Line]:
        keyword = "CanonicalizePermittedCNAMEs"
        value = self._settings.first(keyword)
        words = ["*:*" if word == "*" else word.lower() for word in value.words] if value else ["none"]
        # The spelling is that of `ssh -G`.
        yield Line("canonicalizePermittedcnames", " ".join(words), self._source(keyword))

    def if_set(self, keyword: str) -> Iterator[Line]:
        word = self._settings.word(keyword)
        if word is not None:
            yield Line(keyword.lower(), word, self._source(keyword))

    def algorithms(self, *kinds: Kind) -> Iterator[Line]:
        for kind in kinds:
            names: tuple[str, ...] = getattr(self._options.algorithms, kind)
            yield Line(KEYWORD[kind].lower(), ",".join(names), self._source(KEYWORD[kind]))

    def identity_agent(self) -> Iterator[Line]:
        word = self._settings.word("IdentityAgent")
        if word is None:
            return
        is_path = word.lower() != "none" and word != "SSH_AUTH_SOCK" and not word.startswith("$")
        value = self._options.login.identity_agent if is_path else word
        yield Line("identityagent", value or "none", self._source("IdentityAgent"))

    def each(self, keyword: str, default: tuple[str, ...]) -> Iterator[Line]:
        values = self._settings.values.get(keyword.lower(), [])
        seen: set[tuple[str, bool]] = set()
        for value in values:
            # As ssh does: one file named by `-i` and by the configuration stands there twice.
            name = (value.words[0], "(-i " in value.source.file)
            if name not in seen:
                seen.add(name)
                yield Line(keyword.lower(), value.words[0], str(value.source))
        if not values:
            yield from (Line(keyword.lower(), word, "default") for word in default)

    def each_word(self, keyword: str) -> Iterator[Line]:
        for value in self._settings.values.get(keyword.lower(), []):
            for word in value.words:
                yield Line(keyword.lower(), word, str(value.source))

    def known_hosts(self, keyword: str, files: tuple[str, ...]) -> Iterator[Line]:
        yield Line(keyword.lower(), " ".join(files) or "none", self._source(keyword))

    def rekey_limit(self) -> Iterator[Line]:
        value = self._settings.first("RekeyLimit")
        size, seconds = read_rekey_limit(value) if value else (0, 0.0)
        yield Line("rekeylimit", f"{size} {seconds:.0f}", self._source("RekeyLimit"))

    def proxy(self) -> Iterator[Line]:
        jump = self._options.network.proxy_jump
        if jump is not None:
            yield Line("proxyjump", _spell_jump(jump), self._source("ProxyJump"))
            return
        command = self._settings.word("ProxyCommand")
        if command is not None and command.lower() != "none":
            yield Line("proxycommand", command, self._source("ProxyCommand"))


def _spell_jump(jump: Jump) -> str:
    is_numeric = ":" in jump.host or not jump.host.strip("1234567890.")
    host = f"[{jump.host}]" if is_numeric else jump.host
    before = f"{jump.before}," if jump.before else ""
    user = f"{jump.user}@" if jump.user else ""
    return f"{before}{user}{host}{f':{jump.port}' if jump.port else ''}"
