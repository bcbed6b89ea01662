"""Types that hand out less than they have: paused ones, and those with ``max_running``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api


def tasks(api: Api, name: str, count: int) -> list[int]:
    return [api.create(name)["id"] for _ in range(count)]


def test_a_paused_type_hands_nothing_out(api: Api) -> None:
    api.register("a")
    api.register("b")
    tasks(api, "a", 2)
    other = tasks(api, "b", 1)
    api.post("/task-types/a/pause")
    assert [task["id"] for task in api.claim(limit=10)] == other
    assert api.claim() is None
    api.post("/task-types/a/resume")
    assert len(api.claim(limit=10)) == 2


def test_a_paused_type_lets_its_workers_finish(api: Api) -> None:
    task = api.claimed("job")
    api.post("/task-types/job/pause")
    assert api.post(f"/tasks/{task['id']}/heartbeat").status == 200
    assert api.post(f"/tasks/{task['id']}/complete").status == 200


def test_a_paused_type_takes_back_what_has_expired(api: Api) -> None:
    task = api.claimed("job")
    api.post("/task-types/job/pause")
    api.make_due(task["id"])
    assert api.claim("w2") is None
    assert api.task(task["id"])["status"] == "pending"
    api.post("/task-types/job/resume")
    assert api.claim("w2")["attempts"] == 2


def test_no_more_than_may_run(api: Api) -> None:
    api.register("job", max_running=2)
    ids = tasks(api, "job", 5)
    assert [api.claim()["id"] for _ in range(2)] == ids[:2]
    assert api.claim() is None
    assert api.claim(limit=10) == []


@pytest.mark.parametrize("filtered", [True, False])
def test_no_more_than_may_run_in_one_claim(api: Api, filtered: bool) -> None:
    api.register("job", max_running=2)
    ids = tasks(api, "job", 5)
    options: dict[str, Any] = {"task_types": ["job"]} if filtered else {}
    assert [task["id"] for task in api.claim(limit=10, **options)] == ids[:2]


@pytest.mark.parametrize("sort_by", ["priority", "created_at", "id", "attempts"])
def test_in_every_order(api: Api, sort_by: str) -> None:
    api.register("job", max_running=3)
    tasks(api, "job", 5)
    assert len(api.claim(limit=2, sort_by=sort_by)) == 2
    assert len(api.claim(limit=10, sort_by=sort_by)) == 1
    assert api.claim(sort_by=sort_by) is None


@pytest.mark.parametrize("end", ["complete", "fail", "release", "expire"])
def test_an_ended_attempt_makes_room(api: Api, end: str) -> None:
    api.register("job", max_running=1)
    first, second = tasks(api, "job", 2)
    assert api.claim()["id"] == first
    assert api.claim() is None
    if end == "expire":
        api.make_due(first)
    else:
        api.post(f"/tasks/{first}/{end}")
    following = first if end in ("release", "expire") else second
    assert api.claim()["id"] == following
    assert api.claim() is None


def test_a_folded_claim_uses_the_room_that_its_settle_made(api: Api) -> None:
    api.register("job", max_running=1)
    first, second = tasks(api, "job", 2)
    api.claim()
    body = {"worker_id": "w1", "claim": {"limit": 10}}
    response = api.post(f"/tasks/{first}/complete", body)
    assert [task["id"] for task in response.data["tasks"]] == [second]


def test_other_types_are_not_held_up(api: Api) -> None:
    api.register("narrow", max_running=1, priority=5)
    api.register("wide")
    tasks(api, "narrow", 40)
    wide = tasks(api, "wide", 3)
    claimed = api.claim(limit=10)
    assert [task["type"] for task in claimed] == ["narrow", "wide", "wide", "wide"]
    assert [task["id"] for task in claimed[1:]] == wide


def test_each_type_has_its_own_limit(api: Api) -> None:
    for name, most in (("a", 1), ("b", 2), ("c", None)):
        api.register(name, max_running=most)
        tasks(api, name, 4)
    names = sorted(task["type"] for task in api.claim(limit=100))
    assert names == ["a", "b", "b", "c", "c", "c", "c"]


def test_a_changed_limit_counts_at_once(api: Api) -> None:
    api.register("job", max_running=1)
    tasks(api, "job", 4)
    assert len(api.claim(limit=10)) == 1
    api.register("job", max_running=3)
    assert len(api.claim(limit=10)) == 2
    api.register("job", max_running=1)
    assert api.claim(limit=10) == []
    api.register("job", max_running=None)
    assert len(api.claim(limit=10)) == 1
