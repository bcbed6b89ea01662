"""Equality of JSON values as JSON Schema has it: 1 equals 1.0, true does not equal 1."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.queue.schema.check import Check
    from app.queue.schema.wording import At


def equal(check: Check, one: Any, two: Any, keyword: str, at: At) -> bool:
    kind = type(one)
    if kind is str or kind is bool or one is None:
        return kind is type(two) and bool(one == two)
    if kind is list:
        return (
            type(two) is list
            and len(one) == len(two)
            and all_equal(check, zip(one, two), keyword, at)
        )
    if kind is dict:
        return (
            type(two) is dict
            and len(one) == len(two)
            and one.keys() == two.keys()
            and all_equal(check, ((one[name], two[name]) for name in one), keyword, at)
        )
    return (type(two) is int or type(two) is float) and bool(one == two)


def all_equal(check: Check, pairs: Any, keyword: str, at: At) -> bool:
    for one, two in pairs:
        check.spend(1, keyword, at)
        if not equal(check, one, two, keyword, at):
            return False
    return True


def canonical(check: Check, value: Any, keyword: str, at: At) -> Any:
    """Something that can be put in a set, and is equal for equal values alone.

    Built of nothing but text: Python's hash of a text cannot be foretold, while whoever sends the
    value could choose numbers that all have the same hash.
    """
    kind = type(value)
    check.spend(1, keyword, at)
    if kind is str:
        return "s" + value
    if kind is int:
        return f"n{value:x}"
    if kind is float:
        return f"n{int(value):x}" if value.is_integer() else "n" + value.hex()
    if kind is list:
        return ("[", *[canonical(check, each, keyword, at) for each in value])
    if kind is dict:
        items = [(name, canonical(check, each, keyword, at)) for name, each in value.items()]
        return ("{", frozenset(items))
    return "t" if value is True else "f" if value is False else "z"
