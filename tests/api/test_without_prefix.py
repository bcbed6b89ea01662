"""Calls without ``/api`` in front, by the short way and by Flask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import Client

from app.server import wsgi
from app.server.flask_app import create_app
from tests.api.addresses import NATIVE, address_of, template
from tests.api.caller import API_KEY, Api, as_served, check_form
from tests.support.http_client import Response

KEY = {"X-API-Key": API_KEY}


def clients(api: Api) -> list[Client]:
    """The Flask application, and what stands before it on a server."""
    flask_app = create_app(api.site)
    return [Client(flask_app), Client(as_served(api.site, flask_app))]


def call(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Response:
    sent = headers or KEY
    received = client.open(path, method=method, headers=sent, data=json.dumps(body or {}))
    response = Response(received.status_code, received.headers.items(), received.get_data())
    if not path.startswith("/v1"):
        check_form(method, response)
    return response


def test_a_task_lives_without_it(api: Api) -> None:
    for client in clients(api):
        kind = {"name": "job", "version": "1", "param_schema": {}}
        assert call(client, "POST", "/task-types/register", kind).status in (200, 201)
        made = call(client, "POST", "/tasks", {"type": "job", "params": {}, "dedupe": False})
        assert made.status == 201
        claimed = call(client, "POST", "/tasks/claim/", {"worker_id": "w1", "task_types": ["job"]})
        assert claimed.data["id"] == made.data["id"]
        ended = call(client, "POST", f"/tasks/{made.data['id']}/complete", {"worker_id": "w1"})
        assert ended.data["status"] == "completed"
        job = {"queue_name": "other", "payload": {}}
        assert call(client, "POST", "/v1/jobs", job).status == 201


def test_health_is_open(api: Api) -> None:
    for client in clients(api):
        for method in ("GET", "HEAD"):
            for path in ("/health", "/health/"):
                assert call(client, method, path, Accept="*/*").status == 200
        assert call(client, "GET", "/health").json["status"] == "healthy"


@pytest.mark.parametrize("route", [each for each in NATIVE if each.method == "POST"], ids=template)
def test_every_post_needs_the_key(api: Api, route: Any) -> None:
    method, path = address_of(route)
    for client in clients(api):
        assert call(client, method, path, Accept="*/*").status == 401
        assert call(client, method, path, {}).status in (200, 201, 400, 404, 409)


def test_unknown_posts(api: Api) -> None:
    for client in clients(api):
        assert call(client, "POST", "/nothing/here", Accept="*/*").status == 401
        assert call(client, "POST", "/nothing/here").code == "not_found"
        assert call(client, "POST", "/v1/nothing").json["code"] == "NOT_FOUND"


def test_other_methods_are_for_pages(api: Api) -> None:
    for client in clients(api):
        for method, path in (("GET", "/tasks"), ("GET", "/workers/w1"), ("DELETE", "/tasks/1")):
            response = call(client, method, path)
            assert (response.status, response.code) == (404, "not_found")


def test_a_page_keeps_its_address(api: Api) -> None:
    flask_app = create_app(api.site)
    flask_app.add_url_rule("/sign-in", view_func=lambda: "page", methods=["GET", "POST"])

    def served(environ: dict[str, Any], start_response: Any) -> Any:
        assert not wsgi.belongs_here(environ, api.site)
        return flask_app(environ, start_response)

    for client in (Client(flask_app), Client(served)):
        assert client.post("/sign-in").get_data() == b"page"
        assert client.get("/").status_code == 200


def test_browsers_ask_for_these_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "cors_origins", ("*",))
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    for client in clients(api):
        asked = client.open("/tasks/claim", method="OPTIONS", headers=headers)
        assert asked.status_code == 204
        assert asked.headers["Access-Control-Allow-Origin"] == "*"
