"""Host and user patterns as OpenSSH matches them (match.c): `*`, `?`, lists with negation."""


def matches(text: str, pattern: str) -> bool:
    """Tell whether the whole `text` fits `pattern`; `*` is any run of characters, `?` exactly one.

    Time O(len(text) * len(pattern)): only the last star is ever tried again, which loses no match.
    """
    place = pattern_place = 0
    star, star_place = -1, 0
    while place < len(text):
        if pattern_place < len(pattern) and pattern[pattern_place] == "*":
            star, star_place = pattern_place, place
            pattern_place += 1
        elif pattern_place < len(pattern) and pattern[pattern_place] in ("?", text[place]):
            place += 1
            pattern_place += 1
        elif star >= 0:
            star_place += 1
            place, pattern_place = star_place, star + 1
        else:
            return False
    return not pattern[pattern_place:].strip("*")


def matches_list(text: str, patterns: str, *, ignore_case: bool = False) -> bool:
    """Tell whether `text` fits one of the comma-separated `patterns` and none of the negated ones."""
    return match_list(text, patterns.split(","), ignore_case=ignore_case) is True


def match_list(text: str, patterns: list[str], *, ignore_case: bool = False) -> bool | None:
    """Return True for a match, False when a negated pattern matches, None when none does."""
    if ignore_case:
        text = text.lower()
        patterns = [pattern.lower() for pattern in patterns]
    found: bool | None = None
    for pattern in patterns:
        is_negated = pattern.startswith("!")
        if matches(text, pattern.removeprefix("!")):
            if is_negated:
                return False
            found = True
    return found
