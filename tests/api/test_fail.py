"""POST /tasks/{id}/fail"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.caller import TIME, Api

HOLDER = {"worker_id": "w1", "attempt": 1}
MOST = 64 * 1024


def fail(api: Api, task_id: int, **body: Any) -> Any:
    response = api.post(f"/tasks/{task_id}/fail", body)
    assert response.status == 200, response
    return response.data


def error_of(api: Api, task_id: int) -> str:
    return str(api.task(task_id)["error_message"])


def test_a_task_that_will_be_tried_again(api: Api) -> None:
    task = api.claimed()
    data = fail(api, task["id"], **HOLDER, error="no connection")
    assert set(data) == {"id", "status", "will_retry", "run_at"}
    assert data["id"] == task["id"]
    assert data["status"] == "pending"
    assert data["will_retry"] is True
    assert TIME.fullmatch(data["run_at"])
    shown = api.task(task["id"])
    assert shown["status"] == "pending"
    assert shown["run_at"] == data["run_at"]
    assert shown["error_message"] == "no connection"
    assert shown["lease_expires_at"] is None
    assert shown["claimed_by"] is None
    assert shown["completed_at"] is None
    assert shown["attempts"] == 1
    assert api.claim() is None


def test_retry_false_ends_the_task(api: Api) -> None:
    task = api.claimed()
    data = fail(api, task["id"], **HOLDER, error="no such file", retry=False)
    assert data == {"id": task["id"], "status": "failed", "will_retry": False, "run_at": None}
    shown = api.task(task["id"])
    assert shown["status"] == "failed"
    assert shown["error_message"] == "no such file"
    assert TIME.fullmatch(shown["completed_at"])
    assert shown["claimed_by"] == "w1"
    assert shown["run_at"] is None


def test_the_last_attempt_ends_the_task(api: Api) -> None:
    task = api.claimed(max_attempts=2)
    assert fail(api, task["id"], error="1", delay=0)["will_retry"] is True
    assert api.claim()["attempts"] == 2
    data = fail(api, task["id"], error="2", delay=0)
    assert data == {"id": task["id"], "status": "failed", "will_retry": False, "run_at": None}
    assert api.claim() is None


def test_retry_true_does_not_add_attempts(api: Api) -> None:
    task = api.claimed(max_attempts=1)
    assert fail(api, task["id"], retry=True)["status"] == "failed"


@pytest.mark.parametrize("retry", [True, False])
def test_a_second_time(api: Api, retry: bool) -> None:
    task = api.claimed()
    first = fail(api, task["id"], **HOLDER, error="x", retry=retry)
    with api.unchanged():
        second = fail(api, task["id"], **HOLDER, error="x", retry=retry)
    assert second == first


def test_a_second_time_after_the_wait(api: Api) -> None:
    """Another claimer woke the task meanwhile: the report is still the same."""
    task = api.claimed()
    first = fail(api, task["id"], **HOLDER, error="x")
    api.make_due(task["id"])
    api.register("other")
    assert api.claim("w2", task_types=["other"]) is None
    with api.unchanged():
        second = fail(api, task["id"], **HOLDER, error="x")
    assert (second["status"], second["will_retry"]) == (first["status"], first["will_retry"])


@pytest.mark.parametrize(
    "error",
    [
        "",
        "x",
        "Grüße, 世界 🎉",
        "'; DROP TABLE tasks; --",
        "% %s :name \\",
        "two\r\nlines\ttab\x1b[0m",
    ],
)
def test_error_texts(api: Api, error: str) -> None:
    task = api.claimed()
    fail(api, task["id"], error=error)
    assert api.task(task["id"])["error_message"] == error


def test_without_an_error(api: Api) -> None:
    task = api.claimed()
    fail(api, task["id"])
    assert not api.task(task["id"])["error_message"]


def test_a_nul_character_does_not_lose_the_rest(api: Api) -> None:
    task = api.claimed()
    fail(api, task["id"], error="before\x00after", traceback="a\x00b")
    assert "\x00" not in error_of(api, task["id"])
    assert error_of(api, task["id"]).startswith("before")
    assert error_of(api, task["id"]).endswith("after")


@pytest.mark.parametrize(
    "error",
    [
        {"type": "ValueError", "message": "grün 🎉", "args": [1, None, {"x": "\x00"}]},
        {},
        {"code": 17},
    ],
)
def test_an_error_as_an_object(api: Api, error: dict[str, Any]) -> None:
    task = api.claimed()
    fail(api, task["id"], error=error)
    assert json.loads(error_of(api, task["id"])) == error


def test_a_long_error_is_cut_and_marked(api: Api) -> None:
    task = api.claimed()
    text = "".join(f"line {number}\n" for number in range(20_000))
    fail(api, task["id"], error=text, traceback=text)
    shown = api.task(task["id"])
    for kept in (shown["error_message"], shown["error_traceback"]):
        assert MOST - 20 < len(kept.encode()) <= MOST
        assert kept.startswith(text[:60_000])
        assert "cut" in kept[-20:]


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_a_long_error_is_cut_between_characters(api: Api, shift: int) -> None:
    task = api.claimed()
    fail(api, task["id"], error="x" * shift + "🎉" * 20_000)
    kept = error_of(api, task["id"])
    assert len(kept.encode()) <= MOST
    assert "\ufffd" not in kept
    assert "cut" in kept[-20:]


def test_the_longest_error_is_not_cut(api: Api) -> None:
    task = api.claimed()
    fail(api, task["id"], error="x" * MOST)
    assert error_of(api, task["id"]) == "x" * MOST


def test_a_long_object_is_cut_too(api: Api) -> None:
    task = api.claimed()
    fail(api, task["id"], error={"text": "ä" * 50_000})
    assert len(error_of(api, task["id"]).encode()) <= MOST


@pytest.mark.parametrize("name", ["traceback", "trace", "stack"])
def test_tracebacks_by_their_names(api: Api, name: str) -> None:
    task = api.claimed()
    response = api.post(f"/tasks/{task['id']}/fail", {"error": "x", name: "File 'a.py', line 1"})
    assert response.warnings == []
    assert api.task(task["id"])["error_traceback"] == "File 'a.py', line 1"


def test_the_last_error_is_kept(api: Api) -> None:
    task = api.claimed()
    fail(api, task["id"], error="first", traceback="t1", delay=0)
    api.claim()
    assert error_of(api, task["id"]) == "first"
    fail(api, task["id"], error="second", delay=0)
    assert error_of(api, task["id"]) == "second"
    assert api.task(task["id"])["error_traceback"] is None


def test_a_task_that_was_to_be_cancelled(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/cancel")
    data = fail(api, task["id"], **HOLDER, error="stopped")
    assert data == {"id": task["id"], "status": "cancelled", "will_retry": False, "run_at": None}
    shown = api.task(task["id"])
    assert shown["status"] == "cancelled"
    assert shown["cancel_requested"] is False
    assert TIME.fullmatch(shown["completed_at"])
    with api.unchanged():
        assert fail(api, task["id"], **HOLDER, error="stopped") == data


def test_an_empty_body(api: Api) -> None:
    task = api.claimed()
    assert api.call("POST", f"/tasks/{task['id']}/fail").data["will_retry"] is True
