"""The seven tools by name: their schemas for clients, validation of arguments, and results kept within the limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from remote_code.errors import RemoteCodeError, UnknownTool
from remote_code.tools import apply_patch, bash, edit, glob, grep, read, write
from remote_code.tools.arguments import ToolArguments, json_schema, validate_arguments
from remote_code.tools.context import Context, JSONObject, ToolResult
from remote_code.tools.output import clamp


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as clients and the engine know it."""

    name: str
    description: str
    arguments: type[ToolArguments]
    # Each function takes its own model; `validate` is the only maker of what `run` is given.
    function: Callable[[Any, Context], ToolResult]

    def run(self, arguments: ToolArguments, context: Context) -> ToolResult:
        """Run the tool; the text of the result, or of the error, is within `context.limits`.

        Raises:
            RemoteCodeError: whatever the tool has to say.
        """
        try:
            result = self.function(arguments, context)
        except RemoteCodeError as exc:
            exc.message = clamp(exc.message, context.limits)
            raise
        return replace(result, output=clamp(result.output, context.limits))


_MODULES = (bash, edit, glob, grep, read, write, apply_patch)

TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        name: Tool(name, module.DESCRIPTION, module.Arguments, module.run)
        for module in _MODULES
        for name in [module.__name__.rpartition(".")[2]]
    }
)
"""All tools, by name."""


def find(name: str) -> Tool:
    """Return the tool of this name.

    Raises:
        UnknownTool: there is none.
    """
    if name not in TOOLS:
        known = ", ".join(TOOLS)
        raise UnknownTool(f'there is no tool "{name[:60]}"; the tools are {known}', name=name[:60], known=list(TOOLS))
    return TOOLS[name]


def validate(tool: Tool, arguments: Mapping[str, object]) -> ToolArguments:
    """Return the arguments of a call as the tool's model.

    Raises:
        InvalidArguments: with what is wrong with each field, so that a model can correct itself.
    """
    return validate_arguments(tool.name, tool.arguments, arguments)


def schemas() -> list[JSONObject]:
    """Return what clients are told of the tools: name, description, JSON Schema of the arguments."""
    return [
        {"name": tool.name, "description": tool.description, "inputSchema": json_schema(tool.arguments)}
        for tool in TOOLS.values()
    ]
