"""Leases that ended are taken back by whoever claims next."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import TIME, Api
from tests.support.net import wait_until


def test_a_lease_ends_by_itself(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    assert api.claim("w1", lease=0.2)["id"] == task["id"]
    taken: list[Any] = []

    def claimed_again() -> bool:
        taken.extend(api.claim("w2", limit=5))
        return bool(taken)

    wait_until(claimed_again, 20, "the end of a lease")
    assert [(each["id"], each["attempts"]) for each in taken] == [(task["id"], 2)]


def test_a_lease_that_lasts_is_left_alone(api: Api) -> None:
    task = api.claimed()
    assert api.claim("w2") is None
    with api.unchanged():
        assert api.claim("w2") is None
    assert api.task(task["id"])["claimed_by"] == "w1"


def test_the_next_claimer_gets_it(api: Api) -> None:
    task = api.claimed(worker_id="w1")
    api.make_due(task["id"])
    again = api.claim("w2")
    assert again["id"] == task["id"]
    assert again["attempts"] == 2
    shown = api.task(task["id"])
    assert shown["status"] == "claimed"
    assert shown["claimed_by"] == "w2"


def test_a_claim_for_another_type_takes_it_back_too(api: Api) -> None:
    task = api.claimed("job")
    api.register("other")
    api.make_due(task["id"])
    assert api.claim(task_types=["other"]) is None
    shown = api.task(task["id"])
    assert shown["status"] == "pending"
    assert shown["attempts"] == 1
    assert shown["claimed_by"] is None
    assert shown["lease_expires_at"] is None


def test_attempts_that_are_used_up(api: Api) -> None:
    task = api.claimed(max_attempts=1)
    api.make_due(task["id"])
    assert api.claim("w2") is None
    shown = api.task(task["id"])
    assert shown["status"] == "failed"
    assert shown["error_message"] == "lease expired"
    assert TIME.fullmatch(shown["completed_at"])
    assert shown["lease_expires_at"] is None
    assert shown["attempts"] == 1


def test_as_often_as_there_are_attempts(api: Api) -> None:
    task = api.claimed(max_attempts=3)
    for attempt in (2, 3):
        api.make_due(task["id"])
        assert api.claim()["attempts"] == attempt
    api.make_due(task["id"])
    assert api.claim() is None
    assert api.task(task["id"])["status"] == "failed"


def test_the_history_says_why(api: Api) -> None:
    task = api.claimed(max_attempts=2)
    for _ in range(2):
        api.make_due(task["id"])
        api.claim("w2")
    history = [(line["status"], line["message"]) for line in api.history(task["id"])]
    assert history == [
        ("pending", None),
        ("claimed", None),
        ("pending", "lease expired"),
        ("claimed", None),
        ("failed", "lease expired"),
    ]


def test_a_cancel_that_waited_for_the_worker(api: Api) -> None:
    task = api.claimed()
    api.post(f"/tasks/{task['id']}/cancel")
    api.make_due(task["id"])
    assert api.claim("w2") is None
    shown = api.task(task["id"])
    assert shown["status"] == "cancelled"
    assert shown["cancel_requested"] is False
    assert TIME.fullmatch(shown["completed_at"])


@pytest.mark.parametrize("call", ["heartbeat", "progress"])
def test_a_call_of_the_worker_saves_it(api: Api, call: str) -> None:
    task = api.claimed()
    api.make_due(task["id"])
    assert api.post(f"/tasks/{task['id']}/{call}", {"progress": 1}).status == 200
    assert api.claim("w2") is None


def test_an_empty_claim_with_a_limit_takes_back_too(api: Api) -> None:
    task = api.claimed(max_attempts=1)
    api.make_due(task["id"])
    assert api.claim("w2", limit=10) == []
    assert api.task(task["id"])["status"] == "failed"


def test_very_many_at_once(api: Api) -> None:
    api.register("job")
    api.post("/tasks", {"tasks": [{"type": "job", "params": {"n": n}} for n in range(250)]})
    taken = [task["id"] for _ in range(3) for task in api.claim(limit=100)]
    api.make_due(*taken)
    again = [task["id"] for _ in range(3) for task in api.claim("w2", limit=100)]
    assert sorted(again) == taken


def test_very_many_that_cannot_be_tried_again(api: Api) -> None:
    """A claimer is not told "nothing to do" because of what had to be put away first."""
    api.register("job")
    tasks = [{"type": "job", "params": {"n": n}, "max_attempts": 1} for n in range(250)]
    api.post("/tasks", {"tasks": tasks})
    assert sum(len(api.claim(limit=100)) for _ in range(3)) == 250
    api.sql(f"UPDATE tasks SET due_at = {api.site.db.dialect.after('-50')}")
    last = api.create("job", delay=1000)["id"]
    api.make_due(last)
    assert api.claim("w2")["id"] == last
    assert api.sql("SELECT COUNT(*) AS n FROM tasks WHERE status = 'failed'") == [{"n": 250}]


def test_all_fates_at_once(api: Api) -> None:
    ids = [api.claimed(max_attempts=attempts)["id"] for attempts in (1, 2, 3)]
    api.post(f"/tasks/{ids[2]}/cancel")
    delayed = api.create("job", delay=500)["id"]
    api.make_due(*ids, delayed)
    claimed = [task["id"] for task in api.claim("w2", limit=10)]
    assert claimed == [ids[1], delayed]
    assert api.task(ids[0])["status"] == "failed"
    assert api.task(ids[2])["status"] == "cancelled"
