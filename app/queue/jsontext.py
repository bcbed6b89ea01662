"""JSON as the queue stores it, and the one spelling of it that equal values share."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dumps(value: Any) -> str:
    """Compact JSON. Raises ValueError for NaN and infinities, which JSON does not have."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def loads(text: str | None) -> Any:
    """The value of stored JSON; None where nothing is stored."""
    return None if text is None else json.loads(text)


def canonical(value: Any) -> str:
    """The same text for equal values: sorted keys, no spaces, and 1.0 written as 1, so that
    clients in languages with one kind of number agree with the others (compare RFC 8785).
    """
    plain = _with_whole_numbers(value)
    return json.dumps(
        plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True
    )


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _with_whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(each) for each in value]
    return value
