"""Escapes of single characters, and classes in brackets, in a pattern."""

from __future__ import annotations

import re

from app.queue.schema.characters import ANY, CLASSES, CONTROLS, literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.queue.schema.ecma_source import Source

_PROPERTY = re.compile(r"\{[A-Za-z0-9_]+(?:=[A-Za-z0-9_]+)?\}")
_CODE = re.compile(r"u\{([0-9A-Fa-f]+)\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|c([A-Za-z])")
_LOW_SURROGATE = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")


def escaped(source: Source, start: int) -> int | str:
    """What follows a backslash inside brackets or outside: a character's code, or a class."""
    character = source.peek()
    if character in CLASSES:
        return CLASSES[source.next()]
    if character in ("p", "P"):
        return _property(source, start)
    if character in CONTROLS:
        return CONTROLS[source.next()]
    if character == "0" and not source.peek(1).isdigit():
        source.next()
        return 0
    match = source.match(_CODE)
    if match:
        return _code(source, match, start)
    if not character or character.isalnum():
        source.refuse(f"{source.text[start : start + 2]!r}, which is not ECMA-262", start)
    return ord(source.next())


def _property(source: Source, start: int) -> str:
    letter = source.peek()
    match = source.match(_PROPERTY, skip=1)
    if not match:
        source.refuse("a \\p without a property of Unicode", start)
    # The one name that `regex` gives to something else.
    name = "{ID_Continue}" if match[0] == "{IDC}" else match[0]
    return f"\\{letter}{name}"


def _code(source: Source, match: re.Match[str], start: int) -> int:
    if match[4]:
        return ord(match[4]) % 32
    digits = match[1] or match[2] or match[3]
    if len(digits.lstrip("0")) > 6 or int(digits, 16) > 0x10FFFF:
        source.refuse("a character beyond Unicode", start)
    code = int(digits, 16)
    if match[2] and 0xD800 <= code < 0xDC00:
        low = source.match(_LOW_SURROGATE)
        if low:
            return 0x10000 + ((code - 0xD800) << 10) + (int(low[1], 16) - 0xDC00)
    return code


def bracket_class(source: Source, start: int) -> tuple[str, int]:
    """The translation of a class whose bracket was read, and its size."""
    negated = source.take("^")
    items: list[str] = []
    while not source.take("]"):
        first = _class_atom(source, start)
        if source.peek() == "-" and source.peek(1) != "]":
            source.next()
            items += _range(source, first, _class_atom(source, start), start)
        else:
            items.append(_in_class(first))
    if not items:
        return (ANY if negated else "(?!)"), 4
    return f"[{'^' if negated else ''}{''.join(items)}]", len(items) + 1


def _range(source: Source, first: int | str, last: int | str, start: int) -> list[str]:
    if isinstance(first, str) or isinstance(last, str):
        return [_in_class(first), literal("-"), _in_class(last)]
    if first > last:
        source.refuse(f"a range out of order, {chr(first)!r} to {chr(last)!r}", start)
    return [f"{literal(chr(first))}-{literal(chr(last))}"]


def _class_atom(source: Source, start: int) -> int | str:
    if source.is_at_end:
        source.refuse("a [ that is not closed", start)
    here = source.position
    character = source.next()
    if character != "\\":
        return ord(character)
    return 8 if source.take("b") else escaped(source, here)


def _in_class(atom: int | str) -> str:
    return atom if isinstance(atom, str) else literal(chr(atom))
