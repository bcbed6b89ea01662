"""What other keywords have evaluated: ``unevaluatedItems`` and ``unevaluatedProperties`` leave it.

A schema that fails makes everything around it fail, unless an ``anyOf`` or the like asks. So only
those have to be looked at again here, and elsewhere a keyword for "all others" has evaluated all.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from app.queue.schema.check import Check
    from app.queue.schema.document import Node
    from app.queue.schema.wording import At


def evaluated_items(
    check: Check, node: Node, value: list[Any], at: At, own: bool = True
) -> set[int]:
    """The positions that the keywords of ``node`` evaluate. Its ``unevaluatedItems`` evaluates the
    rest, and is left out where it is the one that asks (``own`` false).
    """
    check.descend("unevaluatedItems", at)
    node.prepare(check, at)
    parts = node.parts
    if "items" in parts or (own and "unevaluatedItems" in parts):
        found = set(range(len(value)))
    else:
        found = set(range(len(parts.get("prefixItems", ()))))
        if "contains" in parts:
            contains = parts["contains"]
            found |= {
                index
                for index, each in enumerate(value)
                if contains.holds(check, each, "contains", (at, index))
            }
        for other in _applied(check, node, value, at):
            found |= evaluated_items(check, other, value, at)
    check.spend(len(found) // 10, "unevaluatedItems", at)
    check.ascend()
    return found


def evaluated_names(
    check: Check, node: Node, value: dict[str, Any], at: At, own: bool = True
) -> set[str]:
    """The same for the properties of an object."""
    check.descend("unevaluatedProperties", at)
    node.prepare(check, at)
    parts = node.parts
    if "additionalProperties" in parts or (own and "unevaluatedProperties" in parts):
        found = set(value)
    else:
        found = parts.get("properties", {}).keys() & value.keys()
        for source in parts.get("patternProperties", ()):
            pattern = node.document.pattern(source)
            found |= {
                name for name in value if pattern.found_in(check, name, "patternProperties", at)
            }
        for name, other in parts.get("dependentSchemas", {}).items():
            if name in value:
                found |= evaluated_names(check, other, value, at)
        for other in _applied(check, node, value, at):
            found |= evaluated_names(check, other, value, at)
    check.spend(len(value) // 10, "unevaluatedProperties", at)
    check.ascend()
    return found


def _applied(check: Check, node: Node, value: Any, at: At) -> Iterator[Node]:
    """The schemas of this one that apply to the same value."""
    parts = node.parts
    if isinstance(node.schema, dict):
        for word in ("$ref", "$dynamicRef"):
            if word in node.schema:
                yield node.document.target(node.schema[word], at)
    yield from parts.get("allOf", ())
    for word in ("anyOf", "oneOf"):
        for other in parts.get(word, ()):
            if other.holds(check, value, word, at):
                yield other
    if "if" in parts:
        if parts["if"].holds(check, value, "if", at):
            yield parts["if"]
            branch = parts.get("then")
        else:
            branch = parts.get("else")
        if branch is not None:
            yield branch
