"""CALL_DEADLINE: whatever a call waits for, it answers in time, and nothing is half done."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from flask import Flask

from app.config import from_values
from app.db import MAX_IDLE_CONNECTIONS, orm
from app.server.flask_app import create_app
from app.site import Site
from tests.api.caller import API_KEY, Api, way_of
from tests.support.http_client import Response
from tests.support.mariadb import MariaDB
from tests.support.tcp_proxy import TcpProxy

DEADLINE = 3.0
SLACK = 10.0
"""What a busy machine may add."""

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "create": ("/tasks", {"type": "job", "params": {"n": 2}}),
    "claim": ("/tasks/claim", {"worker_id": "w2"}),
    "complete": ("/tasks/{id}/complete", {"worker_id": "w1", "attempt": 1}),
    "fail": ("/tasks/{id}/fail", {"worker_id": "w1", "attempt": 1}),
    "heartbeat": ("/tasks/{id}/heartbeat", {"worker_id": "w1", "attempt": 1}),
    "release": ("/tasks/{id}/release", {"worker_id": "w1", "attempt": 1}),
    "settle": ("/tasks/settle", {"outcomes": [{"id": 0, "attempt": 1}], "claim": {}}),
    "cancel": ("/tasks/{id}/cancel", {}),
}


def api_at(url: str) -> Api:
    site = Site(from_values({"DATABASE_URL": url, "API_KEY": API_KEY, "CALL_DEADLINE": DEADLINE}))
    return Api(site, way_of("plain", site, create_app(site)))


@pytest.fixture
def api(engine: str, database_url: str) -> Iterator[Api]:
    made = api_at(database_url)
    yield made
    made.site.db.close()


@contextmanager
def sqlite_in_use(api: Api) -> Iterator[None]:
    other = sqlite3.connect(api.site.settings.database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def mariadb_doing(mariadb: MariaDB, api: Api, *statements: str) -> Iterator[None]:
    other = pymysql.connect(
        unix_socket=str(mariadb.socket), user="root", database=api.site.settings.database.database
    )
    for statement in statements:
        other.cursor().execute(statement)
    yield
    other.rollback()
    other.close()


WAITS: dict[str, list[str]] = {
    "locked rows": ["BEGIN", "SELECT * FROM tasks FOR UPDATE"],
    "locked table": ["LOCK TABLES tasks WRITE"],
    "a backup": ["FLUSH TABLES WITH READ LOCK"],
}


def prepare(api: Api) -> int:
    api.register("job")
    task = api.create("job", {"n": 1})
    assert api.claim("w1")["id"] == task["id"]
    api.create("job", {"n": 3})
    return int(task["id"])


def send(api: Api, name: str, task_id: int) -> tuple[Response, float]:
    path, body = CALLS[name]
    if name == "settle":
        body = {"worker_id": "w1", **body, "outcomes": [{"id": task_id, "attempt": 1}]}
    began = time.monotonic()
    response = api.post(path.format(id=task_id), body)
    return response, time.monotonic() - began


def check_in_time(api: Api, name: str, in_use: Callable[[], Any]) -> None:
    task_id = prepare(api)
    before = api.dump()
    with in_use():
        response, seconds = send(api, name, task_id)
        assert response.status == 503, response
        assert response.code in ("busy", "database_unavailable")
        assert response.headers["Retry-After"] == "2"
        assert seconds < DEADLINE + SLACK
    assert api.dump() == before
    response, _ = send(api, name, task_id)
    assert response.status in (200, 201), response


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", CALLS)
def test_a_busy_sqlite_file(api: Api, name: str) -> None:
    check_in_time(api, name, lambda: sqlite_in_use(api))


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
@pytest.mark.parametrize("wait", ["locked table", "a backup"])
@pytest.mark.parametrize("name", ["create", "claim", "settle", "release"])
def test_locked_tables(api: Api, mariadb: MariaDB, wait: str, name: str) -> None:
    check_in_time(api, name, lambda: mariadb_doing(mariadb, api, *WAITS[wait]))


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
@pytest.mark.parametrize("name", [each for each in CALLS if each != "create"])
def test_locked_rows(api: Api, mariadb: MariaDB, name: str) -> None:
    check_in_time(api, name, lambda: mariadb_doing(mariadb, api, *WAITS["locked rows"]))


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_list_waits_no_longer(
    database_url: str, mariadb: MariaDB, engine: str, mariadb_app: Flask
) -> None:
    """Through Flask, too."""
    site = Site(
        from_values({"DATABASE_URL": database_url, "API_KEY": API_KEY, "CALL_DEADLINE": DEADLINE})
    )
    api = Api(site, way_of("flask", site, create_app(site)))
    assert api.get("/tasks").status == 200
    with mariadb_doing(mariadb, api, *WAITS["locked table"]):
        began = time.monotonic()
        response = api.get("/tasks")
        assert time.monotonic() - began < DEADLINE + SLACK
    assert response.status == 503, response
    assert api.get("/tasks").status == 200
    site.db.close()


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_wire_that_went_silent(database_url: str, mariadb: MariaDB) -> None:
    """Connections of earlier calls, and new ones: nothing comes back on any of them."""
    with TcpProxy(mariadb.port) as wire:
        api = api_at(wire.through(database_url))
        database = api.site.db
        kept = [database._borrow(time.monotonic() + 60) for _ in range(MAX_IDLE_CONNECTIONS)]
        for connection in kept:
            database._give_back(connection)
            connection.last_used -= 60
        wire.stall()
        began = time.monotonic()
        response = api.post("/tasks/claim", {"worker_id": "w1"})
        assert time.monotonic() - began < DEADLINE + SLACK
        assert (response.status, response.code) == (503, "database_unavailable")
        wire.resume()
        assert api.post("/tasks/claim", {"worker_id": "w1"}).code == "no_tasks"
        database.close()


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_wire_that_went_silent_below_the_models(database_url: str, mariadb: MariaDB) -> None:
    """Its pool asks a connection before use whether it lives, and may have to make a new one."""
    with TcpProxy(mariadb.port) as wire:
        settings = {"DATABASE_URL": wire.through(database_url), "API_KEY": API_KEY}
        raw = orm._open(from_values(settings).database, 8.0)
        raw.ping(False)
        wire.stall()
        began = time.monotonic()
        with pytest.raises(pymysql.OperationalError):
            raw.ping(False)
        assert time.monotonic() - began < 6.0
