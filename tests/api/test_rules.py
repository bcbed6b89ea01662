"""The rules for every endpoint: form, headers, methods, addresses, bodies.

The form of each response is checked by the caller for every call of every test.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from app.api.routes import WITH_VERSION
from app.server.flask_app import create_app
from tests.api.addresses import NATIVE, address_of, template
from tests.api.caller import TEXTS, Api, check_form
from tests.support.http_client import Response

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
without_database = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""What is refused before any statement is sent is the same on each database."""

each_route = pytest.mark.parametrize("route", NATIVE, ids=template)


@each_route
def test_every_response_has_the_form(api: Api, route: Any) -> None:
    method, path = address_of(route)
    response = api.call(method, path, None if method == "GET" else {})
    # There is nothing to run tasks with.
    refused = (409,) if route.template == "/run" else ()
    assert response.status in (200, 201, 400, 404, *refused)


def test_the_timestamp_is_now(api: Api) -> None:
    for response in (api.get("/task-types"), api.get("/nothing")):
        assert abs(response.json["timestamp"] - time.time()) < 300


@each_route
def test_a_trailing_slash_is_ignored(api: Api, route: Any) -> None:
    method, path = address_of(route)
    plain, slashed = api.call(method, path, {}), api.call(method, path + "/", {})
    assert slashed.status == plain.status
    if path in TEXTS:
        assert slashed.raw == plain.raw
    else:
        assert slashed.json.get("error") == plain.json.get("error")


@pytest.mark.parametrize(
    "route", [each for each in NATIVE if each.template.startswith(WITH_VERSION)], ids=template
)
def test_v1_in_front_is_ignored(api: Api, route: Any) -> None:
    """Addresses in guides end so; below it, too, errors are told as everywhere."""
    method, path = address_of(route)
    plain, versioned = api.call(method, path, {}), api.call(method, "/v1" + path, {})
    assert versioned.status == plain.status
    assert versioned.json.get("error") == plain.json.get("error")
    assert versioned.json.get("code") == plain.json.get("code")


def test_a_tasks_life_below_v1(api: Api) -> None:
    api.register("job")
    assert api.post("/v1/tasks", {"type": "job", "params": {}}).status == 201
    task = api.post("/v1/tasks/claim", {"worker_id": "w1"}).data
    assert api.post(f"/v1/tasks/{task['id']}/complete", {"result": 1}).status == 200
    assert api.post("/v1/tasks/claim", {"worker_id": "w1"}).error == "No available tasks"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/tasks/x",
        "/tasks/1/nothing",
        "/tasks/1/complete/more",
        "/tasks/claim/1",
        "/Tasks",
        "/TASKS/claim",
        "//tasks",
        "/tasks//claim",
        "/tasks/1//complete",
        "/health/x",
        "/healthy",
        "/v1",
        "/../tasks/x",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.env",
        "/tasks%00",
        "/tasks/1%0a",
        "/%ff%fe",
        "/größe",
        "/🎉",
        "/task-typesx",
        "/" + "x" * 3000,
        "/tasks/" + "9" * 3000,
    ],
)
@without_database
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_addresses(api: Api, method: str, path: str) -> None:
    with api.unchanged():
        response = api.call(method, path, None if method == "GET" else {})
    assert response.status == 404
    assert response.code == "not_found"


NO_IDS = [
    *("0", "-1", "-0", "00", "01", "+1", "1.0", "1e3", "0x1", "x", "1x", "%201", "1%20"),
    *("null", "true", "\u0661", "1,2", "1;2", "%27", "_"),
]


@pytest.mark.parametrize("task_id", [*NO_IDS, "99999999999999999999", "9" * 100])
def test_a_task_id_is_a_positive_integer(api: Api, task_id: str) -> None:
    api.claimed()
    with api.unchanged():
        responses = [api.call(method, f"/tasks/{task_id}") for method in ("GET", "DELETE")]
        responses.append(api.get(f"/tasks/{task_id}/history"))
        for call in ("complete", "fail", "heartbeat", "progress", "release", "cancel", "delete"):
            responses.append(api.post(f"/tasks/{task_id}/{call}", {}))
    assert {response.code for response in responses} == {"not_found"}


def wrong_methods() -> list[tuple[str, str]]:
    """Every address with each method that it does not take; it takes HEAD wherever GET."""
    found = set()
    for path in {address_of(route)[1] for route in NATIVE}:
        known = {route.method for route in NATIVE if route.match(path) is not None}
        taken = known | ({"HEAD"} if "GET" in known else set())
        found |= {(method, path) for method in METHODS if method not in taken}
    return sorted(found)


