"""POST /tasks/{id}/retry with params, priority or max_attempts: edit and retry."""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import fencing
from tests.api.caller import Api

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def failed(api: Api, params: Any = None, **options: Any) -> int:
    api.register("job", NUMBER)
    task_id = api.create("job", params or {"n": 1}, **options)["id"]
    assert api.claim()["id"] == task_id
    api.post(f"/tasks/{task_id}/fail", {"error": "x", "retry": False})
    return int(task_id)


def test_the_next_attempt_has_it_all(api: Api) -> None:
    task_id = failed(api, max_attempts=2)
    edit = {"params": {"n": 2}, "priority": 9, "max_attempts": 4}
    response = api.post(f"/tasks/{task_id}/retry", edit)
    assert response.status == 200
    assert response.data == api.task(task_id)
    assert response.data["status"] == "pending"
    claimed = api.claim()
    assert claimed["params"] == {"n": 2}
    assert claimed["priority"] == 9
    assert (claimed["attempts"], claimed["max_attempts"]) == (2, 5)


@pytest.mark.parametrize(
    ("field", "value"), [("params", {"n": 2}), ("priority", -3), ("max_attempts", 7)]
)
def test_the_others_stay(api: Api, field: str, value: Any) -> None:
    task_id = failed(api, priority=5)
    before = api.task(task_id)
    api.post(f"/tasks/{task_id}/retry", {field: value})
    after = api.task(task_id)
    expected = {"params": {"n": 1}, "priority": 5, field: value}
    if field == "max_attempts":
        assert after["max_attempts"] == before["attempts"] + 7
        del expected["max_attempts"]
    assert {name: after[name] for name in expected} == expected


def test_a_waiting_task_gets_so_many_attempts_more(api: Api) -> None:
    task_id = failed(api)
    api.sql("UPDATE tasks SET status = 'scheduled', attempts = 3, max_attempts = 5")
    assert api.post(f"/tasks/{task_id}/retry", {"max_attempts": 1}).data["max_attempts"] == 4


def test_wrong_params_are_told_as_when_a_task_is_made(api: Api) -> None:
    task_id = failed(api)
    made = api.post("/tasks", {"type": "job", "params": {"n": "two"}})
    with api.unchanged():
        response = api.post(f"/tasks/{task_id}/retry", {"params": {"n": "two"}})
    assert response.code == made.code == "validation_failed"
    assert response.json["details"] == made.json["details"]
    assert response.error == made.error


def test_params_that_are_too_long(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = failed(api)
    monkeypatch.setattr(api.site.settings, "max_params_bytes", 20)
    with api.unchanged():
        response = api.post(f"/tasks/{task_id}/retry", {"params": {"n": 1, "long": "x" * 20}})
    assert response.code == "too_large"


def test_the_type_need_not_take_new_tasks(api: Api) -> None:
    task_id = failed(api)
    api.post("/task-types/job/deactivate")
    assert api.post(f"/tasks/{task_id}/retry", {"params": {"n": 2}}).status == 200


def test_the_dedupe_key_stays(api: Api) -> None:
    """The same request finds the task that was made for it; the new params are nobody's request."""
    task_id = failed(api)
    key = api.task(task_id)["dedupe_key"]
    assert api.post(f"/tasks/{task_id}/retry", {"params": {"n": 2}}).data["dedupe_key"] == key
    again = api.create("job", {"n": 1})
    assert (again["id"], again["deduplicated"]) == (task_id, True)
    assert api.create("job", {"n": 2})["id"] != task_id


def test_a_pending_task_is_edited(api: Api) -> None:
    api.register("job")
    task_id = api.create("job", {"n": 1})["id"]
    history, ready_at = api.history(task_id), api.row(task_id)["ready_at"]
    edit = {"params": {"n": 2}, "priority": 1, "max_attempts": 1}
    data = api.post(f"/tasks/{task_id}/retry", edit).data
    assert (data["status"], data["params"], data["priority"]) == ("pending", {"n": 2}, 1)
    assert (data["attempts"], data["max_attempts"]) == (0, 1)
    assert api.history(task_id) == history
    assert api.row(task_id)["ready_at"] == ready_at


def test_a_delayed_task_is_edited_and_pending_now(api: Api) -> None:
    api.register("job")
    task_id = api.create("job", {"n": 1}, delay=500)["id"]
    api.post(f"/tasks/{task_id}/retry", {"params": {"n": 2}})
    assert api.claim()["params"] == {"n": 2}


@pytest.mark.parametrize("status", ["claimed", "completed"])
def test_others_are_not_edited(api: Api, status: str) -> None:
    task = api.claimed()
    if status == "completed":
        api.post(f"/tasks/{task['id']}/complete")
    with api.unchanged():
        response = api.post(f"/tasks/{task['id']}/retry", {"params": {"n": 2}})
    assert response.code == "conflict"


def test_an_unknown_task(api: Api) -> None:
    for edit in ({"params": {}}, {"priority": 1}):
        assert api.post("/tasks/999999999/retry", edit).code == "not_found"


def test_nulls_edit_nothing(api: Api) -> None:
    task_id = failed(api)
    body = {"params": None, "priority": None, "max_attempts": None}
    assert api.post(f"/tasks/{task_id}/retry", body).data["params"] == {"n": 1}


def test_a_task_that_becomes_pending_meanwhile_is_edited_too(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has it at the look, and gives it back just before the answer is read."""
    task = api.claimed()
    transact = fencing.transact
    calls = []

    def release_first(connection: Any, *arguments: Any) -> Any:
        if calls:
            return transact(connection, *arguments)
        calls.append(1)
        results, _ = transact(connection, *arguments)
        api.post(f"/tasks/{task['id']}/release")
        row = {**api.row(task["id"]), "type": "job"}
        return results, {task["id"]: row}

    monkeypatch.setattr("app.queue.retry.transact", release_first)
    data = api.post(f"/tasks/{task['id']}/retry", {"params": {"n": 2}}).data
    assert (data["status"], data["params"]) == ("pending", {"n": 2})
