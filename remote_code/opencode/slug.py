"""Names the local folder in which the sessions of one target are kept. The only place that holds the rule. Pure."""

import hashlib
import posixpath
import re

_LENGTH_MAX = 80
_DIGEST_LENGTH = 8


def session_folder(host: str, workdir: str | None) -> str:
    """Return the folder's name, `<host>_<remote_dir_slug>`, without any connection.

    `host` is as typed (an alias stays an alias); `workdir` is the text of REMOTE_WORKDIR, None or empty when unset. Two
    targets never share a name: where a text cannot be told from its slug alone, a digest of the text follows.
    """
    return f"{_slug(host)}_{directory_slug(workdir)}"


def directory_slug(workdir: str | None) -> str:
    """Return `home` when unset, `srv-app` for `/srv/app`, and for other texts a slug with a digest behind it."""
    if not workdir or workdir.rstrip("/") == "~":
        return "home"
    path = posixpath.normpath(workdir)
    path = "/" + path.lstrip("/") if path.startswith("/") else path
    if path == "/":
        return "root"
    is_plain = re.fullmatch(r"(?:/[a-z0-9._]+)+", path) is not None
    slug = _cleaned(path)
    # These three could be mistaken: for the home, for "/", for another path with the same letters.
    if slug in {"home", "root"} or not is_plain or len(slug) > _LENGTH_MAX:
        return f"{slug[:_LENGTH_MAX]}-{_digest(path)}"
    return slug


def _slug(text: str) -> str:
    slug = _cleaned(text)
    if slug == text and len(slug) <= _LENGTH_MAX:
        return slug
    return f"{slug[:_LENGTH_MAX]}-{_digest(text)}"


def _cleaned(text: str) -> str:
    """Return letters, digits, dots and dashes of a text, anything else as one dash."""
    cleaned = re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")
    return cleaned or "x"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST_LENGTH]
