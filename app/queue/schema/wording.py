"""Values and places in messages, short enough for people to read."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    # Where something is, from the inside out: the place around it, and the last step.
    At = Union[tuple[()], tuple["At", Union[str, int]]]

LONGEST_VALUE = 100
LONGEST_PATH = 300
LONGEST_MESSAGE = 500

LARGE_NUMBER = 400
"""Numbers of more bits are not written out: that takes long, and newer Pythons refuse."""


def short(value: Any) -> str:
    """The value as Python writes it, cut to about a hundred characters."""
    return _written(value, LONGEST_VALUE)


def noun_for(number: Any, noun: str) -> str:
    """``item`` for 1, ``items`` for every other number."""
    return noun if number == 1 else f"{noun}s"


def path_text(root: str, at: At) -> str:
    """Like ``params.items[2].name``."""
    steps: list[str] = []
    while at:
        at, step = at
        steps.append(f"[{step}]" if isinstance(step, int) else f".{_cut(step, LONGEST_VALUE)}")
    return _cut(root + "".join(reversed(steps)), LONGEST_PATH)


def _written(value: Any, room: int) -> str:
    if isinstance(value, str):
        return _cut(repr(value[: room + 1]), room) if len(value) > room else repr(value)
    if isinstance(value, int) and value.bit_length() > LARGE_NUMBER:
        return f"a number of about {int(value.bit_length() * 0.30103) + 1} digits"
    if isinstance(value, list):
        return f"[{_listed(value, room)}]"
    if isinstance(value, dict):
        return f"{{{_listed(value, room)}}}"
    return repr(value)


def _listed(values: Any, room: int) -> str:
    parts: list[str] = []
    for each in values:
        if room <= 0:
            parts.append("…")
            break
        part = _written(each, room)
        if isinstance(values, dict):
            part += f": {_written(values[each], max(room - len(part), 1))}"
        parts.append(part)
        room -= len(part) + 2
    return ", ".join(parts)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"
