"""POST /tasks/{id}/complete"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import TIME, Api

HOLDER = {"worker_id": "w1", "attempt": 1}

RESULTS: list[Any] = [
    None,
    False,
    True,
    0,
    -1.5,
    10**300,
    "",
    "text with 'quotes' \"and\" \\ % :name",
    "Grüße, 世界 🎉",
    "a\x00b\u2028c\r\n",
    [],
    {},
    [None, False, 0, ""],
    {"nested": {"deeper": [{"x": [1, 2, {"y": None}]}]}, "ключ": "значение"},
]


@pytest.mark.parametrize("result", RESULTS, ids=range(len(RESULTS)))
def test_results_come_back_as_they_were_given(api: Api, result: Any) -> None:
    task = api.claimed()
    response = api.post(f"/tasks/{task['id']}/complete", {**HOLDER, "result": result})
    assert response.status == 200
    assert response.data == {"id": task["id"], "status": "completed"}
    stored = api.task(task["id"])["result"]
    assert stored == result
    assert type(stored) is type(result)


def test_without_a_result(api: Api) -> None:
    task = api.claimed()
    assert api.post(f"/tasks/{task['id']}/complete").data["status"] == "completed"
    assert api.task(task["id"])["result"] is None


def test_the_completed_task(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/complete", {**HOLDER, "success": True, "result": 1})
    shown = api.task(task["id"])
    assert shown["status"] == "completed"
    assert TIME.fullmatch(shown["completed_at"])
    assert shown["lease_expires_at"] is None
    assert shown["run_at"] is None
    assert shown["error_message"] is None
    assert shown["claimed_by"] == "w1"
    assert shown["attempts"] == 1


def test_a_success_clears_the_earlier_error(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/fail", {"error": "first", "traceback": "t", "delay": 0})
    api.claim()
    api.post(f"/tasks/{task['id']}/complete", {"result": 1})
    shown = api.task(task["id"])
    assert shown["error_message"] is None
    assert shown["result"] == 1


@pytest.mark.parametrize("holder", [HOLDER, {"worker_id": "w1"}, {"attempt": 1}])
def test_a_second_time(api: Api, holder: dict[str, Any]) -> None:
    """The first response may have been lost on its way."""
    task = api.claimed()
    body = {**holder, "result": {"n": 1}}
    first = api.post(f"/tasks/{task['id']}/complete", body)
    with api.unchanged():
        second = api.post(f"/tasks/{task['id']}/complete", body)
    assert second.status == 200
    assert second.data == first.data


def test_a_second_time_does_not_replace_the_result(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/complete", {**HOLDER, "result": 1})
    with api.unchanged():
        api.post(f"/tasks/{task['id']}/complete", {**HOLDER, "result": 2})
    assert api.task(task["id"])["result"] == 1


def test_success_false_is_a_failure(api: Api) -> None:
    task = api.claimed()
    body = {**HOLDER, "success": False, "error": "no good", "traceback": "line 1", "delay": 50}
    response = api.post(f"/tasks/{task['id']}/complete", body)
    assert response.status == 200
    assert set(response.data) == {"id", "status", "will_retry", "run_at"}
    assert response.data["status"] == "pending"
    assert response.data["will_retry"] is True
    assert TIME.fullmatch(response.data["run_at"])
    shown = api.task(task["id"])
    assert shown["error_message"] == "no good"
    assert shown["run_at"] == response.data["run_at"]


def test_success_false_for_good(api: Api) -> None:
    task = api.claimed()
    body = {**HOLDER, "success": False, "error": "no good", "retry": False}
    response = api.post(f"/tasks/{task['id']}/complete", body)
    expected = {"id": task["id"], "status": "failed", "will_retry": False, "run_at": None}
    assert response.data == expected


@pytest.mark.parametrize("success", ["false", "true", 0, 1, "", [], {}])
def test_success_is_true_or_false(api: Api, success: Any) -> None:
    task = api.claimed()
    with api.unchanged():
        response = api.post(f"/tasks/{task['id']}/complete", {**HOLDER, "success": success})
    assert response.code == "validation_failed"
    assert response.paths == ["success"]


def test_a_result_over_the_limit(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "max_result_bytes", 100)
    task = api.claimed()
    with api.unchanged():
        response = api.post(f"/tasks/{task['id']}/complete", {**HOLDER, "result": "ä" * 50})
    assert response.code == "too_large"
    assert "MAX_RESULT_BYTES" in response.error
    fits = {**HOLDER, "result": "ä" * 49}
    assert api.post(f"/tasks/{task['id']}/complete", fits).status == 200


def test_the_default_limit_of_results(api: Api) -> None:
    task = api.claimed()
    longest = "x" * (512 * 1024 - 2)
    body = {**HOLDER, "result": longest + "x"}
    assert api.post(f"/tasks/{task['id']}/complete", body).code == "too_large"
    assert api.post(f"/tasks/{task['id']}/complete", {"result": longest}).status == 200
    assert api.task(task["id"])["result"] == longest


def test_completing_a_task_that_was_to_be_cancelled(api: Api) -> None:
    """The work is done, so it counts."""
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/cancel")
    assert api.post(f"/tasks/{task['id']}/complete", HOLDER).data["status"] == "completed"
    assert api.task(task["id"])["cancel_requested"] is False


def test_unknown_fields_are_named(api: Api) -> None:
    task = api.claimed()
    response = api.post(f"/tasks/{task['id']}/complete", {**HOLDER, "reslut": 1})
    assert response.status == 200
    assert response.warnings == ["unknown field 'reslut' was ignored"]
