"""The errors of the matcher, so that the compiled kernel and its twin say the same; the texts are OpenCode's."""

from remote_code.errors import EditAmbiguous, EditNotFound, EditTooLarge, NoChange, OldStringEmpty


def no_change() -> NoChange:
    """Return the error for equal old and new texts."""
    return NoChange("No changes to apply: oldString and newString are identical.")


def empty_old_string() -> OldStringEmpty:
    """Return the error for an empty old text."""
    return OldStringEmpty(
        "oldString cannot be empty when editing an existing file. Provide the exact text to replace, or use write "
        "for an intentional full-file replacement."
    )


def not_found() -> EditNotFound:
    """Return the error for a text that no replacer finds."""
    return EditNotFound(
        "Could not find oldString in the file. It must match exactly, including whitespace, indentation, and line "
        "endings."
    )


def not_unique() -> EditAmbiguous:
    """Return the error for a text that is there several times."""
    return EditAmbiguous(
        "Found multiple matches for oldString. Provide more surrounding context to make the match unique."
    )


def too_large() -> EditTooLarge:
    """Return the error for a match that is out of proportion."""
    return EditTooLarge(
        "Refusing replacement because the matched span is much larger than oldString. Re-read the file and provide "
        "the full exact oldString for the intended replacement."
    )
