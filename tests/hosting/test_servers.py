"""Other servers than the tests' own run the same entry."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.servers import GUNICORN, UWSGI, WAITRESS, KeepAliveServer, Kind
from tests.support.http_client import HttpClient
from tests.support.net import HOST, free_port, wait_until
from tests.support.programs import KEY, environment, run_flask
from tests.support.server import API_KEY, PROJECT, Server

REGISTER = {"name": "served.task", "version": "1", "param_schema": {}}


@contextlib.contextmanager
def flask_server(database_url: str) -> Iterator[HttpClient]:
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", "passenger_wsgi", "run", "--port", str(port)]
    process = subprocess.Popen(command, env=environment(database_url), cwd=PROJECT)
    try:
        client = HttpClient(HOST, port, api_key=KEY)
        wait_until(lambda: _is_healthy(client), 60, "flask's health")
        yield client
    finally:
        process.terminate()
        process.wait(30)


def _is_healthy(client: HttpClient) -> bool:
    try:
        return bool(client.call("GET", "/health").json["status"] == "healthy")
    except OSError:
        return False


def test_flask_run_serves_the_same_application(database_url: str) -> None:
    with flask_server(database_url) as client:
        registered = client.call("POST", "/task-types/register", REGISTER)
        assert registered.json["success"] is True
        created = client.call("POST", "/tasks", {"type": "served.task", "params": {}})
        assert created.json["success"] is True
        claimed = client.call("POST", "/tasks/claim", {"worker_id": "w", "limit": 5})
        assert claimed.data["count"] == 1


def test_many_processes_share_one_new_sqlite_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/queue.sqlite3"
    with Server({"DATABASE_URL": url}, workers=4, threads=4) as server:
        server.call("POST", "/task-types/register", REGISTER)

        def create(number: int) -> int:
            body = {"type": "served.task", "params": {"n": number}}
            return server.call("POST", "/tasks", body)[0]

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(create, range(200))) == {201}
        status, listed = server.call("GET", "/tasks?limit=100&status=pending")
        assert (status, listed["data"]["count"]) == (200, 100)


def test_a_short_key_is_told_at_the_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/q.sqlite3"
    with Server({"DATABASE_URL": url, "API_KEY": "k" * 10}) as server:
        assert server.call("GET", "/tasks")[0] == 200
        assert server.log().count("API_KEY has 10 characters") == 1


def test_a_wrong_setting_stops_the_start_with_a_sentence_that_names_it(tmp_path: Path) -> None:
    env = environment(f"sqlite:///{tmp_path}/q.sqlite3", TASKMANAGER_MAX_TASK_ATTEMPTS="many")
    flask = run_flask("run", "--port", str(free_port()), env=env)
    gunicorn = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-b", f"{HOST}:{free_port()}", "passenger_wsgi"],
        capture_output=True,
        text=True,
        env={**env, "HOME": str(tmp_path)},
        cwd=PROJECT,
        timeout=60,
        check=False,
    )
    for done in (flask, gunicorn):
        assert done.returncode != 0
        assert "MAX_TASK_ATTEMPTS must be a whole number from 1 to 1000" in done.stderr


@pytest.mark.parametrize("kind", [UWSGI, WAITRESS, GUNICORN], ids=lambda kind: kind.name)
def test_a_connection_is_kept_from_call_to_call(kind: Kind, tmp_path: Path) -> None:
    """Also behind calls of which the body is not read, is too long, or goes on with another key."""
    config = {"DATABASE_URL": f"sqlite:///{tmp_path}/queue.sqlite3"}
    with KeepAliveServer(kind, config) as server:
        connection = http.client.HTTPConnection(HOST, server.port, timeout=60)

        def call(method: str, path: str, body: Any = None, key: str = API_KEY) -> tuple[int, Any]:
            headers = {"X-API-Key": key, "Content-Type": "application/json"}
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api{path}", text, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or "null")

        assert call("POST", "/task-types/register", REGISTER)[0] in (200, 201)
        kept = connection.sock
        task = {"type": "served.task", "params": {"text": "x" * 100_000}}
        assert call("POST", "/tasks", task)[0] == 201
        assert call("POST", "/tasks", task, key="another key that is long")[0] == 401
        assert call("HEAD", "/health")[0] == 200
        assert call("POST", "/nothing", task)[0] == 404
        claimed = call("POST", "/tasks/claim", {"worker_id": "w"})[1]["data"]
        assert claimed["params"] == task["params"]
        outcome = {"worker_id": "w", "attempt": claimed["attempts"], "claim": {"limit": 5}}
        assert call("POST", f"/tasks/{claimed['id']}/complete", outcome)[0] == 200
        assert call("GET", "/tasks?status=completed")[1]["data"]["count"] == 1
        assert connection.sock is kept
        # What is longer than the server reads may cost the connection, but not the response.
        assert call("POST", "/tasks", {"params": "x" * 3_000_000})[0] == 413
        assert call("GET", "/health")[0] == 200
