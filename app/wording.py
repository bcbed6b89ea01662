"""Numbers, sizes, spans of time and lists in sentences."""

from __future__ import annotations

UNITS = ("bytes", "KB", "MB", "GB", "TB")
SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def counted(number: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def at_most(number: int, sentences: list[str], noun: str) -> list[str]:
    """The first sentences, and one that says how many more there are of these ``noun``."""
    more = len(sentences) - number
    return sentences if more <= 0 else [*sentences[:number], f"and {counted(more, 'more ' + noun)}"]


def size(count: float) -> str:
    """``512 bytes``, ``1.4 MB``."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"


def span(seconds: float) -> str:
    """``45 s``, ``2 h 5 min``: the two largest units."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for length, unit in SPANS:
        count, left = divmod(left, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
