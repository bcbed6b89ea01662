"""Numbers and lists in sentences."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def at_most(number: int, sentences: list[str], noun: str) -> list[str]:
    """The first sentences, and one that says how many more there are of these ``noun``."""
    more = len(sentences) - number
    return sentences if more <= 0 else [*sentences[:number], f"and {counted(more, 'more ' + noun)}"]
