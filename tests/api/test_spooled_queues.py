"""/v1: queues, statistics, workers and priorities."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest

from app.queue.statistics.roll_up import roll_up
from app.queue.upkeep.turn import Budget
from tests.api.caller import TIME, Api, seconds_between
from tests.api.spooled_calls import claim, create, dead, end, held, job


class TestQueues:
    def test_the_list(self, api: Api) -> None:
        assert api.get("/v1/queues").items == []
        create(api, "sms")
        api.register("mail", max_attempts=9, timeout=0.5)
        api.register("plain")
        first, second, third = api.get("/v1/queues").items
        assert first == {
            "queue_name": "mail",
            "max_retries": 8,
            "default_timeout": 1,
            "rate_limit": None,
            "enabled": True,
        }
        assert (second["queue_name"], second["max_retries"]) == (
            "plain",
            api.site.settings.max_task_attempts - 1,
        )
        assert (third["queue_name"], third["max_retries"]) == ("sms", 3)

    def test_one(self, api: Api) -> None:
        api.register("mail/a b", timeout=60)
        found = api.get("/v1/queues/mail/a b").json
        assert (found["queue_name"], found["default_timeout"]) == ("mail/a b", 60)
        assert (found["id"].isdigit(), found["organization_id"]) == (True, "default")
        assert found["settings"] == {"paused": False, "active": True}
        for name in ("created_at", "updated_at"):
            assert TIME.fullmatch(found[name])

    def test_a_type_that_takes_no_new_tasks_is_not_enabled(self, api: Api) -> None:
        api.register("mail")
        api.post("/task-types/mail/deactivate")
        assert api.get("/v1/queues/mail").json["enabled"] is False

    def test_pause_and_resume(self, api: Api) -> None:
        create(api)
        told = api.post("/v1/queues/mail/pause", {"reason": "repairs"}).json
        assert TIME.fullmatch(told.pop("paused_at"))
        assert told == {"queue_name": "mail", "paused": True, "reason": "repairs"}
        assert claim(api) == []
        found = api.get("/v1/queues/mail").json
        assert (found["enabled"], found["settings"]["paused"]) == (False, True)
        hour_ago = api.site.db.dialect.after("-3605")
        api.sql(f"UPDATE task_types SET updated_at = {hour_ago}")
        told = api.post("/v1/queues/mail/resume").json
        assert 3600 <= told.pop("paused_duration_secs") < 3700
        assert told == {"queue_name": "mail", "resumed": True}
        assert len(claim(api)) == 1
        assert api.get("/v1/queues/mail").json["enabled"] is True

    def test_pause_without_a_reason_and_resume_what_runs(self, api: Api) -> None:
        api.register("mail")
        assert api.post("/v1/queues/mail/pause").json["reason"] is None
        api.post("/v1/queues/mail/resume")
        assert api.post("/v1/queues/mail/resume").json["paused_duration_secs"] == 0

    @pytest.mark.parametrize("name", ["no.such", "mail ", "x" * 300, "mail/stats/x", "größe"])
    def test_queues_that_are_not_there(self, api: Api, name: str) -> None:
        api.register("mail")
        with api.unchanged():
            for response in (
                api.get(f"/v1/queues/{name}"),
                api.post(f"/v1/queues/{name}/pause"),
                api.post(f"/v1/queues/{name}/resume"),
            ):
                assert (response.status, response.code) == (404, "NOT_FOUND")
                assert response.json["message"].startswith("Queue ")

    def test_a_wrong_reason(self, api: Api) -> None:
        api.register("mail")
        with api.unchanged():
            response = api.post("/v1/queues/mail/pause", {"reason": 5})
        assert (response.code, response.paths) == ("VALIDATION_FAILED", ["reason"])


class TestStats:
    def test_counts_of_all_jobs(self, api: Api) -> None:
        nothing = dict.fromkeys(
            [
                *("pending", "scheduled", "processing", "completed"),
                *("failed", "deadletter", "cancelled", "total"),
            ],
            0,
        )
        assert api.get("/v1/jobs/stats").json == nothing
        end(api, held(api), "complete")
        dead(api, "sms")
        held(api)
        create(api)
        create(api, "sms")
        create(api, scheduled_at="2096-01-01T00:00:00Z")
        api.call("DELETE", f"/v1/jobs/{create(api)}")
        assert api.get("/v1/jobs/stats").json == {
            "pending": 2,
            "scheduled": 1,
            "processing": 1,
            "completed": 1,
            "failed": 0,
            "deadletter": 1,
            "cancelled": 1,
            "total": 7,
        }

    def stats(self, api: Api, queue: str = "mail") -> Any:
        response = api.get(f"/v1/queues/{queue}/stats")
        assert response.status == 200, response
        return response.json

    def test_of_an_empty_queue(self, api: Api) -> None:
        api.register("mail")
        assert self.stats(api) == {
            "queue_name": "mail",
            "pending_jobs": 0,
            "processing_jobs": 0,
            "completed_jobs_24h": 0,
            "failed_jobs_24h": 0,
            "avg_processing_time_ms": None,
            "max_job_age_seconds": None,
            "active_workers": 0,
        }

    def test_of_one_queue(self, api: Api) -> None:
        done = held(api)
        earlier = api.site.db.dialect.after("-3")
        api.sql(f"UPDATE tasks SET claimed_at = {earlier} WHERE id = :id", id=done["id"])
        end(api, done, "complete")
        dead(api)
        end(api, held(api), "fail", error="not now")
        held(api)
        waiting = create(api)
        long_ago = api.site.db.dialect.after("-3605")
        api.sql(f"UPDATE tasks SET created_at = {long_ago} WHERE id = :id", id=waiting)
        for queue in ("sms", "sms", "mail.other"):
            create(api, queue)
        (other,) = claim(api, "sms")
        hold = {"id": other["id"], "worker_id": "w1", "lease_id": other["lease_id"]}
        end(api, hold, "complete")
        found = self.stats(api)
        roll_up(api.site, Budget(60))
        assert self.stats(api) == {**found, "max_job_age_seconds": ANY}
        mean = found.pop("avg_processing_time_ms")
        assert isinstance(mean, int)  # an SDK in Go takes nothing else
        assert 2900 < mean < 60_000
        assert 3600 <= found.pop("max_job_age_seconds") < 3700
        assert found == {
            "queue_name": "mail",
            "pending_jobs": 1,
            "processing_jobs": 1,
            "completed_jobs_24h": 1,
            "failed_jobs_24h": 1,
            "active_workers": 0,
        }

    def test_without_a_history(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(api.site.settings, "enable_task_history", False)
        end(api, held(api), "complete")
        create(api)
        found = self.stats(api)
        assert (found["pending_jobs"], found["completed_jobs_24h"]) == (1, 0)
        assert found["avg_processing_time_ms"] is None
        assert api.get("/v1/jobs/stats").json["completed"] == 1

    def test_active_workers(self, api: Api) -> None:
        api.register("mail")
        for worker_id, queue in (("a", "mail"), ("b", "mail"), ("c", "mail"), ("d", "mailer")):
            body = {"queue_name": queue, "worker_id": worker_id}
            assert api.post("/v1/workers/register", body).status == 201
        api.post("/v1/workers/b/deregister")
        silent = api.site.db.dialect.after("-130")
        api.sql(f"UPDATE workers SET last_seen_at = {silent} WHERE id = 'c'")
        held(api)
        assert self.stats(api)["active_workers"] == 1

    def test_of_a_queue_that_is_not_there(self, api: Api) -> None:
        response = api.get("/v1/queues/no.such/stats")
        assert (response.status, response.code) == (404, "NOT_FOUND")


class TestWorkers:
    def register(self, api: Api, worker_id: str = "w.1", **told: Any) -> None:
        body = {"queue_name": "mail", "hostname": "web-3", "worker_id": worker_id, **told}
        assert api.post("/v1/workers/register", body).status == 201

    def be_silent(self, api: Api, worker_id: str, seconds: int) -> None:
        then = api.site.db.dialect.after(str(-seconds))
        api.sql(f"UPDATE workers SET last_seen_at = {then} WHERE id = :id", id=worker_id)

    def status(self, api: Api, worker_id: str) -> str:
        return str(api.get(f"/v1/workers/{worker_id}").json["status"])

    def test_the_list(self, api: Api) -> None:
        self.register(api, max_concurrency=5)
        create(api)
        claim(api, worker_id="w.1")
        (found,) = api.get("/v1/workers").items
        assert TIME.fullmatch(found.pop("last_heartbeat"))
        assert found == {
            "id": "w.1",
            "queue_name": "mail",
            "hostname": "web-3",
            "status": "healthy",
            "current_jobs": 1,
            "max_concurrency": 5,
            "jobs_processed": 0,
            "jobs_failed": 0,
        }

    def test_what_they_have_done(self, api: Api) -> None:
        end(api, held(api), "complete")
        dead(api)
        end(api, held(api), "fail", error="x")
        (found,) = api.get("/v1/workers").items
        assert (found["id"], found["jobs_processed"], found["jobs_failed"]) == ("w1", 1, 2)

    def test_one(self, api: Api) -> None:
        self.register(api, max_concurrency=5, metadata={"zone": "b"}, version="1.6.0")
        found = api.get("/v1/workers/w.1").json
        expected = {
            "organization_id": "default",
            "queue_name": "mail",
            "queue_names": ["mail"],
            "hostname": "web-3",
            "worker_type": None,
            "max_concurrency": 5,
            "current_jobs": 0,
            "metadata": {"zone": "b"},
            "version": "1.6.0",
            "status": "healthy",
        }
        assert {name: found[name] for name in expected} == expected
        assert seconds_between(found["registered_at"], found["last_heartbeat"]) >= 0

    def test_one_that_never_registered(self, api: Api) -> None:
        """Clients cannot take null for what Spooled always has."""
        held(api)
        found = api.get("/v1/workers/w1").json
        assert (found["queue_name"], found["hostname"], found["max_concurrency"]) == ("", "", 1)
        assert (found["queue_names"], found["metadata"]) == ([], {})
        assert TIME.fullmatch(found["registered_at"])

    def test_their_status(self, api: Api) -> None:
        self.register(api)
        assert self.status(api, "w.1") == "healthy"
        self.be_silent(api, "w.1", 110)
        assert self.status(api, "w.1") == "healthy"
        self.be_silent(api, "w.1", 130)
        assert self.status(api, "w.1") == "offline"
        create(api)
        claim(api, worker_id="w.1")
        self.be_silent(api, "w.1", 130)
        assert self.status(api, "w.1") == "degraded"
        api.post("/v1/workers/w.1/heartbeat", {"current_jobs": 1})
        assert self.status(api, "w.1") == "healthy"
        api.post("/v1/workers/w.1/deregister")
        assert self.status(api, "w.1") == "offline"

    @pytest.mark.parametrize("worker_id", ["no.such", " a", "x" * 300])
    def test_workers_that_are_not_there(self, api: Api, worker_id: str) -> None:
        response = api.get(f"/v1/workers/{worker_id}")
        assert (response.status, response.code) == (404, "NOT_FOUND")


class TestPriority:
    @pytest.mark.parametrize("method", ["PUT", "POST"])
    def test_it_decides_what_is_claimed_next(self, api: Api, method: str) -> None:
        first, second = create(api, priority=1), create(api)
        before = api.history(int(second))
        response = api.call(method, f"/v1/jobs/{second}/priority", {"priority": 9})
        assert response.status == 200
        assert response.json == {"job_id": second, "old_priority": 0, "new_priority": 9}
        assert job(api, second)["priority"] == 9
        assert api.history(int(second)) == before
        assert [each["id"] for each in claim(api, limit=2)] == [second, first]

    def test_twice(self, api: Api) -> None:
        job_id = create(api)
        for old in (0, -5):
            told = api.call("PUT", f"/v1/jobs/{job_id}/priority", {"priority": -5}).json
            assert (told["old_priority"], told["new_priority"]) == (old, -5)

    def test_of_a_job_that_waits_for_its_time(self, api: Api) -> None:
        job_id = create(api, scheduled_at="2096-01-01T00:00:00Z")
        before = job(api, job_id)
        api.call("PUT", f"/v1/jobs/{job_id}/priority", {"priority": 9})
        assert job(api, job_id) == {**before, "priority": 9}

    def test_of_a_job_that_runs(self, api: Api) -> None:
        """It stays with its worker, and counts when the job is tried again."""
        hold = held(api)
        before = job(api, hold["id"])
        api.call("PUT", f"/v1/jobs/{hold['id']}/priority", {"priority": 9})
        assert job(api, hold["id"]) == {**before, "priority": 9}
        assert end(api, hold, "fail", error="x").status == 200
        assert job(api, hold["id"])["priority"] == 9

    def test_of_a_job_that_has_ended(self, api: Api) -> None:
        hold = held(api)
        end(api, hold, "complete")
        cancelled = create(api)
        api.call("DELETE", f"/v1/jobs/{cancelled}")
        for job_id in (hold["id"], cancelled, dead(api)):
            with api.unchanged():
                response = api.call("PUT", f"/v1/jobs/{job_id}/priority", {"priority": 9})
            assert (response.status, response.code) == (409, "CONFLICT")

    @pytest.mark.parametrize("priority", [None, "9", 1.5, True, 1_000_001, -1_000_001])
    def test_what_is_no_priority(self, api: Api, priority: Any) -> None:
        job_id = create(api)
        with api.unchanged():
            response = api.call("PUT", f"/v1/jobs/{job_id}/priority", {"priority": priority})
        assert (response.code, response.paths) == ("VALIDATION_FAILED", ["priority"])
