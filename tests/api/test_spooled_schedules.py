"""/v1/schedules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.queue.schedules.times import from_stored, stored
from app.queue.upkeep.schedules import make_due_tasks
from app.queue.upkeep.turn import Budget
from tests.api.caller import TIME, Api

DIGEST: dict[str, Any] = {
    "name": "digest",
    "cron_expression": "30 4 * * 1",
    "timezone": "Europe/Berlin",
    "queue_name": "mail",
    "payload_template": {"to": "ä"},
    "priority": 7,
    "max_retries": 2,
    "timeout_seconds": 90,
    "tags": {"for": "Ada"},
}


@pytest.fixture
def digest(api: Api) -> str:
    """The id of a schedule."""
    response = api.post("/v1/schedules", DIGEST)
    assert response.status == 201, response
    return str(response.json["id"])


def get(api: Api, schedule: str) -> Any:
    response = api.get(f"/v1/schedules/{schedule}")
    assert response.status == 200, response
    return response.json


def let_be_due(api: Api, seconds: float = 1) -> None:
    now = api.sql(f"SELECT {api.site.db.dialect.now} AS now")[0]["now"]
    moment = stored(from_stored(now) - timedelta(seconds=seconds))
    api.sql("UPDATE schedules SET next_at = :at", at=moment)
    make_due_tasks(api.site, Budget(None))


def test_one_is_made_and_shown(api: Api, digest: str) -> None:
    shown = get(api, digest)
    assert {name: shown[name] for name in DIGEST} == DIGEST
    expected = {
        "id": digest,
        "organization_id": "default",
        "description": None,
        "is_active": True,
        "last_run_at": None,
        "run_count": 0,
        "metadata": None,
    }
    assert {name: shown[name] for name in expected} == expected
    for name in ("next_run_at", "created_at", "updated_at"):
        assert TIME.fullmatch(shown[name])
    assert api.get("/schedules/digest").data["params"] == {"to": "ä"}


def test_a_queue_that_is_not_known_is_made(api: Api, digest: str) -> None:
    assert api.get("/task-types/mail").data["max_attempts"] == 4
    assert api.post("/v1/schedules", {**DIGEST, "name": "other"}).status == 201


def test_a_name_that_is_taken(api: Api, digest: str) -> None:
    with api.unchanged():
        response = api.post("/v1/schedules", {**DIGEST, "cron_expression": "@daily"})
    assert (response.status, response.json["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"cron_expression": "* * * *"}, "cron_expression"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"payload_template": [1]}, "payload_template"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"name": "x" * 41}, "name"),
        ({"max_retries": -1}, "max_retries"),
    ],
)
def test_wrong_values(api: Api, fields: dict[str, Any], path: str) -> None:
    with api.unchanged():
        response = api.post("/v1/schedules", {**DIGEST, **fields})
    assert (response.status, response.json["code"]) == (400, "VALIDATION_FAILED")
    assert response.json["details"][0]["path"] == path


def test_the_list(api: Api, digest: str) -> None:
    api.post("/v1/schedules", {**DIGEST, "name": "a", "queue_name": "sms"})
    api.post("/schedules", {"name": "every", "type": "mail", "every": 60, "paused": True})

    def names(**query: str) -> list[str]:
        found = api.call("GET", "/v1/schedules", query=query)
        assert found.status == 200, found
        return [each["name"] for each in found.items]

    assert names() == ["a", "digest", "every"]
    assert names(queue_name="mail") == ["digest", "every"]
    assert names(is_active="true") == ["a", "digest"]
    assert names(is_active="false", queue_name="mail") == ["every"]
    assert names(limit="1", offset="1") == ["digest"]
    (every,) = api.call("GET", "/v1/schedules", query={"is_active": "false"}).items
    assert (every["cron_expression"], every["next_run_at"]) == ("@every 60s", None)


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_is_sent_is_changed(api: Api, digest: str, method: str) -> None:
    body = {"cron_expression": "@daily", "queue_name": "ignored", "payload_template": {"n": 1}}
    response = api.call(method, f"/v1/schedules/{digest}", body)
    assert response.status == 200, response
    changed = {"cron_expression": "0 0 * * *", "payload_template": {"n": 1}}
    assert {name: response.json[name] for name in DIGEST} == {**DIGEST, **changed}
    assert get(api, digest)["next_run_at"] == response.json["next_run_at"]


def test_a_name_can_be_changed(api: Api, digest: str) -> None:
    api.post("/v1/schedules", {**DIGEST, "name": "other"})
    assert api.call("PUT", f"/v1/schedules/{digest}", {"name": "weekly"}).json["name"] == "weekly"
    assert get(api, digest)["name"] == "weekly"
    response = api.call("PUT", f"/v1/schedules/{digest}", {"name": "other"})
    assert (response.status, response.json["code"]) == (409, "CONFLICT")
    assert get(api, digest)["name"] == "weekly"


def test_a_paused_one_stays_paused_when_it_is_changed(api: Api, digest: str) -> None:
    paused = api.post(f"/v1/schedules/{digest}/pause").json
    assert (paused["is_active"], paused["next_run_at"]) == (False, None)
    assert api.call("PUT", f"/v1/schedules/{digest}", {"priority": 1}).json["is_active"] is False
    resumed = api.post(f"/v1/schedules/{digest}/resume").json
    assert (resumed["is_active"], resumed["priority"]) == (True, 1)
    assert resumed["next_run_at"] is not None


def test_trigger_and_history(api: Api, digest: str) -> None:
    told = api.post(f"/v1/schedules/{digest}/trigger").json
    assert TIME.fullmatch(told["triggered_at"])
    let_be_due(api)
    first, second = api.get(f"/v1/schedules/{digest}/history").items
    runs = sorted([first, second], key=lambda run: int(run["job_id"]))
    assert runs[0]["job_id"] == told["job_id"]
    for run in runs:
        assert (run["schedule_id"], run["status"]) == (digest, "pending")
        assert (run["error_message"], run["completed_at"]) == (None, None)
    (job,) = api.claim("w", limit=1)
    api.post(f"/tasks/{job['id']}/complete", {"worker_id": "w"})
    states = {run["job_id"]: run for run in api.get(f"/v1/schedules/{digest}/history").items}
    assert states[str(job["id"])]["status"] == "completed"
    assert TIME.fullmatch(states[str(job["id"])]["completed_at"])
    newest = api.call("GET", f"/v1/schedules/{digest}/history", query={"limit": "1"}).items
    assert len(newest) == 1
    shown = get(api, digest)
    assert (shown["run_count"], shown["last_run_at"]) == (
        2,
        api.get("/schedules/digest").data["last_run"]["at"],
    )


def test_a_time_without_a_job(api: Api, digest: str) -> None:
    api.register("mail", {"required": ["subject"]})
    let_be_due(api)
    (run,) = api.get(f"/v1/schedules/{digest}/history").items
    assert (run["status"], run["job_id"]) == ("failed", None)
    assert "subject" in run["error_message"]


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", ""), ("POST", "/delete")], ids=["delete", "post"]
)
def test_one_is_deleted(api: Api, digest: str, method: str, path: str) -> None:
    assert api.call(method, f"/v1/schedules/{digest}{path}").status == 204
    response = api.get(f"/v1/schedules/{digest}")
    assert (response.status, response.json["code"]) == (404, "NOT_FOUND")


def test_what_does_not_exist(api: Api) -> None:
    for verb in ("pause", "resume", "trigger", "delete"):
        assert api.post(f"/v1/schedules/77/{verb}").status == 404
    assert api.get("/v1/schedules/77/history").status == 404
    assert api.call("PUT", "/v1/schedules/77", {}).status == 404
