"""JSON Schema, draft 2020-12: of schemas when a type is registered, of params when a task is made.

This loads jsonschema, which takes longer than all else in a create, so it is imported only by
calls that validate.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

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


def check_schema(schema: Any) -> None:
    """Raises Invalid, with every fault found, unless ``schema`` can be used for params."""
    _refuse_foreign(schema, "param_schema")
    try:
        errors = [
            {"path": _path("param_schema", error), "message": error.message}
            for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
        ]
    except (RecursionError, SchemaError) as error:
        errors = [{"path": "param_schema", "message": f"cannot be read: {error}"}]
    if errors:
        raise Invalid("param_schema is not a JSON Schema of draft 2020-12", errors[:MAX_VIOLATIONS])
    _check_patterns(schema, "param_schema")


def violations(schema_json: str, schema: Any, params: Any) -> list[dict[str, str]]:
    """Everywhere that ``params`` does not match, as ``{"path": "params.length", "message"}``."""
    found = []
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
    try:
        return regex.search(pattern, text, timeout=PATTERN_SECONDS) is not None
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


_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
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


def _subvalues(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every object inside a schema with its path, without recursion."""
    waiting = [(path, value)]
    while waiting:
        where, each = waiting.pop()
        if isinstance(each, dict):
            yield where, each
            waiting += [(f"{where}.{key}", inner) for key, inner in each.items()]
        elif isinstance(each, list):
            waiting += [(f"{where}[{index}]", inner) for index, inner in enumerate(each)]


def _refuse_foreign(schema: Any, root: str) -> None:
    faults = []
    for path, each in _subvalues(schema, root):
        for word in ("$ref", "$dynamicRef"):
            target = each.get(word)
            if isinstance(target, str) and not target.startswith("#"):
                message = f"{target!r} points outside the schema; only #… is followed"
                faults.append({"path": f"{path}.{word}", "message": message})
        draft = each.get("$schema")
        if isinstance(draft, str) and draft.rstrip("#") != DRAFT:
            message = f"{draft!r} is another draft; write for 2020-12 or leave $schema out"
            faults.append({"path": f"{path}.$schema", "message": message})
    if faults:
        raise Invalid("param_schema must stand by itself, in draft 2020-12", faults)


def _check_patterns(schema: Any, root: str) -> None:
    faults = []
    objects = list(_subvalues(schema, root))
    unevaluated = any("unevaluatedProperties" in each for _, each in objects)
    for path, each in objects:
        patterns = each.get("patternProperties")
        if patterns and unevaluated:
            message = "cannot stand beside unevaluatedProperties: use additionalProperties"
            faults.append({"path": f"{path}.patternProperties", "message": message})
        candidates = list(patterns) if isinstance(patterns, dict) else []
        if isinstance(each.get("pattern"), str):
            candidates.append(each["pattern"])
        for pattern in candidates:
            try:
                regex.compile(pattern)
            except (regex.error, OverflowError, RecursionError) as error:
                message = f"the pattern {pattern!r} cannot be read: {error}"
                faults.append({"path": path, "message": message})
    if faults:
        raise Invalid("param_schema has a pattern that cannot be used", faults)
