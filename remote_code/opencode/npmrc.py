"""The line in npm's settings that keeps OpenCode from waiting for a registry that cannot be reached.

Before it loads any plugin OpenCode installs a package of its own into each of its configuration folders. With npm's
usual retries that takes more than a minute at every start without network; without them it is tried once, and again
at the next start. Our plugin does not need the package.
"""

_LINES = (
    "; Put here by `remote-code install`: without network OpenCode starts at once, and tries again the next time.\n"
    "fetch-retries=0\n"
)


def with_bound(text: str | None) -> str:
    """Return the text of an .npmrc with our lines; one that says how often to retry is left as it is."""
    text = text or ""
    names = {line.partition("=")[0].strip() for line in text.splitlines()}
    return text if "fetch-retries" in names else _LINES + text


def without_bound(text: str | None) -> str | None:
    """Return the text without our lines; None where nothing else was in it."""
    if text is None or _LINES not in text:
        return text
    return text.replace(_LINES, "", 1) or None
