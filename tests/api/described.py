"""Responses held against the OpenAPI document: each must be one that it describes, with nothing in
it that is not described.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from app.api.reference.openapi import document
from app.api.routes import resolve
from app.config import from_values
from tests.support.http_client import Response

SETTINGS = from_values({})
DOCUMENT = document("https://example.com/queue", SETTINGS)
COMPONENTS = "#/components/"


def operation_of(route: Any) -> Any:
    return DOCUMENT["paths"][route.template][route.method.lower()]


def validator(schema: Any) -> Draft202012Validator:
    """Of a schema that may refer to others of the document."""
    resource = DRAFT202012.create_resource(DOCUMENT)
    registry: Any = Registry().with_resource("urn:document", resource)
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
    return Draft202012Validator(absolute, registry=registry)


def check_described(method: str, path: str, response: Response) -> None:
    """``path`` is below ``/api``, as written in an address."""
    route = resolve(method, unquote(path)).route
    if route is None or method == "HEAD":
        return
    call = f"{method} {route.template}"
    known = resolved(operation_of(route)["responses"])
    assert str(response.status) in known, f"{call}: {response.status} is not described"
    content = known[str(response.status)].get("content")
    if content is None:
        assert not response.raw, f"{call}: {response.status} has a body"
        return
    is_json = response.headers["Content-Type"].startswith("application/json")
    assert is_json == ("application/json" in content), (call, response.headers["Content-Type"])
    if is_json:
        errors = [
            each.message
            for each in strict(call, response.status).iter_errors(json.loads(response.raw))
        ]
        assert not errors, f"{call} {response.status}: {errors[0]}: {response}"


@cache
def strict(call: str, status: int) -> Draft202012Validator:
    """Of a response in which nothing may be but what is described."""
    method, _, template = call.partition(" ")
    responses = resolved(DOCUMENT["paths"][template][method.lower()]["responses"])
    return validator(closed(responses[str(status)]["content"]["application/json"]["schema"]))


def resolved(thing: Any) -> Any:
    """With what it refers to in the place of each reference."""
    if isinstance(thing, dict):
        if "$ref" in thing:
            found: Any = DOCUMENT
            for part in thing["$ref"][2:].split("/"):
                found = found[part]
            return resolved(found)
        return {name: resolved(each) for name, each in thing.items()}
    return [resolved(each) for each in thing] if isinstance(thing, list) else thing


def closed(schema: Any) -> Any:
    """The schema without room for other fields. Parts of ``allOf`` describe one object together."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(each) for name, each in schema.items() if name != "allOf"}
    if "allOf" in schema:
        is_object = any(each.keys() & {"properties", "anyOf"} for each in schema["allOf"])
        found.update(merged(schema["allOf"]) if is_object else {"allOf": schema["allOf"]})
    elif "properties" in schema:
        found.setdefault("additionalProperties", False)
    return found


def merged(parts: list[Any]) -> Any:
    """What several schemas say together, as one. One of them may have alternatives."""
    alternatives = [part["anyOf"] for part in parts if "anyOf" in part]
    if alternatives:
        others = [part for part in parts if "anyOf" not in part]
        return {"anyOf": [closed({"allOf": [*others, each]}) for each in alternatives[0]]}
    properties: dict[str, list[Any]] = {}
    required: list[str] = []
    for part in parts:
        inner = merged(part["allOf"]) if "allOf" in part else part
        required += inner.get("required", [])
        for name, each in inner.get("properties", {}).items():
            properties.setdefault(name, []).append(each)
    return {
        "type": "object",
        "properties": {
            name: closed(each[0] if len(each) == 1 else {"allOf": [one for one in each if one]})
            for name, each in properties.items()
        },
        "required": required,
        "additionalProperties": False,
    }
