"""How a line of ssh_config(5) is split into its keyword and arguments. Pure. Source: OpenSSH's misc.c."""

BLANKS = " \t\r\n"


def split_keyword(line: str) -> tuple[str, str]:
    """Split a line into keyword and the rest; blanks and one `=` separate them (misc.c, strdelim)."""
    line = line.lstrip(BLANKS)
    end = 0
    while end < len(line) and line[end] not in BLANKS + '="':
        end += 1
    name, rest = line[:end], line[end:]
    if rest.startswith('"'):
        return name, rest
    rest = rest.lstrip(BLANKS)
    if rest.startswith("="):
        rest = rest[1:].lstrip(BLANKS)
    return name, rest


def split_arguments(text: str) -> list[str] | None:
    """Split the arguments of a keyword (misc.c, argv_split); None when a quote is not closed.

    Blanks separate, `#` at the start of a word ends the line, `'` and `"` quote, a backslash takes the meaning from a
    quote, from itself, and outside of quotes from a blank.
    """
    words: list[str] = []
    place = 0
    while place < len(text):
        if text[place] in " \t":
            place += 1
            continue
        if text[place] == "#":
            break
        word, place = _take_word(text, place)
        if word is None:
            return None
        words.append(word)
    return words


def _take_word(text: str, place: int) -> tuple[str | None, int]:
    word = ""
    quote = ""
    while place < len(text):
        char = text[place]
        following = text[place + 1 : place + 2]
        if char == "\\" and (following in ("'", '"', "\\") or (not quote and following == " ")) and following:
            word += following
            place += 1
        elif not quote and char in " \t":
            return word, place
        elif not quote and char in "'\"":
            quote = char
        elif quote and char == quote:
            quote = ""
        else:
            word += char
        place += 1
    return (None if quote else word), place
