"""Files and texts to find that the matcher is measured on, always the same ones."""

import random
from dataclasses import dataclass

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class Case:
    """One search."""

    name: str
    content: str
    old: str
    js_rounds: int = 5
    is_for_twin: bool = True
    """Whether the twin is done in seconds."""


def _line(source: random.Random, size: int) -> str:
    return "".join(source.choices(_LETTERS + "  ()=.", k=size)).strip()


def _source_file(n_lines: int) -> list[str]:
    source = random.Random(1)
    return ["    " * source.randrange(4) + _line(source, source.randrange(10, 80)) for _ in range(n_lines)]


def _changed(source: random.Random, text: str, share: float) -> str:
    return "".join(source.choice("XYZ") if source.random() < share else character for character in text)


def slow_cases() -> list[Case]:
    """What OpenCode is slow at."""
    source = random.Random(2)
    lines = _source_file(10_000)
    inner = [_line(source, 60) for _ in range(10)]
    blocks = [line for _ in range(400) for line in ("begin {", *(_changed(source, text, 0.5) for text in inner), "}")]
    long_line = _line(source, 1500)
    return [
        Case("not-found-10000-lines", "\n".join(lines), "\n".join(_line(source, 40) for _ in range(5)), 3),
        Case("block-anchor-400-candidates", "\n".join(blocks), "\n".join(["begin {", *inner, "}"]), 3),
        Case(
            "inner-lines-of-1500-characters",
            "\n".join(f"begin\n{_changed(source, long_line, 0.4)}\nend" for _ in range(4)),
            f"begin\n{long_line}\nend",
            3,
        ),
    ]


def quick_cases() -> list[Case]:
    """What OpenCode is quick at."""
    lines = _source_file(10_000)
    content = "\n".join(lines)
    return [
        Case("exact-10000-lines", content, "\n".join(lines[5000:5005]), 51),
        Case("trimmed-10000-lines-early", content, "\n".join(line.strip() + " " for line in lines[20:25]), 51),
        Case("trimmed-10000-lines-middle", content, "\n".join(line.strip() + " " for line in lines[5000:5005]), 51),
        Case("trimmed-200-lines", "\n".join(lines[:200]), "\n".join(line.strip() + " " for line in lines[100:105]), 51),
        Case("exact-200-lines", "\n".join(lines[:200]), "\n".join(lines[100:105]), 51),
    ]


def worst_cases() -> list[Case]:
    """Files of one megabyte, texts of up to 64 kB: no one may take more than a second."""
    source = random.Random(3)
    long_line = _line(source, 60_000)
    indents = ["".join(" \t"[number >> bit & 1] for bit in range(14)) for number in range(2**14)]
    half = "\n".join(source.choice(["", "  ", " ", "\t"]) + "x" for _ in range(MEGABYTE // 6))
    anchors = "\n".join("z" if number % 38_400 == 0 else "a" for number in range(1, MEGABYTE // 2))
    return [
        Case("all-blank", "\n" * MEGABYTE, "\n" * 32_000 + " ", is_for_twin=False),
        Case("all-blank-not-found", "\n" * MEGABYTE, "\n" * 32_000 + "x\n", is_for_twin=False),
        Case("one-line", "a " * (MEGABYTE // 2), "a  " * 20_000 + "b", is_for_twin=False),
        Case("many-equal-lines", "  x\n" * (MEGABYTE // 4), "x\n" * 30_000, is_for_twin=False),
        Case("many-equal-lines-indented-at-random", f"{half}\n{half}", "x\n" * 16_000 + "x", is_for_twin=False),
        Case("many-anchors", anchors, "a\n" + "b\n" * 30_000 + "z", is_for_twin=False),
        Case(
            "many-indents",
            "\n".join(f"{before}{indent}x" for before in ("", " ", " ") for indent in indents),
            "x  ",
            is_for_twin=False,
        ),
        Case(
            "long-lines",
            "\n".join(f"a\n{_changed(source, long_line, 0.36)}\nz" for _ in range(16)),
            f"a\n{long_line}\nz",
            is_for_twin=False,
        ),
        Case("backslashes", "\\\n" * (MEGABYTE // 2), "\\\n" * 20_000 + "\\n", is_for_twin=False),
    ]
