"""Keywords for any value, for numbers and for texts."""

from __future__ import annotations

from app.queue.schema.equality import canonical, equal
from app.queue.schema.wording import noun_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.schema.check import Check
    from app.queue.schema.document import Node
    from app.queue.schema.pattern import Pattern
    from app.queue.schema.wording import At

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


def nothing_matches(check: Check, argument: Any, value: Any, at: At) -> bool:
    return check.fail(at, "nothing is allowed here, and there is {}", value)


def of_type(check: Check, wanted: tuple[Any, bool, str], value: Any, at: At) -> bool:
    types, whole_floats, names = wanted
    if type(value) in types or (whole_floats and type(value) is float and value.is_integer()):
        return True
    return check.fail(at, "{} is not of type " + names, value)


def make_type(node: Node, argument: Any) -> Any:
    names = [argument] if isinstance(argument, str) else argument
    types = {each for name in names for each in PYTHON_TYPES[name]}
    return of_type, (types, "integer" in names, ", ".join(map(repr, names)))


class Enum:
    """The values of an ``enum``; looking one up takes no longer when there are many."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values
        self.texts = {each for each in values if isinstance(each, str)}
        self._others: set[Any] | None = None

    def others(self, check: Check, at: At) -> set[Any]:
        if self._others is None:
            self._others = {
                canonical(check, each, "enum", at)
                for each in self.values
                if not isinstance(each, str)
            }
        return self._others


def enum(check: Check, enum: Enum, value: Any, at: At) -> bool:
    if type(value) is str:
        known = value in enum.texts
    else:
        others = enum.others(check, at)
        known = bool(others) and canonical(check, value, "enum", at) in others
    return known or check.fail(at, "{} is not one of {}", value, enum.values)


def const(check: Check, const: Any, value: Any, at: At) -> bool:
    return equal(check, value, const, "const", at) or check.fail(at, "{} was expected", const)


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def minimum(check: Check, limit: Any, value: Any, at: At) -> bool:
    if not _is_number(value) or value >= limit:
        return True
    return check.fail(at, "{} is less than the minimum of {}", value, limit)


def maximum(check: Check, limit: Any, value: Any, at: At) -> bool:
    if not _is_number(value) or value <= limit:
        return True
    return check.fail(at, "{} is greater than the maximum of {}", value, limit)


def exclusive_minimum(check: Check, limit: Any, value: Any, at: At) -> bool:
    if not _is_number(value) or value > limit:
        return True
    return check.fail(at, "{} is less than or equal to the minimum of {}", value, limit)


def exclusive_maximum(check: Check, limit: Any, value: Any, at: At) -> bool:
    if not _is_number(value) or value < limit:
        return True
    return check.fail(at, "{} is greater than or equal to the maximum of {}", value, limit)


def multiple_of(check: Check, divisor: Any, value: Any, at: At) -> bool:
    """Exact: floating point finds 0.3 no multiple of 0.1, and has no room for great integers."""
    if not _is_number(value):
        return True
    if type(value) is int and type(divisor) is int:
        rest: Any = value % divisor
    else:
        from fractions import Fraction

        check.spend(20, "multipleOf", at)
        rest = _exactly(Fraction, value) % _exactly(Fraction, divisor)
    return not rest or check.fail(at, "{} is not a multiple of {}", value, divisor)


def _exactly(fraction: Any, value: Any) -> Any:
    return fraction(value if isinstance(value, int) else repr(value))


def min_length(check: Check, least: Any, value: Any, at: At) -> bool:
    if type(value) is not str or len(value) >= least:
        return True
    return check.fail(
        at, "{} is too short: it needs {} " + noun_for(least, "character"), value, least
    )


def max_length(check: Check, most: Any, value: Any, at: At) -> bool:
    if type(value) is not str or len(value) <= most:
        return True
    return check.fail(
        at, "{} is too long: it may have {} " + noun_for(most, "character"), value, most
    )


def pattern(check: Check, pattern: Pattern, value: Any, at: At) -> bool:
    if type(value) is not str or pattern.found_in(check, value, "pattern", at):
        return True
    return check.fail(at, "{} does not match {}", value, pattern.source)
