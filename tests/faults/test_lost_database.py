"""The database goes away, for a moment or longer, while the web server stays: callers see at most
a 503 that says when to come back, and what was acknowledged stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pymysql
import pytest

from app.config import from_values
from app.db import TRUSTED_IDLE_SECONDS
from tests.faults.calls import create, create_plain, get, history, ids_with_status, register, task
from tests.faults.client_pool import ClientPool
from tests.faults.test_killed_workers import CHAOS_SECONDS, check_books, finish, start_workers
from tests.support.database import empty, mariadb_with_tables
from tests.support.mariadb import USER, MariaDB
from tests.support.net import HOST, until, wait_until
from tests.support.server import Server

NAME = "tm_lost"
RECOVERY_SECONDS = 60


@pytest.fixture(scope="module")
def fragile() -> Iterator[MariaDB]:
    """A database server that belongs to these tests alone, since they stop it."""
    database_server = MariaDB()
    try:
        database_server.start()
        mariadb_with_tables(database_server, NAME)
        yield database_server
    finally:
        database_server.remove()


@pytest.fixture(scope="module")
def shared_web(fragile: MariaDB) -> Iterator[Server]:
    config = {"DATABASE_URL": fragile.url(NAME), "MAX_TASK_ATTEMPTS": 1000}
    with Server(config, workers=2, threads=2) as running:
        yield running


@pytest.fixture
def web(shared_web: Server) -> Server:
    empty(shared_web.database_url)
    register(shared_web, "plain")
    return shared_web


@pytest.fixture(scope="module")
def single_web(fragile: MariaDB) -> Iterator[Server]:
    """One process and one thread: the next call certainly gets the connection of the last."""
    with Server({"DATABASE_URL": fragile.url(NAME)}, workers=1, threads=1) as running:
        yield running


@pytest.fixture
def single(single_web: Server) -> Server:
    empty(single_web.database_url)
    register(single_web, "plain")
    return single_web


def kill_connections(database_server: MariaDB) -> int:
    """KILL all of the web server's connections; how many there were."""
    count = database_server.client(
        f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{USER}';"
        f"KILL USER {USER}"
    )
    return int(count)


Calls = list[tuple[str, str, Any]]


def every_call(server: Server) -> Calls:
    """A call of every kind that must succeed now, on tasks that are prepared for it."""
    create_plain(server, 5)
    claim = {"worker_id": "w", "limit": 5}
    mine = [each["id"] for each in server.call("POST", "/tasks/claim", claim)[1]["data"]["tasks"]]
    ended, waiting = create(
        server, [{"type": "plain", "params": {"t": t}, "delay": 600} for t in (1, 2)]
    )
    server.call("POST", f"/tasks/{ended}/cancel", {})
    own = {"worker_id": "w", "attempt": 1}
    return [
        ("GET", "/health", None),
        ("POST", "/tasks", {"type": "plain", "params": {"new": 1}}),
        ("POST", "/tasks", {"type": "plain", "params": {"new": 1}, "dedupe": False}),
        ("POST", "/tasks", {"tasks": [{"type": "plain", "params": {"new": 2}}]}),
        ("POST", "/tasks/claim", {"worker_id": "w"}),
        ("POST", "/tasks/claim", {"worker_id": "w", "task_types": ["plain"], "limit": 2}),
        ("POST", f"/tasks/{mine[0]}/heartbeat", own),
        ("POST", f"/tasks/{mine[0]}/progress", {**own, "progress": 10}),
        ("POST", f"/tasks/{mine[0]}/complete", own),
        ("POST", f"/tasks/{mine[1]}/fail", {**own, "error": "e"}),
        ("POST", f"/tasks/{mine[2]}/release", own),
        ("POST", "/tasks/settle", {"worker_id": "w", "outcomes": [{"id": mine[3], "attempt": 1}]}),
        ("GET", f"/tasks/{mine[0]}", None),
        ("GET", f"/tasks/{mine[0]}/history", None),
        ("GET", "/tasks?status=completed", None),
        ("POST", f"/tasks/{waiting}/cancel", {}),
        ("POST", f"/tasks/{ended}/retry", {}),
        ("POST", f"/tasks/{ended}/delete", {}),
        ("POST", "/task-types/register", {"name": "t", "version": "1", "param_schema": {}}),
        ("GET", "/task-types/plain", None),
        ("GET", "/task-types", None),
        ("POST", "/task-types/plain/pause", {}),
    ]


