"""Text that somebody else wrote, with what cannot be seen in it made visible."""

from __future__ import annotations

import re
from typing import Any

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ud800-\udfff]"
)
"""Characters that are not seen but change how a text looks. Tabs and line breaks stay."""


def visible(text: Any) -> str:
    """Each such character is shown as a symbol or by its number: ``␀``, ``[U+202E]``."""
    return UNSEEN.sub(_symbol, str(text))


def _symbol(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"[U+{code:04X}]"
