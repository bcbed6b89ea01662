"""Text of any length on a page: as much as a person reads there, and where the whole is."""

from __future__ import annotations

MOST = 6_000
"""Characters of one text on a page."""


class LongText:
    """``text`` is what is shown of the whole: its beginning, or its end."""

    def __init__(self, whole: str, ends: bool = False, most: int = MOST) -> None:
        self.is_cut = len(whole) > most
        self.length = len(whole)
        self.text = (whole[-most:] if ends else whole[:most]) if self.is_cut else whole