def test_loss_of_an_idle_connection_is_never_seen(fragile: MariaDB, single: Server) -> None:
    unlucky = []
    for method, path, body in every_call(single):
        warm_up(single)
        assert kill_connections(fragile) >= 1
        status, response = single.call(method, path, body)
        if status not in (200, 201):
            unlucky.append((method, path, body, status, response["code"]))
    assert unlucky == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/tasks", None),
        ("POST", "/tasks/claim", {"worker_id": "w"}),
        ("POST", "/tasks", {"type": "plain", "params": {}, "dedupe": False}),
    ],
)
def test_loss_of_a_connection_that_rested_is_never_seen(
    fragile: MariaDB, single: Server, method: str, path: str, body: Any
) -> None:
    create_plain(single, 1)
    warm_up(single)
    assert kill_connections(fragile) >= 1
    time.sleep(TRUSTED_IDLE_SECONDS + 0.1)
    assert single.call(method, path, body)[0] in (200, 201)


def warm_up(server: Server) -> None:
    """Open a connection, by whatever call."""
    for path in ("/health", "/tasks?limit=1"):
        get(server, path)


def test_connections_killed_under_load(fragile: MariaDB, web: Server, tmp_path: Path) -> None:
    with ClientPool(web, tmp_path) as pool:
        pool.start(["produce_in_chaos"] * 4, count=60)
        start_workers(pool, 4, seconds=(0.0, 0.02), late=0)
        kill_many_connections(fragile, 100)
        pool.wait_until(lambda: len(pool.events("created")) == 240, "all tasks to be created")
        finish(web, pool)

        check_trouble(pool)
        check_acknowledged(web, pool, 240)


def test_database_killed_and_restarted_under_load(
    fragile: MariaDB, web: Server, tmp_path: Path
) -> None:
    with ClientPool(web, tmp_path) as pool:
        pool.start(["produce_in_chaos"] * 4, count=60)
        start_workers(pool, 4, seconds=(0.0, 0.02), late=0)
        for end in (fragile.kill, fragile.stop):
            time.sleep(1)
            end()
            wait_for_new_trouble(pool)
            fragile.start()
        pool.wait_until(lambda: len(pool.events("created")) == 240, "all tasks to be created")
        finish(web, pool)

        check_trouble(pool)
        check_acknowledged(web, pool, 240)


def kill_many_connections(fragile: MariaDB, count: int) -> None:
    """KILL connections that are in use, a few at a time, until so many were killed."""
    killed = [0]
    for _ in until(lambda: sum(killed) >= count, CHAOS_SECONDS, "kills of many connections"):
        killed.append(kill_connections(fragile))
        time.sleep(0.1)


def wait_for_new_trouble(pool: ClientPool) -> None:
    before = len(pool.events("trouble"))
    pool.wait_until(lambda: len(pool.events("trouble")) > before, "a call without success")


def check_trouble(pool: ClientPool) -> None:
    """A client saw no other trouble than 503 in the contract's words, with Retry-After."""
    seen = {(event["what"], event["retry_after"]) for event in pool.events("trouble")}
    assert seen <= {("database_unavailable", "2"), ("busy", "2")}
    assert {event["status"] for event in pool.events("settled")} <= {200, 409}


def check_acknowledged(server: Server, pool: ClientPool, count: int) -> None:
    acknowledged = {event["id"]: event["params"] for event in pool.events("created")}
    assert len(acknowledged) == count
    for task_id, params in acknowledged.items():
        assert task(server, task_id)["params"] == params
    assert ids_with_status(server, "completed") == set(acknowledged)
    check_books(server, pool, sorted(acknowledged))


def test_a_stopped_database_and_its_return(fragile: MariaDB, single: Server) -> None:
    calls = every_call(single)
    fragile.stop()
    try:
        for method, path, body in calls:
            check_unavailable(method, path, *single.call(method, path, body))
    finally:
        fragile.start()
    # The server is the same process: nothing was restarted but the database.
    for method, path, body in calls:
        status, response = single.call(method, path, body)
        assert status in (200, 201), (method, path, body, response)


