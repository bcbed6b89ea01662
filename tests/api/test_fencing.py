"""Who may settle or keep a claim: the worker that holds the task, in its current attempt.

Every call by which a worker speaks of a task that it holds is put to the same questions, and a
refused one must leave every row as it was.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api
from tests.support.http_client import Response

CALLS: dict[str, dict[str, Any]] = {
    "complete": {"result": {"done": True}},
    "complete-as-failed": {"success": False, "error": "gave up"},
    "fail": {"error": "gave up", "traceback": "line 1"},
    "heartbeat": {"lease": 500},
    "progress": {"progress": 50, "message": "half way"},
    "release": {"delay": 30},
    "settle": {"result": {"done": True}},
    "settle-as-failed": {"success": False, "error": "gave up"},
}

ENDS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "completed": [("complete", {})],
    "failed": [("fail", {"retry": False})],
    "waiting": [("fail", {"delay": 500})],
    "released": [("release", {})],
    "cancelled": [("cancel", {}), ("release", {})],
}


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def send(api: Api, call: str, task_id: int, **holder: Any) -> Response | dict[str, Any]:
    body = {**CALLS[call], **holder}
    if call.startswith("settle"):
        response = api.post("/tasks/settle", {"outcomes": [{"id": task_id, **body}]})
        assert response.status == 200, response
        return dict(response.data["settled"][0])
    return api.post(f"/tasks/{task_id}/{call.partition('-')[0]}", body)


def code_of(response: Response | dict[str, Any]) -> str | None:
    """The code of a refusal; None where it went well."""
    return response.code if isinstance(response, Response) else response.get("code")


def error_of(response: Response | dict[str, Any]) -> str:
    return response.error if isinstance(response, Response) else str(response["error"])


def refused(api: Api, call: str, task_id: int, **holder: Any) -> str | None:
    with api.unchanged():
        response = send(api, call, task_id, **holder)
        assert code_of(response), response
    assert str(task_id) in error_of(response)
    return code_of(response)


def take_over(api: Api, task_id: int, worker_id: str) -> None:
    """The lease ends, and a worker claims the task again."""
    api.make_due(task_id)
    task = api.claim(worker_id)
    assert task["id"] == task_id
    assert task["attempts"] == 2


@pytest.mark.parametrize(
    "holder",
    [{"worker_id": "w1", "attempt": 1}, {"worker_id": "w1"}, {"attempt": 1}, {}],
    ids=["both", "worker", "attempt", "neither"],
)
def test_the_holder_is_let_in(api: Api, call: str, holder: dict[str, Any]) -> None:
    task = api.claimed(worker_id="w1")
    response = send(api, call, task["id"], **holder)
    assert code_of(response) is None, response
    shown = api.task(task["id"])
    assert shown["status"] != "claimed" or shown["lease_expires_at"] >= task["lease_expires_at"]


def test_a_foreign_worker(api: Api, call: str) -> None:
    task = api.claimed(worker_id="w1")
    assert refused(api, call, task["id"], worker_id="w2", attempt=1) == "not_owner"
    assert refused(api, call, task["id"], worker_id="w2") == "not_owner"
    assert refused(api, call, task["id"], worker_id="W1") == "not_owner"
    assert refused(api, call, task["id"], worker_id="%") == "not_owner"


@pytest.mark.parametrize("attempt", [0, 2, 2**31 - 1])
def test_another_attempt(api: Api, call: str, attempt: int) -> None:
    task = api.claimed(worker_id="w1")
    assert refused(api, call, task["id"], worker_id="w1", attempt=attempt) == "lease_lost"
    assert refused(api, call, task["id"], attempt=attempt) == "lease_lost"


def test_the_task_was_taken_over(api: Api, call: str) -> None:
    task = api.claimed(worker_id="w1")
    take_over(api, task["id"], "w2")
    assert refused(api, call, task["id"], worker_id="w1", attempt=1) == "lease_lost"
    assert refused(api, call, task["id"], attempt=1) == "lease_lost"
    assert refused(api, call, task["id"], worker_id="w1") == "not_owner"
    assert code_of(send(api, call, task["id"], worker_id="w2", attempt=2)) is None


def test_the_same_worker_claimed_it_again(api: Api, call: str) -> None:
    task = api.claimed(worker_id="w1")
    take_over(api, task["id"], "w1")
    assert refused(api, call, task["id"], worker_id="w1", attempt=1) == "lease_lost"
    assert code_of(send(api, call, task["id"], worker_id="w1", attempt=2)) is None


def test_an_expired_lease_that_nobody_took_back(api: Api, call: str) -> None:
    """Nobody else has it, so the work is not thrown away."""
    task = api.claimed(worker_id="w1")
    api.make_due(task["id"])
    assert code_of(send(api, call, task["id"], worker_id="w1", attempt=1)) is None


def test_a_lease_that_was_taken_back(api: Api, call: str) -> None:
    task = api.claimed(worker_id="w1")
    api.make_due(task["id"])
    api.register("other")
    assert api.claim("w2", task_types=["other"]) is None
    assert api.task(task["id"])["status"] == "pending"
    assert refused(api, call, task["id"], worker_id="w1", attempt=1) == "not_claimed"


def test_a_lease_that_ended_for_good(api: Api, call: str) -> None:
    task = api.claimed(worker_id="w1", max_attempts=1)
    api.make_due(task["id"])
    assert api.claim("w2") is None
    assert api.task(task["id"])["status"] == "failed"
    assert refused(api, call, task["id"], worker_id="w1", attempt=1) == "not_claimed"


def test_a_task_that_nobody_claimed(api: Api, call: str) -> None:
    api.register("job")
    task = api.create("job")
    for holder in ({}, {"worker_id": "w1"}, {"worker_id": "w1", "attempt": 1}, {"attempt": 0}):
        assert refused(api, call, task["id"], **holder) == "not_claimed"


def test_a_delayed_task(api: Api, call: str) -> None:
    api.register("job")
    task = api.create("job", delay=500)
    assert refused(api, call, task["id"], worker_id="w1", attempt=0) == "not_claimed"


@pytest.mark.parametrize("end", ENDS)
def test_a_settled_task_and_a_foreign_worker(api: Api, call: str, end: str) -> None:
    task = api.claimed(worker_id="w1")
    for name, body in ENDS[end]:
        assert api.post(f"/tasks/{task['id']}/{name}", body).status == 200
    for holder in ({"worker_id": "w2", "attempt": 1}, {"worker_id": "w2"}, {}):
        assert refused(api, call, task["id"], **holder) == "not_claimed"


@pytest.mark.parametrize("end", ENDS)
def test_a_settled_task_and_its_own_worker(api: Api, call: str, end: str) -> None:
    """Only the same end is granted a second time, and it changes nothing."""
    task = api.claimed(worker_id="w1")
    for name, body in ENDS[end]:
        assert api.post(f"/tasks/{task['id']}/{name}", body).status == 200
    fails = call in ("fail", "complete-as-failed", "settle-as-failed")
    completes = call in ("complete", "settle")
    same = (
        (end == "completed" and completes)
        or (end in ("failed", "waiting") and fails)
        or (end in ("released", "cancelled") and call == "release")
    )
    with api.unchanged():
        response = send(api, call, task["id"], worker_id="w1", attempt=1)
    assert code_of(response) == (None if same else "not_claimed")


def release(api: Api, task_id: int) -> None:
    assert api.post(f"/tasks/{task_id}/release", {"worker_id": "w1"}).status == 200


def deregister(api: Api, task_id: int) -> None:
    assert api.post("/workers/w1/deregister").data["released"] == 1


def expire(api: Api, task_id: int) -> None:
    api.make_due(task_id)


def fail(api: Api, task_id: int) -> None:
    assert api.post(f"/tasks/{task_id}/fail", {"worker_id": "w1", "delay": 0}).status == 200


def fail_and_retry(api: Api, task_id: int) -> None:
    api.post(f"/tasks/{task_id}/fail", {"worker_id": "w1", "retry": False})
    assert api.post(f"/tasks/{task_id}/retry").status == 200


@pytest.mark.parametrize("end", [release, deregister, expire, fail, fail_and_retry])
@pytest.mark.parametrize("next_worker", ["w1", "w2"])
def test_the_number_of_an_attempt_never_comes_back(api: Api, end: Any, next_worker: str) -> None:
    """However a claim ends: what its worker still sends must not reach the next one's."""
    task = api.claimed(worker_id="w1")
    end(api, task["id"])
    assert api.claim(next_worker)["attempts"] == 2
    with api.unchanged():
        for call in CALLS:
            code_of(send(api, call, task["id"], attempt=1))
            code_of(send(api, call, task["id"], worker_id="w1", attempt=1))
    assert api.task(task["id"])["claimed_by"] == next_worker


@pytest.mark.parametrize("task_id", [1, 987_654_321, 999_999_999_999_999_999])
def test_an_unknown_task(api: Api, call: str, task_id: int) -> None:
    assert refused(api, call, task_id, worker_id="w1", attempt=1) == "not_found"


def test_a_deleted_task(api: Api, call: str) -> None:
    task = api.claimed(worker_id="w1")
    api.post(f"/tasks/{task['id']}/complete")
    api.post(f"/tasks/{task['id']}/delete")
    assert refused(api, call, task["id"], worker_id="w1", attempt=1) == "not_found"
