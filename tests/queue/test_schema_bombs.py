"""Schemas and params made to use up time, memory or text: what they get is a response.

Each is registered and used, in a task and in a batch, in a process with 400 MB of address space.
What would go on for ever gets half a second here, so that many can be tried, and the real five
seconds once; all else gets more than it can use, and its work is measured.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from app.queue.schema.check import CHECK_SECONDS
from tests.queue.limited import Outcome, call_limited

MANY = 15_000
DEEP = 90
PRIME = 2**61 - 1
"""Python gives the same hash to all numbers that leave the same rest by this."""

RUNAWAY = "^(a|a)*$"
RUNS = "a" * 40 + "b"
LONG = "x" * 240_000


def each_named(count: int, schema: Any) -> dict[str, Any]:
    return {f"p{number}": schema for number in range(count)}


def tree(word: str, levels: int = 40) -> dict[str, Any]:
    """Two references to the next level on each: 2 to the power of ``levels`` paths."""
    definitions = {
        f"n{level}": {word: [{"$ref": f"#/$defs/n{level + 1}"}] * 2} for level in range(levels)
    }
    # Nothing matches at the end, so that anyOf tries all; allOf has to try all anyhow.
    last = {"type": "null"} if word != "allOf" else True
    return {"$defs": {**definitions, f"n{levels}": last}, "$ref": "#/$defs/n0"}


def nested(word: str, levels: int, last: Any) -> Any:
    schema = last
    for _ in range(levels):
        schema = {word: schema}
    return schema


def in_lists(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value, value] if levels < 14 else [value]
    return value


class Bomb:
    """``register``, ``create`` and ``stops`` are what messages must say.

    ``register`` and ``create`` are those of a refusal that does not depend on time; without them
    the call succeeds. ``stops`` names the keywords that would go on for ever in the create.
    """

    def __init__(
        self,
        schema: Any,
        params: Any,
        register: str | None = None,
        create: str | None = None,
        stops: str | None = None,
    ) -> None:
        self.schema = schema
        self.params = params
        self.register = register
        self.create = f"checking ({stops}) took too long: .*simplify" if stops else create
        self.stops = stops is not None


def patterns(count: int, start: str) -> dict[str, Any]:
    return {f"p{number}": {"pattern": f"{start}{number}"} for number in range(count)}


BOMBS = {
    # Patterns.
    "repetitions": Bomb(
        {"properties": patterns(400, "a{60000}")}, {"p7": "a"}, "pattern", "pattern"
    ),
    "many repetitions": Bomb(
        {"properties": patterns(400, "a{15000}")}, each_named(400, "a"), "pattern", "pattern"
    ),
    "nested repetitions": Bomb(
        {"properties": {"a": {"pattern": "(?:(?:a{999}){999}){999}"}}},
        {"a": "a"},
        "pattern",
        "pattern",
    ),
    "repetitions at most": Bomb(
        {"properties": {"a": {"pattern": "^(?:(?:a{0,999}){0,999}){0,999}$"}}},
        {"a": "a" * 50_000 + "b"},
        stops="pattern",
    ),
    "a number without end": Bomb(
        {"properties": {"a": {"pattern": "a{" + "9" * 100_000 + "}"}}},
        {"a": ""},
        "pattern",
        "pattern",
    ),
    "deep groups": Bomb(
        {"properties": {"a": {"pattern": "(" * 9000 + ")" * 9000}}}, {"a": ""}, "pattern", "pattern"
    ),
    "a long pattern": Bomb(
        {"properties": {"a": {"pattern": "|".join(map(str, range(100_000)))}}},
        {"a": ""},
        "pattern",
        "pattern",
    ),
    "many patterns": Bomb(
        {"properties": patterns(12_000, "^[a-z]+$|")}, each_named(12_000, "a"), "pattern", "pattern"
    ),
    "many name patterns": Bomb(
        {"patternProperties": {f"^{n}x": True for n in range(12_000)}},
        {"a": 1},
        "patternProperties",
        "patternProperties",
    ),
    "name patterns and many properties": Bomb(
        {"patternProperties": {f"[{n}]x": False for n in range(900)}},
        each_named(MANY, 1),
        stops="patternProperties",
    ),
    "name patterns, additionalProperties": Bomb(
        {"patternProperties": {f"[{n}]x": True for n in range(900)}, "additionalProperties": True},
        each_named(MANY, 1),
        stops="additionalProperties|patternProperties",
    ),
    "name patterns, unevaluatedProperties": Bomb(
        {"patternProperties": {f"[{n}]x": True for n in range(900)}, "unevaluatedProperties": True},
        each_named(MANY, 1),
        stops="additionalProperties|patternProperties",
    ),
    "a runaway pattern on many texts": Bomb(
        {"properties": {"a": {"contains": {"pattern": RUNAWAY}}}},
        {"a": [RUNS] * 900},
        stops="pattern",
    ),
    "a runaway pattern, forbidden": Bomb(
        {"properties": {"a": {"not": {"pattern": RUNAWAY}}}}, {"a": RUNS}, stops="pattern"
    ),
    "a runaway pattern of names": Bomb(
        {"propertyNames": {"pattern": RUNAWAY}}, {RUNS: 1}, stops="pattern"
    ),
    "alternatives that capture": Bomb(
        {"properties": {"a": {"pattern": r"^(?:(.)|(b)|(..))*[c-d]$"}}},
        {"a": "ab" * 100_000},
        stops="pattern",
    ),
    # Schemas put together.
    "allOf": Bomb({"allOf": [{}] * 200_000}, {}, "allOf"),
    "anyOf": Bomb({"anyOf": [False] * 140_000}, {}, "anyOf", "anyOf"),
    "anyOf, for many items": Bomb(
        {"properties": {"a": {"items": {"anyOf": [{"const": n} for n in range(MANY)]}}}},
        {"a": [-1] * 50_000},
        stops="anyOf",
    ),
    "oneOf, for many items": Bomb(
        {"properties": {"a": {"items": {"oneOf": [{"const": n} for n in range(MANY)]}}}},
        {"a": list(range(10_000))},
        stops="oneOf",
    ),
    "a tree of allOf": Bomb(tree("allOf"), {}, stops=r"\$ref|allOf|anyOf|oneOf"),
    "a tree of anyOf": Bomb(tree("anyOf"), {}, stops=r"\$ref|allOf|anyOf|oneOf"),
    "a tree of oneOf": Bomb(tree("oneOf"), {}, stops=r"\$ref|allOf|anyOf|oneOf"),
    "a tree below unevaluatedProperties": Bomb(
        {**tree("allOf", 14), "unevaluatedProperties": False}, {"a": 1}, create="not expected"
    ),
    "a large tree below unevaluatedItems": Bomb(
        {"properties": {"a": {"$ref": "#/$defs/n0", "unevaluatedItems": False}}, **tree("anyOf")},
        {"a": [1]},
        stops=r"\$ref|anyOf|unevaluatedItems",
    ),
    "if, then, else": Bomb(
        {
            "$defs": {
                **{
                    f"n{n}": {
                        word: {"$ref": f"#/$defs/n{n + 1}"} for word in ("if", "then", "else")
                    }
                    for n in range(40)
                },
                "n40": {"type": "null"},
            },
            "$ref": "#/$defs/n0",
        },
        {},
        stops=r"\$ref|if|then|else",
    ),
    "not in not": Bomb(nested("not", DEEP, True), {}),
    "dependentSchemas": Bomb(
        {
            "dependentSchemas": each_named(9_000, {"$ref": "#/$defs/d"}),
            "$defs": {"d": {"allOf": [{}] * 9_000}},
        },
        each_named(9_000, 1),
        stops="allOf",
    ),
    "endless": Bomb({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, {}, create="endlessly"),
    "endless, dynamically": Bomb(
        {"$dynamicAnchor": "x", "anyOf": [{"$dynamicRef": "#x"}] * 2}, {}, create="endlessly"
    ),
    "endless unevaluatedItems": Bomb(
        {
            "properties": {"a": {"$ref": "#/$defs/d"}},
            "$defs": {"d": {"unevaluatedItems": False, "if": {"$ref": "#/$defs/d"}}},
        },
        {"a": [1]},
        create="endlessly",
    ),
    # Many names and references.
    "properties": Bomb({"properties": each_named(30_000, {})}, {"p1": 1}, "properties"),
    "properties, some fewer": Bomb({"properties": each_named(MANY, {})}, each_named(MANY, 1)),
    "required": Bomb({"required": [f"p{n}" for n in range(50_000)]}, {}, create="required"),
    "required, twice": Bomb({"required": ["p"] * 50_000}, {"p": 1}, "non-unique elements"),
    "dependentRequired": Bomb(
        {"dependentRequired": each_named(3_000, [f"q{n}" for n in range(20)])},
        each_named(3_000, 1),
        create="is needed",
    ),
    "additionalProperties": Bomb(
        {"additionalProperties": False}, each_named(20_000, 1), create="not expected"
    ),
    "propertyNames": Bomb(
        {"propertyNames": {"enum": [str(n) for n in range(50_000)]}},
        each_named(MANY, 1),
        create="is not one of",
    ),
    "unevaluatedProperties": Bomb(
        {
            "allOf": [{"properties": {f"p{n}": True}} for n in range(5_000)],
            "unevaluatedProperties": False,
        },
        each_named(MANY, 1),
        create="not expected",
    ),
    "long names": Bomb(
        {"properties": {LONG: {"properties": each_named(9_000, False)}}},
        {LONG: each_named(500, 1)},
        create="nothing is allowed",
    ),
    "long names that are no schemas": Bomb(
        {"properties": {LONG: {"properties": each_named(9_000, 5)}}}, {}, "is not of type"
    ),
    "references to nothing": Bomb(
        {"allOf": [{"$ref": f"#{'x' * 30}{n}"} for n in range(MANY)]},
        {},
        "leads to no schema",
        "nothing",
    ),
    "a long reference": Bomb({"$ref": "#/" + "a/" * 300_000}, {}, "leads to no schema", "nothing"),
    "anchors": Bomb(
        {
            "$defs": {f"d{n}": {"$anchor": f"a{n}"} for n in range(9_000)},
            "allOf": [{"$ref": f"#a{n}"} for n in range(9_000)],
        },
        {},
    ),
    "unknown keywords": Bomb(each_named(60_000, {}), {}),
    "types that are none": Bomb({"type": [{"a": n} for n in range(30_000)]}, None, "anyOf"),
    # Arrays.
    "uniqueItems of objects": Bomb(
        {"properties": {"a": {"uniqueItems": True}}}, {"a": [{"n": n} for n in range(MANY)]}
    ),
    "uniqueItems of numbers of one hash": Bomb(
        {"properties": {"a": {"uniqueItems": True}}}, {"a": [n * PRIME for n in range(10_000)]}
    ),
    "uniqueItems of lists of nothing": Bomb(
        {"properties": {"a": {"uniqueItems": True}}},
        {"a": [[[None] * (n % 7), [[]] * (n // 7 % 7), [True] * (n // 49)] for n in range(500)]},
    ),
    "uniqueItems, many times": Bomb(
        {"allOf": [{"properties": {"a": {"uniqueItems": True}}}] * 9_000},
        {"a": [{"n": n} for n in range(MANY)]},
        stops="uniqueItems",
    ),
    "enum and many items": Bomb(
        {"properties": {"a": {"items": {"enum": [{"n": n} for n in range(60_000)]}}}},
        {"a": [{"n": n} for n in range(MANY)]},
    ),
    "enum of numbers of one hash": Bomb(
        {"properties": {"a": {"items": {"enum": [n * PRIME for n in range(40_000)]}}}},
        {"a": [-n * PRIME for n in range(10_000)]},
        create="is not one of",
    ),
    "const": Bomb(
        {"properties": {"a": {"items": {"const": [0] * 100_000}}}},
        {"a": [[0] * 100_000, [1]]},
        create="was expected",
    ),
    "const, many times": Bomb(
        {"properties": {"a": {"anyOf": [{"const": [0] * 2_000 + [n]} for n in range(100)]}}},
        {"a": [0] * 2_000 + [-1]},
        create="anyOf",
    ),
    "contains": Bomb(
        {"properties": {"a": nested("contains", 4, {"const": 0})}},
        {"a": [[[[n] * 10] * 10] * 10 for n in range(1, 50)]},
        create="match what contains",
    ),
    "contains, many times": Bomb(
        {"properties": {"a": {"allOf": [{"contains": {"minimum": n}} for n in range(9_000)]}}},
        {"a": list(range(20_000))},
        stops="contains",
    ),
    "unevaluatedItems": Bomb(
        {
            "properties": {
                "a": {
                    "allOf": [{"contains": {"const": n}} for n in range(6_000)],
                    "unevaluatedItems": False,
                }
            }
        },
        {"a": list(range(20_000))},
        stops="contains",
    ),
    "prefixItems": Bomb(
        {"properties": {"a": {"prefixItems": [False] * MANY}}}, {"a": [1] * MANY}, create="allowed"
    ),
    "multipleOf": Bomb(
        {"properties": {"a": {"items": {"multipleOf": 1e-300}}}},
        {"a": [float(n) + 0.5 for n in range(20_000)]},
    ),
    "long numbers": Bomb(
        {"properties": {"a": {"items": {"multipleOf": 10**3000 + 1, "maximum": 10**3000}}}},
        {"a": [10**4000 + n for n in range(50)]},
        create="a number of about 4001 digits",
    ),
    # Text.
    "a long value, many messages": Bomb(
        {"allOf": [{"properties": {"a": {"maxLength": n}}} for n in range(5_000)]},
        {"a": LONG},
        create="too long",
    ),
    "a long list, many messages": Bomb(
        {"allOf": [{"properties": {"a": {"maxItems": n}}} for n in range(5_000)]},
        {"a": [1] * 90_000},
        create="too long",
    ),
    "long schemas in messages": Bomb(
        {"properties": {"a": {"items": {"enum": [LONG, LONG + "y"]}}}},
        {"a": [1] * 20_000},
        create="is not one of",
    ),
    "deep": Bomb(
        {
            "properties": {"a": {"$ref": "#/$defs/d"}},
            "$defs": {"d": {"anyOf": [False, {"allOf": [{"items": {"$ref": "#/$defs/d"}}]}]}},
        },
        {"a": in_lists(DEEP)},
    ),
    "deep and wide": Bomb(
        {
            "properties": {"a": {"$ref": "#/$defs/d"}},
            "$defs": {"d": {"type": ["integer", "array"], "items": {"$ref": "#/$defs/d"}}},
        },
        {"a": in_lists(13)},
    ),
}


SHORT = 0.5
PLENTY = 60.0
"""Seconds for checks that end by themselves, however busy the machine is."""


def blow_up(bomb: Bomb, seconds: float) -> list[Outcome]:
    """Registered, used in one task, and in as many in one batch as a body takes."""
    kind = {"name": "job", "version": "1", "param_schema": bomb.schema}
    calls: list[tuple[str, Any, float]] = [("/task-types/register", kind, PLENTY)]
    if bomb.params is not None:
        task = {"type": "job", "params": bomb.params, "dedupe": False}
        fitting = min(1000, 1_000_000 // len(json.dumps(task, ensure_ascii=False)))
        single = seconds if bomb.stops else PLENTY
        calls += [("/tasks", task, single), ("/tasks", {"tasks": [task] * fitting}, seconds)]
    outcomes = call_limited(calls)
    for outcome in outcomes:
        assert outcome.size < 400_000
        assert outcome.cpu < 10
    return outcomes


def check_refusal(outcome: Outcome, wanted: str) -> None:
    assert outcome.status == 400, outcome.text[:1000]
    assert outcome.response["code"] == "validation_failed"
    assert re.search(wanted, outcome.text), outcome.text[:1000]
    assert outcome.response["details"]


def check_outcome(outcome: Outcome, refusal: str | None) -> None:
    if refusal is None:
        assert outcome.status in (200, 201), outcome.text[:1000]
    else:
        check_refusal(outcome, refusal)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb(name: str) -> None:
    bomb = BOMBS[name]
    registered, *created = blow_up(bomb, SHORT)
    check_outcome(registered, bomb.register)
    if not created:
        return
    single, batch = created
    check_outcome(single, bomb.create)
    # What takes a little of the time alone may take all of it a thousand times over.
    if bomb.create is None:
        assert batch.status == 201 or "took too long" in batch.text, batch.text[:1000]
    else:
        check_refusal(batch, f"{bomb.create}|took too long")


def test_a_check_has_five_seconds() -> None:
    assert CHECK_SECONDS == 5.0
    bomb = BOMBS["a tree of allOf"]
    for outcome in blow_up(bomb, CHECK_SECONDS)[1:]:
        check_outcome(outcome, bomb.create)
