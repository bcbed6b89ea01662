"""What calls take, as OpenAPI says it: parameters and bodies."""

from __future__ import annotations

import re

from app.api.fields import schema_of
from app.api.reference.links import within_site
from app.api.routes import MAX_ID_DIGITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.api.fields import Fields
    from app.api.reference.chapters import FieldRow, Reference
    from app.api.reference.operation import Operation
    from app.config import Settings

    Schema = dict[str, Any]

IN_PATH: dict[str, Schema] = {
    "id": {"type": "integer", "minimum": 1, "maximum": 10**MAX_ID_DIGITS - 1},
    "name": {"type": "string", "minLength": 1},
    "worker": {"type": "string", "minLength": 1, "maxLength": 255},
}


class Requests:
    """Describes what one call takes."""

    def __init__(
        self, reference: Reference, settings: Settings, call: str, operation: Operation
    ) -> None:
        self._reference = reference
        self._settings = settings
        self._call = call
        self._operation = operation

    def parameters(self) -> list[Schema]:
        """Those in the path, in the query and in headers."""
        in_path = [
            {"name": name, "in": "path", "required": True, "schema": IN_PATH[name]}
            for name in re.findall(r"{(\w+)}", self._call)
        ]
        return [*in_path, *self._in_query(), *self._operation.headers]

    def body(self) -> Schema | None:
        """None for a call without fields in a body."""
        known = [each for each in self._operation.bodies if each.readers]
        if not known:
            return None
        bodies = [self._object(each, self._operation.nested) for each in known]
        content: Schema = {"schema": bodies[0] if len(bodies) == 1 else {"anyOf": bodies}}
        examples = self._reference.places[self._call][1].requests()
        if examples:
            content["examples"] = {
                f"example-{number}": {"value": value} for number, value in enumerate(examples, 1)
            }
        is_required = all(each.required for each in known)
        return {"required": is_required, "content": {"application/json": content}}

    def _in_query(self) -> list[Schema]:
        query = self._operation.query
        if query is None:
            return []
        rows = self._reference.rows(self._call, query)
        return [
            {
                "name": name,
                "in": "query",
                "required": name in query.required,
                "description": _meaning(rows[name]),
                "schema": schema_of(reader, self._settings),
            }
            for name, reader in query.readers.items()
        ]

    def _object(self, fields: Fields, nested: Mapping[str, Fields]) -> Schema:
        """``nested`` are the fields of the objects inside of this one."""
        rows = self._reference.rows(self._call, fields)
        properties = {}
        for name, reader in fields.readers.items():
            schema = schema_of(reader, self._settings)
            if name in nested:
                inner = self._object(nested[name], {})
                schema = {**schema, "items": inner} if schema["type"] == "array" else inner
            if name not in fields.required:
                schema = _or_null(schema)
            properties[name] = {**schema, "description": _meaning(rows[name])}
        found: Schema = {"type": "object", "properties": properties}
        if fields.required:
            found["required"] = list(fields.required)
        return found


def _or_null(schema: Schema) -> Schema:
    """Null is the same as not given."""
    found = dict(schema)
    if "enum" in found:
        found["enum"] = [*found["enum"], None]
    if "type" in found:
        types = [found["type"]] if isinstance(found["type"], str) else found["type"]
        found["type"] = list(dict.fromkeys([*types, "null"]))
    if "anyOf" in found:
        found["anyOf"] = [*found["anyOf"], {"type": "null"}]
    return found


def _meaning(row: FieldRow) -> str:
    default = "" if row.default in ("required", "none") else f"Default: {row.default}"
    return within_site(". ".join(part for part in (row.meaning, default) if part), "docs")
