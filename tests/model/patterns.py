"""Patterns of type names in the model."""

from __future__ import annotations

import re


def is_like(name: str, pattern: str) -> bool:
    """Whether a name matches: ``%`` any characters, ``_`` one, a backslash before either."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    regex = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(regex, name, re.DOTALL) is not None
