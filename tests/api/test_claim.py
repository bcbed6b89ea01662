"""POST /tasks/claim: what a claimer gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import TIME, Api, seconds_between

SHOWN = {
    "id",
    "type",
    "params",
    "attempts",
    "max_attempts",
    "priority",
    "lease_expires_at",
    "created_at",
}


def test_one_task(api: Api) -> None:
    api.register("job")
    created = api.create("job", {"a": [1]}, priority=3)
    response = api.post("/tasks/claim", {"worker_id": "w1"})
    assert response.status == 200
    assert set(response.data) >= SHOWN
    assert response.data["id"] == created["id"]
    assert response.data["type"] == "job"
    assert response.data["params"] == {"a": [1]}
    assert response.data["attempts"] == 1
    assert response.data["max_attempts"] == 3
    assert response.data["priority"] == 3
    assert response.data["created_at"] == created["created_at"]
    assert TIME.fullmatch(response.data["lease_expires_at"])


ENVELOPE = {"success", "message", "data", "timestamp"}


def test_simple_workers_find_the_task_too(api: Api) -> None:
    """Under ``task``, there with ``params`` by the other name that guides give them, too; and its
    fields at the top level, beside what every response has.
    """
    api.register("job")
    api.create("job", {"message": "m", "data": 1})
    response = api.post("/tasks/claim", {"worker_id": "w1"})
    task = response.data
    assert task["params"] == {"message": "m", "data": 1}
    assert response.json["task"] == {**task, "parameters": task["params"]}
    assert set(response.json) == {*ENVELOPE, "task", *task}
    assert {name: response.json[name] for name in task} == task
    assert (response.json["success"], response.json["message"]) == (
        True,
        "Task claimed successfully",
    )
    assert isinstance(response.json["timestamp"], int)


def test_no_field_of_a_task_hides_what_every_response_has(api: Api) -> None:
    api.register("job")
    api.create("job")
    response = api.post("/tasks/claim", {"worker_id": "w1", "taks_types": ["job"]})
    assert not set(response.data) & {*ENVELOPE, "task", "warnings", "error", "code", "details"}
    assert response.warnings == ["unknown field 'taks_types' was ignored"]


def test_a_list_is_a_list_alone(api: Api) -> None:
    api.register("job")
    api.create("job")
    assert set(api.post("/tasks/claim", {"worker_id": "w1", "limit": 1}).json) == ENVELOPE


def test_the_task_shows_its_claim(api: Api) -> None:
    task = api.claimed(worker_id="worker one 🎉")
    shown = api.task(task["id"])
    assert shown["status"] == "claimed"
    assert shown["claimed_by"] == "worker one 🎉"
    assert TIME.fullmatch(shown["claimed_at"])
    assert shown["lease_expires_at"] == task["lease_expires_at"]
    assert shown["attempts"] == 1
    assert shown["run_at"] is None


def test_nothing_to_do(api: Api) -> None:
    api.claim("w1")
    with api.unchanged():
        response = api.post("/tasks/claim", {"worker_id": "w1"})
    assert response.status == 404
    assert response.code == "no_tasks"
    assert response.error == "No available tasks"


def test_nothing_to_do_with_a_limit(api: Api) -> None:
    api.claim("w1")
    with api.unchanged():
        response = api.post("/tasks/claim", {"worker_id": "w1", "limit": 5})
    assert response.status == 200
    assert response.data == {"tasks": [], "count": 0}


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (3, 3), (5, 5), (100, 5)])
def test_a_limit(api: Api, limit: int, expected: int) -> None:
    api.register("job")
    ids = [api.create("job")["id"] for _ in range(5)]
    response = api.post("/tasks/claim", {"worker_id": "w1", "limit": limit})
    assert response.status == 200
    assert response.data["count"] == expected
    assert [task["id"] for task in response.data["tasks"]] == ids[:expected]
    assert all(set(task) >= SHOWN for task in response.data["tasks"])


def test_a_hundred_at_once(api: Api) -> None:
    api.register("job")
    api.post("/tasks", {"tasks": [{"type": "job", "params": {"n": n}} for n in range(130)]})
    first, second, third = (api.claim(limit=100) for _ in range(3))
    assert [task["params"]["n"] for task in first + second] == list(range(130))
    assert len(first) == 100
    assert third == []


def test_a_task_is_handed_out_once(api: Api) -> None:
    api.register("job")
    ids = [api.create("job")["id"] for _ in range(2)]
    assert [api.claim(worker)["id"] for worker in ("w1", "w2")] == ids
    assert api.claim("w1") is None
    assert api.claim("w3", limit=10) == []


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_an_ended_task_is_not_handed_out(api: Api, end: str) -> None:
    api.register("job")
    task = api.create("job")
    if end == "cancelled":
        api.post(f"/tasks/{task['id']}/cancel")
    else:
        api.claim()
        api.post(f"/tasks/{task['id']}/complete", {"success": end == "completed", "retry": False})
    assert api.task(task["id"])["status"] == end
    assert api.claim() is None


def test_attempts_count_this_one(api: Api) -> None:
    api.register("job")
    task = api.create("job", max_attempts=5)
    for attempt in (1, 2, 3):
        assert api.claim()["attempts"] == attempt
        assert api.post(f"/tasks/{task['id']}/fail", {"delay": 0}).status == 200


LEASES: list[tuple[Any, Any, Any, float]] = [
    (None, None, None, 77),
    (50, None, None, 50),
    (50, 40, None, 40),
    (None, 40, None, 40),
    (50, 40, 30, 30),
    (None, None, 0.25, 0.25),
    (50, None, 3000, 3000),
    (None, 1.5, None, 1.5),
    (None, None, 316_224_000, 316_224_000),
]


@pytest.mark.parametrize(("of_type", "of_task", "of_claim", "expected"), LEASES)
def test_how_long_a_lease_is(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    of_type: float | None,
    of_task: float | None,
    of_claim: float | None,
    expected: float,
) -> None:
    """The claim's option goes before the task's, the type's and the server's."""
    monkeypatch.setattr(api.site.settings, "task_claim_timeout", 77.0)
    api.register("job", timeout=of_type)
    task = api.create("job", timeout=of_task)
    claimed = api.claim(lease=of_claim)
    length = seconds_between(api.task(task["id"])["claimed_at"], claimed["lease_expires_at"])
    assert length == pytest.approx(expected, abs=0.0011)


def test_each_of_a_batch_has_its_own_lease(api: Api) -> None:
    api.register("long", timeout=1000)
    api.register("short", timeout=10)
    for name in ("long", "short"):
        api.create(name)
    first, second = api.claim(limit=2)
    length = seconds_between(second["lease_expires_at"], first["lease_expires_at"])
    assert length == pytest.approx(990, abs=0.0011)


def test_an_inactive_type_still_hands_out(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    api.post("/task-types/job/deactivate")
    assert api.claim()["id"] == task["id"]


def test_a_new_attempt_begins_without_progress(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/progress", {"progress": 60, "message": "more than half"})
    api.post(f"/tasks/{task['id']}/release")
    api.claim()
    shown = api.task(task["id"])
    assert shown["progress"] is None
    assert shown["progress_message"] is None


def test_unknown_fields_are_named(api: Api) -> None:
    api.register("job")
    api.create("job")
    response = api.post("/tasks/claim", {"worker_id": "w1", "taks_types": ["job"]})
    assert response.status == 200
    assert response.warnings == ["unknown field 'taks_types' was ignored"]


def test_unknown_fields_are_named_when_there_is_nothing_to_do(api: Api) -> None:
    response = api.post("/tasks/claim", {"worker_id": "w1", "taks_types": ["job"]})
    assert response.code == "no_tasks"
    assert response.warnings == ["unknown field 'taks_types' was ignored"]


def test_a_worker_says_who_it_is(api: Api) -> None:
    api.register("job")
    api.create("job")
    with api.unchanged():
        response = api.post("/tasks/claim", {"limit": 5})
    assert response.code == "validation_failed"
    assert response.paths == ["worker_id"]
