"""Who is let in: the API key in ``Authorization``, ``X-API-Key`` or as the password of Basic."""

from __future__ import annotations

from base64 import b64encode

import pytest

from app.api.dispatch import handle
from app.api.request import Request
from tests.api.addresses import NATIVE, address_of
from tests.api.caller import API_KEY, Api

both_ways = pytest.mark.parametrize("way", ["plain", "flask"], indirect=True)


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


GOOD = [
    {"X-API-Key": API_KEY},
    {"Authorization": f"Bearer {API_KEY}"},
    {"authorization": f"bearer {API_KEY}"},
    {"x-api-key": API_KEY},
    {"Authorization": "Basic dXNlcjpwYXNz", "X-API-Key": API_KEY},
    {"Authorization": "", "X-API-Key": API_KEY},
    {"Authorization": "Bearer", "X-API-Key": API_KEY},
    {"Authorization": basic(f"x:{API_KEY}")},
    {"Authorization": basic(f":{API_KEY}")},
    {"Authorization": basic(f"größe@example.com:{API_KEY}")},
    {"authorization": basic(f"x:{API_KEY}").replace("Basic", "basic")},
    {"Authorization": basic(f"x:{API_KEY}"), "X-API-Key": "of another program"},
    {"Authorization": "Bearer of-another-program", "X-API-Key": API_KEY},
]
BAD: list[dict[str, str]] = [
    {},
    {"X-API-Key": ""},
    {"X-API-Key": "wrong-key"},
    {"X-API-Key": API_KEY[:-1]},
    {"X-API-Key": API_KEY + "x"},
    {"X-API-Key": API_KEY.upper()},
    {"X-API-Key": "schlüssel"},
    {"Authorization": API_KEY},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer wrong-key"},
    {"Authorization": f"Basic {API_KEY}"},
    {"Authorization": "Basic"},
    {"Authorization": "Basic ="},
    {"Authorization": "Basic größe"},
    {"Authorization": basic(API_KEY)},
    {"Authorization": basic(f"{API_KEY}:")},
    {"Authorization": basic(f"{API_KEY}:x")},
    {"Authorization": basic(f"x:{API_KEY}:")},
    {"Authorization": "Basic /////w=="},
    {"Cookie": f"X-API-Key={API_KEY}"},
]
CLOSED = [route for route in NATIVE if not route.is_open]


@both_ways
@pytest.mark.parametrize("headers", GOOD, ids=range(len(GOOD)))
def test_the_right_key(api: Api, headers: dict[str, str]) -> None:
    assert api.call("GET", "/task-types", headers=headers).status == 200


@both_ways
@pytest.mark.parametrize("headers", BAD, ids=range(len(BAD)))
def test_no_key_or_a_wrong_one(api: Api, headers: dict[str, str]) -> None:
    body = {"name": "job", "version": "1", "param_schema": {}}
    with api.unchanged():
        response = api.call("POST", "/task-types/register", body, headers=headers)
    assert response.status == 401
    assert response.code == "unauthorized"
    assert "Bearer" in response.headers["WWW-Authenticate"]
    assert API_KEY not in str(response.json)


@both_ways
def test_what_to_send_is_told(api: Api) -> None:
    response = api.call("GET", "/tasks", headers={})
    assert "Authorization: Bearer" in response.error
    assert "X-API-Key" in response.error


@both_ways
@pytest.mark.parametrize("route", CLOSED, ids=lambda route: f"{route.method} {route.template}")
def test_every_closed_address(api: Api, route: object) -> None:
    method, path = address_of(route)
    response = api.call(method, path, {}, headers={})
    assert response.code == "unauthorized"


def test_only_health_and_what_is_about_the_api_is_open() -> None:
    paths = ["/", "/openapi.json", "/health", "/health/live", "/health/ready", "/health/queue"]
    opened = [address_of(route) for route in NATIVE if route.is_open]
    assert opened == [("GET", path) for path in paths]


@both_ways
def test_the_key_goes_before_everything_else(api: Api) -> None:
    """A stranger does not learn what is wrong with a body, or which tasks there are."""
    api.register("job")
    task = api.create("job")
    for method, path in (
        ("POST", f"/tasks/{task['id']}/complete"),
        ("POST", "/tasks/999999999/complete"),
        ("POST", "/nothing"),
        ("GET", "/v1"),
        ("GET", "/tasks/x"),
        ("PUT", "/tasks"),
        ("FOO", "/tasks/claim"),
        ("OPTIONS", "/tasks"),
        ("POST", "/healthy"),
        ("GET", "/v1/nothing"),
    ):
        for headers in ({}, {"X-API-Key": "wrong"}):
            response = api.call(method, path, raw=b"{", headers=headers)
            assert response.status == 401
            assert response.json.get("code", "").lower() == "unauthorized"


@both_ways
def test_the_body_is_not_even_read_before_the_key(api: Api) -> None:
    def read() -> bytes:
        raise AssertionError("nobody with a wrong key has a body read")

    for key, status in (("", 401), ("wrong", 401)):
        request = Request("POST", "/tasks/claim", {}, {"x-api-key": key}, read)
        assert handle(request, api.site).status == status


@both_ways
@pytest.mark.parametrize(
    ("mode", "asks"), [(None, True), ("navigate", True), ("cors", False), ("same-origin", False)]
)
def test_who_is_asked_for_a_password(api: Api, mode: str | None, asks: bool) -> None:
    """A person with a browser, and programs that wait for it; not a page's script, for which the
    browser would put up its dialog.
    """
    headers = {"Sec-Fetch-Mode": mode} if mode else {}
    told = api.call("GET", "/tasks", headers=headers).headers["WWW-Authenticate"]
    assert ("Basic" in told) is asks
    assert "Bearer" in told


@both_ways
def test_a_server_that_lets_everybody_in(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "require_auth", False)
    assert api.call("GET", "/task-types", headers={}).status == 200
    assert api.call("GET", "/task-types", headers={"X-API-Key": "wrong"}).status == 200


@both_ways
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": ""}, {"X-API-Key": "any-key-at-all"}])
def test_a_server_without_a_key(
    api: Api, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    monkeypatch.setattr(api.site.settings, "api_key", "")
    response = api.call("GET", "/task-types", headers=headers)
    assert response.code == "unauthorized"
    assert "API_KEY" in response.error
    assert api.call("GET", "/health", headers=headers).status == 200
