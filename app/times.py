"""Times as the queue stores them (``YYYY-MM-DD HH:MM:SS.mmm``, UTC) and as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timezone


def to_iso(stored: str | None) -> str | None:
    """``2026-01-31T12:00:00.000Z``; None stays None."""
    if stored is None:
        return None
    whole, _, fraction = stored.partition(".")
    return f"{whole.replace(' ', 'T')}.{fraction[:3]:0<3}Z"


ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?"
    r"\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def from_iso(text: str) -> str:
    """A stored time from ISO 8601 text; without an offset it is UTC. Raises ValueError."""
    match = ISO.fullmatch(text)
    if match is None:
        raise ValueError("is not an ISO 8601 time")
    date, clock, fraction, offset = match.groups()
    time = datetime.fromisoformat(f"{date}T{clock or '00:00'}{_offset(offset)}")
    try:
        time = time.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("is out of range") from None
    if not 1970 <= time.year <= 9998:
        raise ValueError("is out of range")
    return f"{time:%Y-%m-%d %H:%M:%S}.{(fraction or '')[:3]:0<3}"


def _offset(text: str | None) -> str:
    """As every Python reads it: ``+02:00``."""
    if text is None or text in "Zz":
        return "+00:00"
    digits = text[1:].replace(":", "")
    return f"{text[0]}{digits[:2]}:{digits[2:] or '00'}"
