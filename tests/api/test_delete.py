"""POST /tasks/{id}/delete and DELETE /tasks/{id}"""

from __future__ import annotations

import pytest

from tests.api.caller import Api
from tests.support.http_client import Response


@pytest.fixture(params=["POST", "DELETE"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def delete(api: Api, method: str, task_id: int) -> Response:
    return api.call(method, f"/tasks/{task_id}{'/delete' if method == 'POST' else ''}")


def end(api: Api, status: str) -> int:
    api.register("job")
    if status in ("pending", "cancelled"):
        task = api.create("job")
        if status == "cancelled":
            api.post(f"/tasks/{task['id']}/cancel")
    elif status == "scheduled":
        task = api.create("job", delay=500)
    else:
        task = api.claimed()
        body = {"success": status == "completed", "retry": False}
        api.post(f"/tasks/{task['id']}/complete", body)
    return int(task["id"])


@pytest.mark.parametrize("status", ["pending", "scheduled", "completed", "failed", "cancelled"])
def test_a_task_and_its_history_are_gone(api: Api, method: str, status: str) -> None:
    task_id = end(api, status)
    assert api.row(task_id)["status"] == status
    response = delete(api, method, task_id)
    assert response.status == 200
    assert response.data["id"] == task_id
    assert api.get(f"/tasks/{task_id}").code == "not_found"
    assert api.get(f"/tasks/{task_id}/history").code == "not_found"
    assert api.sql("SELECT * FROM task_history WHERE task_id = :id", id=task_id) == []
    assert api.claim() is None


def test_its_tags_are_gone(api: Api, method: str) -> None:
    api.register("job")
    first, second = (api.create("job", tags=["t", "u"]) for _ in range(2))
    delete(api, method, first["id"])
    left = {row["task_id"] for row in api.sql("SELECT task_id FROM task_tags")}
    assert left == {second["id"]}


def test_others_are_left_alone(api: Api, method: str) -> None:
    api.register("job")
    first, second = (api.create("job") for _ in range(2))
    before, history = api.task(second["id"]), api.history(second["id"])
    delete(api, method, first["id"])
    assert api.task(second["id"]) == before
    assert api.history(second["id"]) == history


def test_a_claimed_task_stays(api: Api, method: str) -> None:
    task = api.claimed()
    with api.unchanged():
        response = delete(api, method, task["id"])
    assert response.code == "conflict"
    assert "cancel" in response.error


def test_a_second_time(api: Api, method: str) -> None:
    task_id = end(api, "completed")
    delete(api, method, task_id)
    assert delete(api, method, task_id).code == "not_found"


def test_an_unknown_task(api: Api, method: str) -> None:
    with api.unchanged():
        assert delete(api, method, 999_999_999).code == "not_found"
