"""Patterns of type names, as LIKE reads them: ``%`` is any text, ``_`` one character, and a
backslash takes the next character as it is.
"""

from __future__ import annotations

ANY_TEXT = object()
ANY_CHARACTER = object()


def matches(pattern: str, name: str) -> bool:
    """Whether ``name LIKE pattern ESCAPE '\\'``. Takes no longer than the lengths multiplied."""
    parts = _parts(pattern)
    at, position = 0, 0
    last_any, resume = -1, 0
    while position < len(name):
        part = parts[at] if at < len(parts) else None
        if part is ANY_TEXT:
            last_any, resume = at, position
            at += 1
        elif part is ANY_CHARACTER or part == name[position]:
            at += 1
            position += 1
        elif last_any >= 0:  # the last % takes one character more
            resume += 1
            at, position = last_any + 1, resume
        else:
            return False
    return all(part is ANY_TEXT for part in parts[at:])


def ends_in_escape(pattern: str) -> bool:
    """Whether nothing follows its last backslash: engines differ in what that means."""
    trailing = len(pattern) - len(pattern.rstrip("\\"))
    return trailing % 2 == 1


def _parts(pattern: str) -> list[object]:
    """Characters, ANY_TEXT and ANY_CHARACTER."""
    parts: list[object] = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            parts.append(next(characters, character))
        elif character == "%":
            parts.append(ANY_TEXT)
        else:
            parts.append(ANY_CHARACTER if character == "_" else character)
    return parts
