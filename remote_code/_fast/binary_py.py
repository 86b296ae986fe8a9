"""Whether a file is binary, from its name and its first bytes: the twin of `_binary.pyx`."""

from remote_code._fast.bom_py import split_bom

# fmt: off
BINARY_EXTENSIONS = frozenset((
    ".zip", ".tar", ".gz", ".exe", ".dll", ".so", ".class", ".jar", ".war", ".7z", ".doc", ".docx",
    ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".odp", ".bin", ".dat", ".obj", ".o", ".a", ".lib",
    ".wasm", ".pyc", ".pyo",
))
# fmt: on
SAMPLE_BYTES = 4096
"""How much of the file is looked at."""
MAX_CONTROL_SHARE = 0.3

_CONTROL_BYTES = bytes([*range(9), *range(14, 32)])


def has_binary_extension(name: str) -> bool:
    """Tell whether the extension of `name`, a file name or path, is one that is always taken as binary."""
    base = name.rsplit("/", 1)[-1]
    dot = base.rfind(".")
    return dot > 0 and base[dot:].lower() in BINARY_EXTENSIONS


def is_binary(name: str, head: bytes) -> bool:
    """Tell whether a file that starts with `head` is binary: by extension, a NUL, or above 30 % control bytes.

    Only the first `SAMPLE_BYTES` of `head` count. A text that starts with a BOM of UTF-16 or UTF-32 is no binary.
    """
    if has_binary_extension(name):
        return True
    sample = head[:SAMPLE_BYTES]
    bom, _ = split_bom(sample)
    if not sample or len(bom) in (2, 4):
        return False
    if 0 in sample:
        return True
    n_control = len(sample) - len(sample.translate(None, _CONTROL_BYTES))
    return n_control / len(sample) > MAX_CONTROL_SHARE
