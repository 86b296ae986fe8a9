"""The base of the tools' argument models: strict types, JSON Schema as OpenCode sends it, errors a model can act on."""

import difflib
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from remote_code.errors import InvalidArguments

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that JSON numbers of JavaScript hold exactly."""

PATTERN_MAX_BYTES = 30_000
"""The longest pattern of a search: with the quoting of its quotes it is one argument of a program on any remote."""

SHOWN_CHARACTERS = 60
"""How much of a wrong value an error quotes."""


def _check_text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "expected string")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as exc:
        raise PydanticCustomError("half_character", _HALF_CHARACTER, {"position": exc.start}) from exc
    return value


_HALF_CHARACTER = "expected whole characters (at position {position} there is half of a surrogate pair)"

Text = Annotated[str, PlainValidator(_check_text), WithJsonSchema({"type": "string"})]
"""A string that may hold lone surrogates: they stand for bytes of remote names that are not UTF-8."""


def _check_pattern(value: object) -> str:
    text = _check_text(value)
    n_bytes = len(text.encode("utf-8", "surrogateescape"))
    if n_bytes > PATTERN_MAX_BYTES:
        raise PydanticCustomError(
            "pattern_too_long", "expected {most} bytes at most", {"most": PATTERN_MAX_BYTES, "n_bytes": n_bytes}
        )
    return text


Pattern = Annotated[str, PlainValidator(_check_pattern), WithJsonSchema({"type": "string"})]
"""A glob or a regular expression."""

Count = Annotated[int, Field(strict=True, ge=0, le=MAX_SAFE_INTEGER)]
"""An integer from 0."""

Positive = Annotated[int, Field(strict=True, gt=0, le=MAX_SAFE_INTEGER)]
"""An integer from 1."""


class ToolArguments(BaseModel):
    """Arguments of one tool. Fields that the tool does not know are ignored, as OpenCode ignores them.

    Models often send `null` for an optional field; it counts as absent, though the schema does not offer it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


Arguments = TypeVar("Arguments", bound=ToolArguments)


def json_schema(model: type[ToolArguments]) -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a model, without titles, defaults and `null` alternatives."""
    schema = model.model_json_schema(by_alias=True)
    properties = {name: _plain(value) for name, value in schema["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": list(schema.get("required", [])),
    }


def _plain(field: Mapping[str, object]) -> dict[str, object]:
    """Return the schema of one field with its one real alternative in front."""
    alternatives = field.get("anyOf")
    plain: dict[str, object] = {}
    if isinstance(alternatives, list):
        for alternative in alternatives:
            if alternative != {"type": "null"}:
                plain.update(alternative)
    plain.update({key: value for key, value in field.items() if key not in {"anyOf", "title", "default"}})
    return plain


def validate_arguments(tool: str, model: type[Arguments], raw: Mapping[str, object]) -> Arguments:
    """Return the validated arguments of a call.

    Raises:
        InvalidArguments: with one line for each field that is missing or wrong, and what was likely meant.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=True)
    known = [field.alias or name for name, field in model.model_fields.items()]
    problems = [_describe(error, raw, known) for error in errors]
    lines = "\n".join(f"  {problem}" for problem in problems)
    raise InvalidArguments(
        f"The {tool} tool was called with invalid arguments:\n{lines}\n"
        f"Its parameters are {', '.join(known)}. Please rewrite the input so it satisfies the expected schema.",
        tool=tool,
        problems=problems,
    )


def _describe(error: ErrorDetails, raw: Mapping[str, object], known: list[str]) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        unknown = [key for key in raw if key not in known]
        close = difflib.get_close_matches(_folded(name), [_folded(key) for key in unknown], n=1, cutoff=0.6)
        meant = [key for key in unknown if [_folded(key)] == close]
        hint = f' ("{meant[0][:SHOWN_CHARACTERS]}" is not a parameter; did you mean "{name}"?)' if meant else ""
        return f"{name}: missing{hint}"
    limits = error.get("ctx", {})
    wanted = {
        "string_type": "expected string",
        "int_type": "expected integer",
        "int_from_float": "expected integer",
        "bool_type": "expected true or false",
        "greater_than": f"expected integer greater than {limits.get('gt')}",
        "greater_than_equal": f"expected integer of at least {limits.get('ge')}",
        "less_than_equal": f"expected integer of at most {limits.get('le')}",
    }.get(error["type"], error["msg"])
    return f"{name}: {wanted}, got {_shown(error['input'])}"


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _shown(value: object) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", dict: "object", list: "array"}
    if value is None:
        return "null"
    kind = kinds.get(type(value), type(value).__name__)
    if isinstance(value, dict | list):
        return kind
    text = str(value).lower() if isinstance(value, bool) else str(value)
    short = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return f'{kind} "{short}"' if isinstance(value, str) else f"{kind} {short}"
