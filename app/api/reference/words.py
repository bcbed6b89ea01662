"""The type of a field in words, from the JSON Schema of what its reader takes."""

from __future__ import annotations

from app.api.fields import MAX_ID, MAX_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Schema = dict[str, Any]


def type_in_words(schema: Schema) -> str:
    """Such as ``string, 1 to 255 characters``. Raises KeyError for a schema that needs a title."""
    if "title" in schema:
        title: str = schema["title"]
        return title
    if "enum" in schema:
        return f"one of {', '.join(f'`{each}`' for each in schema['enum'])}"
    return _BY_TYPE[schema["type"]](schema)


def _string(schema: Schema) -> str:
    if "maxLength" not in schema:
        return "text"
    return f"string, {schema['minLength']:,} to {schema['maxLength']:,} characters"


def _integer(schema: Schema) -> str:
    low, high = schema["minimum"], schema["maximum"]
    return f"integer, {low:,} or higher" if high == MAX_ID else f"integer, {low:,} to {high:,}"


def _number(schema: Schema) -> str:
    low, high = schema["minimum"], schema["maximum"]
    if high == MAX_SECONDS:
        return f"seconds, {low:,.10g} or more"
    return f"number, {low:,.10g} to {high:,.10g}"


def _array(schema: Schema) -> str:
    most, items = schema["maxItems"], schema["items"]
    if items.get("type") == "integer":
        return f"list, at most {most:,} integers"
    if items.get("type") == "string":
        shortest, longest = items["minLength"], items["maxLength"]
        return f"list, at most {most:,} strings of {shortest:,} to {longest:,} characters"
    return f"list, at most {most:,} objects"


_BY_TYPE: dict[str, Callable[[Schema], str]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "array": _array,
    "boolean": lambda schema: "boolean",
    "object": lambda schema: "object",
}
