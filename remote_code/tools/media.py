"""Which files are shown to the model as pictures or documents instead of text. Pure."""

import base64
import mimetypes

from remote_code.tools.context import JSONObject

ATTACHED = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"})

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", "application/pdf"),
)


def mime_of(name: str, head: bytes | None) -> str:
    """Return the MIME type of a file by its first bytes, else by its extension. `head` is None while unknown."""
    if head is not None:
        for magic, mime in _MAGIC:
            if head.startswith(magic):
                return mime
        if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
            return "image/webp"
    if name.lower().endswith(".webp"):
        return "image/webp"
    return mimetypes.guess_type(name, strict=True)[0] or "application/octet-stream"


def attachment(mime: str, contents: bytes) -> JSONObject:
    """Return a file as the client attaches it to the result."""
    return {"type": "file", "mime": mime, "url": f"data:{mime};base64,{base64.b64encode(contents).decode('ascii')}"}
