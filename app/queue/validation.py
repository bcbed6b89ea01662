"""JSON Schema, draft 2020-12: of schemas when a type is registered, of params when a task is made.

This loads jsonschema, which takes longer than all else in a create, so it is imported only by
calls that validate.
"""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from app.queue.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PATTERN_SECONDS = 0.2
"""How long one ``pattern`` may try to match one string: some need longer than the universe."""

MAX_VIOLATIONS = 100

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

_now = threading.local()
"""The deadline of the check that this thread does: patterns deep inside have to know it."""


def check_schema(schema: Any) -> None:
    """Raises Invalid, with every fault found, unless ``schema`` can be used for params."""
    try:
        errors = [
            {"path": _path("param_schema", error), "message": error.message}
            for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
        ]
    except (RecursionError, SchemaError) as error:
        errors = [{"path": "param_schema", "message": f"cannot be read: {error}"}]
    if errors:
        raise Invalid("param_schema is not a JSON Schema of draft 2020-12", errors[:MAX_VIOLATIONS])
    _check_self_contained(schema, "param_schema")
    _check_patterns(schema, "param_schema")


def violations(schema_json: str, schema: Any, params: Any, deadline: float) -> list[dict[str, str]]:
    """Everywhere that ``params`` does not match, as ``{"path": "params.length", "message"}``.

    ``deadline`` (``time.monotonic``) ends all matching of patterns.
    """
    found = []
    _now.deadline = deadline
    try:
        for error in _validator(schema_json, _Json(schema)).iter_errors(params):
            found.append({"path": _path("params", error), "message": error.message[:500]})
            if len(found) == MAX_VIOLATIONS:
                break
    except Unresolvable as error:
        found.append({"path": "params", "message": f"the type's schema refers to nothing: {error}"})
    except RecursionError:
        found.append({"path": "params", "message": "the type's schema refers to itself endlessly"})
    return found


class _Json:
    """Carries a value past the cache, which knows it by its text alone."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Json)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=200)
def _validator(schema_json: str, schema: _Json) -> Any:
    return _Validator(schema.value, registry=Registry())


def _search(pattern: str, text: str) -> bool | None:
    """Whether it matches; None when finding out takes too long."""
    left = min(PATTERN_SECONDS, _now.deadline - time.monotonic())
    if left <= 0:
        return None
    try:
        return regex.search(pattern, text, timeout=left) is not None
    except TimeoutError:
        return None


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "string"):
        return
    matches = _search(pattern, instance)
    if matches is None:
        yield ValidationError(f"matching the pattern {pattern!r} takes too long on this text")
    elif not matches:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: dict[str, Any], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            matches = _search(pattern, name)
            if matches is None:
                yield ValidationError(f"matching {pattern!r} takes too long on the name {name!r}")
            elif matches:
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """As the specification has it, with this module's bounded patterns."""
    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in schema.get("properties", {}) or any(_search(each, name) for each in patterns):
            continue
        if allowed is False:
            yield ValidationError(f"the property {name!r} is not expected here", path=[name])
        else:
            yield from validator.descend(value, allowed, path=name)


def _multiple_of(
    validator: Any, divisor: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """Exact: floating point finds 0.3 no multiple of 0.1, and has no room for great integers."""
    if validator.is_type(instance, "number") and Fraction(str(instance)) % Fraction(str(divisor)):
        yield ValidationError(f"{instance!r} is not a multiple of {divisor}")


_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "multipleOf": _multiple_of,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)


def _path(root: str, error: ValidationError) -> str:
    path = root
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path


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
        if "$id" in part and path != root:
            message = "stands inside the schema: only the whole may have one"
            faults.append({"path": f"{path}.$id", "message": message})
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
