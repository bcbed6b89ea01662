"""Where schemas are inside a schema, and where references lead."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from app.queue.schema.wording import At

# The keywords of draft 2020-12 (and the one that it kept for old schemas) that hold schemas.
IN_ITSELF = {
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
}
IN_A_LIST = {"allOf", "anyOf", "oneOf", "prefixItems"}
IN_A_MAP = {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}


def schemas_in(schema: Any) -> Iterator[tuple[At, Any]]:
    """Each schema inside a schema, itself first, and where it is.

    What stands in ``const``, ``enum``, ``default`` and ``examples`` is data and no schema. Takes
    any JSON: what is in no shape to hold schemas holds none.
    """
    waiting: list[Iterator[tuple[At, Any]]] = [iter([((), schema)])]
    while waiting:
        for at, part in waiting[-1]:
            yield at, part
            if isinstance(part, dict):
                waiting.append(_inside(at, part))
                break
        else:
            waiting.pop()


def _inside(at: At, part: dict[str, Any]) -> Iterator[tuple[At, Any]]:
    for word, value in part.items():
        if word in IN_ITSELF:
            yield (at, word), value
        elif word in IN_A_LIST and isinstance(value, list):
            for index, each in enumerate(value):
                yield ((at, word), index), each
        elif word in IN_A_MAP and isinstance(value, dict):
            for name, each in value.items():
                yield ((at, word), name), each


def anchors_in(schema: Any) -> dict[str, Any]:
    """The schemas that have a name, by name."""
    return {
        part[word]: part
        for _, part in schemas_in(schema)
        if isinstance(part, dict)
        for word in ("$anchor", "$dynamicAnchor")
        if word in part
    }


def resolve(root: Any, reference: str, anchors: dict[str, Any]) -> tuple[Any] | None:
    """The schema that ``#``, ``#/pointer`` or ``#anchor`` leads to, in a tuple; None for none."""
    if "%" in reference:
        from urllib.parse import unquote

        reference = unquote(reference)
    if reference in ("", "#") or not reference.startswith("#"):
        return (root,) if reference == "#" else None
    if reference.startswith("#/"):
        steps = [step.replace("~1", "/").replace("~0", "~") for step in reference[2:].split("/")]
        return _follow(root, steps)
    name = reference[1:]
    return (anchors[name],) if name in anchors else None


def _follow(schema: Any, steps: list[str]) -> tuple[Any] | None:
    position = 0
    while position < len(steps):
        if not isinstance(schema, dict) or steps[position] not in schema:
            return None
        word, holder = steps[position], schema[steps[position]]
        position += 1
        if word in IN_ITSELF:
            schema = holder
            continue
        step = steps[position] if position < len(steps) else None
        position += 1
        if step is None:
            return None
        if word in IN_A_LIST and isinstance(holder, list):
            if not (step.isascii() and step.isdigit() and len(step) < 9):
                return None
            if str(int(step)) != step or int(step) >= len(holder):
                return None
            schema = holder[int(step)]
        elif word in IN_A_MAP and isinstance(holder, dict) and step in holder:
            schema = holder[step]
        else:
            return None
    return (schema,)
