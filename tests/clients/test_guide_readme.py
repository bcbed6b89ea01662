"""What the README of the first TaskManager, in PHP, has to be pasted, with another host and key.

docs/guides.md says which block of it each test is for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from app import config
from tests.clients.support import Programs, Shell, with_key
from tests.worker.support import Queue

GUIDES = Path(__file__).with_name("guides")
SCHEMA = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "minLength": 1},
        "length": {"type": "integer", "minimum": 100, "maximum": 5000},
    },
    "required": ["topic"],
}

sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def post(queue: Queue, path: str, body: Any) -> Any:
    return queue.server.call("POST", path, body)


@sqlite
def test_call_by_call(queue: Queue) -> None:
    name = "Guide.Text.Generate"
    body = {"name": name, "version": "1.0.0", "param_schema": SCHEMA}
    assert post(queue, "/task-types/register", body)[0] == 201
    assert queue.server.call("GET", f"/task-types/{name}")[1]["data"]["name"] == name
    _, types = queue.server.call("GET", "/task-types?active_only=true")
    assert name in [each["name"] for each in types["data"]["task_types"]]

    task = {"type": name, "params": {"topic": "Hosting", "length": 1500}}
    status, created = post(queue, "/tasks", task)
    assert (status, created["success"]) == (201, True)
    assert set(created["data"]) >= {"id", "type", "status", "dedupe_key"}
    assert created["data"]["status"] == "pending"
    assert len(created["data"]["dedupe_key"]) == 64

    pattern = {"worker_id": "worker-001", "type_pattern": "Guide.Text.%"}
    status, claimed = post(queue, "/tasks/claim", pattern)
    assert (status, claimed["success"]) == (200, True)
    expected = {"id": created["data"]["id"], **task, "attempts": 1}
    assert {name: claimed["data"][name] for name in expected} == expected

    path = f"/tasks/{claimed['data']['id']}"
    failure = {"worker_id": "worker-001", "success": False, "error": "limit exceeded"}
    assert post(queue, f"{path}/complete", failure)[0] == 200
    shown = queue.server.call("GET", path)[1]["data"]
    assert (shown["status"], shown["error_message"]) == ("pending", "limit exceeded")

    second = post(queue, "/tasks", {"type": name, "params": {"topic": "Again"}})[1]["data"]
    assert post(queue, "/tasks/claim", pattern)[1]["data"]["id"] == second["id"]
    result = {"worker_id": "worker-001", "success": True, "result": {"words": 1487}}
    assert post(queue, f"/tasks/{second['id']}/complete", result)[1]["data"]["status"] == (
        "completed"
    )
    assert queue.task(second["id"])["result"] == {"words": 1487}


@sqlite
def test_addresses_for_curl(queue: Queue, tmp_path: Path) -> None:
    """A `%` in an address stands for itself where no two hexadecimal digits follow."""
    queue.register("Guide.Text.Generate")
    queue.create("Guide.Text.Generate")
    queue.register("other")
    queue.create("other")
    shell = Shell(tmp_path, API=with_key(queue), OPEN=queue.url)
    try:
        assert '"status":"healthy"' in shell.run("curl -s $OPEN/health")
        filters = "status=pending&type=Guide.Text.%&limit=10&offset=0"
        listed = shell.run(f'curl -s "$API/tasks?{filters}"')
        assert '"count":1' in listed
        assert '"type":"Guide.Text.Generate"' in listed
    finally:
        shell.end()


@sqlite
def test_the_worker_loop(queue: Queue) -> None:
    queue.register("Guide.Text.Generate", retry_delay=0.05, max_attempts=2)
    good = queue.create("Guide.Text.Generate", {"topic": "abc"})
    bad = queue.create("Guide.Text.Generate", {"fail": "not today"})
    programs = Programs(("php", str(GUIDES / "readme_worker.php")), queue.url, queue.key)
    try:
        programs.start()
        assert queue.wait_for(good, "completed")["result"] == {"length": 3}
        failed = queue.wait_for(bad, "failed")
        assert (failed["attempts"], failed["error_message"]) == (2, "not today")
    finally:
        programs.end()


def test_statistics_in_sql(queue: Queue) -> None:
    """What can be claimed now; a delayed task has a status of its own in the table."""
    queue.register("job", max_attempts=1)
    queue.create_many("job", 3)
    queue.create("job", delay=3600)
    claimed = post(queue, "/tasks/claim", {"worker_id": "w"})[1]["data"]["id"]
    post(queue, f"/tasks/{claimed}/fail", {"worker_id": "w", "error": "broken"})
    assert rows(queue, "SELECT COUNT(*) FROM tasks WHERE status = 'pending'") == [(2,)]
    assert dict(rows(queue, "SELECT status, COUNT(*) FROM tasks GROUP BY status")) == {
        "pending": 2,
        "scheduled": 1,
        "failed": 1,
    }
    failures = "SELECT id, type_id, error_message, attempts FROM tasks WHERE status = 'failed'"
    ((task_id, _, error, attempts),) = rows(queue, failures)
    assert (task_id, error, attempts) == (claimed, "broken", 1)


def rows(queue: Queue, sql: str) -> list[tuple[Any, ...]]:
    engine = sqlalchemy.create_engine(queue.server.database_url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sqlalchemy.text(sql))]
    finally:
        engine.dispose()


def test_settings_have_the_same_names_and_defaults() -> None:
    named = {
        "TASK_CLAIM_TIMEOUT": 300,
        "MAX_TASK_ATTEMPTS": 3,
        "ENABLE_TASK_HISTORY": True,
        "ENABLE_SCHEMA_VALIDATION": True,
        "DB_HOST": "localhost",
    }
    assert {name: config.SETTINGS[name].default for name in named} == named
    values = {"DB_NAME": "n", "DB_USER": "u", "DB_PASS": "p", "DB_HOST": "localhost"}
    settings = config.from_values(values)
    assert settings.database is not None
