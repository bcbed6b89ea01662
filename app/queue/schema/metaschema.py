"""The schema of schemas: draft 2020-12's meta-schema with its vocabularies, in one piece.

The official one is eight documents that refer to each other. This says the same, and a test holds
it to that.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = {"$ref": "#"}
SCHEMAS = {"type": "array", "minItems": 1, "items": SCHEMA}
MAP_OF_SCHEMAS = {"type": "object", "additionalProperties": SCHEMA}
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT, "uniqueItems": True}
NUMBER = {"type": "number"}
COUNT = {"type": "integer", "minimum": 0}
SWITCH = {"type": "boolean"}
ANCHOR = {"type": "string", "pattern": "^[A-Za-z_][-A-Za-z0-9._]*$"}
TYPE = {"enum": ["array", "boolean", "integer", "null", "number", "object", "string"]}

METASCHEMA: dict[str, Any] = {
    "type": ["object", "boolean"],
    "properties": {
        # core
        "$id": {"type": "string", "pattern": "^[^#]*#?$"},
        "$schema": TEXT,
        "$ref": TEXT,
        "$anchor": ANCHOR,
        "$dynamicRef": TEXT,
        "$dynamicAnchor": ANCHOR,
        "$vocabulary": {"type": "object", "additionalProperties": SWITCH},
        "$comment": TEXT,
        "$defs": MAP_OF_SCHEMAS,
        # applicator
        "prefixItems": SCHEMAS,
        "items": SCHEMA,
        "contains": SCHEMA,
        "additionalProperties": SCHEMA,
        "properties": MAP_OF_SCHEMAS,
        "patternProperties": MAP_OF_SCHEMAS,
        "dependentSchemas": MAP_OF_SCHEMAS,
        "propertyNames": SCHEMA,
        "if": SCHEMA,
        "then": SCHEMA,
        "else": SCHEMA,
        "allOf": SCHEMAS,
        "anyOf": SCHEMAS,
        "oneOf": SCHEMAS,
        "not": SCHEMA,
        # unevaluated
        "unevaluatedItems": SCHEMA,
        "unevaluatedProperties": SCHEMA,
        # validation
        "type": {"anyOf": [TYPE, {**TEXTS, "items": TYPE, "minItems": 1}]},
        "enum": {"type": "array"},
        "multipleOf": {"type": "number", "exclusiveMinimum": 0},
        "maximum": NUMBER,
        "exclusiveMaximum": NUMBER,
        "minimum": NUMBER,
        "exclusiveMinimum": NUMBER,
        "maxLength": COUNT,
        "minLength": COUNT,
        "pattern": TEXT,
        "maxItems": COUNT,
        "minItems": COUNT,
        "uniqueItems": SWITCH,
        "maxContains": COUNT,
        "minContains": COUNT,
        "maxProperties": COUNT,
        "minProperties": COUNT,
        "required": TEXTS,
        "dependentRequired": {"type": "object", "additionalProperties": TEXTS},
        # meta-data
        "title": TEXT,
        "description": TEXT,
        "deprecated": SWITCH,
        "readOnly": SWITCH,
        "writeOnly": SWITCH,
        "examples": {"type": "array"},
        # format annotation, content
        "format": TEXT,
        "contentEncoding": TEXT,
        "contentMediaType": TEXT,
        "contentSchema": SCHEMA,
        # kept for old schemas
        "definitions": MAP_OF_SCHEMAS,
        "dependencies": {"type": "object", "additionalProperties": {"anyOf": [SCHEMA, TEXTS]}},
        "$recursiveAnchor": ANCHOR,
        "$recursiveRef": TEXT,
    },
}
