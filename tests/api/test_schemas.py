"""Params against their type's JSON Schema: what is found, and which schemas are taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.caller import Api
from tests.support.http_client import Response

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ADDRESS = {
    "type": "object",
    "required": ["city", "zip"],
    "additionalProperties": False,
    "properties": {"city": {"type": "string", "minLength": 2}, "zip": {"pattern": "^[0-9]{5}$"}},
}
ORDER = {
    "$schema": DRAFT,
    "type": "object",
    "required": ["lines", "to"],
    "properties": {
        "to": {"$ref": "#/$defs/address"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"n": {"minimum": 1}}},
        },
        "a": {"properties": {"b": {"items": {"properties": {"c": {"type": "integer"}}}}}},
    },
    "$defs": {"address": ADDRESS},
}


def register(api: Api, param_schema: Any) -> Response:
    body = {"name": "job", "version": "1", "param_schema": param_schema}
    return api.post("/task-types/register", body)


def create(api: Api, params: Any) -> Response:
    return api.post("/tasks", {"type": "job", "params": params})


def nested(levels: int) -> str:
    return '{"const": ' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


def test_matching_params(api: Api) -> None:
    api.register("job", ORDER)
    to = {"city": "Köln", "zip": "50667"}
    assert create(api, {"to": to, "lines": [{"n": 1}], "other": 5}).status == 201


def test_every_violation_is_told_with_its_path(api: Api) -> None:
    api.register("job", ORDER)
    params = {
        "to": {"city": "K", "zip": "abc", "street": "x"},
        "lines": [{"n": 1}, {"n": 0}, "line", {"n": -1}],
        "a": {"b": [{}, {"c": 1}, {"c": "one"}]},
    }
    with api.unchanged():
        response = create(api, params)
    assert response.code == "validation_failed"
    assert sorted(response.paths) == [
        "params.a.b[2].c",
        "params.lines[1].n",
        "params.lines[2]",
        "params.lines[3].n",
        "params.to.city",
        "params.to.street",
        "params.to.zip",
    ]
    assert "params." in response.error
    assert "6 more" in response.error


def test_a_missing_property_is_named(api: Api) -> None:
    api.register("job", ORDER)
    response = create(api, {"to": {"city": "Köln"}})
    messages = {each["path"]: each["message"] for each in response.json["details"]}
    assert set(messages) == {"params", "params.to"}
    assert "'lines'" in messages["params"]
    assert "'zip'" in messages["params.to"]


def test_very_many_violations_are_told_in_part(api: Api) -> None:
    api.register("job", {"properties": {"n": {"items": {"type": "integer"}}}})
    response = create(api, {"n": ["x"] * 5000})
    assert response.code == "validation_failed"
    assert 10 <= len(response.paths) < 5000


@pytest.mark.parametrize("param_schema", [True, {}, {"type": "object"}, "true", "{}", []])
def test_schemas_that_take_everything(api: Api, param_schema: Any) -> None:
    assert register(api, param_schema).status == 201
    assert create(api, {"any": ["thing", None, 1.5]}).status == 201


def test_the_false_schema_takes_nothing(api: Api) -> None:
    for param_schema in (False, "false"):
        assert register(api, param_schema).status in (200, 201)
        assert api.get("/task-types/job").data["param_schema"] is False
        with api.unchanged():
            assert create(api, {}).code == "validation_failed"


def test_a_schema_as_json_text(api: Api) -> None:
    assert register(api, json.dumps(ORDER)).status == 201
    assert api.get("/task-types/job").data["param_schema"] == ORDER
    assert create(api, {}).code == "validation_failed"


def test_a_new_schema_counts_at_once(api: Api) -> None:
    register(api, {"required": ["a"]})
    assert create(api, {"b": 1}).status == 400
    register(api, {"required": ["b"]})
    assert create(api, {"b": 1}).status == 201
    assert create(api, {"a": 1}).status == 400


def test_validation_can_be_switched_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    register(api, {"required": ["a"]})
    monkeypatch.setattr(api.site.settings, "enable_schema_validation", False)
    assert create(api, {"b": 1}).status == 201
    monkeypatch.setattr(api.site.settings, "enable_schema_validation", True)
    assert create(api, {"b": 2}).status == 400


KEYWORDS: dict[str, tuple[Any, Any, Any]] = {
    "type": ({"type": "integer"}, 1, "1"),
    "type integer takes 1.0": ({"type": "integer"}, 1.0, 1.5),
    "type boolean": ({"type": "boolean"}, True, 1),
    "enum": ({"enum": ["a", 1, None]}, None, False),
    "const": ({"const": {"a": [1]}}, {"a": [1.0]}, {"a": [True]}),
    "multipleOf": ({"multipleOf": 0.01}, 19.99, 19.999),
    "exclusiveMinimum": ({"exclusiveMinimum": 0}, 0.1, 0),
    "maxLength counts characters": ({"maxLength": 2}, "🎉🎉", "abc"),
    "pattern": ({"pattern": "^[a-z]+$"}, "abc", "ABC"),
    "pattern is not anchored": ({"pattern": "b"}, "abc", "ac"),
    "pattern ends at the end": ({"pattern": "^[a-z]+$"}, "abc", "abc\n"),
    "pattern with digits": ({"pattern": r"^\d+$"}, "12", "\u0661\u0662"),
    "pattern with word characters": ({"pattern": r"^\w+$"}, "a_1", "é"),
    "pattern with white space": ({"pattern": r"^\s$"}, "\ufeff", "\x1c"),
    "pattern with a dot": ({"pattern": "^a.b$"}, "a\x85b", "a\u2028b"),
    "pattern with a class of brackets": ({"pattern": "^[[&&a]+$"}, "[&a", "[" * 2 + "b"),
    "pattern with a named group": ({"pattern": "^(?<q>['\"]).*\\k<q>$"}, "'a'", "'a\""),
    "pattern with surrogates": ({"pattern": r"^\ud83d\ude00$"}, "😀", "😁"),
    "pattern with unicode": ({"pattern": r"^\p{Lu}+$"}, "ÄÖ", "äö"),
    "patternProperties": (
        {"patternProperties": {"^n_": {"type": "number"}}},
        {"n_a": 1},
        {"n_a": "1"},
    ),
    "additionalProperties beside a pattern": (
        {"patternProperties": {"^n_": True}, "additionalProperties": False},
        {"n_a": 1},
        {"m": 1},
    ),
    "patternProperties end at the end": (
        {"patternProperties": {"^a$": False}},
        {"a\n": 1},
        {"a": 1},
    ),
    "patternProperties beside unevaluatedProperties": (
        {"patternProperties": {"^a$": True}, "unevaluatedProperties": False},
        {"a": 1},
        {"a\n": 1},
    ),
    "propertyNames": ({"propertyNames": {"maxLength": 3}}, {"abc": 1}, {"abcd": 1}),
    "dependentRequired": ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 2}, {"a": 1}),
    "prefixItems": ({"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", 1]),
    "contains": ({"contains": {"const": 1}, "maxContains": 1}, [1, 2], [1, 1]),
    "uniqueItems": ({"uniqueItems": True}, [1, True, "1"], [1, 1.0]),
    "unevaluatedProperties": (
        {"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
        {"a": 1},
        {"b": 1},
    ),
    "if then else": (
        {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}},
        "ab",
        1,
    ),
    "oneOf": ({"oneOf": [{"type": "number"}, {"minimum": 5}]}, 3, 7),
    "not": ({"not": {"type": "null"}}, 0, None),
    "$ref to an anchor": ({"$ref": "#x", "$defs": {"y": {"$anchor": "x", "minimum": 1}}}, 1, 0),
    "$ref to itself": (
        {"type": "object", "additionalProperties": {"$ref": "#/properties/v"}},
        {"a": {"b": {}}},
        {"a": {"b": 1}},
    ),
    "a very great integer": ({"multipleOf": 0.1}, 10**400, 0.05),
    "a schema's great integer": ({"maximum": 10**400}, 10**399, 10**401),
}


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_keywords(api: Api, keyword: str) -> None:
    param_schema, good, bad = KEYWORDS[keyword]
    assert register(api, {"properties": {"v": param_schema}}).status == 201
    assert create(api, {"v": good}).status == 201
    with api.unchanged():
        response = create(api, {"v": bad})
    assert response.code == "validation_failed"
    assert all(path.startswith("params.v") for path in response.paths)


UPPER = {"pattern": r"^\p{Lu}+$", "multipleOf": 0.1}
NAMED: dict[str, tuple[Any, Any, Any]] = {
    "at the top": ({"$schema": DRAFT, "properties": {"v": UPPER}}, {"v": "A"}, {"v": "a"}),
    "around itself": (
        {"$schema": DRAFT, "properties": {"v": UPPER, "next": {"$ref": "#"}}},
        {"next": {"next": {"v": "A"}}},
        {"next": {"next": {"v": "a"}}},
    ),
    "around itself, with numbers": (
        {"$schema": DRAFT, "properties": {"v": UPPER, "next": {"$ref": "#"}}},
        {"next": {"v": 10**400}},
        {"next": {"v": 0.05}},
    ),
    "inside": ({"properties": {"v": {"$schema": DRAFT, **UPPER}}}, {"v": 0.3}, {"v": 0.35}),
    "inside a definition": (
        {"$ref": "#/$defs/d", "$defs": {"d": {"$schema": DRAFT, "properties": {"v": UPPER}}}},
        {"v": "Ä"},
        {"v": "ä"},
    ),
}


@pytest.mark.parametrize("place", NAMED)
def test_the_drafts_name_changes_nothing(api: Api, place: str) -> None:
    param_schema, good, bad = NAMED[place]
    response = register(api, param_schema)
    if response.code == "validation_failed":  # a name for a part alone may be refused
        assert place.startswith("inside")
        return
    assert create(api, good).status == 201
    assert create(api, bad).code == "validation_failed"


def test_words_of_the_language_may_name_properties(api: Api) -> None:
    names = ["$ref", "$schema", "$id", "pattern", "properties", "unevaluatedProperties", "type"]
    properties = {name: {"type": "string"} for name in names}
    param_schema = {"properties": properties, "patternProperties": {"^x": True}}
    assert register(api, param_schema).status == 201
    assert create(api, dict.fromkeys(names, "text")).status == 201
    assert len(create(api, dict.fromkeys(names, 5)).paths) == len(names)


@pytest.mark.parametrize("word", ["const", "default", "examples", "enum"])
def test_data_inside_a_schema_is_no_schema(api: Api, word: str) -> None:
    data = [{"$ref": "https://example.com/x", "pattern": "(", "$schema": "draft-07", "type": 5}]
    assert register(api, {"properties": {"v": {word: data}}}).status == 201
    good = data[0] if word == "enum" else data
    assert create(api, {"v": good}).status == 201


REFUSED: dict[str, tuple[Any, str]] = {
    "remote $ref": ({"$ref": "https://example.com/x.json"}, "param_schema.$ref"),
    "file $ref": (
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        "param_schema.properties.a.$ref",
    ),
    "relative $ref": ({"allOf": [{"$ref": "other.json"}]}, "param_schema.allOf[0].$ref"),
    "remote $dynamicRef": ({"$dynamicRef": "https://example.com/x"}, "param_schema.$dynamicRef"),
    "metaschema $ref": ({"$ref": DRAFT}, "param_schema.$ref"),
    "$ref to nothing": ({"$ref": "#/$defs/none"}, "param_schema.$ref"),
    "$ref to no schema": ({"$ref": "#/const", "const": {"type": 5}}, "param_schema.$ref"),
    "draft 7": ({"$schema": "http://json-schema.org/draft-07/schema#"}, "param_schema.$schema"),
    "draft 2019-09": (
        {"$schema": "https://json-schema.org/draft/2019-09/schema"},
        "param_schema.$schema",
    ),
    "unknown type": ({"type": "text"}, "param_schema.type"),
    "type is a number": ({"properties": {"a": {"type": 5}}}, "param_schema.properties.a.type"),
    "required is a text": ({"required": "a"}, "param_schema.required"),
    "properties is a list": ({"properties": ["a"]}, "param_schema.properties"),
    "negative length": ({"minLength": -1}, "param_schema.minLength"),
    "multipleOf zero": ({"multipleOf": 0}, "param_schema.multipleOf"),
    "$ref is a number": ({"$ref": 5}, "param_schema.$ref"),
    "a list of items, as in older drafts": ({"items": [{}]}, "param_schema.items"),
    "unreadable pattern": ({"properties": {"a": {"pattern": "("}}}, "param_schema.properties.a"),
    "unreadable name pattern": ({"patternProperties": {"[": True}}, "param_schema"),
    "Python's own pattern": (
        {"properties": {"a": {"pattern": r"\Aa\Z"}}},
        "param_schema.properties.a",
    ),
    "too large a pattern": (
        {"properties": {"a": {"pattern": "a{60000}"}}},
        "param_schema.properties.a",
    ),
    "too many schemas": ({"allOf": [{}] * 30_000}, "param_schema"),
    "text, no JSON": ("{type: object}", "param_schema"),
    "empty text": ("", "param_schema"),
    "text of a number": ("5", "param_schema"),
    "text of a text": ('"true"', "param_schema"),
    "text of null": ("null", "param_schema"),
    "text of a list": ("[{}]", "param_schema"),
    "text with NaN": ('{"maximum": NaN}', "param_schema"),
    "text with a number too large": ('{"maximum": 1e999}', "param_schema"),
    "text with a number too long": ('{"maximum": ' + "9" * 5000 + "}", "param_schema"),
    "text with half a surrogate pair": ('{"title": "\\ud800"}', "param_schema"),
    "deep text": (nested(900), "param_schema"),
    "very deep text": (nested(20_000), "param_schema"),
    "number": (5, "param_schema"),
    "list": ([{}], "param_schema"),
    "null": (None, "param_schema"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_schemas(api: Api, name: str) -> None:
    param_schema, path = REFUSED[name]
    with api.unchanged():
        response = register(api, param_schema)
    assert response.code == "validation_failed"
    assert path in response.paths


def test_all_errors_of_a_schema_are_told(api: Api) -> None:
    response = register(api, {"type": "text", "minLength": -1, "properties": {"a": {"type": 1}}})
    expected = ["param_schema.minLength", "param_schema.properties.a.type", "param_schema.type"]
    assert sorted(set(response.paths)) == expected


# Each of these takes 2 to the power of the text's length.
RUNAWAYS: dict[str, tuple[Any, Any]] = {
    "pattern": ({"properties": {"a": {"pattern": "^(a|a)*$"}}}, {"a": "a" * 5000 + "b"}),
    "nested repeats": ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 5000 + "b"}),
    "patternProperties": ({"patternProperties": {"^(a|a)*$": False}}, {"a" * 5000 + "b": 1}),
    "additionalProperties": (
        {"patternProperties": {"^(a|a)*$": True}, "additionalProperties": False},
        {"a" * 5000 + "b": 1},
    ),
    "propertyNames": ({"propertyNames": {"pattern": "^(a|a)*$"}}, {"a" * 5000 + "b": 1}),
}


@pytest.mark.parametrize("name", RUNAWAYS)
def test_a_runaway_pattern_is_given_up(api: Api, name: str) -> None:
    """That this test ends is the point of it."""
    param_schema, params = RUNAWAYS[name]
    assert register(api, param_schema).status == 201
    with api.unchanged():
        response = create(api, params)
    assert response.code == "validation_failed"
    assert response.paths


# These use up all the time that a call has for checking, and no database.
once = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@once
def test_runaway_patterns_on_many_strings_are_given_up(api: Api) -> None:
    """That this test ends is the point of it."""
    register(api, {"properties": {"a": {"contains": {"pattern": "^(a|a)*$"}}}})
    with api.unchanged():
        response = create(api, {"a": ["a" * 50 + "b"] * 2000})
    assert response.code == "validation_failed"


@once
def test_a_refusal_names_the_keyword_and_what_to_do(api: Api) -> None:
    register(api, {"properties": {"a": {"contains": {"pattern": "^(a|a)*$"}}}})
    response = create(api, {"a": ["a" * 50 + "b"]})
    assert response.paths == ["params.a[0]"]
    assert "checking pattern took too long: send a shorter text, or simplify" in response.error


@once
def test_long_values_and_names_are_cut_in_messages(api: Api) -> None:
    register(api, {"additionalProperties": {"enum": ["y" * 200_000]}})
    response = create(api, {"n" * 50_000: "x" * 100_000, "short": "x" * 50_000})
    assert response.code == "validation_failed"
    assert len(response.paths) == 2
    assert "params.short" in response.paths
    assert all(len(each["message"]) < 300 for each in response.json["details"])
    assert all(len(path) < 300 for path in response.paths)


@once
def test_a_batch_tells_a_bounded_number_of_violations(api: Api) -> None:
    register(api, {"properties": {"a": {"items": False}}})
    response = api.post("/tasks", {"tasks": [{"type": "job", "params": {"a": [1] * 150}}] * 1000})
    assert response.code == "validation_failed"
    assert 100 <= len(response.paths) <= 1000
    assert len(json.dumps(response.json)) < 400_000


@once
def test_violations_of_a_batch_of_two_types_come_in_order(api: Api) -> None:
    api.register("number", {"required": ["n"]})
    api.register("text", {"required": ["t"]})
    tasks = [{"type": kind, "params": {}} for kind in ("number", "text", "number", "text")]
    response = api.post("/tasks", {"tasks": tasks})
    assert response.paths == [f"tasks[{position}].params" for position in range(4)]


@once
def test_runaway_patterns_in_a_batch_are_given_up(api: Api) -> None:
    """That this test ends is the point of it."""
    register(api, {"properties": {"a": {"pattern": "^(a|a)*$"}}})
    task = {"type": "job", "params": {"a": "a" * 50 + "b"}}
    with api.unchanged():
        response = api.post("/tasks", {"tasks": [task] * 1000})
    assert response.code == "validation_failed"


ENDLESS: dict[str, Any] = {
    "itself": {"$ref": "#"},
    "itself, dynamically": {"$dynamicRef": "#"},
    "two that refer to each other": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    },
    "allOf": {"allOf": [{"type": "object"}, {"$ref": "#"}]},
    "anyOf": {"anyOf": [{"$ref": "#"}]},
    "oneOf": {"oneOf": [{"$ref": "#"}]},
    "not": {"not": {"$ref": "#"}},
    "not, dynamically": {"not": {"$dynamicRef": "#"}},
    "if": {"if": {"$ref": "#"}},
    "then": {"if": True, "then": {"$ref": "#"}},
    "dependentSchemas": {"dependentSchemas": {"a": {"$ref": "#"}}},
    "unevaluatedProperties": {"unevaluatedProperties": False, "allOf": [{"$ref": "#"}]},
    "inside": {
        "properties": {"a": {"$ref": "#/$defs/d"}},
        "$defs": {"d": {"not": {"$ref": "#/$defs/d"}}},
    },
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_schema_without_end_is_given_up(api: Api, name: str) -> None:
    """Refused when it is registered, or else when it is used."""
    response = register(api, ENDLESS[name])
    if response.status == 201:
        response = create(api, {"a": 1})
    assert response.code == "validation_failed"


def test_a_schema_may_follow_its_params_down(api: Api) -> None:
    node = {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "leaf": {"type": "number"}}
    register(api, {"anyOf": [{"type": "null"}, {"allOf": [{"properties": node}]}]})
    good: dict[str, Any] = {"leaf": 1}
    bad: dict[str, Any] = {"leaf": "x"}
    for _ in range(90):
        good, bad = {"left": good, "right": None}, {"right": bad}
    assert create(api, good).status == 201
    assert create(api, bad).code == "validation_failed"
