"""What matches a schema, and what is one: as the reference implementation, ``jsonschema``, has it.

Schemas and values are small and made of few words, so that they meet.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app.errors import Invalid
from app.queue.schema.check import Check
from app.queue.schema.document import Document
from app.queue.schemas import check_schema
from app.queue.validation import violations

NAMES = st.sampled_from(["a", "b", "aa", "$ref", "ä"])
NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 1.0, 2.0, 0.5, -0.0, 2**53 + 1, float(2**53), 10**30])
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, NAMES, st.sampled_from(["", "1", "true"]))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
COUNTS = st.sampled_from([0, 1, 2, 2.0, 3])
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
# These mean the same in Python's `re`, which the reference uses.
PATTERNS = st.sampled_from(["a", "^a$", "^[ab]+", "b$", "^.$", "(?:aa|1)"])
REFERENCES = st.sampled_from(["#/$defs/one", "#/$defs/two", "#two", "#/$defs/one/items"])

DEFINITIONS = {
    "one": {"items": {"type": ["integer", "string"]}, "maxItems": 3},
    "two": {"$anchor": "two", "properties": {"a": {"type": "number"}, "b": True}},
}


def _keywords(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    schemas = st.lists(inner, min_size=1, max_size=3)
    by_name = st.dictionaries(NAMES, inner, max_size=3)
    names = st.lists(NAMES, max_size=2, unique=True)
    return {
        "type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=3, unique=True)),
        "enum": st.lists(VALUES, max_size=4),
        "const": VALUES,
        "minimum": NUMBERS,
        "maximum": NUMBERS,
        "exclusiveMinimum": NUMBERS,
        "exclusiveMaximum": NUMBERS,
        "multipleOf": st.sampled_from([1, 2, 0.5, 3]),
        "minLength": COUNTS,
        "maxLength": COUNTS,
        "pattern": PATTERNS,
        "items": inner,
        "prefixItems": schemas,
        "contains": inner,
        "minContains": COUNTS,
        "maxContains": COUNTS,
        "minItems": COUNTS,
        "maxItems": COUNTS,
        "uniqueItems": st.booleans(),
        "properties": by_name,
        "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
        "additionalProperties": inner,
        "propertyNames": inner,
        "required": names,
        "dependentRequired": st.dictionaries(NAMES, names, max_size=2),
        "dependentSchemas": by_name,
        "minProperties": COUNTS,
        "maxProperties": COUNTS,
        "allOf": schemas,
        "anyOf": schemas,
        "oneOf": schemas,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "unevaluatedItems": inner,
        "unevaluatedProperties": inner,
        "$ref": REFERENCES,
        "$dynamicRef": REFERENCES,
        "format": st.just("email"),
        "title": st.just("a title"),
    }


WORDS = sorted(_keywords(st.booleans()))


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A few keywords, each with what it takes."""
    keywords = _keywords(inner)
    chosen = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True)
    return chosen.flatmap(lambda words: st.fixed_dictionaries({w: keywords[w] for w in words}))


SCHEMAS = st.recursive(st.one_of(st.booleans(), _objects(st.booleans())), _objects, max_leaves=8)
THOROUGHLY = settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def matches(schema: Any, value: Any) -> bool:
    return not violations(Check(60), Document(schema), value)


@THOROUGHLY
@given(SCHEMAS, st.lists(VALUES, min_size=3, max_size=8))
def test_the_same_verdict_as_the_reference(schema: Any, values: list[Any]) -> None:
    if isinstance(schema, dict):
        schema = {**schema, "$defs": DEFINITIONS}
    reference = Draft202012Validator(schema)
    document = Document(schema)
    for value in values:
        found = violations(Check(60), document, value)
        assert bool(found) != reference.is_valid(value), (schema, value, found)


@THOROUGHLY
@given(VALUES, VALUES)
def test_equality(one: Any, two: Any) -> None:
    equal = Draft202012Validator({"const": one}).is_valid(two)
    assert matches({"const": one}, two) == equal
    assert matches({"enum": [one]}, two) == equal
    assert matches({"uniqueItems": True}, [one, two]) != equal


