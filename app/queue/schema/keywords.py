"""The keywords that demand something, and how each is made ready for a schema.

``KEYWORDS[word](node, argument)`` is the keyword's function and what that needs, or None where the
keyword demands nothing. The function says whether a value matches, and tells what is wrong.
"""

from __future__ import annotations

from app.queue.schema import arrays, combined, objects, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from app.queue.schema.document import Node


def _with_argument(function: Any) -> Callable[[Node, Any], Any]:
    return lambda node, argument: (function, argument)


def _with_parts(word: str, function: Any) -> Callable[[Node, Any], Any]:
    return lambda node, argument: (function, node.parts[word])


def _around_parts(word: str, function: Any) -> Callable[[Node, Any], Any]:
    return lambda node, argument: (function, (node, node.parts[word]))


def _make_additional(node: Node, argument: Any) -> Any:
    patterns = [node.document.pattern(each) for each in node.parts.get("patternProperties", ())]
    return objects.additional_properties, (
        node.parts["additionalProperties"],
        node.parts.get("properties", {}),
        patterns,
    )


def _make_contains(node: Node, argument: Any) -> Any:
    schema = node.schema
    return arrays.contains, (
        node.parts["contains"],
        schema.get("minContains", 1),
        schema.get("maxContains"),
    )


KEYWORDS: dict[str, Callable[[Node, Any], Any]] = {
    "$dynamicRef": lambda node, argument: (combined.ref, (node, argument)),
    "$ref": lambda node, argument: (combined.ref, (node, argument)),
    "additionalProperties": _make_additional,
    "allOf": _with_parts("allOf", combined.all_of),
    "anyOf": _with_parts("anyOf", combined.any_of),
    "const": _with_argument(values.const),
    "contains": _make_contains,
    "dependentRequired": _with_argument(objects.dependent_required),
    "dependentSchemas": _with_parts("dependentSchemas", objects.dependent_schemas),
    "enum": lambda node, argument: (values.enum, values.Enum(argument)),
    "exclusiveMaximum": _with_argument(values.exclusive_maximum),
    "exclusiveMinimum": _with_argument(values.exclusive_minimum),
    "if": lambda node, argument: (
        combined.if_,
        (node.parts["if"], node.parts.get("then"), node.parts.get("else")),
    ),
    "items": lambda node, argument: (
        arrays.items,
        (node.parts["items"], len(node.parts.get("prefixItems", ()))),
    ),
    "maxItems": _with_argument(arrays.max_items),
    "maxLength": _with_argument(values.max_length),
    "maxProperties": _with_argument(objects.max_properties),
    "maximum": _with_argument(values.maximum),
    "minItems": _with_argument(arrays.min_items),
    "minLength": _with_argument(values.min_length),
    "minProperties": _with_argument(objects.min_properties),
    "minimum": _with_argument(values.minimum),
    "multipleOf": _with_argument(values.multiple_of),
    "not": _with_parts("not", combined.not_),
    "oneOf": _with_parts("oneOf", combined.one_of),
    "pattern": lambda node, argument: (values.pattern, node.document.pattern(argument)),
    "patternProperties": lambda node, argument: (
        objects.pattern_properties,
        [
            (node.document.pattern(each), part)
            for each, part in node.parts["patternProperties"].items()
        ],
    ),
    "prefixItems": _with_parts("prefixItems", arrays.prefix_items),
    "properties": _with_parts("properties", objects.properties),
    "propertyNames": _with_parts("propertyNames", objects.property_names),
    "required": _with_argument(objects.required),
    "type": values.make_type,
    "unevaluatedItems": _around_parts("unevaluatedItems", arrays.unevaluated_items),
    "unevaluatedProperties": _around_parts("unevaluatedProperties", objects.unevaluated_properties),
    "uniqueItems": lambda node, argument: (arrays.unique_items, None) if argument else None,
}
