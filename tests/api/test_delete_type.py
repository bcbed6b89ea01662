"""POST /task-types/{name}/delete and DELETE /task-types/{name}"""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import create as creating
from app.queue import delete_type
from app.queue.new_task import NewTask
from tests.api.caller import Api
from tests.api.keys import headers_of, key_with


def ended(api: Api, status: str = "completed") -> int:
    task_id: int = api.claimed()["id"]
    body = {"success": status == "completed"}
    api.post(f"/tasks/{task_id}/complete", body)
    if status == "failed":
        api.sql("UPDATE tasks SET status = 'failed', due_at = NULL")
    return task_id


def names(api: Api, **query: str) -> list[str]:
    return [each["name"] for each in api.get("/task-types", **query).data["task_types"]]


@pytest.mark.parametrize(("method", "path"), [("POST", "/delete"), ("DELETE", "")])
def test_a_type_without_tasks_is_gone(api: Api, method: str, path: str) -> None:
    api.register("job")
    response = api.call(method, f"/task-types/job{path}")
    assert response.data == {"name": "job", "deleted": True, "archived": False}
    assert api.get("/task-types/job").code == "unknown_type"
    assert names(api, archived="true") == []
    assert api.register("job")["created"] is True


def test_with_ended_tasks_it_is_archived(api: Api) -> None:
    task_id = ended(api)
    response = api.post("/task-types/job/delete")
    assert response.data == {"name": "job", "deleted": True, "archived": True}
    assert names(api) == []
    assert names(api, archived="1") == ["job"]
    assert api.get("/task-types/job").data["archived_at"] is not None
    assert api.task(task_id)["type"] == "job"
    assert [each["id"] for each in api.get("/tasks", type="job").data["tasks"]] == [task_id]


def test_an_archived_type_takes_no_tasks(api: Api) -> None:
    ended(api)
    api.post("/task-types/job/delete")
    with api.unchanged():
        response = api.post("/tasks", {"type": "job", "params": {}})
    assert response.code == "unknown_type"
    assert "deleted" in response.error
    assert "register" in response.error
    assert response.paths == ["type"]
    many = [{"type": "job", "params": {}}]
    assert api.post("/tasks", {"tasks": many}).paths == ["tasks[0].type"]


@pytest.mark.parametrize("action", ["activate", "deactivate", "pause", "resume"])
def test_an_archived_type_is_not_switched(api: Api, action: str) -> None:
    ended(api)
    api.post("/task-types/job/delete")
    with api.unchanged():
        assert api.post(f"/task-types/job/{action}").code == "unknown_type"


def test_tasks_of_an_archived_type_are_not_retried(api: Api) -> None:
    task_id = ended(api, "failed")
    api.post("/task-types/job/delete")
    with api.unchanged():
        response = api.post(f"/tasks/{task_id}/retry")
        many = api.post("/tasks/retry", {"filter": {"type": "job"}}).data
    assert response.code == "conflict"
    assert "deleted" in response.error
    assert (many["changed"], many["skipped"]) == (0, 1)
    api.register("job")
    assert api.post(f"/tasks/{task_id}/retry").status == 200


def test_a_register_brings_it_back(api: Api) -> None:
    ended(api)
    before = api.get("/task-types/job").data
    api.post("/task-types/job/delete")
    assert api.register("job", version="2")["updated"] is True
    after = api.get("/task-types/job").data
    assert after["id"] == before["id"]
    assert (after["is_active"], after["archived_at"]) == (True, None)
    assert names(api) == ["job"]
    assert api.create("job")["status"] == "pending"


def test_a_job_of_spooleds_dialect_brings_it_back(api: Api) -> None:
    ended(api)
    api.post("/task-types/job/delete")
    made = api.post("/v1/jobs", {"queue_name": "job", "payload": {}})
    assert made.status == 201
    assert names(api) == ["job"]


def test_when_its_tasks_are_gone_it_can_be_deleted_at_last(api: Api) -> None:
    task_id = ended(api)
    for _ in range(2):
        assert api.post("/task-types/job/delete").data["archived"] is True
    api.post(f"/tasks/{task_id}/delete")
    assert api.post("/task-types/job/delete").data["archived"] is False
    assert api.get("/task-types/job").code == "unknown_type"


@pytest.mark.parametrize("status", ["pending", "scheduled", "claimed"])
def test_unfinished_tasks_prevent_it(api: Api, status: str) -> None:
    api.register("job")
    for _ in range(2):
        api.create("job", delay=500 if status == "scheduled" else 0)
    if status == "claimed":
        api.claim(limit=2)
    with api.unchanged():
        response = api.post("/task-types/job/delete")
    assert response.code == "conflict"
    assert "2 unfinished tasks" in response.error
    assert "cancel" in response.error


def test_very_many_are_not_counted_to_the_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delete_type, "MOST_COUNTED", 2)
    api.register("job")
    for _ in range(3):
        api.create("job")
    assert "at least 2 unfinished" in api.post("/task-types/job/delete").error


def test_an_unknown_type(api: Api) -> None:
    with api.unchanged():
        assert api.post("/task-types/job/delete").code == "unknown_type"


def test_a_key_for_other_types(api: Api) -> None:
    api.register("job")
    headers = headers_of(key_with(api, ["admin"], ["mail.%"]))
    assert api.call("POST", "/task-types/job/delete", {}, headers=headers).code == "unknown_type"
    assert names(api) == ["job"]


# Creates at the same moment


@pytest.mark.parametrize("has_ended_tasks", [False, True])
@pytest.mark.parametrize("count", [1, 150])
def test_a_create_that_began_before(
    api: Api, monkeypatch: pytest.MonkeyPatch, count: int, has_ended_tasks: bool
) -> None:
    """The type is deleted between the create's look at it and its INSERT."""
    if has_ended_tasks:
        ended(api)
    else:
        api.register("job")
    before = api.dump()
    insert_all = creating._insert_all

    def delete_first(*arguments: Any) -> Any:
        assert api.post("/task-types/job/delete").status == 200
        return insert_all(*arguments)

    monkeypatch.setattr(creating, "_insert_all", delete_first)
    tasks = [{"type": "job", "params": {"n": n}, "tags": ["t"]} for n in range(count)]
    response = api.post("/tasks", {"tasks": tasks} if count > 1 else tasks[0])
    assert response.code == "unknown_type"
    after = api.dump()
    for table in ("tasks", "task_history", "task_tags"):
        assert after[table] == before[table]


def test_a_task_that_is_made_while_the_type_is_deleted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The create ends between the delete's first look and its second."""
    api.register("job")
    api.post("/task-types/job/deactivate")
    api.post("/task-types/job/activate")
    archive = delete_type._archive

    def create_first(*arguments: Any) -> Any:
        creating.create(api.site, [NewTask("job", {})])
        return archive(*arguments)

    monkeypatch.setattr(delete_type, "_archive", create_first)
    response = api.post("/task-types/job/delete")
    assert response.code == "conflict"
    shown = api.get("/task-types/job").data
    assert (shown["is_active"], shown["archived_at"]) == (True, None)
    assert api.claim()["type"] == "job"
