"""What does not fit into a field of some kind.

Null is in none of the lists: it is the same as not given.
"""

from __future__ import annotations

from typing import Any

HUGE: list[Any] = [10**400, -(10**400), 1.7e308, -1.7e308, 2**63, 2**64]
NO_TEXT: list[Any] = [0, 1, -1.5, True, False, [], {}, ["a"], {"a": "b"}, 10**400]
NO_NUMBER: list[Any] = ["5", "", "x", True, False, [], {}, [5], {"a": 5}]

LONG_TEXT = NO_TEXT
OBJECT: list[Any] = ["", "x", "{}", 0, 1.5, True, False, [1], [{}], [[]], 10**400]
BOOLEAN: list[Any] = ["true", "false", "", 0, 1, 1.0, [], {}, [True], 10**400]
ANYTHING: list[Any] = []
"""Any JSON fits."""


def name(longest: int) -> list[Any]:
    """One line of text that does not begin or end with white space."""
    blank = ["", " ", "\u00a0", " a", "a ", "\ta"]
    control = ["a\x00b", "\x00", "a\nb", "a\r\nb", "\x1b[31mred", "a\x7fb", "a\x85b", "a\u2028b"]
    return [*NO_TEXT, *blank, *control, "x" * (longest + 1), "🎉" * (longest + 1), "x" * 100_000]


def number(low: float, high: float) -> list[Any]:
    beyond = [low - 0.01, low - 1, high * 1.01 + 1]
    return [*NO_NUMBER, *HUGE, *beyond, "1e3", "NaN", "Infinity"]


def integer(low: int, high: int) -> list[Any]:
    beyond = [low - 1, high + 1, low + 0.5, -(2**63) - 1]
    huge = [each for each in HUGE if not low <= each <= high]
    return [*NO_NUMBER, *huge, *beyond, "0x10", "१"]


def choice(*choices: str) -> list[Any]:
    close = [form for each in choices for form in (each[:-1], each + " ", each + "\x00")]
    return [*NO_TEXT, "", "no such thing", "%", *close, *([each] for each in choices)]


RATE: list[Any] = [
    *OBJECT,
    [],
    {},
    {"tasks": 1},
    {"seconds": 1},
    {"tasks": 1, "seconds": 1, "burst": 1},
    *({"tasks": each, "seconds": 1} for each in (*integer(1, 1_000_000), None)),
    *({"tasks": 1, "seconds": each} for each in (*number(0.1, 2_678_400), None)),
]

TIME: list[Any] = [
    *NO_TEXT,
    *HUGE,
    "",
    "now",
    "tomorrow",
    "12:00",
    "1767225600",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-31T25:00:00Z",
    "2026-01-31T12:60:00Z",
    "2026-01-31T12:00:00+99:00",
    "2026-01-31T12:00:00Z\x00",
    "2026-01-31T12:00:00Z; DROP TABLE tasks",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+12:00",
    "0000-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "31.01.2026",
    "01/31/2026",
    "x" * 100_000,
    "२०२६-01-31T12:00:00Z",
]

LIST: list[Any] = ["", "a,b", 0, 1.5, True, False, {}, {"0": "a"}, 10**400]
TAGS: list[Any] = [
    *LIST,
    *([each] for each in name(50)),
    [None],
    ["good", None],
    [["a"]],
    ["x"] * 21,
]
TYPE_NAMES: list[Any] = [
    *(each for each in LIST if not isinstance(each, str)),
    *([each] for each in name(255)),
    [None],
    [["a"]],
    ["x"] * 501,
    "a\x00b",
    "a," + "x" * 256,
    ",".join(["x"] * 501),
]

DEDUPE: list[Any] = [
    *("", "for ever", "never", "false", "60", " forever"),
    *(0, 0.0, -1, -0.5, True, [], {}, ["active"], {"seconds": 5}),
    *HUGE,
]

RETENTION: list[Any] = [
    *OBJECT,
    *({"completed": each} for each in number(0, 36500)),
    *({each: 1} for each in ("", "pending", "Failed", "results", "x" * 1000)),
    {"failed": 1, "result": -1},
]

SCHEMA: list[Any] = [
    *("", "x", "5", '"x"', "null", "[1]", "{", '{"type": "text"}', '{"maximum": NaN}'),
    *(0, 1.5, [1], [{}], 10**400),
    {"type": "text"},
    {"type": 5},
    {"properties": []},
    {"pattern": "("},
    {"$ref": "https://example.com/schema.json"},
    {"$schema": "http://json-schema.org/draft-04/schema#"},
    '{"const": ' + "[" * 5000 + "]" * 5000 + "}",
]

NO_QUERY_NUMBER = [
    *("x", "1.5", "1e3", "-1", "+1", "0x10", " 1", "1 ", "true", "null", "[]", "1,2", "१"),
    *("9" * 20, "9" * 400, "9" * 5000, "\x00", "'", "1; DROP TABLE tasks"),
]
