"""Calls by scripts of pages at other addresses: only from the origins that are configured."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.api.caller import API_KEY, Api

pytestmark = pytest.mark.parametrize("way", ["plain", "flask"], indirect=True)

PAGE = "https://www.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


@pytest.fixture
def allowed(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(api.site.settings, "cors_origins", (PAGE, "http://localhost:3000"))
    return api


def granted(headers: Mapping[str, str]) -> str | None:
    return headers.get("Access-Control-Allow-Origin")


def test_off_unless_configured(api: Api) -> None:
    response = api.call("GET", "/health", headers={"Origin": PAGE})
    assert not [name for name in response.headers if name.startswith("access-control")]
    asked = api.call("OPTIONS", "/tasks", headers={"Origin": PAGE, **PREFLIGHT})
    assert asked.status == 401
    assert granted(asked.headers) is None


def test_the_browser_asks_without_a_key(allowed: Api) -> None:
    for path in ("/tasks", "/tasks/5/complete", "/nothing"):
        response = allowed.send("OPTIONS", path, {"Origin": PAGE, **PREFLIGHT})
        headers = response.headers
        assert (response.status, response.raw) == (204, b"")
        assert granted(headers) == PAGE
        assert headers["Vary"] == "Origin"
        for name in (
            "Authorization",
            "X-API-Key",
            "Content-Type",
            "Content-Encoding",
            "Idempotency-Key",
        ):
            assert name in headers["Access-Control-Allow-Headers"]
        assert "traceparent" in headers["Access-Control-Allow-Headers"]
        assert "POST" in headers["Access-Control-Allow-Methods"]
        assert "Access-Control-Allow-Credentials" not in headers


def test_the_page_can_read_responses_and_errors(allowed: Api) -> None:
    key = {"X-API-Key": API_KEY, "Origin": PAGE}
    for method, path, headers, status in (
        ("GET", "/task-types", key, 200),
        ("GET", "/tasks/999999999", key, 404),
        ("PUT", "/tasks", key, 405),
        ("GET", "/task-types", {"Origin": PAGE}, 401),
    ):
        response = allowed.call(method, path, headers=headers)
        assert response.status == status
        assert granted(response.headers) == PAGE
        assert response.headers["Vary"] == "Origin"


def test_other_pages_get_nothing(allowed: Api) -> None:
    for origin in ("https://evil.example", "https://www.example.com.evil.example", "null", ""):
        asked = allowed.call("OPTIONS", "/tasks", headers={"Origin": origin, **PREFLIGHT})
        assert asked.status == 401
        response = allowed.call(
            "GET", "/task-types", headers={"X-API-Key": API_KEY, "Origin": origin}
        )
        assert response.status == 200
        for got in (asked.headers, response.headers):
            assert granted(got) is None
            assert got["Vary"] == "Origin"


def test_every_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "cors_origins", ("*",))
    assert granted(api.call("GET", "/health", headers={"Origin": PAGE}).headers) == "*"
    asked = api.send("OPTIONS", "/tasks", {"Origin": PAGE, **PREFLIGHT})
    assert (asked.status, granted(asked.headers)) == (204, "*")


def test_an_ordinary_options_call_needs_the_key(allowed: Api) -> None:
    assert allowed.call("OPTIONS", "/tasks", headers={"Origin": PAGE}).status == 401
    key = {"X-API-Key": API_KEY}
    assert allowed.call("OPTIONS", "/tasks", headers=key).code == "method_not_allowed"
