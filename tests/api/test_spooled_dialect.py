"""/v1: the calls of Spooled's workers and producers, as they are on the wire."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from app.api.routes import ROUTES, SPOOLED
from app.api.spooled.refusal import refusal
from app.errors import DatabaseUnavailable
from tests.api.addresses import address_of, template
from tests.api.caller import API_KEY, TIME, Api, seconds_between
from tests.api.spooled_calls import claim, create, end, held, job

DIALECT = [route for route in ROUTES if route.template.startswith(SPOOLED)]
each_route = pytest.mark.parametrize("route", DIALECT, ids=template)


class TestCreate:
    def test_a_new_queue_is_made(self, api: Api) -> None:
        job_id = create(api, "mail", {"anything": [1]})
        made = api.get("/task-types/mail").data
        assert (made["param_schema"], made["max_attempts"]) == ({}, 4)
        assert api.task(int(job_id))["params"] == {"anything": [1]}

    def test_a_type_that_is_there_stays_as_it_is(self, api: Api) -> None:
        schema = {"type": "object", "required": ["to"]}
        api.register("mail", schema, max_attempts=9)
        assert job(api, create(api))["max_retries"] == 8
        response = api.post("/v1/jobs", {"queue_name": "mail", "payload": {"no": 1}})
        assert (response.status, response.code) == (400, "VALIDATION_FAILED")
        assert response.json["details"]

    def test_everything_told_is_kept(self, api: Api) -> None:
        options = {
            "priority": 7,
            "max_retries": 0,
            "timeout_seconds": 60,
            "scheduled_at": "2096-01-01T02:00:00+02:00",
            "idempotency_key": "order-1",
            "tags": {"urgent": True, "for": "Ada"},
        }
        job_id = create(api, payload={"to": "a"}, **options)
        found = job(api, job_id)
        assert found["id"] == job_id
        assert (found["queue_name"], found["payload"]) == ("mail", {"to": "a"})
        assert (found["priority"], found["max_retries"], found["retry_count"]) == (7, 0, 0)
        assert found["timeout_seconds"] == 60
        assert (found["status"], found["scheduled_at"]) == ("scheduled", "2096-01-01T00:00:00.000Z")
        assert found["idempotency_key"] == "order-1"
        assert found["tags"] == {"urgent": "true", "for": "Ada"}
        assert api.task(int(job_id))["tags"] == ["urgent=true", "for=Ada"]

    def test_equal_payloads_are_different_jobs(self, api: Api) -> None:
        assert create(api) != create(api)

    @pytest.mark.parametrize("key", ["k", "x" * 191, "x" * 255, " padded ", "größe\n🎉"])
    def test_an_idempotency_key(self, api: Api, key: str) -> None:
        job_id = create(api, payload={"n": 1}, idempotency_key=key)
        body = {"queue_name": "mail", "payload": {"n": 2}, "idempotency_key": key}
        response = api.post("/v1/jobs", body)
        assert (response.status, response.json) == (200, {"id": job_id, "created": False})
        fits = len(key) <= 191 and key.strip() == key and "\n" not in key
        expected = key if fits else hashlib.sha256(key.encode()).hexdigest()
        assert job(api, job_id)["idempotency_key"] == expected

    def test_keys_of_other_queues(self, api: Api) -> None:
        first = create(api, "mail", idempotency_key="k")
        assert create(api, "sms", idempotency_key="k") != first

    def test_a_parent(self, api: Api) -> None:
        parent = create(api)
        child = create(api, payload={"n": 2}, parent_job_id=parent)
        assert job(api, child)["parent_job_id"] == parent
        assert job(api, parent)["parent_job_id"] is None
        assert api.task(int(child))["parent_id"] == int(parent)

    @pytest.mark.parametrize("parent", ["", "0", "x", "-1", "1.0", 1, "9" * 30, ["1"]])
    def test_what_is_no_parent(self, api: Api, parent: Any) -> None:
        body = {"queue_name": "mail", "payload": {}, "parent_job_id": parent}
        with api.unchanged():
            response = api.post("/v1/jobs", body)
        assert (response.code, response.paths) == ("VALIDATION_FAILED", ["parent_job_id"])

    def test_the_trace_of_the_call(self, api: Api) -> None:
        headers = {"X-API-Key": API_KEY, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        one = {"queue_name": "mail", "payload": {}}
        many = {"queue_name": "mail", "jobs": [{"payload": {"n": 1}}, {"payload": {"n": 2}}]}
        made = [api.call("POST", "/v1/jobs", one, headers).json["id"]]
        bulk = api.call("POST", "/v1/jobs/bulk", many, headers).json
        made += [each["job_id"] for each in bulk["succeeded"]]
        assert {api.task(int(each))["traceparent"] for each in made} == {headers["traceparent"]}

    @pytest.mark.parametrize("field", ["expires_at", "completion_webhook"])
    def test_what_it_cannot_do_is_refused(self, api: Api, field: str) -> None:
        body = {"queue_name": "mail", "payload": {}, field: "2096-01-01T00:00:00Z"}
        with api.unchanged():
            response = api.post("/v1/jobs", body)
        assert (response.status, response.code) == (400, "VALIDATION_FAILED")
        assert response.paths == [field]
        assert api.post("/v1/jobs", {**body, field: None}).status == 201

    def test_unknown_fields_are_named(self, api: Api) -> None:
        response = api.post("/v1/jobs", {"queue_name": "mail", "payload": [], "prioritty": 1})
        assert response.status == 201
        assert "prioritty" in response.warnings[0]


class TestCreateMany:
    def bulk(self, api: Api, jobs: list[Any], **defaults: Any) -> Any:
        response = api.post("/v1/jobs/bulk", {"queue_name": "mail", "jobs": jobs, **defaults})
        assert response.status == 200, response
        told = response.json
        assert told["total"] == len(jobs) == told["success_count"] + told["failure_count"]
        assert len(told["succeeded"]) == told["success_count"]
        return told

    def test_all_of_them(self, api: Api) -> None:
        jobs = [{"payload": {"n": 1}}, {"payload": {"n": 2}, "priority": 9}]
        told = self.bulk(api, jobs, default_priority=4, default_max_retries=1)
        assert [each["index"] for each in told["succeeded"]] == [0, 1]
        assert all(each["created"] for each in told["succeeded"])
        found = [job(api, each["job_id"]) for each in told["succeeded"]]
        assert [each["payload"] for each in found] == [{"n": 1}, {"n": 2}]
        assert [each["priority"] for each in found] == [4, 9]
        assert [each["max_retries"] for each in found] == [1, 1]

    def test_those_with_a_known_key(self, api: Api) -> None:
        first = create(api, idempotency_key="k")
        told = self.bulk(api, [{"payload": {}, "idempotency_key": "k"}, {"payload": {}}])
        assert told["succeeded"][0] == {"index": 0, "job_id": first, "created": False}
        assert told["succeeded"][1]["created"] is True

    def test_wrong_ones_stay_behind(self, api: Api) -> None:
        api.register("mail", {"type": "object", "required": ["to"]})
        good = {"payload": {"to": "a"}}
        told = self.bulk(api, [good, "x", {}, {"payload": {"no": 1}}, good])
        assert [each["index"] for each in told["succeeded"]] == [0, 4]
        assert [each["index"] for each in told["failed"]] == [1, 2, 3]
        for each in told["failed"]:
            assert each["error"]
        assert len(claim(api, limit=10)) == 2

    def test_none_or_only_wrong_ones(self, api: Api) -> None:
        with api.unchanged():
            assert self.bulk(api, [])["success_count"] == 0
            assert self.bulk(api, [{}, 5])["failure_count"] == 2


class TestClaim:
    def test_what_a_worker_gets(self, api: Api) -> None:
        create(api, payload={"to": "a"}, timeout_seconds=77, max_retries=2)
        before = claim(api, "other")
        (found,) = claim(api, limit=5, lease_duration_secs=40)
        assert before == []
        assert TIME.fullmatch(found["lease_expires_at"])
        assert isinstance(found["id"], str)
        assert isinstance(found["lease_id"], str)
        expected = {
            "queue_name": "mail",
            "payload": {"to": "a"},
            "retry_count": 0,
            "max_retries": 2,
            "timeout_seconds": 77,
        }
        assert {name: found[name] for name in expected} == expected
        assert api.row(int(found["id"]))["lease"] == 40

    def test_an_unknown_queue_is_empty(self, api: Api) -> None:
        assert claim(api, "nobody.knows") == []
        assert api.get("/task-types").data["count"] == 0

    def test_tasks_made_elsewhere_are_jobs(self, api: Api) -> None:
        api.register("mail", timeout=900)
        api.create("mail", {"to": "a"}, tags=["plain"])
        (found,) = claim(api)
        assert found["timeout_seconds"] == 900
        shown = job(api, found["id"])
        assert shown["status"] == "processing"
        assert shown["tags"] == {"plain": ""}
        assert shown["lease_id"] == found["lease_id"]
        assert shown["assigned_worker_id"] == "w1"

    def test_the_most_at_once(self, api: Api) -> None:
        for _ in range(3):
            create(api)
        assert len(claim(api, limit=2)) == 2
        assert len(claim(api)) == 1


class TestEnds:
    def test_complete(self, api: Api) -> None:
        hold = held(api)
        response = end(api, hold, "complete", result={"sent": True})
        assert (response.status, response.json) == (200, {"success": True})
        found = job(api, hold["id"])
        assert (found["status"], found["result"]) == ("completed", {"sent": True})
        assert TIME.fullmatch(found["completed_at"])
        assert found["lease_id"] is None

    def test_again_is_the_same(self, api: Api) -> None:
        hold = held(api)
        assert end(api, hold, "complete").status == 200
        with api.unchanged():
            assert end(api, hold, "complete").json == {"success": True}

    @pytest.mark.parametrize("error", ["no mailbox", ""])
    def test_fail_and_retry(self, api: Api, error: str) -> None:
        hold = held(api)
        assert end(api, hold, "fail", error=error).json == {"success": True}
        found = job(api, hold["id"])
        assert (found["status"], found["last_error"]) == ("pending", error)
        assert (found["retry_count"], found["max_retries"]) == (1, 3)
        assert TIME.fullmatch(found["scheduled_at"])
        api.make_due(int(hold["id"]))
        (again,) = claim(api)
        assert (again["id"], again["retry_count"]) == (hold["id"], 1)
        assert again["lease_id"] != hold["lease_id"]

    def test_retries_are_counted_in_each_status(self, api: Api) -> None:
        job_id = create(api, max_retries=1)

        def told() -> tuple[str, int, int]:
            found = job(api, job_id)
            return found["status"], found["retry_count"], found["max_retries"]

        def hold() -> dict[str, Any]:
            (claimed,) = claim(api)
            assert (claimed["retry_count"], claimed["max_retries"]) == told()[1:]
            return {"id": job_id, "worker_id": "w1", "lease_id": claimed["lease_id"]}

        assert told() == ("pending", 0, 1)
        first = hold()
        assert told() == ("processing", 0, 1)
        end(api, first, "fail", error="x")
        assert told() == ("pending", 1, 1)
        api.make_due(int(job_id))
        second = hold()
        assert told() == ("processing", 1, 1)
        end(api, second, "fail", error="x")
        assert told() == ("deadletter", 1, 1)

    def test_a_release_is_no_retry(self, api: Api) -> None:
        hold = held(api, max_retries=1)
        api.post(f"/tasks/{hold['id']}/release", {"worker_id": "w1"})
        waiting = job(api, hold["id"])
        assert (waiting["status"], waiting["retry_count"], waiting["max_retries"]) == (
            "pending",
            0,
            1,
        )
        (again,) = claim(api)
        assert (again["retry_count"], again["max_retries"]) == (0, 1)
        assert again["lease_id"] != hold["lease_id"]
        end(api, {**hold, "lease_id": again["lease_id"]}, "fail", error="x")
        assert job(api, hold["id"])["retry_count"] == 1
        assert job(api, hold["id"])["status"] == "pending"

    def test_a_release_with_a_delay_leaves_a_job_scheduled(self, api: Api) -> None:
        hold = held(api)
        api.post(f"/tasks/{hold['id']}/release", {"worker_id": "w1", "delay": 60})
        assert (job(api, hold["id"])["status"], job(api, hold["id"])["retry_count"]) == (
            "scheduled",
            0,
        )

    def test_a_success_is_no_retry(self, api: Api) -> None:
        hold = held(api)
        end(api, hold, "complete")
        assert job(api, hold["id"])["retry_count"] == 0

    def test_only_what_never_ran_is_scheduled(self, api: Api) -> None:
        later = create(api, scheduled_at="2096-01-01T00:00:00Z")
        assert (job(api, later)["status"], job(api, later)["retry_count"]) == ("scheduled", 0)

    def test_fail_for_good_and_retry_by_hand(self, api: Api) -> None:
        hold = held(api, max_retries=0)
        assert end(api, hold, "fail", error="x").status == 200
        assert job(api, hold["id"])["status"] == "deadletter"
        response = api.post(f"/v1/jobs/{hold['id']}/retry")
        assert (response.status, response.json["status"]) == (200, "pending")

    def test_heartbeat(self, api: Api) -> None:
        hold = held(api)
        before = job(api, hold["id"])["lease_expires_at"]
        response = end(api, hold, "heartbeat", lease_duration_secs=900)
        assert (response.status, response.json) == (200, {"success": True})
        assert seconds_between(before, job(api, hold["id"])["lease_expires_at"]) > 500

    def test_progress(self, api: Api) -> None:
        hold = held(api, timeout_seconds=600)
        api.post(f"/tasks/{hold['id']}/heartbeat", {"lease": 1})
        before = job(api, hold["id"])["lease_expires_at"]
        response = end(api, hold, "progress", progress=100 / 3, message="a third")
        assert (response.status, response.json) == (200, {"success": True})
        shown = api.task(int(hold["id"]))
        assert shown["progress"] == pytest.approx(33.3, abs=0.1)
        assert shown["progress_message"] == "a third"
        assert shown["lease_expires_at"] >= before
        assert end(api, {**hold, "lease_id": None}, "progress", progress=50).status == 200

    @pytest.mark.parametrize("progress", [None, -1, 101, "50", True])
    def test_what_is_no_progress(self, api: Api, progress: Any) -> None:
        hold = held(api)
        with api.unchanged():
            response = end(api, hold, "progress", progress=progress)
        assert (response.status, response.code, response.paths) == (
            400,
            "VALIDATION_FAILED",
            ["progress"],
        )

    def test_clients_without_leases(self, api: Api) -> None:
        hold = {**held(api), "lease_id": None}
        assert end(api, hold, "heartbeat").status == 200
        assert end(api, hold, "complete").status == 200

    def test_cancel(self, api: Api) -> None:
        waiting = create(api)
        assert api.call("DELETE", f"/v1/jobs/{waiting}").status == 204
        assert job(api, waiting)["status"] == "cancelled"
        hold = held(api)
        assert api.post(f"/v1/jobs/{hold['id']}/cancel").status == 204
        assert end(api, hold, "heartbeat").code == "LEASE_EXPIRED"
        assert end(api, hold, "progress", progress=1).code == "LEASE_EXPIRED"


@pytest.mark.parametrize("how", ["complete", "fail", "heartbeat", "progress"])
class TestLostLeases:
    def refused(self, api: Api, hold: dict[str, Any], how: str) -> None:
        more = {"progress": 1} if how == "progress" else {}
        with api.unchanged():
            response = end(api, hold, how, **more)
        assert (response.status, response.code) == (409, "LEASE_EXPIRED")

    def test_claimed_by_another(self, api: Api, how: str) -> None:
        hold = held(api)
        api.make_due(int(hold["id"]))
        claim(api, worker_id="w2")
        self.refused(api, hold, how)

    def test_claimed_again_by_itself(self, api: Api, how: str) -> None:
        hold = held(api)
        api.make_due(int(hold["id"]))
        claim(api)
        self.refused(api, hold, how)

    def test_not_claimed(self, api: Api, how: str) -> None:
        hold = held(api)
        api.post(f"/tasks/{hold['id']}/release", {"worker_id": "w1"})
        self.refused(api, hold, how)

    def test_another_worker(self, api: Api, how: str) -> None:
        self.refused(api, {**held(api), "worker_id": "w2"}, how)

    @pytest.mark.parametrize(
        "lease_id", ["", "x", "{id}", "{id}-", "{id}-x", "1{id}-1", "{id}-2", "{id}-" + "9" * 99]
    )
    def test_no_lease_of_this_job(self, api: Api, how: str, lease_id: str) -> None:
        hold = held(api)
        self.refused(api, {**hold, "lease_id": lease_id.format(id=hold["id"])}, how)


class TestWorkers:
    def test_register(self, api: Api) -> None:
        body = {
            "queue_name": "mail",
            "hostname": "web-3",
            "worker_type": "php",
            "max_concurrency": 5,
            "metadata": [],
            "version": "1.1.0",
        }
        response = api.post("/v1/workers/register", body)
        assert response.status == 201
        assert set(response.json) == {
            *("id", "queue_name", "lease_duration_secs", "heartbeat_interval_secs")
        }
        for name in ("lease_duration_secs", "heartbeat_interval_secs"):
            assert isinstance(response.json[name], int)
        shown = api.get(f"/workers/{response.json['id']}").data
        assert (shown["host"], shown["version"], shown["concurrency"]) == ("web-3", "1.1.0", 5)
        assert (shown["task_types"], shown["metadata"]) == (["mail"], {})

    def test_register_as_an_older_sdk_does(self, api: Api) -> None:
        response = api.post(
            "/v1/workers/register",
            {"queues": ["mail"], "name": "web-3", "concurrency": 5, "version": "0.9"},
        )
        assert (response.status, response.json["queue_name"]) == (201, "mail")
        assert response.warnings == []
        shown = api.get(f"/workers/{response.json['id']}").data
        assert (shown["host"], shown["concurrency"]) == ("web-3", 5)
        assert shown["task_types"] == ["mail"]

    def test_todays_names_come_first(self, api: Api) -> None:
        both = {"queue_name": "mail", "queues": ["sms"], "hostname": "h", "name": "n"}
        response = api.post("/v1/workers/register", both)
        assert response.json["queue_name"] == "mail"
        assert api.get(f"/workers/{response.json['id']}").data["host"] == "h"

    @pytest.mark.parametrize("queues", [[], ["a", "b"]])
    def test_a_worker_is_of_one_queue(self, api: Api, queues: list[str]) -> None:
        with api.unchanged():
            response = api.post("/v1/workers/register", {"queues": queues})
        assert (response.status, response.paths) == (400, ["queues"])
        assert "register a worker for each" in response.json["message"]

    @pytest.mark.parametrize("metadata", [{"a": 1}, [1], "text", 5])
    def test_any_metadata(self, api: Api, metadata: Any) -> None:
        body = {"queue_name": "mail", "hostname": "h", "worker_id": "w.1", "metadata": metadata}
        assert api.post("/v1/workers/register", body).json["id"] == "w.1"
        expected = metadata if isinstance(metadata, dict) else {"value": metadata}
        assert api.get("/workers/w.1").data["metadata"] == expected

    def test_heartbeat_and_deregister(self, api: Api) -> None:
        hold = held(api)
        body = {"current_jobs": 1, "status": "healthy"}
        assert api.post("/v1/workers/w1/heartbeat", body).status == 200
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
        gone = api.call("POST", "/v1/workers/w1/deregister", headers=headers)
        assert (gone.status, gone.json) == (204, {})
        assert job(api, hold["id"])["status"] == "pending"


BAD = {
    "/v1/jobs": [
        {"payload": {}},
        {"queue_name": "mail"},
        {"queue_name": "x" * 101, "payload": {}},
        {"queue_name": "mail", "payload": "text"},
        {"queue_name": "mail", "payload": {}, "max_retries": -1},
        {"queue_name": "mail", "payload": {}, "timeout_seconds": 0},
        {"queue_name": "mail", "payload": {}, "scheduled_at": "tomorrow"},
        {"queue_name": "mail", "payload": {}, "idempotency_key": 5},
        {"queue_name": "mail", "payload": {}, "tags": {"long": "x" * 60}},
    ],
    "/v1/jobs/bulk": [
        {"queue_name": "mail"},
        {"jobs": []},
        {"queue_name": "mail", "jobs": [{"payload": {}}] * 101},
    ],
    "/v1/jobs/claim": [
        {"queue_name": "mail"},
        {"worker_id": "w1"},
        {"queue_name": "mail", "worker_id": "w1", "limit": 101},
        {"queue_name": "mail", "worker_id": "w1", "lease_duration_secs": 0},
    ],
    "/v1/workers/register": [
        {"hostname": "h"},
        {"queue_name": "mail", "max_concurrency": 0},
        {"queues": "mail"},
        {"queues": ["x" * 101]},
        {"queue_name": "mail", "concurrency": 0},
        {"queue_name": "mail", "metadata": {"long": "x" * 20_000}},
    ],
}


class TestErrors:
    @each_route
    def test_without_a_key(self, api: Api, route: Any) -> None:
        method, path = address_of(route)
        response = api.call(method, path, {}, headers={})
        assert (response.status, response.code) == (401, "UNAUTHORIZED")
        assert "WWW-Authenticate" in response.headers

    @pytest.mark.parametrize("route", [each for each in DIALECT if each.method != "GET"])
    def test_a_body_that_is_no_json(self, api: Api, route: Any) -> None:
        method, path = address_of(route)
        with api.unchanged():
            response = api.call(method, path, raw=b"{")
        assert (response.status, response.code) == (400, "INVALID_JSON")

    @pytest.mark.parametrize("route", [each for each in DIALECT if "{id}" in each.template])
    def test_jobs_that_are_not_there(self, api: Api, route: Any) -> None:
        for job_id in ("999999999", "x", "0"):
            method, path = address_of(route, id=job_id)
            response = api.call(method, path, {"progress": 1, "priority": 1})
            assert (response.status, response.code) == (404, "NOT_FOUND")

    def test_addresses_that_are_not_there(self, api: Api) -> None:
        for path in ("/v1/", "/v1/nothing", "/v1/jobs/1/nothing", "/v1/webhooks"):
            assert api.get(path).code == "NOT_FOUND"
        assert api.call("PUT", "/v1/jobs").code == "METHOD_NOT_ALLOWED"

    def test_too_large(self, api: Api) -> None:
        response = api.call("POST", "/v1/jobs", raw=b" " * 2_000_000)
        assert (response.status, response.code) == (413, "TOO_LARGE")
        hold = held(api)
        response = end(api, hold, "complete", result="x" * 600_000)
        assert (response.status, response.code) == (413, "TOO_LARGE")

    @pytest.mark.parametrize("path", BAD)
    def test_wrong_values(self, api: Api, path: str) -> None:
        with api.unchanged():
            for body in BAD[path]:
                response = api.post(path, body)
                assert (response.status, response.code) == (400, "VALIDATION_FAILED"), body
                assert response.paths

    def test_the_database_is_away(self) -> None:
        told = refusal(DatabaseUnavailable("gone"))
        assert (told.status, told.payload["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert "Retry-After" in told.headers
