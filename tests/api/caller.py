"""Calls of the API in the ways a request can take, and what came back, checked for its form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import unquote

from flask import Flask
from werkzeug.test import Client

from app.api.dispatch import handle
from app.api.request import Request
from app.api.routes import speaks_spooled
from app.db.connection import Connection
from app.db.tables import Base
from app.queue import upkeep
from app.queue.fair_turns import ROWS as FAIR_TURNS
from app.queue.wrong_keys import PREFIX as WRONG_KEYS
from app.server import wsgi
from app.site import Site
from tests.api.described import check_described
from tests.support.http_client import Response

API_KEY = "the-key-of-the-tests"
TABLES = sorted(Base.metadata.tables)
ROLLED_UP = ("task_activity", "task_counts", "worker_activity")
QUEUE = "queue."
"""What the rows of ``settings`` begin with that say whether the queue is paused."""
EMPTIED_TABLES = [name for name in TABLES if name != "settings"]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

STATUS_OF_CODE = {
    "invalid_json": 400,
    "validation_failed": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_owner": 403,
    "not_found": 404,
    "unknown_type": 404,
    "no_tasks": 404,
    "method_not_allowed": 405,
    "not_claimed": 409,
    "lease_lost": 409,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_conflict": 422,
    "rate_limited": 429,
    "queue_unhealthy": 503,
    "internal": 500,
    "database_unavailable": 503,
    "busy": 503,
}
"""Every code of the contract, with the one status that it comes with."""


class Way(Protocol):
    """How a request gets to its response. ``path`` is below ``/api``, as written in an address."""

    def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Response: ...


class Plain:
    """The plain function from a request to a response."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Response:
        low = {name.lower(): value for name, value in headers.items()}
        request = Request(method, unquote(path), query, low, body)
        response = handle(request, self._site)
        # Whoever sends the response leaves out the body for HEAD, as app.server.wsgi.send does.
        sent = b"" if method == "HEAD" else response.body()
        return Response(response.status, response.headers.items(), sent)


class OverWsgi:
    """A WSGI application around it."""

    def __init__(self, application: Any) -> None:
        self._client = Client(application)

    def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Response:
        received = self._client.open(
            "/api" + path, method=method, query_string=dict(query), headers=headers, data=body
        )
        return Response(received.status_code, received.headers.items(), received.get_data())


