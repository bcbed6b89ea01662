"""JSON as the queue stores it, and the one spelling of it that equal values share."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


MAX_DEPTH = 100
"""How deep arrays and objects may nest: deeper ones exhaust the stack of what reads them."""

# json.dumps would make an encoder for each call, which takes as long as encoding a small task.
COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
SORTED = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True
)


def dumps(value: Any) -> str:
    """Compact JSON. Raises ValueError for NaN and infinities, which JSON does not have."""
    return COMPACT.encode(value)


def parse(text: str) -> Any:
    """The value of JSON text from a caller. Stricter than Python, which takes NaN, numbers beyond
    floating point, half surrogate pairs, and nesting until the stack is full.

    Raises ValueError with what is wrong and where.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(r"half of a surrogate pair (\ud800 … \udfff)") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{error.msg} at {place}") from None
    return value


def loads(text: str | None) -> Any:
    """The value of stored JSON; None where nothing is stored."""
    return None if text is None else json.loads(text)


def canonical(value: Any) -> str:
    """The same text for equal values: sorted keys, no spaces, and 1.0 written as 1, so that
    clients in languages with one kind of number agree with the others (compare RFC 8785).
    """
    return SORTED.encode(_with_whole_numbers(value))


def _check_depth(text: str) -> None:
    """Counts brackets outside strings, so that nothing deep is ever parsed."""
    # Compiled when needed: what single calls send has few brackets.
    import re

    depth = 0
    # A string without its end is one too: nothing is tried twice, so the time stays in proportion.
    for bracket in re.sub(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[^][{}"]+', "", text, flags=re.DOTALL):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON has")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _with_whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(each) for each in value]
    return value
