"""Spooled's published packages, unmodified, against this server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.spooled_sdk import Program
from tests.support.net import wait_until
from tests.support.server import Server

VERSIONS = ["1.1.0", "1.6.0"]
WAIT_SECONDS = 60


@pytest.fixture(scope="module")
def spooled_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its keys have ten characters at least."""
    path = tmp_path_factory.mktemp("spooled") / "queue.sqlite3"
    settings = {"DATABASE_URL": f"sqlite:///{path}", "API_KEY": "sp_test_0123456789"}
    with Server({**settings, "RETRY_DELAY": 0.1}) as running:
        yield running


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(spooled_server: Server) -> Iterator[SpooledSite]:
    made = SpooledSite(spooled_server)
    yield made
    made.clear()


class SpooledSite:
    """The server as other programs see it."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def run(self, version: str, scene: str) -> Program:
        base_url = self.server.url[: -len("/api")]
        return Program(version, scene, base_url, self.server.api_key)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        status, response = self.server.call(method, path, body)
        assert status in (200, 201), response
        return response["data"]

    def create(self, queue: str) -> int:
        self.call(
            "POST",
            "/task-types/register",
            {"name": queue, "version": "1", "param_schema": {}},
        )
        task = {"type": queue, "params": {}, "dedupe": False}
        return int(self.call("POST", "/tasks", task)["id"])

    def task(self, task_id: Any) -> Any:
        return self.call("GET", f"/tasks/{task_id}")

    def steal(self, task_id: Any) -> None:
        """Let the lease end and another worker have the task."""
        self.call("POST", f"/tasks/{task_id}/heartbeat", {"lease": 0.1})

        def claimed() -> bool:
            body = {"worker_id": "thief", "lease": 600, "limit": 1}
            return bool(self.call("POST", "/tasks/claim", body)["tasks"])

        wait_until(claimed, WAIT_SECONDS, "the end of the lease")

    def clear(self) -> None:
        for task in self.call("GET", "/tasks?limit=100")["tasks"]:
            if task["status"] == "claimed":
                self.call("POST", f"/tasks/{task['id']}/release")
            self.call("POST", f"/tasks/{task['id']}/delete")


def test_a_producer(site: SpooledSite, version: str) -> None:
    with site.run(version, "produce") as program:
        first, again, later = program.next("created")
        jobs = program.next("jobs")
        rest = dict(program.rest())
    assert (first["created"], again["created"], later["created"]) == (True, False, True)
    assert again["id"] == first["id"] != later["id"]
    sent, waiting = jobs
    expected = {
        "status": "pending",
        "payload": {"to": "ada@example.org", "camelCase": [1, None, {"größe": "🎉"}]},
        "priority": 5,
        "max_retries": 1,
        "timeout_seconds": 120,
        "tags": {"for": "Ada"},
        "idempotency_key": "order-1",
    }
    assert {name: sent[name] for name in expected} == expected
    assert (waiting["status"], waiting["max_retries"]) == ("scheduled", 3)
    assert waiting["scheduled_at"].startswith("2096-01-01")
    assert rest == {
        "bulk": [True, False],
        "cancelled": "cancelled",
        "unknown": ["NotFoundError", 404, "NOT_FOUND"],
        "wrong key": ["AuthenticationError", 401, "UNAUTHORIZED"],
    }


def test_a_worker(site: SpooledSite, version: str) -> None:
    with site.run(version, "work") as program:
        events = program.rest()
    done = {data["result"]["did"]: data for name, data in events if name == "job:completed"}
    failed = [data for name, data in events if name == "job:failed"]
    assert [name for name, _ in events if name == "error"] == []
    assert done["echo"]["result"]["retry_count"] == 0
    assert done["fail once"]["result"]["retry_count"] == 1
    assert [(each["error"], each["will_retry"]) for each in failed] == [("not today", True)]
    for what, attempts in (("echo", 1), ("fail once", 2)):
        task = site.task(done[what]["job_id"])
        assert (task["status"], task["attempts"]) == ("completed", attempts)
        assert task["result"] == done[what]["result"]
    worker = site.call("GET", "/workers/scene.work.1")
    assert (worker["version"], worker["task_types"]) == (version, ["scene.work"])
    assert worker["deregistered_at"] is not None
    assert events[-1][0] == "stopped"


def test_a_lease_that_is_lost(site: SpooledSite, version: str) -> None:
    task_id = site.create("scene.lose")
    with site.run(version, "lose") as program:
        assert program.next("holding") == str(task_id)
        site.steal(task_id)
        program.go_on()
        events = program.rest()
    names = [name for name, _ in events]
    assert "job:completed" not in names
    if version != "1.1.0":
        lost = next(data for name, data in events if name == "job:lease_lost")
        assert lost["operation"] == "complete"
    task = site.task(task_id)
    assert (task["status"], task["claimed_by"], task["attempts"]) == ("claimed", "thief", 2)


def test_a_lease_that_is_kept(site: SpooledSite, version: str) -> None:
    task_id = site.create("scene.keep")
    with site.run(version, "keep") as program:
        program.next("holding")
        seen: set[str] = set()

        def extended() -> bool:
            seen.add(site.task(task_id)["lease_expires_at"])
            return len(seen) > 3

        wait_until(extended, WAIT_SECONDS, "heartbeats")
        program.go_on()
        events = program.rest()
    assert "job:completed" in [name for name, _ in events]
    task = site.task(task_id)
    assert (task["status"], task["attempts"], task["result"]) == ("completed", 1, {"kept": True})


def test_call_by_call(site: SpooledSite, version: str) -> None:
    task_id = site.create("scene.by_hand")
    with site.run(version, "by_hand") as program:
        registered = program.next("registered")
        assert (registered["id"], registered["queue_name"]) == ("hand.1", "scene.by_hand")
        assert program.next("holding") == str(task_id)
        assert site.call("GET", "/workers/hand.1")["active_tasks"] == 1
        site.steal(task_id)
        program.go_on()
        events = dict(program.rest())
    lost = ["ConflictError", 409, "LEASE_EXPIRED"]
    assert events == {"heartbeat": lost, "complete": lost, "fail": lost}
    assert site.call("GET", "/workers/hand.1")["deregistered_at"] is not None
    assert site.task(task_id)["claimed_by"] == "thief"


def test_looking_at_jobs_queues_and_workers(site: SpooledSite, version: str) -> None:
    with site.run(version, "look") as program:
        events = dict(program.rest())
    failing, done, waiting = (events["ids"][name] for name in ("failing", "done", "waiting"))
    assert events["list"] == [[waiting, "pending"], [done, "completed"]]
    assert events["has more"] is True
    assert events["pending"] == [waiting, failing]
    assert events["statuses"] == [
        [done, "completed", "scene.look"],
        [waiting, "pending", "scene.look"],
    ]
    assert events["priority"] == [waiting, 0, 50]
    assert site.task(waiting)["priority"] == 50
    assert events["ended"] == ["ConflictError", 409, "CONFLICT"]
    assert events["history"] in (None, ["created", "claimed", "completed"])
    assert (events["health"]["status"], events["health"]["database"]) == ("healthy", True)
    assert events["probes"] == [True, True]
    assert 'taskmanager_tasks{type="scene.look",status="completed"}' in events["metrics"]
    stats = events["stats"]
    assert sum(stats.values()) == 2 * stats["total"] > 0
    assert stats["pending"] == stats["completed"] == stats["scheduled"] == 1
    stats = events["queue stats"]
    assert (stats["queue_name"], stats["active_workers"]) == ("scene.look", 1)
    assert (stats["pending_jobs"], stats["processing_jobs"]) == (1, 0)
    # What another version did is counted as well: it is of the last day, too.
    assert 1 <= stats["completed_jobs_24h"] <= len(VERSIONS)
    assert stats["failed_jobs_24h"] == 0
    queue = {
        "queue_name": "scene.look",
        "max_retries": 3,
        "default_timeout": 300,
        "rate_limit": None,
        "enabled": True,
    }
    assert queue in events["queues"]
    assert {name: events["queue"][name] for name in queue} == queue
    assert events["paused"] == ["scene.look", True, "repairs"]
    assert events["while paused"] is False
    assert events["resumed"] == [True, 0]
    assert events["no such queue"] == ["NotFoundError", 404, "NOT_FOUND"]
    (worker,) = (each for each in events["workers"] if each["id"] == "look.1")
    for found in (worker, events["worker"]):
        assert (found["queue_name"], found["hostname"]) == ("scene.look", "h")
        assert (found["status"], found["current_jobs"]) == ("healthy", 0)
        assert found["max_concurrency"] == 5
        if version != "1.1.0":
            assert (found["jobs_processed"], found["jobs_failed"]) == (1, 1)
    assert events["no such worker"] == ["NotFoundError", 404, "NOT_FOUND"]


def test_dead_letters(site: SpooledSite, version: str) -> None:
    with site.run(version, "dead_letters") as program:
        events = dict(program.rest())
    assert events["letters"] == [["scene.dead", "deadletter", 0]] * 2
    assert (events["retried"], events["chosen"]) == (1, True)
    if version == "1.1.0":
        assert events["purged"] == ["ValidationError", 400, "VALIDATION_FAILED"]
        assert events["left"] == ["scene.other"]
    else:
        assert (events["purged"], events["left"]) == (1, [])


def test_schedules(site: SpooledSite, version: str) -> None:
    with site.run(version, "schedules") as program:
        events = dict(program.rest())
    schedule = events["made"]["id"]
    assert events["made"]["next_run_at"] is not None
    assert events["taken"] == ["ConflictError", 409, "CONFLICT"]
    assert (events["listed"], events["inactive"]) == (["scene.schedules"], [])
    got = {
        "id": schedule,
        "cron_expression": "30 4 * * 1",
        "timezone": "Europe/Berlin",
        "queue_name": "scene.schedules",
        "payload_template": {"größe": "🎉"},
        "priority": 5,
        "max_retries": 1,
        "is_active": True,
        "run_count": 0,
        "tags": {"for": "Ada"},
    }
    assert {name: events["got"][name] for name in got} == got
    updated = {**got, "cron_expression": "0 5 * * *", "priority": 9}
    assert {name: events["updated"][name] for name in got} == updated
    assert (events["paused"], events["resumed"]) == (False, True)
    job = events["job"]
    assert (job["payload"], job["priority"], job["max_retries"]) == ({"größe": "🎉"}, 9, 1)
    (run,) = events["history"]
    assert (run["job_id"], run["schedule_id"], run["status"]) == (job["id"], schedule, "pending")
    assert events["deleted"] == ["NotFoundError", 404, "NOT_FOUND"]