def as_served(site: Site, flask_app: Flask) -> Callable[..., Any]:
    """What a server runs: the short way, and Flask for what that does not take."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if wsgi.belongs_here(environ, site):
            return wsgi.respond(environ, start_response, site)
        return flask_app(environ, start_response)

    return application


def way_of(name: str, site: Site, flask_app: Flask) -> Way:
    """``plain``, ``flask``, or ``served``: the first two put together, as on a server."""
    if name == "plain":
        return Plain(site)
    return OverWsgi(flask_app if name == "flask" else as_served(site, flask_app))


class Api:
    """The API of one site, called in one way."""

    def __init__(self, site: Site, way: Way) -> None:
        self.site = site
        self._way = way

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Response:
        """One call. ``body`` is sent as JSON, ``raw`` as it is. Without ``headers`` the key is
        sent; with them nothing but them. Fails when the response is not as the contract says.
        """
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        own = {"X-API-Key": API_KEY} if headers is None else headers
        response = self._way(method, path, query or {}, own, sent)
        check_described(method, path, response)
        if path.rstrip("/") in TEXTS and response.status == 200:
            check_text_form(response)
            return response
        assert not response.raw or response.raw.endswith((b"}\n", b"]\n")), response
        if speaks_spooled(path):
            check_spooled_form(method, response)
        elif path.rstrip("/") in BARE and response.status == 200:
            assert response.headers["Content-Type"].startswith("application/json"), response
        else:
            check_form(method, response)
        return response

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """One call as it is, whatever comes back."""
        return self._way(method, path, {}, headers, body)

    def post(self, path: str, body: Any = None) -> Response:
        return self.call("POST", path, body)

    def get(self, path: str, **query: str) -> Response:
        return self.call("GET", path, query=query)

    def register(self, name: str, param_schema: Any = True, **options: Any) -> Any:
        """Register a type: the response's data."""
        version = options.pop("version", "1")
        body = {"name": name, "version": version, "param_schema": param_schema, **options}
        response = self.post("/task-types/register", body)
        assert response.status in (200, 201), response
        return response.data

    def create(self, type: str, params: Any = None, **options: Any) -> Any:
        """Create a task: the response's data. Without ``params`` it equals no other."""
        if params is None:
            options.setdefault("dedupe", False)
        response = self.post("/tasks", {"type": type, "params": params or {}, **options})
        assert response.status in (200, 201), response
        return response.data

    def claim(self, worker_id: str = "w1", **options: Any) -> Any:
        """Claim: the task, or None when there is none; with ``limit`` the list."""
        response = self.post("/tasks/claim", {"worker_id": worker_id, **options})
        if response.code == "no_tasks":
            return None
        assert response.status == 200, response
        return response.data["tasks"] if "limit" in options else response.data

    def claimed(self, type: str = "job", worker_id: str = "w1", **options: Any) -> Any:
        """A new task of a new or known type, claimed: the claim's data."""
        self.register(type)
        task = self.create(type, **options)
        claimed = self.claim(worker_id, task_types=[type])
        assert claimed["id"] == task["id"]
        return claimed

    def task(self, task_id: int) -> Any:
        return self.get(f"/tasks/{task_id}").data

    def history(self, task_id: int) -> Any:
        return self.get(f"/tasks/{task_id}/history").data["history"]

    def sql(self, text: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of one statement, behind the API's back."""
        return self.site.db.run(lambda connection: connection.query(text, values))

    def make_due(self, *task_ids: int) -> None:
        """End these tasks' leases, or their waits, now."""
        past = self.site.db.dialect.after("-1")
        for task_id in task_ids:
            self.sql(
                f"UPDATE tasks SET due_at = {past} WHERE id = :id AND due_at IS NOT NULL",
                id=task_id,
            )

    def row(self, task_id: int) -> dict[str, Any]:
        return self.sql("SELECT * FROM tasks WHERE id = :id", id=task_id)[0]

    def dump(self) -> dict[str, list[Any]]:
        """Every row of every table, but for what each call may tell: when a worker was last seen,
        how many wrong keys there were, and how far upkeep has come.
        """
        told_tables = [name for name in TABLES if name not in ROLLED_UP]
        statements: list[Any] = [(f"SELECT * FROM {table} ORDER BY 1", {}) for table in told_tables]
        results = self.site.db.run(lambda connection: connection.send(statements))
        for row in results[told_tables.index("workers")].rows:
            del row["last_seen_at"]
        settings = results[told_tables.index("settings")].rows
        told = (WRONG_KEYS, upkeep.ROWS, FAIR_TURNS)
        settings[:] = [row for row in settings if not row["name"].startswith(told)]
        return {table: result.rows for table, result in zip(told_tables, results)}

    @contextmanager
    def unchanged(self, except_for: str = "") -> Iterator[None]:
        """What happens inside must leave every row of every table as it was, but for one table."""
        before = self.dump()
        yield
        after = self.dump()
        for dump in (before, after):
            dump.pop(except_for, None)
        assert after == before

    def clear(self) -> None:
        # Rivals of an earlier test must not make the claims of this one choose at random.
        self.site.contended_until = 0.0

        def delete(connection: Connection) -> None:
            connection.transact([(f"DELETE FROM {table}", {}) for table in EMPTIED_TABLES])
            connection.transact(
                [
                    (f"DELETE FROM settings WHERE name LIKE '{prefix}%'", {})
                    for prefix in (WRONG_KEYS, QUEUE, FAIR_TURNS)
                ]
            )

        self.site.db.run(delete)


def seconds_between(earlier: str, later: str) -> float:
    """The time from one ISO time of a response to another."""
    for each in (earlier, later):
        assert TIME.fullmatch(each), each
    span = datetime.fromisoformat(later[:-1]) - datetime.fromisoformat(earlier[:-1])
    return span.total_seconds()


BARE = ("/openapi.json",)
"""These addresses answer with JSON that has no envelope."""

TEXTS = ("/metrics",)
"""These addresses answer in lines for programs that do not read JSON."""


def check_text_form(response: Response) -> None:
    assert response.headers["Content-Type"].startswith("text/plain"), response
    assert response.headers["Cache-Control"] == "no-store", response
    assert response.headers["X-Content-Type-Options"] == "nosniff", response
    assert response.raw.endswith(b"\n"), response


def check_spooled_form(method: str, response: Response) -> None:
    """The rules of Spooled's dialect: no envelope, and errors of its own shape."""
    assert response.headers["Cache-Control"] == "no-store", response
    assert response.headers["X-Content-Type-Options"] == "nosniff", response
    assert ("Retry-After" in response.headers) == (response.status in (429, 500, 503)), response
    if response.status < 400 or method == "HEAD":
        assert response.raw.startswith(b"[") or "error" not in response.json, response
        return
    assert response.headers["Content-Type"].startswith("application/json"), response
    assert (
        {"code", "message"} <= set(response.json) <= {"code", "message", "details", "warnings"}
    ), response
    assert response.json["message"], response
    assert response.json["code"] == response.json["code"].upper(), response


def check_form(method: str, response: Response) -> None:
    """The rules that every response obeys, whatever was asked."""
    assert response.headers["Content-Type"].startswith("application/json"), response
    assert response.headers["Cache-Control"] == "no-store", response
    assert response.headers["X-Content-Type-Options"] == "nosniff", response
    if method == "HEAD":
        assert not response.json, response
        return
    assert isinstance(response.json["timestamp"], int), response
    assert isinstance(response.json["message"], str), response
    if response.status < 400:
        check_success(response)
    else:
        check_failure(response)


def check_success(response: Response) -> None:
    assert response.status in (200, 201), response
    assert response.json["success"] is True, response
    assert "data" in response.json, response
    assert not {"error", "code", "details"} & set(response.json), response


def check_failure(response: Response) -> None:
    assert response.json["success"] is False, response
    assert response.error, response
    assert response.error == response.json["message"], response
    assert STATUS_OF_CODE[str(response.code)] == response.status, response
    assert "data" not in response.json, response
    for each in response.json.get("details", []):
        assert set(each) == {"path", "message"}, response
        assert each["path"], response
        assert each["message"], response
    assert ("Retry-After" in response.headers) == (response.status in (429, 500, 503)), response
