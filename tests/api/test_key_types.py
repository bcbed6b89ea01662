"""Keys for some task types: what is of other types is not there for them."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.routes import ROUTES
from app.queue import release
from app.queue.statistics.roll_up import roll_up
from app.queue.upkeep.turn import Budget
from tests.api.addresses import address_of, template
from tests.api.caller import Api
from tests.api.keys import WithKey, key_with
from tests.api.scopes import ADMIN, OPEN, OWN_TYPES, ROWS

BODIES: dict[str, dict[str, Any]] = {
    "POST /tasks/{id}/progress": {"progress": 5},
    "POST /v1/jobs/{id}/progress": {"progress": 5},
    "PUT /v1/jobs/{id}/priority": {"priority": 5},
    "POST /v1/jobs/{id}/priority": {"priority": 5},
}
"""What a call needs to be a right one. Others take an empty body."""

OWN = [name for name, row in ROWS.items() if row.types == OWN_TYPES]
BY_ID = [name for name in OWN if "{id}" in name and "/schedules/" not in name]
OF_SCHEDULES = [name for name in OWN if "/schedules/{id}" in name]
BY_NAME = [name for name, row in ROWS.items() if row.types == OWN_TYPES and "{name}" in name]
OTHERS = {
    *("POST /tasks/claim", "POST /tasks/settle", "POST /tasks/heartbeat", "POST /tasks"),
    *("GET /tasks", "POST /task-types/register", "GET /task-types", "POST /v1/jobs/claim"),
    *("POST /v1/jobs/bulk", "POST /v1/jobs", "GET /v1/jobs", "GET /v1/jobs/status"),
    *("GET /v1/jobs/dlq", "GET /v1/queues", "POST /v1/jobs/dlq/retry", "POST /v1/jobs/dlq/purge"),
    *("POST /tasks/retry", "POST /tasks/cancel", "POST /tasks/delete"),
    *("GET /stats", "GET /stats/series", "GET /failures", "GET /v1/jobs/stats"),
    *("GET /queue", "POST /queue/pause", "POST /queue/resume"),
    *("GET /schedules", "POST /schedules", "GET /v1/schedules", "POST /v1/schedules"),
}
"""These have a test of their own below."""
OF_WORKERS = {name for name, row in ROWS.items() if row.types == OWN_TYPES and "/workers/" in name}
"""A worker is not of one type: test_workers_are_of_no_type."""


@pytest.fixture
def mine(api: Api) -> Api:
    """The API as an operator of the types mail.… calls it."""
    api.register("mail.send")
    api.register("sms")
    return WithKey(api, key_with(api, ["admin"], ["mail.%"]))


@pytest.fixture
def worker(api: Api, mine: Api) -> Api:
    return WithKey(api, key_with(api, ["work", "produce"], ["mail.%", "fax"]))


def test_every_route_for_own_types_is_tried_here() -> None:
    needing_a_key = {name for name, row in ROWS.items() if row.scope != OPEN}
    for_own = {name for name in needing_a_key if ROWS[name].types == OWN_TYPES}
    missing = for_own - {*BY_ID, *BY_NAME, *OTHERS, *OF_WORKERS, *OF_SCHEDULES}
    assert not missing, f"tests/api/test_key_types.py: add a test for {sorted(missing)}"


@pytest.mark.parametrize("status", ["pending", "claimed", "failed", "completed"])
@pytest.mark.parametrize("name", BY_ID)
def test_a_task_of_another_type_is_404(api: Api, mine: Api, name: str, status: str) -> None:
    """Exactly as if there were none, and it stays as it is."""
    task_id = task_in(api, "sms", status)
    route = route_of(name)
    body = BODIES.get(name, {})
    keys = [mine]
    if ROWS[name].scope != ADMIN:
        keys.append(WithKey(api, key_with(api, ["work", "produce"], ["mail.%"])))
    for key in keys:
        with api.unchanged(except_for="api_keys"):
            response = key.call(*address_of(route, id=str(task_id)), body)
        absent = key.call(*address_of(route, id="999999999"), body)
        assert response.status == absent.status == 404, response
        assert (
            response.raw.replace(str(task_id).encode(), b"ID").split(b'"timestamp"')[0]
            == (absent.raw.replace(b"999999999", b"ID").split(b'"timestamp"')[0])
        )


@pytest.mark.parametrize("name", BY_ID)
def test_one_of_its_own_types_is_there(api: Api, mine: Api, name: str) -> None:
    task_id = task_in(api, "mail.send", "claimed")
    response = mine.call(*address_of(route_of(name), id=str(task_id)), BODIES.get(name, {}))
    assert response.status in (200, 204, 409), response


@pytest.mark.parametrize("name", BY_NAME)
def test_another_type_is_404(api: Api, mine: Api, name: str) -> None:
    """A schedule, too, that makes tasks of another type."""
    for type in ("sms", "mail.send"):
        api.post("/schedules", {"name": type, "type": type, "every": 60})
    route = route_of(name)
    with api.unchanged(except_for="api_keys"):
        response = mine.call(*address_of(route, name="sms"), {})
    assert response.status == 404
    assert response.json["code"].lower() in ("unknown_type", "not_found")
    assert mine.call(*address_of(route, name="mail.send"), {}).status in (200, 201)


@pytest.mark.parametrize("name", OF_SCHEDULES)
def test_a_schedule_of_another_type_is_404(api: Api, mine: Api, name: str) -> None:
    body = {"cron_expression": "@daily", "payload_template": {}}
    ids = {
        queue: api.post("/v1/schedules", {**body, "name": queue, "queue_name": queue}).json["id"]
        for queue in ("sms", "mail.send")
    }
    route = route_of(name)
    with api.unchanged(except_for="api_keys"):
        response = mine.call(*address_of(route, id=ids["sms"]), {})
    assert (response.status, response.json["code"]) == (404, "NOT_FOUND")
    assert mine.call(*address_of(route, id=ids["mail.send"]), {}).status in (200, 204)


class TestClaims:
    @pytest.mark.parametrize("options", [{}, {"type_pattern": "%"}, {"task_types": ["sms"]}])
    def test_others_are_never_taken(self, api: Api, worker: Api, options: dict[str, Any]) -> None:
        api.create("sms", priority=9)
        own = api.create("mail.send")["id"]
        found = worker.claim("w1", **options)
        assert (found and found["id"]) == (None if "task_types" in options else own)
        assert worker.claim("w1", **options) is None

    def test_by_the_id_of_another_type(self, api: Api, worker: Api) -> None:
        api.create("sms")
        other = api.get("/task-types/sms").data["id"]
        assert worker.claim("w1", task_type_id=other) is None

    def test_behind_many_of_other_types(self, api: Api, worker: Api) -> None:
        api.post("/tasks", {"tasks": [{"type": "sms", "params": {"n": n}} for n in range(400)]})
        own = [api.create("mail.send")["id"] for _ in range(3)]
        assert [each["id"] for each in worker.claim("w1", limit=100)] == own

    def test_of_many_types(self, api: Api, worker: Api) -> None:
        for number in range(40):
            api.register(f"other-{number}")
            api.register(f"mail.{number}")
            api.create(f"other-{number}")
        own = [api.create(f"mail.{number}")["id"] for number in range(40)]
        assert [each["id"] for each in worker.claim("w1", limit=100)] == own

    def test_with_a_settle(self, api: Api, worker: Api) -> None:
        api.create("mail.send")
        api.create("sms")
        first = worker.claim("w1")
        done = {"worker_id": "w1", "attempt": 1, "claim": {"limit": 5}}
        assert worker.post(f"/tasks/{first['id']}/complete", done).data["tasks"] == []

    def test_in_spooleds_dialect(self, api: Api, worker: Api) -> None:
        api.create("sms")
        body = {"worker_id": "w1", "queue_name": "sms"}
        assert worker.call("POST", "/v1/jobs/claim", body).json["jobs"] == []


class TestBatches:
    def test_outcomes_and_heartbeats(self, api: Api, worker: Api, mine: Api) -> None:
        foreign = task_in(api, "sms", "claimed")
        api.create("mail.send")
        own = worker.claim("w2")["id"]
        items = [{"id": foreign, "worker_id": "w1"}, {"id": own}]
        for key in (worker, mine):
            body = {"worker_id": "w2", "tasks": items}
            kept = key.post("/tasks/heartbeat", body).data["tasks"]
            assert [each.get("code") for each in kept] == ["not_found", None]
        body = {"worker_id": "w2", "outcomes": items}
        settled = worker.post("/tasks/settle", body).data["settled"]
        assert [each.get("code") for each in settled] == ["not_found", None]
        assert api.task(foreign)["status"] == "claimed"


class TestManyAtOnce:
    @pytest.mark.parametrize(
        ("verb", "status"), [("retry", "failed"), ("cancel", "pending"), ("delete", "failed")]
    )
    def test_others_are_neither_found_nor_changed(
        self, api: Api, mine: Api, verb: str, status: str
    ) -> None:
        own, foreign = (task_in(api, type, status) for type in ("mail.send", "sms"))
        before = api.row(foreign)
        for which in ({"ids": [foreign]}, {"filter": {"type": "sms"}}):
            assert mine.post(f"/tasks/{verb}", which).data["changed"] == 0
        for which in ({"ids": [own, foreign]}, {"filter": {"status": status}}):
            found = mine.post(f"/tasks/{verb}", {**which, "dry_run": True}).data
            assert found["matched"] == 1, which
        assert mine.post(f"/tasks/{verb}", {"filter": {"status": status}}).data["changed"] == 1
        assert api.row(foreign) == before
        assert api.get(f"/tasks/{own}").json.get("data", {}).get("status") != status


class TestMaking:
    def test_a_task(self, api: Api, worker: Api) -> None:
        assert worker.post("/tasks", {"type": "mail.send", "params": {}}).status == 201
        with api.unchanged(except_for="api_keys"):
            for body in (
                {"type": "sms", "params": {}},
                {"type": "unknown", "params": {}},
                {"tasks": [{"type": "mail.send", "params": {}}, {"type": "sms", "params": {}}]},
            ):
                response = worker.post("/tasks", body)
                assert (response.status, response.code) == (403, "forbidden")
        assert "'sms'" in response.error
        assert "mail.%" in response.error

    def test_a_job(self, api: Api, worker: Api) -> None:
        """A queue that is new becomes a type, if the key is for it."""
        assert worker.call("POST", "/v1/jobs", {"queue_name": "fax", "payload": {}}).status == 201
        with api.unchanged(except_for="api_keys"):
            job = {"queue_name": "sms", "payload": {}}
            assert worker.call("POST", "/v1/jobs", job).status == 403
            assert worker.call("POST", "/v1/jobs", {**job, "queue_name": "new"}).status == 403
            jobs = {"queue_name": "sms", "jobs": [{"payload": {}}]}
            assert worker.call("POST", "/v1/jobs/bulk", jobs).status == 403

    def test_a_type(self, api: Api, mine: Api) -> None:
        body = {"name": "mail.read", "version": "1", "param_schema": {}}
        assert mine.post("/task-types/register", body).status == 201
        with api.unchanged(except_for="api_keys"):
            for name in ("sms", "new"):
                response = mine.post("/task-types/register", {**body, "name": name})
                assert (response.status, response.code) == (403, "forbidden")

    def test_a_schedule(self, api: Api, mine: Api) -> None:
        body = {"name": "nightly", "type": "mail.send", "every": 60}
        assert mine.post("/schedules", body).status == 201
        api.post("/schedules", {**body, "name": "other", "type": "sms"})
        with api.unchanged(except_for="api_keys"):
            response = mine.post("/schedules", {**body, "type": "sms"})
            assert (response.status, response.code) == (403, "forbidden")
            response = mine.post("/schedules", {**body, "name": "other"})
            assert (response.status, response.code) == (409, "conflict")
        listed = mine.get("/schedules").data["schedules"]
        assert [each["name"] for each in listed] == ["nightly"]

    def test_a_schedule_in_spooleds_dialect(self, api: Api, mine: Api) -> None:
        body = {"name": "a", "cron_expression": "@daily", "payload_template": {}}
        assert mine.post("/v1/schedules", {**body, "queue_name": "mail.new"}).status == 201
        api.post("/v1/schedules", {**body, "name": "b", "queue_name": "sms"})
        with api.unchanged(except_for="api_keys"):
            for name, queue in (("c", "sms"), ("c", "unknown")):
                response = mine.post("/v1/schedules", {**body, "name": name, "queue_name": queue})
                assert (response.status, response.json["code"]) == (403, "FORBIDDEN")
        assert [each["name"] for each in mine.call("GET", "/v1/schedules").items] == ["a"]


class TestPauses:
    def test_a_pattern_is_for_own_types(self, api: Api, mine: Api) -> None:
        paused = mine.post("/queue/pause", {"type_pattern": "%"}).data
        assert (paused["paused_types"], paused["matching"]) == (["mail.send"], 1)
        api.post("/task-types/sms/pause")
        assert mine.get("/queue").data["paused_types"] == ["mail.send"]
        assert mine.post("/queue/resume", {"type_pattern": "%"}).data["paused_types"] == []
        assert api.get("/queue").data["paused_types"] == ["sms"]

    @pytest.mark.parametrize("verb", ["pause", "resume"])
    def test_the_whole_queue_is_for_all_types(self, api: Api, mine: Api, verb: str) -> None:
        with api.unchanged(except_for="api_keys"):
            response = mine.post(f"/queue/{verb}")
        assert (response.status, response.code) == (403, "forbidden")
        assert "type_pattern" in response.error


class TestLists:
    def test_of_types(self, api: Api, mine: Api) -> None:
        listed = mine.get("/task-types").data["task_types"]
        assert [each["name"] for each in listed] == ["mail.send"]
        queues = mine.call("GET", "/v1/queues").items
        assert [each["queue_name"] for each in queues] == ["mail.send"]

    def test_of_tasks(self, api: Api, mine: Api) -> None:
        failed = [task_in(api, name, "failed") for name in ("mail.send", "sms")]
        own = api.create("mail.send", tags=["t"])["id"]
        api.create("sms", tags=["t"])
        queries: list[dict[str, str]] = [{}, {"tag": "t"}, {"type": "%"}, {"status": "pending"}]
        for query in [*queries, {"type": "%s%"}, {"type": "mail.send"}, {"limit": "1"}]:
            listed = mine.get("/tasks", **query).data["tasks"]
            assert {each["type"] for each in listed} == {"mail.send"}, query
        assert mine.get("/tasks", type="sms").data["tasks"] == []
        assert mine.get("/tasks", worker_id="w1", type="sms").data["tasks"] == []
        jobs = mine.call("GET", "/v1/jobs").items
        assert {each["queue_name"] for each in jobs} == {"mail.send"}
        letters = mine.call("GET", "/v1/jobs/dlq").items
        assert [each["id"] for each in letters] == [str(failed[0])]
        query = {"ids": f"{own},{failed[1]}"}
        status = mine.call("GET", "/v1/jobs/status", query=query).items
        assert [each["id"] for each in status] == [str(own)]

    def test_of_a_key_whose_types_are_not_there(self, api: Api, mine: Api) -> None:
        api.create("sms")
        none = WithKey(api, key_with(api, ["read"], ["nothing.%"]))
        assert none.get("/tasks").data["tasks"] == []
        assert none.get("/task-types").data["task_types"] == []


class TestStatistics:
    @pytest.fixture(autouse=True)
    def tasks(self, api: Api, mine: Api) -> None:
        """Of each type one completed, two failed, one waiting; of sms twice as many."""
        for type in ("mail.send", "sms", "sms"):
            made = [task_in(api, type, each) for each in ("completed", "failed", "failed")]
            assert len(made) == 3
        for type in ("mail.send", "sms", "sms"):
            task_in(api, type, "pending")

    def test_counts_and_activity(self, api: Api, mine: Api) -> None:
        found = mine.get("/stats").data
        assert [each["type"] for each in found["by_type"]] == ["mail.send"]
        counts = {name: count for name, count in found["counts"].items() if count}
        assert counts == {"completed": 1, "failed": 2, "pending": 1}
        assert found["completed"] == {"minute": 1, "hour": 1, "day": 1}
        assert found["failed"] == {"minute": 2, "hour": 2, "day": 2}
        same = mine.get("/stats", type="mail.send").data
        varying = ("as_of", "oldest_due_age")
        assert {**found, **dict.fromkeys(varying)} == {**same, **dict.fromkeys(varying)}

    def test_the_oldest_task_that_waits(self, api: Api, mine: Api) -> None:
        ages = {"mail.send": 60, "sms": 3600}
        for type, age in ages.items():
            past = api.site.db.dialect.after(str(-age))
            api.sql(
                f"UPDATE tasks SET created_at = {past}, ready_at = {past} WHERE status = 'pending' "
                "AND type_id = (SELECT id FROM task_types WHERE name = :name)",
                name=type,
            )
        assert 60 <= mine.get("/stats").data["oldest_due_age"] < 600
        assert api.get("/stats").data["oldest_due_age"] >= 3600

    def test_over_time(self, mine: Api) -> None:
        points = mine.get("/stats/series").data["points"]
        assert sum(each["failed"] for each in points) == 2
        assert sum(each["created"] for each in points) == 4

    def test_failures(self, mine: Api) -> None:
        (group,) = mine.get("/failures").data["failures"]
        assert (group["type"], group["count"]) == ("mail.send", 2)

    @pytest.mark.parametrize("path", ["/stats", "/stats/series", "/failures"])
    def test_another_type_is_unknown(self, mine: Api, path: str) -> None:
        assert mine.get(path, type="sms").code == "unknown_type"
        assert mine.get(path, type="none").code == "unknown_type"

    def test_after_the_history_was_rolled_up(self, api: Api, mine: Api) -> None:
        roll_up(api.site, Budget(None))
        self.test_counts_and_activity(api, mine)
        self.test_over_time(mine)
        self.test_failures(mine)

    def test_a_worker_is_of_no_type(self, mine: Api) -> None:
        response = mine.get("/stats", worker_id="w1")
        assert (response.status, response.code) == (403, "forbidden")
        assert "worker_id" in response.error

    def test_of_a_key_whose_types_are_not_there(self, api: Api) -> None:
        none = WithKey(api, key_with(api, ["read"], ["nothing.%"]))
        found = none.get("/stats").data
        assert set(found["counts"].values()) == {0}
        assert (found["by_type"], found["oldest_due_age"]) == ([], None)
        assert found["failed"] == {"minute": 0, "hour": 0, "day": 0}
        assert none.get("/failures").data["failures"] == []

    def test_in_spooleds_dialect(self, mine: Api) -> None:
        found = mine.call("GET", "/v1/jobs/stats").json
        assert (found["deadletter"], found["total"]) == (2, 4)

    def test_dead_letters(self, api: Api, mine: Api) -> None:
        def failed() -> list[str]:
            return [str(each["id"]) for each in api.get("/tasks", status="failed").data["tasks"]]

        def retried(body: dict[str, Any]) -> Any:
            return mine.call("POST", "/v1/jobs/dlq/retry", body).json["retried_count"]

        own = [each["id"] for each in mine.call("GET", "/v1/jobs/dlq").items]
        assert retried({"job_ids": [each for each in failed() if each not in own]}) == 0
        assert retried({"queue_name": "sms"}) == 0
        assert len(failed()) == 6
        assert retried({"limit": 1}) == 1
        purged = mine.call("POST", "/v1/jobs/dlq/purge", {"confirm": True}).json
        assert (purged["purged_count"], purged["has_more"]) == (1, False)
        assert len(failed()) == 4


def test_a_pattern_is_taken_as_in_like(api: Api) -> None:
    api.register("a_b")
    api.register("axb")
    api.register("A_b")
    exact = WithKey(api, key_with(api, ["read"], ["a\\_b"]))
    assert [each["name"] for each in exact.get("/task-types").data["task_types"]] == ["a_b"]
    assert exact.get("/task-types/axb").status == 404
    wide = WithKey(api, key_with(api, ["read"], ["a_b"]))
    names = [each["name"] for each in wide.get("/task-types").data["task_types"]]
    assert names == ["a_b", "axb"]


def test_a_worker_that_leaves_gives_back_only_what_the_key_is_for(
    api: Api, mine: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of other types it holds: more than is given back at once, here."""
    monkeypatch.setattr(release, "BATCH", 2)
    others = [api.create("sms")["id"] for _ in range(3)]
    own = [api.create("mail.send")["id"] for _ in range(3)]
    assert len(api.claim("w1", limit=6)) == 6
    assert mine.post("/workers/w1/deregister").data["released"] == 3
    assert {api.task(task_id)["status"] for task_id in own} == {"pending"}
    assert {api.task(task_id)["status"] for task_id in others} == {"claimed"}


def test_workers_are_of_no_type(api: Api, worker: Api) -> None:
    assert worker.post("/workers/register", {"worker_id": "w1"}).status == 200
    assert worker.post("/workers/w1/heartbeat").status == 200
    assert worker.post("/workers/w1/deregister").status == 200


def route_of(name: str) -> Any:
    return next(route for route in ROUTES if template(route) == name)


def task_in(api: Api, type: str, status: str) -> int:
    """A task of the type in this status; where it was claimed, by w1 with the root key."""
    task_id = int(api.create(type)["id"])
    if status == "pending":
        return task_id
    assert api.claim("w1", task_types=[type])["id"] == task_id
    if status == "failed":
        api.post(f"/tasks/{task_id}/fail", {"error": "e", "retry": False})
    if status == "completed":
        api.post(f"/tasks/{task_id}/complete", {})
    return task_id
