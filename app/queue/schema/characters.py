"""The characters that ECMA-262 means by ``\\d``, ``\\w``, ``\\s``, ``.`` and ``\\b``."""

from __future__ import annotations

WORD = "0-9A-Z_a-z"
SPACE = r"\x09-\x0d\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

# Inside brackets. The second of each pair is the first one's opposite.
CLASSES = {
    "d": "0-9",
    "D": r"\x00-\x2f\x3a-\U0010ffff",
    "w": WORD,
    "W": r"\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\U0010ffff",
    "s": SPACE,
    "S": (
        r"\x00-\x08\x0e-\x1f\x21-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e"
        r"\u2030-\u205e\u2060-\u2fff\u3001-\ufefe\uff00-\U0010ffff"
    ),
}
CONTROLS = {"f": 12, "n": 10, "r": 13, "t": 9, "v": 11}

LINE_END = r"[\x0a\x0d\u2028\u2029]"
NO_LINE_END = r"[^\x0a\x0d\u2028\u2029]"
ANY = r"[\x00-\U0010ffff]"
BOUNDARY = f"(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"
NO_BOUNDARY = f"(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"


def literal(character: str) -> str:
    """A character as itself, inside brackets and outside."""
    if not character.isascii() or character.isalnum():
        return character
    return f"\\x{ord(character):02x}"
