"""The ways a request takes to the API: the plain function, Flask around it, and what a server runs.

One story, with every module of endpoints in it, goes each way on a queue of its own, and the
responses must be the same. So the other tests of the API take the plain way alone.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest

from app.api.routes import ROUTES, resolve
from app.config import from_values
from app.db import Database
from app.errors import DatabaseUnavailable
from app.server.flask_app import create_app
from app.site import Site
from tests.api.caller import API_KEY, Way, way_of
from tests.support.database import mariadb_with_tables
from tests.support.http_client import Response

KEY = {"X-API-Key": API_KEY}
PAGE = "https://page.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
GZIPPED = {**KEY, "Content-Encoding": "gzip"}
WAYS = ("plain", "flask", "served")

MEASURED = re.compile(
    rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"|(?<="timestamp":)\d+|(?<=_seconds":)[\d.]+'
    rb'|"tm_[\w-]{6,43}"'
)


class Step(NamedTuple):
    """One request. ``body`` is sent as JSON, bytes as they are."""

    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = KEY
    query: dict[str, str] = {}  # noqa: RUF012 - nobody changes it

    @property
    def sent(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


def post(path: str, body: Any = None, headers: dict[str, str] = KEY) -> Step:
    return Step("POST", path, body if body is not None else {}, headers)


def get(path: str, **query: str) -> Step:
    return Step("GET", path, query=query)


W = {"worker_id": "w1"}
JOB = {"queue_name": "mail", "payload": {"to": "ä"}}
CLAIM_JOB = {"queue_name": "mail", "worker_id": "w1"}
UNDEDUPLICATED = {"type": "job", "params": {}, "dedupe": False}

TYPES = [
    post("/task-types/register", {"name": "job", "version": "1", "param_schema": {}}),
    post("/task-types/register", {"name": "größe", "version": "1", "param_schema": {"a": 1}}),
    get("/task-types"),
    get("/task-types/job"),
    get("/task-types/gr%C3%B6%C3%9Fe"),
    get("/task-types/no%2Fsuch%20type"),
    post("/task-types/job/deactivate"),
    post("/task-types/job/activate"),
    post("/task-types/job/pause"),
    post("/task-types/job/resume"),
    post("/task-types/register", {"name": "weg", "version": "1", "param_schema": {}}),
    Step("DELETE", "/task-types/weg"),
]

TASKS = [
    post("/tasks", {"type": "job", "params": {"text": "ümläut 世界"}}),  # 1
    post("/tasks", {"tasks": [UNDEDUPLICATED] * 9}),  # 2 to 10
    post("/tasks/claim", {**W, "limit": 8}),
    post("/tasks/1/heartbeat", W),
    post("/tasks/1/progress", {**W, "progress": 50, "message": "half"}),
    post("/tasks/1/heartbeat", {"worker_id": "somebody else"}),
    post("/tasks/1/complete", {**W, "attempt": 7}),
    post("/tasks/1/complete", {**W, "attempt": 1, "result": {"said": "ü"}, "claim": {}}),
    post("/tasks/2/fail", {**W, "error": "no luck", "retry": False}),
    post("/tasks/3/release", W),
    post("/tasks/heartbeat", {**W, "tasks": [{"id": 4}, {"id": 999}]}),
    post("/tasks/settle", {**W, "outcomes": [{"id": 4, "attempt": 1}], "claim": {"limit": 1}}),
    get("/tasks/1"),
    get("/tasks/1/history"),
    get("/tasks", status="completed", type="job", limit="5"),
    get("/tasks", limit="many"),
    post("/tasks/2/retry"),
    post("/tasks/2/cancel"),
    post("/tasks/2/delete"),
    Step("DELETE", "/tasks/1"),
    post("/tasks/cancel", {"ids": [8, 9, 999]}),
    post("/tasks/retry", {"filter": {"type": "job", "status": "cancelled"}, "dry_run": True}),
    post("/tasks/delete", {"filter": {}}),
    get("/tasks/1"),
    get("/v1/tasks/4"),
]

SCHEDULES = [
    post("/schedules", {"name": "früh", "type": "job", "every": 86400}),
    get("/schedules"),
    post("/queue/pause", {"type_pattern": "gr%"}),
    post("/queue/resume"),
    get("/queue"),
    get("/schedules/fr%C3%BCh"),
    post("/schedules/fr%C3%BCh/pause"),
    Step("DELETE", "/schedules/fr%C3%BCh"),
]

STATS = [
    get("/failures"),
    get("/stats/series", period="week", type="größe"),
    get("/stats", type="no"),
]

WORKERS = [
    post("/workers/register", {"worker_id": "mail/1 é", "metadata": {"a": 1}}),
    post("/workers/mail%2F1%20%C3%A9/heartbeat"),
    get("/workers"),
    get("/workers/mail%2F1%20%C3%A9"),
    get("/workers/mail%2F1%20%C3%A9/stats"),
    post("/workers/mail%2F1%20%C3%A9/deregister"),
]

KEYS_AND_AUDIT = [
    get("/keys"),
    post("/keys", {"name": "größe", "scopes": ["read"], "type_patterns": ["ä%"]}),
    post("/keys", {"name": "größe", "scopes": []}),
    post("/keys/1/rotate", {"grace": 60}),
    post("/keys/1/revoke"),
    get("/audit", action="none"),
]

SPOOLED = [
    post("/v1/jobs", JOB),  # 11
    post(
        "/v1/jobs/bulk", {"queue_name": "mail", "jobs": [{"payload": {"n": n}} for n in range(5)]}
    ),
    post("/v1/workers/register", {"queue_name": "mail", "worker_id": "w1", "hostname": "h"}),
    post("/v1/workers/w1/heartbeat", {"current_jobs": 0}),
    post("/v1/jobs/claim", {**CLAIM_JOB, "limit": 3}),
    post("/v1/jobs/11/heartbeat", W),
    post("/v1/jobs/11/progress", {**W, "progress": 5}),
    post("/v1/jobs/11/complete", W),
    post("/v1/jobs/12/fail", {**W, "error": "no luck"}),
    post("/v1/jobs/14/cancel"),
    post("/v1/jobs/14/retry"),
    Step("DELETE", "/v1/jobs/15"),
    get("/v1/jobs/11"),
    get("/v1/jobs/999"),
    get("/v1/jobs", status="pending,deadletter", limit="2"),
    get("/v1/jobs", limit="0"),
    get("/v1/jobs/dlq", unknown="x"),
    get("/v1/jobs/status", ids="11,12,999"),
    get("/v1/jobs/11/history"),
    get("/v1/jobs/stats"),
    Step("PUT", "/v1/jobs/13/priority", {"priority": 5}),
    post("/v1/jobs/dlq/retry", {"queue_name": "mail"}),
    post("/v1/jobs/dlq/purge", {"confirm": True}),
    get("/v1/queues"),
    get("/v1/queues/mail"),
    post("/v1/queues/mail/pause", {"reason": "repairs"}),
    post("/v1/queues/mail/resume"),
    post(
        "/v1/schedules",
        {"name": "ä", "cron_expression": "0 4 * * *", "queue_name": "mail", "payload_template": {}},
    ),
    get("/v1/schedules"),
    Step("PUT", "/v1/schedules/2", {"priority": 5}),
    Step("DELETE", "/v1/schedules/2"),
    get("/v1/workers"),
    get("/v1/workers/w1"),
    post("/v1/workers/w1/deregister"),
]

ODD_BODIES = [
    post("/tasks", b'{"type": '),
    post("/tasks", b"[]"),
    post("/tasks", b"\xff\xfe"),
    post("/tasks", b""),
    post("/tasks", b'{"type": "job", "params": {}, "unknown": 1}'),
    post("/tasks", {"type": "job", "params": [], "priority": "high"}),
    post("/tasks", b'{"type": "job", "params": {"text": "' + b"x" * 1_100_000 + b'"}}'),
    post("/tasks", gzip.compress(json.dumps(UNDEDUPLICATED).encode(), mtime=0), GZIPPED),
    post("/tasks", b"not gzip", GZIPPED),
    post("/tasks", b"{}", {**KEY, "Content-Encoding": "br"}),
    post("/tasks", UNDEDUPLICATED, {**KEY, "Content-Type": "application/x-www-form-urlencoded"}),
    post("/tasks/claim", b"worker_id=w1", {**KEY, "Content-Type": "multipart/form-data"}),
    Step("GET", "/tasks/4", b'{"a": 1}'),
]

ODD_REQUESTS = [
    Step("GET", "/health", headers={}),
    Step("HEAD", "/health", headers={}),
    Step("HEAD", "/tasks"),
    Step("HEAD", "/tasks/4"),
    Step("HEAD", "/tasks/4/history"),
    Step("HEAD", "/nothing"),
    Step("OPTIONS", "/tasks", headers=PREFLIGHT),
    Step("OPTIONS", "/tasks", headers={**KEY, "Origin": PAGE}),
    Step("GET", "/tasks/4", headers={**KEY, "Origin": PAGE}),
    Step("GET", "/tasks/4", headers={**KEY, "Origin": "https://other.example"}),
    Step("PUT", "/tasks/4"),
    Step("PATCH", "/tasks"),
    Step("DELETE", "/workers"),
    get("/nothing"),
    get("/tasks/0"),
    get("/tasks//4"),
    get("/tasks/4/"),
    get(""),
    get("/"),
    get("/openapi.json"),
    Step("GET", "/openapi.json", headers={"Origin": PAGE}),
    Step("GET", "/tasks/4", headers={}),
    Step("GET", "/tasks", headers={"X-API-Key": "wrong"}),
    Step("GET", "/tasks/4", headers={"Authorization": f"Bearer {API_KEY}"}),
    Step("GET", "/v1/jobs/4", headers={}),
]

STORY = [
    *(*TYPES, *TASKS, *SCHEDULES, *STATS, *WORKERS, *KEYS_AND_AUDIT, *SPOOLED),
    *(*ODD_BODIES, *ODD_REQUESTS),
]


@pytest.fixture
def ways(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, Way]]:
    """Each way to a queue of its own."""
    made, sites = {}, []
    for name in WAYS:
        url = f"sqlite:///{tmp_path / name}.sqlite3"
        if engine == "mariadb":
            url = mariadb_with_tables(request.getfixturevalue("mariadb"), f"tm_shell_{name}")
        values = {"DATABASE_URL": url, "API_KEY": API_KEY, "CORS_ORIGINS": PAGE}
        sites.append(Site(from_values(values)))
        made[name] = way_of(name, sites[-1], create_app(sites[-1]))
    yield made
    for site in sites:
        site.db.close()


def take(way: Way, step: Step) -> Response:
    return way(step.method, step.path, step.query, step.headers, step.sent)


def shown(response: Response) -> tuple[int, dict[str, str], bytes]:
    """What must be the same: all but what time it is, and the length, which the server adds."""
    headers = {k: v for k, v in response.headers.items() if k not in ("content-length", "date")}
    return response.status, headers, MEASURED.sub(b"0", response.raw)


def test_each_way_leads_to_the_same_responses(ways: dict[str, Way]) -> None:
    for step in STORY:
        plain, *others = (take(way, step) for way in ways.values())
        for other in others:
            assert shown(other) == shown(plain), step
            length = other.headers.get("Content-Length")
            if step.method != "HEAD" and other.status != 204:
                assert length == str(len(other.raw)), step


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_story_has_a_success_of_every_module_and_method(ways: dict[str, Way]) -> None:
    """What a shell does is the same for all routes of a module that take the same method."""
    successful = set()
    for step in STORY:
        if take(ways["plain"], step).status < 300 and step.method != "OPTIONS":
            successful.add(kind(resolve(step.method, unquote(step.path) or "/").route))
    # Runs need a server with settings of its own (tests/web_run has one), and metrics are no JSON.
    others = {kind(route) for route in ROUTES if route.template not in ("/run", "/metrics")}
    assert others - successful == set()


def kind(route: Any) -> tuple[str, str]:
    return route.method, route.target.partition(":")[0]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_story_has_every_status(ways: dict[str, Way]) -> None:
    statuses = {take(ways["plain"], step).status for step in STORY}
    assert statuses >= {200, 201, 204, 400, 401, 403, 404, 405, 409, 413, 415}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), RuntimeError("a defect")])
def test_errors_that_nobody_asked_for(
    ways: dict[str, Way], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Database, "run", fail)
    status = 503 if isinstance(error, DatabaseUnavailable) else 500
    for step in (get("/tasks/4"), post("/tasks/claim", W), post("/v1/jobs/claim", CLAIM_JOB)):
        plain, *others = (take(way, step) for way in ways.values())
        assert (plain.status, "Retry-After" in plain.headers) == (status, True)
        for other in others:
            assert shown(other) == shown(plain), step
