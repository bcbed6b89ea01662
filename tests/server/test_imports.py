"""What a call loads through the WSGI entry, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.config import from_values
from app.queue import api_keys, task_types
from app.queue.api_keys import NewKey
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.new_task import NewTask
from app.site import Site
from tests.support.server import API_KEY, PROJECT

NEVER = {"sqlalchemy", "flask_sqlalchemy", "flask", "werkzeug", "requests", "click", "jinja2"}

PROGRAM = """
import io, json, sys
call = json.loads(sys.stdin.read())
body = json.dumps(call["body"]).encode() if call["body"] is not None else b""
environ = {
    "REQUEST_METHOD": call["method"],
    "SCRIPT_NAME": "",
    "PATH_INFO": call["below"] + call["path"].partition("?")[0],
    "QUERY_STRING": call["path"].partition("?")[2],
    "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": str(len(body)),
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_X_API_KEY": call["api_key"],
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.input": io.BytesIO(body),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
started = []
import passenger_wsgi
response = b"".join(passenger_wsgi.application(environ, lambda *args: started.append(args)))
status = int(started[0][0].split()[0])
print(json.dumps([status, json.loads(response), sorted(sys.modules)]))
"""


class Called(NamedTuple):
    """``modules`` are the packages that are loaded afterwards, ``own`` those of the queue."""

    status: int
    data: Any
    modules: set[str]
    own: set[str]


class Entry:
    """The entry on one database, with a config file that says nothing else."""

    def __init__(self, database_url: str, folder: Path) -> None:
        config = folder / "config.py"
        config.write_text(f"DATABASE_URL = {database_url!r}\nAPI_KEY = {API_KEY!r}\n", "utf-8")
        own = {k: v for k, v in os.environ.items() if not k.startswith("TASKMANAGER_")}
        self._environment = {**own, "TASKMANAGER_CONFIG": str(config)}

    def call(
        self, method: str, path: str, body: Any = None, api_key: str = API_KEY, below: str = "/api"
    ) -> Called:
        call = {"method": method, "path": path, "body": body, "api_key": api_key, "below": below}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=PROJECT,
            env=self._environment,
            input=json.dumps(call),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        status, response, modules = json.loads(done.stdout)
        packages = {name.partition(".")[0] for name in modules}
        own = {name.rpartition(".")[2] for name in modules if name.startswith("app.")}
        data = response.get("data") if isinstance(response, dict) else response
        return Called(status, data, packages, own)


@pytest.fixture
def entry(database_url: str, tmp_path: Path) -> Entry:
    return Entry(database_url, tmp_path)


@pytest.fixture
def unwanted(engine: str) -> set[str]:
    """`regex` is wanted by schemas with patterns alone, PyMySQL by a single engine."""
    return NEVER | {"regex"} | ({"pymysql"} if engine == "sqlite" else {"sqlite3"})


def prepare(database_url: str) -> int:
    """Two types, a task that is claimed by ``w``, and one that waits; the claimed one's id."""
    site = Site(from_values({"DATABASE_URL": database_url}))
    shape = {"type": "object", "required": ["n"]}
    task_types.register(site, "plain", "1", {"type": "object"}, {})
    task_types.register(site, "shaped", "1", shape, {})
    create(site, [NewTask("plain", {"first": True})])
    (claimed,) = claim(site, ClaimRequest("w", lease=600)).tasks
    create(site, [NewTask("plain", {"second": True})])
    site.db.close()
    return int(claimed["id"])


WORKER = {"queue_name": "plain", "worker_id": "w"}
HELD = {"worker_id": "w"}

CALLS: dict[str, tuple[str, str, Any]] = {
    "health": ("GET", "/health", None),
    "claim": ("POST", "/tasks/claim", {"worker_id": "w"}),
    "claim by pattern": ("POST", "/tasks/claim", {"worker_id": "w", "type_pattern": "pl%"}),
    "create": ("POST", "/tasks", {"type": "plain", "params": {"new": True}}),
    "create many": ("POST", "/tasks", {"tasks": [{"type": "plain", "params": {"new": True}}]}),
    "heartbeat": ("POST", "/tasks/{id}/heartbeat", {"worker_id": "w"}),
    "progress": ("POST", "/tasks/{id}/progress", {"worker_id": "w", "progress": 5}),
    "release": ("POST", "/tasks/{id}/release", {"worker_id": "w"}),
    "complete": ("POST", "/tasks/{id}/complete", {"worker_id": "w", "attempt": 1, "claim": {}}),
    "fail": ("POST", "/tasks/{id}/fail", {"worker_id": "w", "error": "e"}),
    "settle": (
        "POST",
        "/tasks/settle",
        {"worker_id": "w", "outcomes": [{"id": 1, "attempt": 1}], "claim": {"limit": 5}},
    ),
    "get": ("GET", "/tasks/{id}", None),
    "history": ("GET", "/tasks/{id}/history", None),
}
"""What makes, claims, keeps and ends tasks."""

CALLS_OF_WORKERS: dict[str, tuple[str, str, Any]] = {
    "heartbeats": ("POST", "/tasks/heartbeat", {"tasks": [{"id": 1}]}),
    "register": ("POST", "/workers/register", {"worker_id": "w", "metadata": {"a": 1}}),
    "worker's heartbeat": ("POST", "/workers/w/heartbeat", {}),
    "deregister": ("POST", "/workers/w/deregister", {}),
    "workers": ("GET", "/workers", None),
    "worker": ("GET", "/workers/w", None),
    "worker's stats": ("GET", "/workers/w/stats", None),
    "Spooled: register": ("POST", "/v1/workers/register", {**WORKER, "metadata": {"a": 1}}),
    "Spooled: worker's heartbeat": ("POST", "/v1/workers/w/heartbeat", {"current_jobs": 0}),
    "Spooled: claim": ("POST", "/v1/jobs/claim", WORKER),
    "Spooled: heartbeat": ("POST", "/v1/jobs/{id}/heartbeat", HELD),
    "Spooled: progress": ("POST", "/v1/jobs/{id}/progress", {**HELD, "progress": 5}),
    "Spooled: complete": ("POST", "/v1/jobs/{id}/complete", HELD),
    "Spooled: fail": ("POST", "/v1/jobs/{id}/fail", HELD),
    "Spooled: create": ("POST", "/v1/jobs", {"queue_name": "new", "payload": {}}),
    "Spooled: get": ("GET", "/v1/jobs/{id}", None),
}
"""What workers say of themselves, and the calls of Spooled's SDK."""

LISTS: dict[str, tuple[str, str, Any]] = {
    "list": ("GET", "/tasks?status=pending&type=pl%25&worker_id=w&created_after=2026-01-01", None),
    "search": ("GET", "/tasks?q=first", None),
    "Spooled: list": ("GET", "/v1/jobs", None),
    "Spooled: dead letters": ("GET", "/v1/jobs/dlq", None),
}


@pytest.mark.parametrize("name", [*CALLS, *CALLS_OF_WORKERS, *LISTS])
def test_on_a_database_that_is_there(
    entry: Entry, unwanted: set[str], name: str, database_url: str
) -> None:
    task_id = prepare(database_url)
    method, path, body = {**CALLS, **CALLS_OF_WORKERS, **LISTS}[name]
    called = entry.call(method, path.format(id=task_id), body)
    assert called.status in (200, 201)
    assert called.modules & unwanted == set()


OF_SCOPED_KEYS = {"access", "api_keys", "audit", "key_lookup", "scoped_keys", "type_patterns"}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_root_key_loads_nothing_of_the_other_keys(entry: Entry, database_url: str) -> None:
    task_id = prepare(database_url)
    for name, (method, path, body) in {**CALLS, **CALLS_OF_WORKERS}.items():
        called = entry.call(method, path.format(id=task_id), body)
        assert called.own & OF_SCOPED_KEYS == set(), name


def test_a_key_with_scopes_loads_nothing_heavy(
    entry: Entry, unwanted: set[str], database_url: str
) -> None:
    prepare(database_url)
    site = Site(from_values({"DATABASE_URL": database_url}))
    key = api_keys.make(site, NewKey("one", ["work"], ["pl%"])).text
    site.db.close()
    called = entry.call("POST", "/tasks/claim", {"worker_id": "w"}, key)
    assert called.status == 200
    assert called.modules & (unwanted | {"hashlib", "_hashlib"}) == set()
    assert called.own & OF_SCOPED_KEYS == {"access", "key_lookup", "scoped_keys", "type_patterns"}


STATUS_WITHOUT_TASKS = {"health": 200, "settle": 200}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", CALLS)
def test_on_a_file_that_appears(
    entry: Entry, unwanted: set[str], name: str, tmp_path: Path
) -> None:
    """Making the file and its tables takes none of the heavy modules either."""
    method, path, body = CALLS[name]
    called = entry.call(method, path.format(id=1), body)
    assert (tmp_path / "queue.sqlite3").exists()
    assert called.status == STATUS_WITHOUT_TASKS.get(name, 404)
    assert called.modules & unwanted == set()


def test_a_create_that_validates_loads_nothing_large(
    entry: Entry, unwanted: set[str], database_url: str
) -> None:
    prepare(database_url)
    called = entry.call("POST", "/tasks", {"type": "shaped", "params": {"n": 1}})
    assert called.status == 201
    assert called.modules & unwanted == set()


def test_a_pattern_loads_what_matches_it(
    entry: Entry, unwanted: set[str], database_url: str
) -> None:
    shape = {"properties": {"n": {"pattern": "^x$"}}}
    body = {"name": "patterned", "version": "1", "param_schema": shape}
    assert entry.call("POST", "/task-types/register", body).status == 201
    called = entry.call("POST", "/tasks", {"type": "patterned", "params": {"n": "x"}})
    assert called.status == 201
    assert called.modules & unwanted == {"regex"}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_is_not_of_the_api_loads_the_rest(entry: Entry) -> None:
    """Else the look for them would find nothing anywhere."""
    called = entry.call("GET", "/nowhere", below="")
    assert called.status == 404
    assert {"flask", "sqlalchemy", "flask_sqlalchemy"} <= called.modules


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["/tasks", "/v1/jobs", "/v1/jobs/dlq"])
def test_lists_on_a_file_that_appears(entry: Entry, unwanted: set[str], path: str) -> None:
    called = entry.call("GET", path)
    assert called.status == 200
    assert called.modules & unwanted == set()
