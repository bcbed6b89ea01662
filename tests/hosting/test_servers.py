"""Other servers than the tests' own run the same entry."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.net import HOST, free_port, wait_until
from tests.support.programs import KEY, environment, run_flask
from tests.support.server import PROJECT, Server

REGISTER = {"name": "served.task", "version": "1", "param_schema": {}}


@contextlib.contextmanager
def flask_server(database_url: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", "passenger_wsgi", "run", "--port", str(port)]
    process = subprocess.Popen(command, env=environment(database_url), cwd=PROJECT)
    try:
        url = f"http://{HOST}:{port}/api"
        wait_until(lambda: _health(url) == "healthy", 60, "flask's first answer")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _health(url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
            return str(json.load(answer)["status"])
    except OSError:
        return ""


def _post(url: str, body: object) -> dict[str, object]:
    headers = {"X-API-Key": KEY}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        document: dict[str, object] = json.load(answer)
        return document


def test_flask_run_serves_the_same_application(database_url: str) -> None:
    with flask_server(database_url) as url:
        assert _post(f"{url}/task-types/register", REGISTER)["success"] is True
        assert _post(f"{url}/tasks", {"type": "served.task", "params": {}})["success"] is True
        claimed = _post(f"{url}/tasks/claim", {"worker_id": "w", "limit": 5})["data"]
        assert isinstance(claimed, dict)
        assert claimed["count"] == 1


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
