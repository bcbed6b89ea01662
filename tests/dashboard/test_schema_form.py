"""Forms made from JSON Schemas: which fields there are, and which params their entries make."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from app.dashboard.forms.schema_form import MAX_FIELDS, SchemaForm
from app.dashboard.page_request import Form
from app.queue.schema.check import Check
from app.queue.schema.document import Document
from app.queue.validation import violations


def sent(**entries: str) -> Form:
    """What a browser sends when these fields are filled in."""
    return form_of(entries)


def form_of(entries: dict[str, str]) -> Form:
    return Form(urlencode(list(entries.items())))


def of(properties: dict[str, Any], **more: Any) -> SchemaForm:
    return SchemaForm({"type": "object", "properties": properties, **more})


def kinds(form: SchemaForm) -> list[str]:
    return [field.widget.kind for field in form.fields]


def as_sent(form: SchemaForm) -> Form:
    """What a browser sends when nobody changes anything."""
    entries = {field.name: field.text for field in form.fields}
    if form.others is not None:
        entries["others"] = form.others
    if form.whole is not None:
        entries["params"] = form.whole
    # Browsers end lines of what they send with two characters.
    return form_of({name: text.replace("\n", "\r\n") for name, text in entries.items()})


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": ["string", "null"]}, "text"),
        ({"type": "string", "maxLength": 5000}, "long"),
        ({"type": "string", "enum": ["a", "b"]}, "choice"),
        ({"enum": [1, "1", None, {"a": 1}]}, "choice"),
        ({"const": 7}, "choice"),
        ({"oneOf": [{"const": 1, "title": "One"}, {"const": 2}]}, "choice"),
        ({"type": "boolean"}, "choice"),
        ({"type": "integer"}, "number"),
        ({"type": "number"}, "number"),
        ({"type": "array", "items": {"type": "string"}}, "lines"),
        ({"type": "array", "items": {"type": "integer"}}, "lines"),
        ({"type": "array", "items": {"type": "object"}}, "json"),
        ({"type": "array"}, "json"),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, "json"),
        ({"type": ["string", "integer"]}, "json"),
        ({"type": "object"}, "json"),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "json"),
        ({"enum": list(range(500))}, "json"),
        ({}, "json"),
        (True, "json"),
        ({"$ref": "#/$defs/nothing"}, "json"),
        ({"$ref": "#/$defs/name"}, "text"),
        ({"$ref": "#/$defs/name", "enum": ["x"]}, "choice"),
        ({"$ref": "#/$defs/loop"}, "json"),
    ],
)
def test_each_schema_has_the_field_that_fits(schema: Any, kind: str) -> None:
    defs = {"name": {"type": "string"}, "loop": {"$ref": "#/$defs/loop"}}
    assert kinds(of({"x": schema}, **{"$defs": defs})) == [kind]


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "object"},
        {"properties": {}},
        {"properties": {"a": False}},
        {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "#"},
        {"properties": {f"p{n}": {"type": "string"} for n in range(MAX_FIELDS + 1)}},
        {"properties": {"\x00": {"type": "string"}, "\u202e": True}},
        False,
    ],
)
def test_a_schema_without_fields_is_written_as_json(schema: Any) -> None:
    form = SchemaForm(schema)
    assert not form.has_fields
    assert form.whole == "{}"
    assert form.read(sent(params='{"a": [1]}')) == ({"a": [1]}, [])


def test_the_whole_schema_may_be_a_reference() -> None:
    form = SchemaForm(
        {"$ref": "#/$defs/mail", "$defs": {"mail": {"properties": {"to": {"type": "string"}}}}}
    )
    assert [field.property for field in form.fields] == ["to"]


def test_entries_become_values_of_their_types() -> None:
    form = of(
        {
            "text": {"type": "string"},
            "long": {"type": "string", "maxLength": 900},
            "whole": {"type": "integer"},
            "number": {"type": "number"},
            "flag": {"type": "boolean"},
            "choice": {"enum": [1, "1"]},
            "lines": {"type": "array", "items": {"type": "string"}},
            "numbers": {"type": "array", "items": {"type": "number"}},
            "any": {"type": "object"},
        }
    )
    entries = {
        "param.text": " 007 ",
        "param.long": "one\r\ntwo",
        "param.whole": " 12 ",
        "param.number": "-1.5e3",
        "param.flag": "false",
        "param.choice": '"1"',
        "param.lines": " a\r\n\r\nb ",
        "param.numbers": "1\r\n2.5",
        "json.any": '{"a": null}',
        "others": '{"more": [true]}',
    }
    params, errors = form.read(form_of(entries))
    assert errors == []
    assert params == {
        "text": " 007 ",
        "long": "one\ntwo",
        "whole": 12,
        "number": -1500.0,
        "flag": False,
        "choice": "1",
        "lines": ["a", "b"],
        "numbers": [1, 2.5],
        "any": {"a": None},
        "more": [True],
    }


def test_an_empty_optional_field_is_left_out() -> None:
    properties = {
        "text": {"type": "string"},
        "whole": {"type": "integer"},
        "flag": {"type": "boolean"},
        "lines": {"type": "array", "items": {"type": "string"}},
        "any": {},
    }
    form = of(properties)
    assert form.read(as_sent(form)) == ({}, [])


def test_a_required_list_may_be_empty() -> None:
    form = of({"to": {"type": "array", "items": {"type": "string"}}}, required=["to"])
    assert form.read(as_sent(form)) == ({"to": []}, [])


def test_required_fields_are_marked() -> None:
    form = of({"a": {"type": "string"}, "b": {"type": "string"}}, required=["b"])
    assert [field.is_required for field in form.fields] == [False, True]


def test_defaults_are_filled_in() -> None:
    form = of({"n": {"type": "integer", "default": 3}, "o": {"default": {"a": 1}}})
    form.fill_in_defaults()
    assert form.read(as_sent(form))[0] == {"n": 3, "o": {"a": 1}}


@pytest.mark.parametrize(
    ("schema", "text", "word"),
    [
        ({"type": "integer"}, "1.5e", "a whole number"),
        ({"type": "integer"}, "0x10", "a whole number"),
        ({"type": "integer"}, "1,000", "a whole number"),
        ({"type": "number"}, "NaN", "a number"),
        ({"type": "number"}, "1" * 5000, "a number"),
        ({"type": "number"}, "1e999", "too large"),
        ({"enum": ["a"]}, '"b"', "one of the choices"),
        ({"type": "array", "items": {"type": "integer"}}, "1\ntwo", "a whole number"),
        ({}, "{nonsense", "is not JSON"),
        ({}, "[" * 200 + "]" * 200, "nested"),
    ],
)
def test_what_makes_no_value_is_told_at_its_field(schema: Any, text: str, word: str) -> None:
    form = of({"x": schema})
    name = form.fields[0].name
    params, errors = form.read(form_of({name: text}))
    assert params == {}
    assert [error["path"] for error in errors] == ["params.x"]
    assert word in errors[0]["message"]
    form.tell(errors)
    assert form.fields[0].errors == [errors[0]["message"]]
    assert form.fields[0].text == text  # nothing that was entered is lost


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        " with spaces ",
        "",
        "two\nlines",
        "dos\r\nlines",
        "\x00 nul",
        "\u202e turned",
        "ünïcode ☃ 👩‍👩‍👧",
        12,
        12.0,
        -0.5,
        10**30,
        True,
        None,
        [],
        ["a", "b"],
        ["a\nb"],
        [" a"],
        [""],
        {"a": {"b": []}},
        "2026-02-03",
        "next week",
    ],
)
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "string", "format": "date"},
        {"type": "string", "maxLength": 900},
        {"type": "integer"},
        {"type": "number"},
        {"type": "boolean"},
        {"enum": ["plain", 12, True, None]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object"},
    ],
)
def test_what_a_task_has_comes_back_unchanged(schema: Any, value: Any) -> None:
    """Even where it does not match the schema, which may have changed since."""
    form = of({"x": schema})
    form.fill_in({"x": value, "stray": 1})
    again = of({"x": schema})
    params, errors = again.read(as_sent(form))
    assert errors == []
    assert params == {"x": value, "stray": 1}
    assert [type(each) for each in params.values()] == [type(value), int]


@pytest.mark.parametrize(
    "name",
    [
        "a.b",
        "a[0]",
        "params",
        "others",
        "csrf",
        "type",
        " ",
        "",
        "<script>",
        '"&=;',
        "ü☃",
        "x" * 300,
    ],
)
def test_names_of_properties_may_be_anything(name: str) -> None:
    schema = {
        "properties": {name: {"type": "integer"}, "a": {"type": "string"}},
        "required": [name],
    }
    form = SchemaForm(schema)
    field = next(field for field in form.fields if field.property == name)
    assert form.read(form_of({field.name: "7"})) == ({name: 7}, [])
    form.tell(schema_errors(schema, {}))
    assert field.errors == ["is required"]
    wrong = SchemaForm(schema)
    wrong.tell(schema_errors(schema, {name: "x"}))
    assert [each.property for each in wrong.fields if each.errors] == [name]


def schema_errors(schema: Any, params: Any) -> list[dict[str, str]]:
    return violations(Check(), Document(schema), params)


def test_a_hidden_name_goes_into_the_other_params() -> None:
    form = of({"a": {"type": "string"}, "b\u202e": {"type": "string"}}, additionalProperties=False)
    assert [field.property for field in form.fields] == ["a"]
    form.fill_in({"b\u202e": "x"})
    assert form.others is not None
    assert "\\u202e" in form.others
    assert form.read(as_sent(form))[0] == {"b\u202e": "x"}


def test_other_params_are_asked_for_only_where_there_may_be_some() -> None:
    closed = of({"a": {"type": "string"}}, additionalProperties=False)
    assert closed.others is None
    assert of({"a": {"type": "string"}}).others == ""


@pytest.mark.parametrize("text", ["[1]", "7", "{", '{"a": 1}'])
def test_other_params_that_will_not_do_are_told_there(text: str) -> None:
    form = of({"a": {"type": "string"}})
    _, errors = form.read(sent(others=text))
    assert [error["path"] for error in errors] == ["others"]
    form.tell(errors)
    assert len(form.others_errors) == 1
    assert form.others == text


def test_errors_deep_inside_are_told_at_the_field_with_their_place() -> None:
    schema = {
        "properties": {
            "address": {"type": "object", "properties": {"city": {"type": "string"}}},
            "to": {"type": "array", "items": {"type": "string"}},
        }
    }
    form = SchemaForm(schema)
    form.tell(schema_errors(schema, {"address": {"city": 7}, "to": ["a", 3]}))
    assert [field.errors[0].split()[0] for field in form.fields] == ["city", "[1]"]


def test_errors_of_no_field_are_told_for_the_form() -> None:
    form = of({"a": {"type": "string"}})
    left = form.tell(
        [
            {"path": "params", "message": "{} has too few properties: it needs 2"},
            {"path": "params.stray", "message": "the property 'stray' is not expected here"},
            {"path": "priority", "message": "must be a whole number"},
        ]
    )
    assert form.errors == [
        "{} has too few properties: it needs 2",
        "params.stray the property 'stray' is not expected here",
    ]
    assert [error["path"] for error in left] == ["priority"]


def test_a_changed_schema_mixes_nothing_up() -> None:
    before = of({"a": {"type": "string"}, "b": {"type": "string"}})
    entries = form_of({before.fields[0].name: "first", before.fields[1].name: "second"})
    after = of({"b": {"type": "string"}, "a": {"type": "string"}})
    assert after.read(entries)[0] == {"a": "first", "b": "second"}


def test_titles_and_examples_are_for_people() -> None:
    form = of({"to": {"type": "string", "title": "Recipient", "examples": ["a@b.c", {"x": 1}]}})
    field = form.fields[0]
    assert (field.label, field.example_texts) == ("Recipient", ["a@b.c"])


@pytest.mark.parametrize("word", ["title", "description", "examples", "default"])
def test_odd_annotations_do_no_harm(word: str) -> None:
    for value in (7, None, [], {}, "x" * 100_000):
        form = of({"a": {"type": "string", word: value}})
        assert len(form.fields[0].label) <= 1000
        assert len(form.fields[0].hint) <= 1000
        form.fill_in_defaults()
