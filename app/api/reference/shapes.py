"""The fields of a response in words, a row each, from its JSON Schema."""

from __future__ import annotations

from app.api.reference import schemas, spooled_schemas

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Schema = dict[str, Any]

COMPONENTS = {**schemas.COMPONENTS, **spooled_schemas.SCHEMAS}
NAMED = "#/components/schemas/"


def fields_of(schema: Schema) -> dict[str, str]:
    """The type of each field by its path, such as ``data.tasks[].id``. Where a response has one of
    several forms, those of all.
    """
    found: dict[str, str] = {}
    for path, said in _fields(schema, ""):
        found[path] = said if found.get(path, "any JSON") == "any JSON" else found[path]
    return found


def _fields(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    name = schema.get("$ref", "").removeprefix(NAMED)
    if name:
        yield from _fields(COMPONENTS[name], path)
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
        yield from _fields(part, path)
    if "items" in schema:
        yield from _fields(schema["items"], f"{path}[]")
    for field, value in schema.get("properties", {}).items():
        inner = f"{path}.{field}" if path else field
        yield inner, type_of(value)
        yield from _fields(value, inner)


def type_of(schema: Schema) -> str:
    """Such as ``string or null``."""
    if "$ref" in schema or "allOf" in schema:
        return "object"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_of(each) for each in schema["anyOf"]))
    if "const" in schema:
        return str(schema["const"]).lower()
    if "enum" in schema and len(schema["enum"]) < 10:
        return " or ".join("null" if each is None else str(each).lower() for each in schema["enum"])
    types = schema.get("type", "any JSON")
    words = [types] if isinstance(types, str) else types
    return " or ".join("time" if _is_time(schema, each) else each for each in words)


def _is_time(schema: Schema, word: str) -> bool:
    return word == "string" and schema.get("format") == "date-time"
