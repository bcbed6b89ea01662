"""Calls of the API in the ways a request can take, and what came back, checked for its form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import unquote

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers

from app.api.dispatch import handle
from app.api.http import Request
from app.api.routes import speaks_spooled
from app.db.connection import Connection
from app.db.tables import Base
from app.queue.wrong_keys import PREFIX as WRONG_KEYS
from app.site import Site

API_KEY = "the-key-of-the-tests"
TABLES = sorted(Base.metadata.tables)
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
    "rate_limited": 429,
    "internal": 500,
    "database_unavailable": 503,
    "busy": 503,
}
"""Every code of the contract, with the one status that it comes with."""


class Reply:
    """``json`` is the whole answer; it is empty for HEAD, which has no body."""

    def __init__(self, status: int, json: dict[str, Any], headers: Headers) -> None:
        self.status = status
        self.json = json
        self.headers = headers

    def __repr__(self) -> str:
        return f"<{self.status} {self.json}>"

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def code(self) -> str | None:
        return self.json.get("code")

    @property
    def error(self) -> str:
        return str(self.json["error"])

    @property
    def warnings(self) -> list[str]:
        return list(self.json.get("warnings", []))

    @property
    def paths(self) -> list[str]:
        """What the details point at."""
        return [each["path"] for each in self.json.get("details", [])]


class Way(Protocol):
    """How a request gets to its answer. ``path`` is below ``/api``, as written in an address."""

    def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, bytes, Headers]: ...


class Plain:
    """The plain function from a request to an answer."""

    def __init__(self, site: Site, context: Callable[[], AbstractContextManager[Any]]) -> None:
        self._site = site
        self._context = context

    def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, bytes, Headers]:
        low = {name.lower(): value for name, value in headers.items()}
        request = Request(method, unquote(path), query, low, body)
        with self._context():
            reply = handle(request, self._site)
        # Whoever sends the answer leaves out the body for HEAD, as app.server.wsgi.send does.
        sent = b"" if method == "HEAD" else reply.body()
        return reply.status, sent, Headers(list(reply.headers.items()))


class Flasks:
    """The Flask application around it."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client

    def __call__(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, bytes, Headers]:
        reply = self._client.open(
            "/api" + path, method=method, query_string=dict(query), headers=headers, data=body
        )
        return reply.status_code, reply.get_data(), reply.headers


def way_of(name: str, site: Site, flask_app: Flask) -> Way:
    if name == "plain":
        return Plain(site, flask_app.app_context)
    return Flasks(flask_app.test_client())


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
    ) -> Reply:
        """One call. ``body`` is sent as JSON, ``raw`` as it is. Without ``headers`` the key is
        sent; with them nothing but them. Fails when the answer has not the contract's form.
        """
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        own = {"X-API-Key": API_KEY} if headers is None else headers
        status, received, got = self._way(method, path, query or {}, own, sent)
        reply = Reply(status, json.loads(received) if received else {}, got)
        assert not received or received.endswith(b"}\n"), received
        if speaks_spooled(path):
            check_spooled_form(method, reply)
        else:
            check_form(method, reply)
        return reply

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, bytes, Headers]:
        """One call as it is, whatever comes back."""
        return self._way(method, path, {}, headers, body)

    def post(self, path: str, body: Any = None) -> Reply:
        return self.call("POST", path, body)

    def get(self, path: str, **query: str) -> Reply:
        return self.call("GET", path, query=query)

    def register(self, name: str, param_schema: Any = True, **options: Any) -> Any:
        """Register a type: the answer's data."""
        version = options.pop("version", "1")
        body = {"name": name, "version": version, "param_schema": param_schema, **options}
        reply = self.post("/task-types/register", body)
        assert reply.status in (200, 201), reply
        return reply.data

    def create(self, type: str, params: Any = None, **options: Any) -> Any:
        """Create a task: the answer's data. Without ``params`` it equals no other."""
        if params is None:
            options.setdefault("dedupe", False)
        reply = self.post("/tasks", {"type": type, "params": params or {}, **options})
        assert reply.status in (200, 201), reply
        return reply.data

    def claim(self, worker_id: str = "w1", **options: Any) -> Any:
        """Claim: the task, or None when there is none; with ``limit`` the list."""
        reply = self.post("/tasks/claim", {"worker_id": worker_id, **options})
        if reply.code == "no_tasks":
            return None
        assert reply.status == 200, reply
        return reply.data["tasks"] if "limit" in options else reply.data

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
        and how many wrong keys there were.
        """
        statements: list[Any] = [(f"SELECT * FROM {table} ORDER BY 1", {}) for table in TABLES]
        results = self.site.db.run(lambda connection: connection.send(statements))
        for row in results[TABLES.index("workers")].rows:
            del row["last_seen_at"]
        settings = results[TABLES.index("settings")].rows
        settings[:] = [row for row in settings if not row["name"].startswith(WRONG_KEYS)]
        return {table: result.rows for table, result in zip(TABLES, results)}

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What happens inside must leave every row of every table as it was."""
        before = self.dump()
        yield
        assert self.dump() == before

    def clear(self) -> None:
        # Rivals of an earlier test must not make the claims of this one choose at random.
        self.site.contended_until = 0.0

        def delete(connection: Connection) -> None:
            connection.transact([(f"DELETE FROM {table}", {}) for table in EMPTIED_TABLES])
            connection.transact([(f"DELETE FROM settings WHERE name LIKE '{WRONG_KEYS}%'", {})])

        self.site.db.run(delete)


