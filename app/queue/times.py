"""Times as the queue stores them (``YYYY-MM-DD HH:MM:SS.mmm``, UTC) and as people write them."""

from __future__ import annotations

from datetime import datetime, timezone


def to_iso(stored: str | None) -> str | None:
    """``2026-01-31T12:00:00.000Z``; None stays None."""
    if stored is None:
        return None
    whole, _, fraction = stored.partition(".")
    return f"{whole.replace(' ', 'T')}.{fraction[:3]:0<3}Z"


def from_iso(text: str) -> str:
    """A stored time from ISO 8601 text; without an offset it is UTC. Raises ValueError."""
    normal = text.strip().replace("z", "Z")
    if normal.endswith("Z"):
        normal = normal[:-1] + "+00:00"
    time = datetime.fromisoformat(_three_digits(normal))
    if time.tzinfo is not None:
        try:
            time = time.astimezone(timezone.utc)
        except OverflowError:
            raise ValueError("is out of range") from None
    if not 1970 <= time.year <= 9998:
        raise ValueError("is out of range")
    return time.strftime("%Y-%m-%d %H:%M:%S.") + f"{time.microsecond // 1000:03d}"


def _three_digits(text: str) -> str:
    """Python before 3.11 reads fractions of exactly 3 or 6 digits only."""
    whole, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}"
