"""What the installer's steps raise when a person has to do something."""

from __future__ import annotations


class Refusal(Exception):
    """A step cannot be done. The text says why and what to do; ``field`` names what was typed."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field
