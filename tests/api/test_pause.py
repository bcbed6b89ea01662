"""POST /queue/pause and /queue/resume: the whole queue, or all types that match a pattern."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import TIME, Api

ALL = ["mail.read", "mail.send", "sms"]


@pytest.fixture(autouse=True)
def _types(api: Api) -> None:
    for name in ALL:
        api.register(name)


def names(tasks: list[Any]) -> list[str]:
    return sorted(each["type"] for each in tasks)


class TestTheWholeQueue:
    def test_nothing_is_handed_out_until_it_is_resumed(self, api: Api) -> None:
        first = api.create("sms")["id"]
        paused = api.post("/queue/pause").data
        assert (paused["paused"], paused["paused_types"]) == (True, [])
        assert TIME.fullmatch(paused["paused_at"])
        assert api.claim("w") is None
        assert api.post("/tasks/claim", {"worker_id": "w"}).code == "no_tasks"
        assert api.claim("w", limit=10) == []
        assert api.claim("w", task_types=["sms"]) is None
        second = api.create("sms")["id"]
        assert api.post("/queue/resume").data["paused"] is False
        assert [each["id"] for each in api.claim("w", limit=10)] == [first, second]

    def test_before_the_first_claim_ever(self, api: Api) -> None:
        """No row is there yet beside which claims read the pause."""
        api.sql("DELETE FROM settings WHERE name LIKE 'upkeep.%'")
        api.create("sms")
        api.post("/queue/pause")
        assert api.claim("w") is None

    def test_what_is_claimed_ends_as_usual(self, api: Api) -> None:
        task = api.claimed("sms", "w")
        other = api.create("sms")["id"]
        api.post("/queue/pause")
        body = {"worker_id": "w", "attempt": 1, "claim": {"limit": 5}}
        done = api.post(f"/tasks/{task['id']}/complete", body).data
        assert (done["status"], done["tasks"]) == ("completed", [])
        settle = {"worker_id": "w", "outcomes": [], "claim": {}}
        assert api.post("/tasks/settle", settle).data["tasks"] == []
        assert api.task(other)["status"] == "pending"

    def test_a_claim_that_is_sent_again_gets_what_it_took(self, api: Api) -> None:
        task = api.create("sms")["id"]
        options = {"claim_key": "k", "limit": 5}
        assert [each["id"] for each in api.claim("w", **options)] == [task]
        api.post("/queue/pause")
        assert [each["id"] for each in api.claim("w", **options, again=True)] == [task]
        assert api.claim("w", claim_key="other", limit=5) == []

    def test_expired_leases_and_retries_go_on(self, api: Api) -> None:
        task = api.claimed("sms", "w")["id"]
        api.post("/queue/pause")
        api.make_due(task)
        assert api.claim("w") is None
        assert api.task(task)["status"] == "pending"

    def test_in_spooleds_dialect(self, api: Api) -> None:
        api.call("POST", "/v1/jobs", {"queue_name": "sms", "payload": {}})
        api.post("/queue/pause")
        body = {"worker_id": "w1", "queue_name": "sms"}
        assert api.call("POST", "/v1/jobs/claim", body).json["jobs"] == []
        api.post("/queue/resume")
        assert len(api.call("POST", "/v1/jobs/claim", body).json["jobs"]) == 1

    def test_twice_is_fine_and_keeps_the_time(self, api: Api) -> None:
        first = api.post("/queue/pause").data["paused_at"]
        assert api.post("/queue/pause").data["paused_at"] == first
        for _ in range(2):
            resumed = api.post("/queue/resume").data
            assert (resumed["paused"], resumed["paused_at"]) == (False, None)

    def test_types_keep_their_own_pause(self, api: Api) -> None:
        api.post("/task-types/sms/pause")
        api.post("/queue/pause")
        assert api.get("/queue").data["paused_types"] == ["sms"]
        api.post("/queue/resume")
        assert api.get("/queue").data["paused_types"] == ["sms"]

    def test_what_monitors_are_told(self, api: Api) -> None:
        task = api.create("sms")["id"]
        ago = api.site.db.dialect.after("-7200")
        api.sql(f"UPDATE tasks SET created_at = {ago}, ready_at = NULL WHERE id = {task}")
        assert api.call("GET", "/health/queue", headers={}).status == 503
        api.post("/queue/pause")
        response = api.call("GET", "/health/queue", headers={})
        assert response.status == 200
        assert response.data == {"status": "healthy", "reasons": [], "paused": True}
        assert response.json["message"] == "healthy, and paused"
        stats = api.get("/stats").data
        assert (stats["paused"], stats["oldest_due_age"]) == (True, None)
        assert b"taskmanager_paused 1\n" in api.get("/metrics").raw
        assert b"oldest_due_age_seconds 0\n" in api.get("/metrics").raw

    def test_what_waited_has_time_after_the_resume(self, api: Api) -> None:
        self.test_what_monitors_are_told(api)
        api.post("/queue/resume")
        assert api.get("/stats").data["oldest_due_age"] > 7000
        assert api.call("GET", "/health/queue", headers={}).status == 200
        ago = api.site.db.dialect.after("-1000")
        api.sql(f"UPDATE settings SET value = {ago} WHERE name = 'queue.resumed_at'")
        assert api.call("GET", "/health/queue", headers={}).status == 503


class TestAPattern:
    def test_each_type_that_matches(self, api: Api) -> None:
        for name in ALL:
            api.create(name)
        response = api.post("/queue/pause", {"type_pattern": "mail.%"})
        assert response.data == {
            "paused": False,
            "paused_at": None,
            "paused_types": ["mail.read", "mail.send"],
            "matching": 2,
        }
        assert names(api.claim("w", limit=10)) == ["sms"]
        api.post("/queue/resume", {"type_pattern": "%read"})
        assert names(api.claim("w", limit=10)) == ["mail.read"]
        api.post("/queue/resume", {"type_pattern": "mail._end"})
        assert names(api.claim("w", limit=10)) == ["mail.send"]

    def test_a_type_that_is_registered_later_is_not_paused(self, api: Api) -> None:
        api.post("/queue/pause", {"type_pattern": "mail.%"})
        api.register("mail.new")
        assert api.get("/queue").data["paused_types"] == ["mail.read", "mail.send"]
        api.register("mail.read", version="2")
        assert api.get("/task-types/mail.read").data["is_paused"] is True

    def test_only_what_is_written_in_the_same_case(self, api: Api) -> None:
        response = api.post("/queue/pause", {"type_pattern": "MAIL.%"})
        assert response.data["matching"] == 0
        assert response.json["warnings"] == ["no task type matches 'MAIL.%'"]

    def test_the_whole_queue_is_another_pause(self, api: Api) -> None:
        api.post("/queue/pause")
        api.post("/queue/resume", {"type_pattern": "%"})
        assert api.get("/queue").data["paused"] is True
        api.post("/queue/resume")
        api.post("/queue/pause", {"type_pattern": "%"})
        found = api.get("/queue").data
        assert (found["paused"], found["paused_types"]) == (False, ALL)

    def test_a_deleted_type_stays_deleted(self, api: Api) -> None:
        task = api.claimed("sms", "w")["id"]
        api.post(f"/tasks/{task}/complete", {})
        assert api.call("DELETE", "/task-types/sms").data["archived"] is True
        assert api.post("/queue/pause", {"type_pattern": "%"}).data["matching"] == 2


def test_the_audit_log_has_what_changed_something(api: Api) -> None:
    for verb in ("pause", "pause", "resume", "resume"):
        api.post(f"/queue/{verb}")
        api.post(f"/queue/{verb}", {"type_pattern": "mail.%"})
    entries = api.get("/audit").data["entries"]
    lines = [(each["action"], each["target"], each["actor"]) for each in entries]
    assert [each for each in lines if each[0] != "type.register"] == [
        ("queue.resume", "mail.%", "root key"),
        ("queue.resume", None, "root key"),
        ("queue.pause", "mail.%", "root key"),
        ("queue.pause", None, "root key"),
    ]
