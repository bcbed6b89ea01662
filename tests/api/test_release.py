"""POST /tasks/{id}/release"""

from __future__ import annotations

import pytest

from tests.api.caller import TIME, Api, seconds_between

HOLDER = {"worker_id": "w1", "attempt": 1}


def test_the_task_is_pending_again(api: Api) -> None:
    task = api.claimed()
    response = api.post(f"/tasks/{task['id']}/release", HOLDER)
    assert response.status == 200
    assert response.data["id"] == task["id"]
    assert response.data["status"] == "pending"
    shown = api.task(task["id"])
    assert shown["status"] == "pending"
    assert shown["claimed_by"] is None
    assert shown["lease_expires_at"] is None
    assert shown["run_at"] is None


def test_a_release_costs_no_attempt(api: Api) -> None:
    """The number of the attempt never comes back, so the limit moves with it."""
    task = api.claimed(max_attempts=1)
    for released in range(1, 6):
        assert api.post(f"/tasks/{task['id']}/release").status == 200
        shown = api.task(task["id"])
        assert (shown["attempts"], shown["max_attempts"]) == (released, released + 1)
        claimed = api.claim()
        assert (claimed["attempts"], claimed["max_attempts"]) == (released + 1, released + 1)
    assert api.post(f"/tasks/{task['id']}/fail").data["status"] == "failed"


def test_releases_do_not_lengthen_the_backoff(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "retry_delay", 100.0)
    task = api.claimed()
    for _ in range(4):
        api.post(f"/tasks/{task['id']}/release")
        api.claim()
    run_at = api.post(f"/tasks/{task['id']}/fail").data["run_at"]
    wait = seconds_between(api.history(task["id"])[-1]["created_at"], run_at)
    assert wait == pytest.approx(100, abs=10.1)


def test_another_worker_gets_it_at_once(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/release", HOLDER)
    assert api.claim("w2")["id"] == task["id"]


def test_after_a_while(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/release", {**HOLDER, "delay": 500})
    shown = api.task(task["id"])
    assert shown["status"] == "pending"
    wait = seconds_between(api.history(task["id"])[-1]["created_at"], shown["run_at"])
    assert wait == pytest.approx(500, abs=0.05)
    assert api.claim("w2") is None
    api.make_due(task["id"])
    assert api.claim("w2")["id"] == task["id"]


def test_the_error_of_an_earlier_attempt_stays(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/fail", {"error": "first", "delay": 0})
    api.claim()
    api.post(f"/tasks/{task['id']}/release")
    shown = api.task(task["id"])
    assert shown["error_message"] == "first"
    assert shown["attempts"] == 2


def test_the_history(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/release", HOLDER)
    last = api.history(task["id"])[-1]
    assert last["status"] == "pending"
    assert last["worker_id"] == "w1"
    assert last["attempt"] == 1
    assert last["message"]


@pytest.mark.parametrize("delay", [0, 500])
def test_a_task_that_was_to_be_cancelled(api: Api, delay: int) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/cancel")
    response = api.post(f"/tasks/{task['id']}/release", {**HOLDER, "delay": delay})
    assert response.data["status"] == "cancelled"
    shown = api.task(task["id"])
    assert shown["status"] == "cancelled"
    assert shown["cancel_requested"] is False
    assert shown["run_at"] is None
    assert TIME.fullmatch(shown["completed_at"])


def test_a_second_time(api: Api) -> None:
    task = api.claimed()
    first = api.post(f"/tasks/{task['id']}/release", HOLDER)
    with api.unchanged():
        assert api.post(f"/tasks/{task['id']}/release", HOLDER).data == first.data


def test_unknown_fields_are_named(api: Api) -> None:
    task = api.claimed()
    response = api.post(f"/tasks/{task['id']}/release", {**HOLDER, "dellay": 5})
    assert response.status == 200
    assert response.warnings == ["unknown field 'dellay' was ignored"]