@without_database
@pytest.mark.parametrize(("method", "path"), wrong_methods())
def test_methods(api: Api, method: str, path: str) -> None:
    known = {route.method for route in NATIVE if route.match(path) is not None}
    with api.unchanged():
        response = api.call(method, path, {})
    assert response.status == 405
    assert set(response.headers["Allow"].replace(" ", "").split(",")) >= known
    if method != "HEAD":
        assert response.code == "method_not_allowed"
        assert all(each in response.error for each in known)


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "FOO"])
def test_unheard_of_methods(api: Api, method: str) -> None:
    with api.unchanged():
        assert api.call(method, "/tasks/claim", {"worker_id": "w"}).code == "method_not_allowed"


@pytest.mark.parametrize("path", ["/health", "/tasks", "/tasks/{id}", "/task-types/job"])
def test_head_is_get_without_a_body(api: Api, path: str) -> None:
    api.register("job")
    path = path.format(id=api.create("job")["id"])
    head, get = api.call("HEAD", path), api.get(path)
    assert head.status == get.status == 200
    assert head.json == {}
    for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options"):
        assert head.headers[name] == get.headers[name]


def test_head_of_nothing(api: Api) -> None:
    assert api.call("HEAD", "/tasks/999999999").status == 404


def content_types() -> list[dict[str, str]]:
    types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", ""]
    given = [{"Content-Type": each} for each in types]
    return [{}, {"Content-Type": "application/json; charset=latin-1"}, *given]


@pytest.mark.parametrize("headers", content_types(), ids=str)
def test_the_content_type_does_not_matter(
    api: Api, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    monkeypatch.setattr(api.site.settings, "require_auth", False)
    body = {"name": "größe", "version": "1", "param_schema": {}}
    raw = json.dumps(body, ensure_ascii=False).encode()
    response = api.call("POST", "/task-types/register", raw=raw, headers=headers)
    assert response.status == 201
    assert response.data["name"] == "größe"


@pytest.mark.parametrize("raw", [b"", b"  ", b"\r\n\t", b"{}", b" {} ", b"\xef\xbb\xbf{}"])
def test_no_body_is_an_empty_object(api: Api, raw: bytes) -> None:
    api.register("job")
    task = api.create("job")
    assert api.call("POST", f"/tasks/{task['id']}/cancel", raw=raw).status == 200


def test_escapes_and_raw_characters_mean_the_same(api: Api) -> None:
    api.register("job")
    raw = rb'{"type": "job", "params": {"t": "\u00e9 \ud83c\udf89", "a\/b": "\u0041"}}'
    task = api.call("POST", "/tasks", raw=raw).data
    assert api.task(task["id"])["params"] == {"t": "é 🎉", "a/b": "A"}


def test_responses_are_utf8(api: Api) -> None:
    api.register("größe 🎉")
    assert api.get("/task-types").data["task_types"][0]["name"] == "größe 🎉"


@pytest.mark.parametrize("depth", [2, 50, 97])
def test_nesting_within_reason(api: Api, depth: int) -> None:
    api.register("job")
    value: Any = "the bottom"
    for _ in range(depth):
        value = [value]
    task = api.create("job", {"a": value})
    assert api.task(task["id"])["params"] == {"a": value}


def test_brackets_in_texts_are_no_nesting(api: Api) -> None:
    api.register("job")
    params = {"a": "[{" * 5000, "b": '\\"[' * 500, "c": [{}] * 500}
    assert api.task(api.create("job", params)["id"])["params"] == params


def test_everything_that_changes_something_is_reachable_by_post() -> None:
    """Firewalls of cheap hosts block PUT, PATCH and DELETE."""
    others = {route.target for route in NATIVE if route.method not in ("GET", "POST")}
    assert others <= {route.target for route in NATIVE if route.method == "POST"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/apis", 404),
        ("POST", "/nothing", 401),
        ("PUT", "/nothing", 404),
        ("PUT", "/", 405),
        ("GET", "/static/../config.py", 404),
        ("GET", "/config.py", 404),
    ],
)
def test_addresses_outside_the_api(api: Api, method: str, path: str, status: int) -> None:
    client = create_app(api.site).test_client()
    received = client.open(path, method=method)
    response = Response(received.status_code, received.headers.items(), received.get_data())
    check_form(method, response)
    assert response.status == status
