"""POST /tasks/{id}/cancel"""

from __future__ import annotations

from typing import Any

import pytest

from app.db.connection import Connection
from tests.api.caller import TIME, Api


def test_a_pending_task(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    response = api.post(f"/tasks/{task['id']}/cancel")
    assert response.status == 200
    assert response.data["id"] == task["id"]
    assert response.data["status"] == "cancelled"
    shown = api.task(task["id"])
    assert shown["status"] == "cancelled"
    assert TIME.fullmatch(shown["completed_at"])
    assert api.claim() is None


def test_a_delayed_task(api: Api) -> None:
    api.register("job")
    task = api.create("job", delay=500)
    assert api.post(f"/tasks/{task['id']}/cancel").data["status"] == "cancelled"
    assert api.task(task["id"])["run_at"] is None
    assert api.claim() is None


def test_a_task_that_waits_for_its_retry(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/fail", {"error": "x"})
    assert api.post(f"/tasks/{task['id']}/cancel").data["status"] == "cancelled"
    assert api.task(task["id"])["error_message"] == "x"


def test_a_claimed_task_stays_with_its_worker(api: Api) -> None:
    task = api.claimed()
    response = api.post(f"/tasks/{task['id']}/cancel")
    assert response.status == 200
    assert response.data["status"] == "claimed"
    shown = api.task(task["id"])
    assert shown["status"] == "claimed"
    assert shown["cancel_requested"] is True
    assert shown["lease_expires_at"] == task["lease_expires_at"]


@pytest.mark.parametrize("call", ["fail", "release"])
def test_the_worker_is_told_and_stops(api: Api, call: str) -> None:
    holder = {"worker_id": "w1", "attempt": 1}
    task = api.claimed(worker_id="w1")
    heartbeat = api.post(f"/tasks/{task['id']}/heartbeat", holder)
    assert heartbeat.data["cancel_requested"] is False
    api.post(f"/tasks/{task['id']}/cancel")
    heartbeat = api.post(f"/tasks/{task['id']}/heartbeat", holder)
    assert heartbeat.data["cancel_requested"] is True
    response = api.post(f"/tasks/{task['id']}/{call}", {**holder, "delay": 5})
    assert response.data["status"] == "cancelled"
    assert api.history(task["id"])[-1]["status"] == "cancelled"
    assert api.claim("w2") is None


@pytest.mark.parametrize("claimed", [True, False])
def test_a_second_time(api: Api, claimed: bool) -> None:
    api.register("job")
    task = api.claimed() if claimed else api.create("job")
    first = api.post(f"/tasks/{task['id']}/cancel")
    with api.unchanged():
        second = api.post(f"/tasks/{task['id']}/cancel")
    assert second.status == 200
    assert second.data == first.data


@pytest.mark.parametrize("success", [True, False])
def test_an_ended_task(api: Api, success: bool) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/complete", {"success": success, "retry": False})
    with api.unchanged():
        response = api.post(f"/tasks/{task['id']}/cancel")
    assert response.code == "conflict"


def test_the_history(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    api.post(f"/tasks/{task['id']}/cancel")
    assert [line["status"] for line in api.history(task["id"])] == ["pending", "cancelled"]


def test_an_unknown_task(api: Api) -> None:
    assert api.post("/tasks/999999999/cancel").code == "not_found"


@pytest.mark.parametrize("is_cluster", [False, True])
def test_right_after_the_claim(api: Api, monkeypatch: pytest.MonkeyPatch, is_cluster: bool) -> None:
    """The claim's change is done and its response under way: it hands out the task that it took."""
    api.register("job")
    first, _ = api.create("job"), api.create("job")
    cancels: list[int] = []

    def finish(self: Connection, statements: Any, afterwards: Any) -> Any:
        results = self.send([*statements, ("COMMIT", {})])[:-1]
        if not cancels:
            cancels.append(first["id"])
            assert api.post(f"/tasks/{first['id']}/cancel").status == 200
        return [*results, *(self.send(afterwards) if afterwards else [])]

    monkeypatch.setattr(Connection, "_finish", finish)
    # On a cluster the task is looked at after the COMMIT.
    api.site.db.run(lambda connection: setattr(connection, "is_cluster", is_cluster))
    assert api.claim("w1")["id"] == cancels[0]
    api.site.db.close()
    assert [
        row["id"] for row in api.sql("SELECT id FROM tasks WHERE status = 'claimed'")
    ] == cancels
    assert api.task(first["id"])["cancel_requested"] is True
