"""GET /tasks/{id}"""

from __future__ import annotations

from tests.api.caller import TIME, Api

FIELDS = {
    "id",
    "type",
    "status",
    "params",
    "result",
    "error_message",
    "priority",
    "progress",
    "progress_message",
    "attempts",
    "max_attempts",
    "releases",
    "claimed_by",
    "claimed_at",
    "lease_expires_at",
    "run_at",
    "completed_at",
    "created_at",
    "tags",
    "parent_id",
    "traceparent",
}
TIMES = {"claimed_at", "lease_expires_at", "run_at", "completed_at", "created_at"}


def given(task: dict[str, object]) -> set[str]:
    """Which of the times are there; those that are have the right form."""
    there = {name for name in TIMES if task[name] is not None}
    for name in there:
        assert TIME.fullmatch(str(task[name])), (name, task[name])
    return there


def test_every_field_in_every_status(api: Api) -> None:
    api.register("job")
    task_id = api.create("job", {"a": 1}, delay=500, tags=["x"])["id"]
    delayed = api.task(task_id)
    assert set(delayed) >= FIELDS
    assert (delayed["id"], delayed["type"], delayed["status"]) == (task_id, "job", "pending")
    assert delayed["params"] == {"a": 1}
    assert delayed["tags"] == ["x"]
    assert (delayed["attempts"], delayed["max_attempts"], delayed["priority"]) == (0, 3, 0)
    empty = ("result", "error_message", "progress", "progress_message", "claimed_by")
    assert {name for name in empty if delayed[name] is not None} == set()
    assert given(delayed) == {"created_at", "run_at"}

    api.make_due(task_id)
    api.claim("w1")
    claimed = api.task(task_id)
    assert set(claimed) == set(delayed)
    assert (claimed["status"], claimed["claimed_by"], claimed["attempts"]) == ("claimed", "w1", 1)
    assert given(claimed) == {"created_at", "claimed_at", "lease_expires_at"}

    api.post(f"/tasks/{task_id}/complete", {"result": [1]})
    completed = api.task(task_id)
    assert set(completed) == set(delayed)
    assert (completed["status"], completed["result"]) == ("completed", [1])
    assert given(completed) == {"created_at", "claimed_at", "completed_at"}
    assert completed["created_at"] == delayed["created_at"]
    assert completed["completed_at"] >= completed["claimed_at"] >= completed["created_at"]


def test_reading_changes_nothing(api: Api) -> None:
    task = api.claimed()
    with api.unchanged():
        api.get(f"/tasks/{task['id']}")
        api.call("HEAD", f"/tasks/{task['id']}")


def test_an_unknown_task(api: Api) -> None:
    response = api.get("/tasks/999999999")
    assert response.code == "not_found"
    assert "999999999" in response.error
