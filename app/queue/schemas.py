"""Schemas of task types, when they are registered: draft 2020-12, standing by themselves.

This loads jsonschema, so it is imported only by calls that register a schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from app.queue.errors import Invalid
from app.queue.validation import MAX_VIOLATIONS, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAFT = "https://json-schema.org/draft/2020-12/schema"

# The keywords of draft 2020-12 (and the one that it kept for old schemas) that hold schemas.
HOLDS_A_SCHEMA = {
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
HOLDS_A_LIST = {"allOf", "anyOf", "oneOf", "prefixItems"}
HOLDS_A_MAP = {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}


def check_schema(schema: Any) -> None:
    """Raises Invalid, with every fault found, unless ``schema`` can be used for params."""
    try:
        errors = [
            {"path": path_of("param_schema", error), "message": error.message}
            for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
        ]
    except (RecursionError, SchemaError) as error:
        errors = [{"path": "param_schema", "message": f"cannot be read: {error}"}]
    if errors:
        raise Invalid("param_schema is not a JSON Schema of draft 2020-12", errors[:MAX_VIOLATIONS])
    _check_self_contained(schema, "param_schema")
    _check_patterns(schema, "param_schema")


def _parts(schema: Any, root: str) -> Iterator[tuple[str, str, Any]]:
    """Each schema inside a schema, itself first: its JSON pointer, its path for people, itself.

    What stands in ``const``, ``enum``, ``default`` and ``examples`` is data and no schema.
    """
    waiting = [("", root, schema)]
    while waiting:
        pointer, path, part = waiting.pop()
        yield pointer, path, part
        if isinstance(part, dict):
            waiting += [
                (pointer + "".join(f"/{_escape(step)}" for step in steps), f"{path}.{where}", inner)
                for steps, where, inner in _inside(part)
            ]


def _inside(part: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    for word, value in part.items():
        if word in HOLDS_A_SCHEMA:
            yield (word,), word, value
        elif word in HOLDS_A_LIST and isinstance(value, list):
            for index, each in enumerate(value):
                yield (word, str(index)), f"{word}[{index}]", each
        elif word in HOLDS_A_MAP and isinstance(value, dict):
            for name, each in value.items():
                yield (word, name), f"{word}.{name}", each


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _check_self_contained(schema: Any, root: str) -> None:
    """Every reference leads to a schema inside this one; nothing is fetched."""
    parts = list(_parts(schema, root))
    objects = [(path, part) for _, path, part in parts if isinstance(part, dict)]
    targets = {f"#{pointer}" for pointer, _, _ in parts}
    for _, part in objects:
        targets |= {f"#{part[word]}" for word in ("$anchor", "$dynamicAnchor") if word in part}
    faults = []
    for path, part in objects:
        for word in ("$ref", "$dynamicRef"):
            target = part.get(word)
            if isinstance(target, str) and unquote(target) not in targets:
                message = f"{target!r} leads to no schema inside this one, and others are not read"
                faults.append({"path": f"{path}.{word}", "message": message})
        for word in ("$id", "$schema"):
            if word in part and path != root:
                message = "stands inside the schema: only the whole may have one"
                faults.append({"path": f"{path}.{word}", "message": message})
        draft = part.get("$schema")
        if isinstance(draft, str) and draft.rstrip("#") != DRAFT:
            message = f"{draft!r} is another draft; write for 2020-12 or leave $schema out"
            faults.append({"path": f"{path}.$schema", "message": message})
    if faults:
        raise Invalid("param_schema must stand by itself, in draft 2020-12", faults)


def _check_patterns(schema: Any, root: str) -> None:
    faults = []
    objects = [(path, part) for _, path, part in _parts(schema, root) if isinstance(part, dict)]
    unevaluated = any("unevaluatedProperties" in part for _, part in objects)
    for path, part in objects:
        patterns = part.get("patternProperties", {})
        if patterns and unevaluated:
            # jsonschema matches those by itself, and nothing bounds how long that takes.
            message = "cannot stand beside unevaluatedProperties: use additionalProperties"
            faults.append({"path": f"{path}.patternProperties", "message": message})
        for pattern in [*patterns, *([part["pattern"]] if "pattern" in part else [])]:
            try:
                regex.compile(pattern)
            except (regex.error, OverflowError, RecursionError) as error:
                message = f"the pattern {pattern!r} cannot be read: {error}"
                faults.append({"path": path, "message": message})
    if faults:
        raise Invalid("param_schema has a pattern that cannot be used", faults)