def seconds_between(earlier: str, later: str) -> float:
    """The time from one ISO time of an answer to another."""
    for each in (earlier, later):
        assert TIME.fullmatch(each), each
    span = datetime.fromisoformat(later[:-1]) - datetime.fromisoformat(earlier[:-1])
    return span.total_seconds()


def check_spooled_form(method: str, reply: Reply) -> None:
    """The rules of Spooled's dialect: no envelope, and errors of its own shape."""
    assert reply.headers["Cache-Control"] == "no-store", reply
    assert reply.headers["X-Content-Type-Options"] == "nosniff", reply
    assert ("Retry-After" in reply.headers) == (reply.status in (429, 500, 503)), reply
    if reply.status < 400 or method == "HEAD":
        assert "error" not in reply.json, reply
        return
    assert reply.headers["Content-Type"].startswith("application/json"), reply
    assert {"code", "message"} <= set(reply.json) <= {"code", "message", "details", "warnings"}, (
        reply
    )
    assert reply.json["message"], reply
    assert reply.json["code"] == reply.json["code"].upper(), reply


def check_form(method: str, reply: Reply) -> None:
    """The rules that every answer obeys, whatever was asked."""
    assert reply.headers["Content-Type"].startswith("application/json"), reply
    assert reply.headers["Cache-Control"] == "no-store", reply
    assert reply.headers["X-Content-Type-Options"] == "nosniff", reply
    if method == "HEAD":
        assert not reply.json, reply
        return
    assert isinstance(reply.json["timestamp"], int), reply
    assert isinstance(reply.json["message"], str), reply
    if reply.status < 400:
        check_success(reply)
    else:
        check_failure(reply)


def check_success(reply: Reply) -> None:
    assert reply.status in (200, 201), reply
    assert reply.json["success"] is True, reply
    assert "data" in reply.json, reply
    assert not {"error", "code", "details"} & set(reply.json), reply


def check_failure(reply: Reply) -> None:
    assert reply.json["success"] is False, reply
    assert reply.error, reply
    assert reply.error == reply.json["message"], reply
    assert STATUS_OF_CODE[str(reply.code)] == reply.status, reply
    assert "data" not in reply.json, reply
    for each in reply.json.get("details", []):
        assert set(each) == {"path", "message"}, reply
        assert each["path"], reply
        assert each["message"], reply
    assert ("Retry-After" in reply.headers) == (reply.status in (429, 500, 503)), reply
