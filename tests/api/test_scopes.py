"""Every route with every key: let in, or 403 with what is missing."""

from __future__ import annotations

import json

import pytest

from app.api import routes
from app.api.routes import ROUTES, Route
from app.queue.access import SCOPES
from tests.api.addresses import address_of, template
from tests.api.caller import Api
from tests.api.keys import headers_of, key_with
from tests.api.scopes import MAY_CALL, NO_PATTERNS, OPEN, ROWS

KEYS = {
    "no scope": [],
    **{scope: [scope] for scope in SCOPES},
    "produce and work": ["produce", "work"],
}
PATTERNS = {"all types": None, "some types": ["mail.%"]}


def is_allowed(route: Route, scopes: list[str], patterns: list[str] | None) -> bool:
    row = ROWS[template(route)]
    if row.scope == OPEN:
        return True
    is_refused_type = patterns is not None and row.types == NO_PATTERNS
    return bool(MAY_CALL[row.scope].intersection(scopes)) and not is_refused_type


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("types", PATTERNS)
@pytest.mark.parametrize("key", KEYS)
def test_each_route(api: Api, key: str, types: str) -> None:
    """What comes after the key does not matter: no address has such a task, no body says much."""
    headers = headers_of(key_with(api, KEYS[key], PATTERNS[types]))
    wrong = {}
    for route in ROUTES:
        method, path = address_of(route)
        response = api.call(method, path, {"type_pattern": "none"}, headers=headers)
        assert response.status != 401, response
        is_forbidden = response.status == 403
        if is_forbidden == is_allowed(route, KEYS[key], PATTERNS[types]):
            wrong[template(route)] = response.status
    assert wrong == {}


def test_each_route_has_a_row() -> None:
    assert sorted(ROWS) == sorted(template(route) for route in ROUTES)
    for route in ROUTES:
        row = ROWS[template(route)]
        assert (row.scope, row.types == NO_PATTERNS) == (
            route.scope,
            not route.by_type and not route.is_open,
        )


def test_a_route_without_a_scope_is_an_error() -> None:
    with pytest.raises(TypeError):
        Route("GET", "/new", "endpoints.new:new")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="GET /new needs a scope"):
        Route("GET", "/new", "endpoints.new:new", "operator")


def test_a_key_for_some_types_is_refused_unless_a_route_is_made_for_it() -> None:
    assert not Route("GET", "/new", "endpoints.new:new", routes.READ).by_type


def test_keys_and_routes_agree_on_the_scopes() -> None:
    assert (OPEN, *SCOPES) == routes.SCOPES_OF_ROUTES


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_is_missing_is_told(api: Api) -> None:
    headers = headers_of(key_with(api, ["produce"], name="web site"))
    response = api.call("POST", "/tasks/claim", {"worker_id": "w"}, headers=headers)
    assert (response.status, response.code) == (403, "forbidden")
    assert "'web site' lacks the scope 'work' and has produce" in response.error
    assert "POST /api/keys" in response.error
    some = headers_of(key_with(api, ["read"], ["mail.%"], name="mails"))
    response = api.call("GET", "/workers", headers=some)
    assert response.code == "forbidden"
    assert "mail.%" in response.error
    assert "without type_patterns" in response.error


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_in_spooleds_dialect(api: Api) -> None:
    headers = headers_of(key_with(api, ["produce"]))
    response = api.call("POST", "/v1/jobs/claim", {}, headers=headers)
    assert (response.status, response.json["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_address_that_is_none_is_404_for_any_key(api: Api) -> None:
    headers = headers_of(key_with(api, []))
    assert api.call("GET", "/nothing", headers=headers).status == 404
    assert api.call("POST", "/tasks/1", {}, headers=headers).status == 405


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_nothing_is_done_before_the_scope_is_looked_at(api: Api) -> None:
    api.register("job")
    headers = headers_of(key_with(api, ["work"]))
    body = json.dumps({"type": "job", "params": {}}).encode()
    with api.unchanged(except_for="api_keys"):
        assert api.call("POST", "/tasks", raw=body, headers=headers).status == 403
        assert api.call("POST", "/tasks", raw=b"{", headers=headers).status == 403