def check_unavailable(method: str, path: str, status: int, response: dict[str, Any]) -> None:
    """503 in the contract's shape, which tells nobody what the database said."""
    assert status == 503, (method, path, status, response)
    assert response["success"] is False
    assert response["code"] == "database_unavailable"
    assert response["error"] == response["message"] != ""
    text = str(response).lower()
    for secret in ("select", "insert", "update ", "pymysql", "127.0.0.1", USER, "can't connect"):
        assert secret not in text, (path, response)


def test_a_stopped_database_is_in_the_log_and_retry_after_in_the_headers(
    fragile: MariaDB, single: Server, tmp_path: Path
) -> None:
    fragile.stop()
    try:
        with ClientPool(single, tmp_path) as pool:
            pool.start(["produce_in_chaos"], count=1)
            pool.wait_until(lambda: pool.events("trouble"), "the client's first trouble")
    finally:
        fragile.start()
    assert pool.events("trouble")[0]["retry_after"] == "2"
    assert "cannot be reached" in single.log()


def fill_user(fragile: MariaDB, stack: ExitStack) -> None:
    """One connection is all that the user may have, and the test has it."""
    limit = f"GRANT USAGE ON *.* TO {USER}@'{HOST}' WITH MAX_USER_CONNECTIONS"
    fragile.client(f"{limit} 1")
    stack.callback(fragile.client, f"{limit} 0")
    hold_connections(fragile, stack, 1)


def fill_server(fragile: MariaDB, stack: ExitStack) -> None:
    """The server has as many connections as it takes; one more is kept for administrators."""
    fragile.client("SET GLOBAL max_connections = 10")
    stack.callback(fragile.client, "SET GLOBAL max_connections = 151")
    hold_connections(fragile, stack, 10)


def hold_connections(fragile: MariaDB, stack: ExitStack, count: int) -> None:
    """Take free places, also those that killed connections leave only after a moment."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while count:
        try:
            stack.callback(connect(fragile).close)
            count -= 1
        except pymysql.MySQLError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def connect(fragile: MariaDB) -> Any:
    url = from_values({"DATABASE_URL": fragile.url(NAME)}).database
    return pymysql.connect(
        host=url.host,
        port=url.port,
        user=url.user,
        password=url.password,
        database=url.database,
        ssl_disabled=True,
    )


@pytest.mark.parametrize("fill", [fill_user, fill_server])
def test_no_free_connection(
    fragile: MariaDB, single: Server, fill: Callable[[MariaDB, ExitStack], None]
) -> None:
    calls = every_call(single)
    warm_up(single)
    with ExitStack() as stack:
        kill_connections(fragile)
        fill(fragile, stack)
        for method, path, body in calls:
            check_unavailable(method, path, *single.call(method, path, body))
    wait_until(
        lambda: single.call("GET", "/health")[0] == 200, RECOVERY_SECONDS, "the server's recovery"
    )
    for method, path, body in calls:
        status, response = single.call(method, path, body)
        assert status in (200, 201), (method, path, body, response)


def test_a_held_lock_is_waited_for(fragile: MariaDB, web: Server, tmp_path: Path) -> None:
    """As a backup holds them: everything waits, and nothing fails, when it is not for long."""
    created = create_plain(web, 100)
    with ClientPool(web, tmp_path) as pool:
        start_workers(pool, 4, seconds=(0.0, 0.01), late=0)
        time.sleep(0.2)
        fragile.client("LOCK TABLES tasks READ, task_types READ; SELECT SLEEP(2)", NAME)
        finish(web, pool)
        assert ids_with_status(web, "completed") == set(created)
        assert not pool.events("trouble")


def test_history_tells_of_one_completion_after_repeats(single: Server) -> None:
    (task_id,) = create_plain(single, 1)
    single.call("POST", "/tasks/claim", {"worker_id": "w"})
    for _ in range(3):
        body = {"worker_id": "w", "attempt": 1, "result": 1}
        assert single.call("POST", f"/tasks/{task_id}/complete", body)[0] == 200
    statuses = [change["status"] for change in history(single, task_id)]
    assert statuses == ["pending", "claimed", "completed"]
