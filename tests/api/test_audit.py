"""The audit log: each operating action once, by whom; nothing of workers and producers."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.dispatch import handle
from app.api.request import Request
from tests.api.caller import API_KEY, Api
from tests.api.keys import WithKey, key_with


def entries(api: Api, **query: str) -> list[Any]:
    """The newest first."""
    found: list[Any] = api.get("/audit", **query).data["entries"]
    return found


def noted(api: Api) -> list[tuple[str, str]]:
    """The actions and targets, the oldest first."""
    return [(each["action"], each["target"]) for each in reversed(entries(api))]


def test_each_action_on_a_task(api: Api) -> None:
    api.register("job")
    task_id = api.create("job")["id"]
    api.post(f"/tasks/{task_id}/cancel")
    api.post(f"/tasks/{task_id}/retry")
    api.call("PUT", f"/v1/jobs/{task_id}/priority", {"priority": 3})
    api.post(f"/tasks/{task_id}/delete")
    actions = ["task.cancel", "task.retry", "task.priority", "task.delete"]
    assert noted(api)[1:] == [(action, str(task_id)) for action in actions]


def test_in_spooleds_dialect(api: Api) -> None:
    task_id = api.claimed("job")["id"]
    api.call("DELETE", f"/v1/jobs/{task_id}")
    api.call("POST", "/v1/queues/job/pause", {})
    api.call("POST", "/v1/queues/job/resume", {})
    assert [action for action, _ in noted(api)[1:]] == ["task.cancel", "type.pause", "type.resume"]


def test_many_at_once(api: Api) -> None:
    for _ in range(3):
        task_id = api.claimed("job")["id"]
        api.post(f"/tasks/{task_id}/fail", {"retry": False})
    api.call("POST", "/v1/jobs/dlq/retry", {"queue_name": "job"})
    api.call("POST", "/v1/jobs/dlq/purge", {"confirm": True})
    newest = entries(api)[0]
    assert (newest["action"], newest["target"]) == ("tasks.retry", "job")
    assert newest["detail"]["count"] == 3


def test_each_action_on_a_type(api: Api) -> None:
    api.register("job")
    for verb in ("pause", "resume", "deactivate", "activate"):
        api.post(f"/task-types/job/{verb}")
    verbs = ["register", "pause", "resume", "deactivate", "activate"]
    assert noted(api) == [(f"type.{verb}", "job") for verb in verbs]


def test_each_action_on_a_schedule(api: Api) -> None:
    api.register("job")
    api.post("/schedules", {"name": "nightly", "type": "job", "every": 3600})
    for verb in ("pause", "resume", "run", "delete"):
        assert api.post(f"/schedules/nightly/{verb}").status in (200, 201)
    verbs = ["put", "pause", "resume", "run", "delete"]
    assert noted(api)[1:] == [(f"schedule.{verb}", "nightly") for verb in verbs]


def test_each_action_on_a_key(api: Api) -> None:
    made = api.post("/keys", {"name": "web", "scopes": ["read"]}).data
    rotated = api.post(f"/keys/{made['id']}/rotate").data
    api.post(f"/keys/{made['id']}/revoke")
    assert noted(api) == [(f"key.{verb}", "web") for verb in ("make", "rotate", "revoke")]
    text = str(api.sql("SELECT * FROM audit_log"))
    assert made["key"] not in text
    assert rotated["key"] not in text


def test_what_changed_nothing_is_not_noted(api: Api) -> None:
    api.register("job")
    done = api.claimed("job")["id"]
    api.post(f"/tasks/{done}/complete")
    claimed = api.claimed("job")["id"]
    made = api.post("/keys", {"name": "web", "scopes": ["read"]}).data
    api.post(f"/keys/{made['id']}/revoke")
    before = noted(api)
    for path in (
        *(f"/tasks/{done}/cancel", f"/tasks/{done}/retry", f"/tasks/{claimed}/delete"),
        *(f"/tasks/{claimed}/retry", "/tasks/999999999/retry", "/tasks/999999999/delete"),
        *("/task-types/job/resume", "/task-types/job/activate", "/task-types/none/pause"),
        *(f"/keys/{made['id']}/revoke", f"/keys/{made['id']}/rotate", "/schedules/none/delete"),
    ):
        api.post(path)
    api.post("/keys", {"name": "w", "scopes": ["none"]})
    api.call("POST", "/v1/jobs/dlq/retry", {})
    assert noted(api) == before
    api.post(f"/tasks/{claimed}/cancel")
    api.post(f"/tasks/{claimed}/cancel")
    assert noted(api) == [*before, ("task.cancel", str(claimed))]


def test_registering_a_type_again(api: Api) -> None:
    """Programs do so at each start."""
    options = {"param_schema": {"type": "object"}, "max_running": 3, "dedupe": 60, "timeout": 1.5}
    api.register("job", **options)
    api.register("job", **options)
    assert len(entries(api)) == 1
    api.register("job", **{**options, "max_running": 4})
    assert len(entries(api)) == 2
    api.post("/task-types/job/deactivate")
    api.register("job", **{**options, "max_running": 4})
    assert len(entries(api)) == 4


def test_what_workers_and_producers_do_is_not_noted(api: Api) -> None:
    task_id = api.claimed("job")["id"]
    api.post("/workers/register", {"worker_id": "w1"})
    api.post(f"/tasks/{task_id}/progress", {"progress": 5})
    api.post(f"/tasks/{task_id}/release")
    api.claim("w1")
    api.post(f"/tasks/{task_id}/complete")
    api.post("/workers/w1/deregister")
    api.call("POST", "/v1/jobs", {"queue_name": "new", "payload": {}})
    assert noted(api) == [("type.register", "job")]


class TestActors:
    def test_the_root_key_and_the_address(self, api: Api) -> None:
        api.register("job")
        key = {"x-api-key": API_KEY}
        handle(Request("POST", "/task-types/job/pause", {}, key, b"", "192.0.2.1"), api.site)
        newest = entries(api)[0]
        assert (newest["actor"], newest["detail"]) == ("root key", {"address": "192.0.2.1"})

    def test_another_key(self, api: Api) -> None:
        api.register("job")
        WithKey(api, key_with(api, ["admin"], name="x" * 100)).post("/task-types/job/pause")
        (row,) = api.sql("SELECT id FROM api_keys")
        assert entries(api)[0]["actor"] == f"key {'x' * 100} (#{row['id']})"

    def test_nobody_in_particular(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        api.register("job")
        monkeypatch.setattr(api.site.settings, "require_auth", False)
        api.call("POST", "/task-types/job/pause", headers={})
        assert entries(api)[0]["actor"] == "anybody"


def test_by_page_and_filter(api: Api) -> None:
    for number in range(5):
        api.register(f"job-{number}")
    api.post("/task-types/job-1/pause")
    page = api.get("/audit", limit="2").data
    assert [each["action"] for each in page["entries"]] == ["type.pause", "type.register"]
    rest = api.get("/audit", before_id=str(page["next_before_id"])).data
    assert [each["target"] for each in rest["entries"]] == ["job-3", "job-2", "job-1", "job-0"]
    assert rest["next_before_id"] is None
    assert len(entries(api, action="type.register")) == 5
    assert len(entries(api, actor="root key")) == 6
    assert entries(api, actor="somebody") == []


def test_the_longest_names_fit(api: Api) -> None:
    api.register("x" * 255)
    assert entries(api)[0]["target"] == "x" * 255
