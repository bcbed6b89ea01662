"""Params against their type's JSON Schema, when a task is made.

This loads jsonschema, which takes longer than all else in a create, so it is imported only by
calls that validate.
"""

from __future__ import annotations

import sys
import threading
import time
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

if TYPE_CHECKING:
    from collections.abc import Iterator

PATTERN_SECONDS = 0.2
"""How long one ``pattern`` may try to match one string: some need longer than the universe."""

MAX_VIOLATIONS = 100

MAX_REFERENCES = 250
"""How many references may lead into one another: params nest 100 levels at most."""

# Room for that many: the libraries below do not bear it when the stack ends inside them.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 6000))

_now = threading.local()
"""The check that this thread does, as keywords deep inside have to know it: its ``deadline``, how
many ``references`` lead to where it is, and why it ``gave_up``, if it did.
"""


def violations(schema_json: str, schema: Any, params: Any, deadline: float) -> list[dict[str, str]]:
    """Everywhere that ``params`` does not match, as ``{"path": "params.length", "message"}``.

    ``deadline`` (``time.monotonic``) ends all matching of patterns.
    """
    found = []
    _now.deadline, _now.references, _now.gave_up = deadline, 0, ""
    try:
        for error in _validator(schema_json, _Json(schema)).iter_errors(params):
            found.append({"path": path_of("params", error), "message": error.message[:500]})
            if len(found) == MAX_VIOLATIONS:
                break
    except Unresolvable as error:
        found.append({"path": "params", "message": f"the type's schema refers to nothing: {error}"})
    except RecursionError:
        _now.gave_up = "the type's schema refers to itself endlessly"
    if _now.gave_up:
        # Whatever was found until then may hang on what was given up.
        return [{"path": "params", "message": _now.gave_up}]
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
    value = schema.value
    if isinstance(value, dict):
        # A part that names its draft is given to that draft's stock validator, and the whole is a
        # part as well where a reference leads to it.
        value = {word: each for word, each in value.items() if word != "$schema"}
    return _Validator(value, registry=Registry())


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


def _following(word: str) -> Any:
    """The keyword as the library has it, given up where it leads too deep or takes too long."""

    def follow(
        validator: Any, target: str, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        if _now.references >= MAX_REFERENCES:
            _now.gave_up = "the type's schema refers to itself endlessly"
        elif time.monotonic() > _now.deadline:
            _now.gave_up = "checking the type's schema takes too long"
        if _now.gave_up:
            yield ValidationError(_now.gave_up)
            return
        _now.references += 1
        try:
            yield from Draft202012Validator.VALIDATORS[word](validator, target, instance, schema)
        finally:
            _now.references -= 1

    return follow


_Validator = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "$dynamicRef": _following("$dynamicRef"),
        "$ref": _following("$ref"),
        "multipleOf": _multiple_of,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)


def path_of(root: str, error: ValidationError) -> str:
    """Where an error is, like ``params.items[2].name``."""
    path = root
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path