TRICKY: list[tuple[Any, Any]] = [
    ({"const": 1}, True),
    ({"const": [0]}, [False]),
    ({"const": {"a": 1}}, {"a": 1.0}),
    ({"enum": [2**53]}, float(2**53)),
    ({"enum": [2**53 + 1]}, float(2**53)),
    ({"enum": [1e300]}, int(1e300)),
    ({"enum": [0.0]}, -0.0),
    ({"enum": ["n1", "t", "z"]}, 1),
    ({"enum": [["[", "sa"]]}, ["["]),
    ({"uniqueItems": True}, [1, True, 0, False, None, "1", "", [], {}]),
    ({"uniqueItems": True}, [{"a": 1, "b": 2}, {"b": 2.0, "a": 1}]),
    ({"uniqueItems": True}, [[1, [2]], [1, [2.0]]]),
    ({"uniqueItems": True}, [["a", "b"], ["ab"]]),
    ({"maxContains": 0}, [1]),
    ({"contains": True, "minContains": 0, "maxContains": 0}, [1]),
    ({"contains": {"type": "null"}, "minContains": 0}, []),
    ({"prefixItems": [True], "items": False}, [1, 2]),
    ({"additionalProperties": False, "patternProperties": {"a": True}}, {"ba": 1, "b": 1}),
    ({"unevaluatedProperties": False, "patternProperties": {"a": True}}, {"ba": 1}),
    ({"unevaluatedProperties": False, "not": {"properties": {"a": True}}}, {"a": 1}),
    ({"unevaluatedProperties": False, "if": {"required": ["a"], "properties": {"a": True}}}, {}),
    (
        {"unevaluatedProperties": False, "dependentSchemas": {"a": {"properties": {"b": True}}}},
        {"b": 1},
    ),
    ({"unevaluatedItems": False, "contains": {"const": 1}}, [1, 1]),
    (
        {
            "unevaluatedItems": False,
            "anyOf": [{"prefixItems": [{"const": 1}, True]}, {"prefixItems": [True]}],
        },
        [2, 2],
    ),
    ({"unevaluatedItems": {"const": 3}, "allOf": [{"prefixItems": [True]}]}, [1, 3]),
    ({"allOf": [{"unevaluatedItems": True}], "unevaluatedItems": False}, [1]),
    ({"then": False, "else": False}, 1),
    ({"type": "integer"}, 1e300),
    ({"minimum": 10**400}, 1e308),
    ({"properties": {"a": {"unevaluatedProperties": False}}, "$ref": "#/properties/a"}, {}),
]


@pytest.mark.parametrize("case", TRICKY, ids=range(len(TRICKY)))
def test_tricky_ones(case: tuple[Any, Any]) -> None:
    schema, value = case
    assert matches(schema, value) == Draft202012Validator(schema).is_valid(value)


def is_taken(schema: Any) -> bool:
    try:
        check_schema(schema)
    except Invalid:
        return False
    return True


# References have to lead somewhere here, which the reference implementation does not ask for.
SHAPES = st.one_of(
    VALUES.filter(lambda value: "$ref" not in str(value)), SCHEMAS, st.lists(SCHEMAS, max_size=2)
)
MORE_WORDS = [
    *("$defs", "$comment", "$vocabulary", "$anchor", "$dynamicAnchor"),
    *("$recursiveRef", "$recursiveAnchor", "contentEncoding", "contentMediaType", "contentSchema"),
    *("default", "definitions", "dependencies", "deprecated", "description", "examples"),
    *("readOnly", "writeOnly", "unknown"),
]
MALFORMED = st.dictionaries(
    st.sampled_from([word for word in WORDS + MORE_WORDS if word not in ("$ref", "$dynamicRef")]),
    SHAPES,
    max_size=3,
)


@THOROUGHLY
@given(MALFORMED)
def test_the_same_schemas_are_taken(schema: dict[str, Any]) -> None:
    definitions = {**schema["$defs"], **DEFINITIONS} if _is_map(schema, "$defs") else DEFINITIONS
    schema = {**schema, "$defs": definitions}
    expected = Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(schema)
    assert is_taken(schema) == expected, schema


def _is_map(schema: dict[str, Any], word: str) -> bool:
    return isinstance(schema.get(word), dict)
