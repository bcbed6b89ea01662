"""What a check found."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Level = Literal["ok", "note", "problem"]


class Finding:
    """One sentence about a subject. A ``problem`` says what to do; a ``note`` is worth knowing."""

    def __init__(self, level: Level, message: str) -> None:
        self.level = level
        self.message = message


def ok(message: str) -> Finding:
    return Finding("ok", message)


def note(message: str) -> Finding:
    return Finding("note", message)


def problem(message: str) -> Finding:
    return Finding("problem", message)
