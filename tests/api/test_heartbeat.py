"""POST /tasks/{id}/heartbeat"""

from __future__ import annotations

import pytest

from tests.api.caller import TIME, Api, seconds_between

HOLDER = {"worker_id": "w1", "attempt": 1}


def test_the_response(api: Api) -> None:
    task = api.claimed()
    response = api.post(f"/tasks/{task['id']}/heartbeat", HOLDER)
    assert response.status == 200
    assert set(response.data) == {"id", "lease", "lease_expires_at", "cancel_requested"}
    assert response.data["id"] == task["id"]
    assert TIME.fullmatch(response.data["lease_expires_at"])
    assert response.data["cancel_requested"] is False
    assert api.task(task["id"])["lease_expires_at"] == response.data["lease_expires_at"]


def test_the_lease_starts_again_with_the_length_it_had(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    first = api.claim(lease=1000)["lease_expires_at"]
    api.make_due(task["id"])
    response = api.post(f"/tasks/{task['id']}/heartbeat", HOLDER)
    assert 0 <= seconds_between(first, response.data["lease_expires_at"]) < 500


def test_another_length(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    first = api.claim(lease=1000)["lease_expires_at"]
    longer = api.post(f"/tasks/{task['id']}/heartbeat", {**HOLDER, "lease": 5000})
    assert 4000 <= seconds_between(first, longer.data["lease_expires_at"]) < 4500
    shorter = api.post(f"/tasks/{task['id']}/heartbeat", {**HOLDER, "lease": 10})
    assert seconds_between(first, shorter.data["lease_expires_at"]) < -500


def test_nothing_else_changes(api: Api) -> None:
    task = api.claimed()
    before, history = api.task(task["id"]), api.history(task["id"])
    api.make_due(task["id"])
    api.post(f"/tasks/{task['id']}/heartbeat", HOLDER)
    after = api.task(task["id"])
    assert after.pop("lease_expires_at") >= before.pop("lease_expires_at")
    assert after == before
    assert api.history(task["id"]) == history


def test_a_cancel_is_told(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/cancel")
    for _ in range(2):
        response = api.post(f"/tasks/{task['id']}/heartbeat", HOLDER)
        assert response.data["cancel_requested"] is True


@pytest.mark.parametrize("lease", [0, -1, 0.05, "60", True, 1e12])
def test_impossible_lengths(api: Api, lease: object) -> None:
    task = api.claimed()
    with api.unchanged():
        response = api.post(f"/tasks/{task['id']}/heartbeat", {**HOLDER, "lease": lease})
    assert response.code == "validation_failed"
    assert response.paths == ["lease"]


def test_without_a_body(api: Api) -> None:
    task = api.claimed()
    assert api.call("POST", f"/tasks/{task['id']}/heartbeat").status == 200


def test_unknown_fields_are_named(api: Api) -> None:
    task = api.claimed()
    response = api.post(f"/tasks/{task['id']}/heartbeat", {**HOLDER, "leese": 5})
    assert response.warnings == ["unknown field 'leese' was ignored"]
