"""POST /tasks/{id}/progress"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api, seconds_between

HOLDER = {"worker_id": "w1", "attempt": 1}


def progress(api: Api, task_id: int, **body: Any) -> Any:
    response = api.post(f"/tasks/{task_id}/progress", {**HOLDER, **body})
    assert response.status == 200, response
    return response.data


def test_the_response(api: Api) -> None:
    task = api.claimed()
    data = progress(api, task["id"], progress=42, message="nearly half")
    assert {"id", "progress", "lease_expires_at"} <= set(data)
    assert data["id"] == task["id"]
    assert data["progress"] == 42
    shown = api.task(task["id"])
    assert shown["progress"] == 42
    assert shown["progress_message"] == "nearly half"
    assert shown["lease_expires_at"] == data["lease_expires_at"]


@pytest.mark.parametrize("value", [0, 100, 33.25, 0.0, 99.999])
def test_values(api: Api, value: float) -> None:
    task = api.claimed()
    assert progress(api, task["id"], progress=value)["progress"] == value
    assert api.task(task["id"])["progress"] == value


@pytest.mark.parametrize("message", ["", "Grüße 🎉", "two\nlines", "x" * 10_000])
def test_messages(api: Api, message: str) -> None:
    task = api.claimed()
    progress(api, task["id"], progress=1, message=message)
    assert (api.task(task["id"])["progress_message"] or "") == message


def test_it_extends_the_lease(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    first = api.claim(lease=1000)["lease_expires_at"]
    api.make_due(task["id"])
    data = progress(api, task["id"], progress=1)
    assert 0 <= seconds_between(first, data["lease_expires_at"]) < 500


def test_it_keeps_the_length_of_the_last_heartbeat(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    first = api.claim(lease=10)["lease_expires_at"]
    api.post(f"/tasks/{task['id']}/heartbeat", {**HOLDER, "lease": 5000})
    data = progress(api, task["id"], progress=1)
    assert seconds_between(first, data["lease_expires_at"]) > 4000


def test_it_may_go_back(api: Api) -> None:
    task = api.claimed()
    progress(api, task["id"], progress=80)
    progress(api, task["id"], progress=20)
    assert api.task(task["id"])["progress"] == 20


def test_it_leaves_no_line_of_history(api: Api) -> None:
    task = api.claimed()
    history = api.history(task["id"])
    progress(api, task["id"], progress=50)
    assert api.history(task["id"]) == history


@pytest.mark.parametrize("value", [-1, 101, 100.01, "50", True, None, [50], {}])
def test_impossible_values(api: Api, value: object) -> None:
    task = api.claimed()
    with api.unchanged():
        response = api.post(f"/tasks/{task['id']}/progress", {**HOLDER, "progress": value})
    assert response.code == "validation_failed"
    assert response.paths == ["progress"]


def test_it_must_be_given(api: Api) -> None:
    task = api.claimed()
    with api.unchanged():
        response = api.post(f"/tasks/{task['id']}/progress", {**HOLDER, "message": "x"})
    assert response.paths == ["progress"]
