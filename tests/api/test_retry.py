"""POST /tasks/{id}/retry"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api


def failed(api: Api, **options: Any) -> int:
    task = api.claimed(**options)
    api.post(f"/tasks/{task['id']}/fail", {"error": "x", "retry": False})
    assert api.task(task["id"])["status"] == "failed"
    return int(task["id"])


def test_a_failed_task(api: Api) -> None:
    task_id = failed(api)
    response = api.post(f"/tasks/{task_id}/retry")
    assert response.status == 200
    assert response.data["id"] == task_id
    assert response.data["status"] == "pending"
    shown = api.task(task_id)
    assert shown["status"] == "pending"
    assert shown["completed_at"] is None
    assert shown["claimed_by"] is None
    assert api.claim("w2")["id"] == task_id


def test_there_are_attempts_again(api: Api) -> None:
    task_id = failed(api, max_attempts=1)
    api.post(f"/tasks/{task_id}/retry")
    task = api.claim()
    assert task["attempts"] < task["max_attempts"]
    assert api.post(f"/tasks/{task_id}/fail", {"error": "y"}).data["will_retry"] is True


def test_there_are_attempts_again_after_very_many(api: Api) -> None:
    task_id = failed(api, max_attempts=50)
    api.sql("UPDATE tasks SET attempts = 50")
    api.post(f"/tasks/{task_id}/retry")
    task = api.claim()
    assert task["attempts"] == 51
    assert task["max_attempts"] > 51


def test_an_earlier_life_cannot_settle(api: Api) -> None:
    """The fencing token goes on counting. A failure that is only repeated changes nothing."""
    task_id = failed(api)
    api.post(f"/tasks/{task_id}/retry")
    holder = {"worker_id": "w1", "attempt": 1}
    with api.unchanged():
        for call in ("complete", "heartbeat", "release"):
            assert api.post(f"/tasks/{task_id}/{call}", holder).code == "not_claimed"
        assert api.post(f"/tasks/{task_id}/fail", holder).data["status"] == "failed"
    assert api.claim("w1")["attempts"] == 2
    with api.unchanged():
        for call in ("complete", "heartbeat", "release"):
            assert api.post(f"/tasks/{task_id}/{call}", holder).code == "lease_lost"
        assert api.post(f"/tasks/{task_id}/fail", holder).data["status"] == "failed"


def test_a_cancelled_task(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    api.post(f"/tasks/{task['id']}/cancel")
    assert api.post(f"/tasks/{task['id']}/retry").data["status"] == "pending"
    assert api.claim()["id"] == task["id"]


def test_a_task_that_waits(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/fail", {"error": "x", "delay": 5000})
    assert api.claim() is None
    api.post(f"/tasks/{task['id']}/retry")
    again = api.claim()
    assert again["id"] == task["id"]
    assert again["attempts"] == 2
    assert again["max_attempts"] == task["max_attempts"]


def test_a_delayed_task(api: Api) -> None:
    api.register("job")
    task = api.create("job", delay=5000)
    api.post(f"/tasks/{task['id']}/retry")
    assert api.claim()["id"] == task["id"]


@pytest.mark.parametrize("status", ["claimed", "completed"])
def test_a_task_that_cannot_be_retried(api: Api, status: str) -> None:
    task = api.claimed()
    if status == "completed":
        api.post(f"/tasks/{task['id']}/complete")
    with api.unchanged():
        response = api.post(f"/tasks/{task['id']}/retry")
    assert response.code == "conflict"
    assert status in response.error


def test_a_second_time(api: Api) -> None:
    task_id = failed(api)
    first = api.post(f"/tasks/{task_id}/retry")
    with api.unchanged():
        second = api.post(f"/tasks/{task_id}/retry")
    assert second.status == 200
    assert second.data == first.data


def test_the_history(api: Api) -> None:
    task_id = failed(api)
    api.post(f"/tasks/{task_id}/retry")
    assert [line["status"] for line in api.history(task_id)][-2:] == ["failed", "pending"]


def test_an_unknown_task(api: Api) -> None:
    assert api.post("/tasks/999999999/retry").code == "not_found"
