"""``concurrency_key`` and ``max_per_key``: so many tasks of one key at once, and others beside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api


def tasks(api: Api, key: str | None, count: int, **options: Any) -> list[int]:
    return [api.create("job", concurrency_key=key, **options)["id"] for _ in range(count)]


def claim(api: Api, **options: Any) -> list[int]:
    return [task["id"] for task in api.claim(limit=100, **options)]


def statuses(api: Api) -> dict[int, str]:
    return {row["id"]: row["status"] for row in api.sql("SELECT id, status FROM tasks ORDER BY id")}


def test_a_key_is_kept_and_shown(api: Api) -> None:
    api.register("job", max_per_key=1)
    (task,) = tasks(api, "customer 7", 1)
    shown = api.task(task)
    assert (shown["status"], shown["concurrency_key"]) == ("pending", "customer 7")
    assert shown["waits_for"] == "concurrency_key"
    assert claim(api) == [task]
    assert api.task(task)["waits_for"] is None
    assert api.get("/task-types/job").data["max_per_key"] == 1


def test_many_made_at_once(api: Api) -> None:
    api.register("job", max_per_key=2)
    given = [{"type": "job", "params": {"n": n}, "concurrency_key": "ab"[n % 2]} for n in range(10)]
    made = api.post("/tasks", {"tasks": given}).data["tasks"]
    assert {each["status"] for each in made} == {"pending"}
    assert claim(api) == [each["id"] for each in made[:4]]


def test_one_customer_does_not_take_all_workers(api: Api) -> None:
    api.register("job", max_per_key=2)
    many = tasks(api, "large", 20, priority=5)
    others = [*tasks(api, "small", 3), *tasks(api, None, 3)]
    assert claim(api) == [*many[:2], *others[:2], *others[3:]]
    assert claim(api) == []
    assert api.claim() is None


def test_keys_of_other_types_are_other_keys(api: Api) -> None:
    api.register("job", max_per_key=1)
    api.register("other", max_per_key=1)
    (first,) = tasks(api, "k", 1)
    second = api.create("other", concurrency_key="k")["id"]
    assert claim(api) == [first, second]


def test_without_a_limit_a_key_means_nothing(api: Api) -> None:
    api.register("job")
    ids = tasks(api, "k", 5)
    assert {api.task(each)["waits_for"] for each in ids} == {None}
    assert claim(api) == ids
    assert api.sql("SELECT * FROM lanes") == []


@pytest.mark.parametrize("end", ["complete", "fail", "release", "expire", "delay", "cancel"])
def test_an_ended_attempt_lets_the_next_one_through(api: Api, end: str) -> None:
    api.register("job", max_per_key=1)
    first, second = tasks(api, "k", 2)
    assert claim(api) == [first]
    assert claim(api) == []
    if end == "expire":
        api.make_due(first)
    elif end == "delay":
        api.post(f"/tasks/{first}/release", {"worker_id": "w1", "delay": 3600})
    elif end == "cancel":
        api.post(f"/tasks/{first}/cancel")
        api.post(f"/tasks/{first}/fail", {"worker_id": "w1", "error": "stopped"})
    else:
        api.post(f"/tasks/{first}/{end}", {"worker_id": "w1"})
    assert claim(api) == [first if end in ("release", "expire") else second]
    assert claim(api) == []


@pytest.mark.parametrize("end", ["cancel", "delete"])
@pytest.mark.parametrize("many", [False, True])
def test_a_task_that_is_taken_away_leaves_its_place(api: Api, end: str, many: bool) -> None:
    api.register("job", max_per_key=1)
    first, second = tasks(api, "k", 2)
    assert api.claim(task_types=["none"]) is None  # lets the first one through
    assert statuses(api) == {first: "pending", second: "blocked"}
    if many:
        assert api.post(f"/tasks/{end}", {"ids": [first]}).status == 200
    elif end == "delete":
        assert api.call("DELETE", f"/tasks/{first}").status == 200
    else:
        assert api.post(f"/tasks/{first}/cancel").status == 200
    assert claim(api) == [second]


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_blocked_task_can_be_taken_away(api: Api, end: str) -> None:
    api.register("job", max_per_key=1)
    first, second, third = tasks(api, "k", 3)
    assert claim(api) == [first]
    path = f"/tasks/{second}"
    gone = api.call("DELETE", path) if end == "delete" else api.post(f"{path}/cancel")
    assert gone.status == 200
    api.post(f"/tasks/{first}/complete", {"worker_id": "w1"})
    assert claim(api) == [third]


def test_a_retried_task_waits_for_its_key(api: Api) -> None:
    api.register("job", max_per_key=1)
    first, second = tasks(api, "k", 2)
    assert claim(api) == [first]
    api.post(f"/tasks/{first}/fail", {"worker_id": "w1", "error": "e", "retry": False})
    assert claim(api) == [second]
    retried = api.post(f"/tasks/{first}/retry").data
    assert (retried["status"], retried["waits_for"]) == ("pending", "concurrency_key")
    assert claim(api) == []
    api.post(f"/tasks/{second}/complete", {"worker_id": "w1"})
    assert claim(api) == [first]


def test_a_scheduled_task_waits_for_its_key_when_its_time_has_come(api: Api) -> None:
    api.register("job", max_per_key=1)
    (later,) = tasks(api, "k", 1, delay=3600)
    assert api.task(later)["waits_for"] is None
    (now,) = tasks(api, "k", 1)
    assert claim(api) == [now]
    api.make_due(later)
    assert claim(api) == []
    assert api.task(later)["waits_for"] == "concurrency_key"
    assert [each["status"] for each in api.history(later)] == ["pending"]
    api.post(f"/tasks/{now}/complete", {"worker_id": "w1"})
    assert claim(api) == [later]


def test_the_most_urgent_task_of_a_key_comes_first(api: Api) -> None:
    """Also where another one was let through before it was made."""
    api.register("job", max_per_key=1)
    first, second = tasks(api, "k", 2)
    assert api.claim(task_types=["none"]) is None
    (urgent,) = tasks(api, "k", 1, priority=9)
    assert claim(api) == [urgent]
    assert statuses(api) == {first: "blocked", second: "blocked", urgent: "claimed"}
    api.post(f"/tasks/{urgent}/complete", {"worker_id": "w1"})
    assert claim(api) == [first]


def test_another_priority_changes_which_task_comes_first(api: Api) -> None:
    api.register("job", max_per_key=1)
    _, second = tasks(api, "k", 2)
    assert api.claim(task_types=["none"]) is None
    edited = api.post(f"/tasks/{second}/retry", {"priority": 3})
    assert edited.status == 200
    assert claim(api) == [second]


def test_a_raised_limit_counts_at_once(api: Api) -> None:
    api.register("job", max_per_key=1)
    ids = tasks(api, "k", 6)
    assert claim(api) == ids[:1]
    api.register("job", max_per_key=3)
    assert claim(api) == ids[1:3]
    api.register("job", max_per_key=None)
    assert claim(api) == ids[3:]
    assert {row["key_slot"] for row in api.sql("SELECT key_slot FROM tasks")} == {1}


def test_a_lowered_limit_counts_at_once(api: Api) -> None:
    api.register("job", max_per_key=4)
    ids = tasks(api, "k", 6)
    assert [task["id"] for task in api.claim(limit=2)] == ids[:2]
    assert list(statuses(api).values()).count("pending") == 2
    api.register("job", max_per_key=3)
    assert claim(api) == ids[2:3]
    api.register("job", max_per_key=1)
    assert claim(api) == []
    for each in ids[:2]:
        api.post(f"/tasks/{each}/complete", {"worker_id": "w1"})
        assert claim(api) == []
    api.post(f"/tasks/{ids[2]}/complete", {"worker_id": "w1"})
    assert claim(api) == ids[3:4]


def test_a_limit_that_comes_when_tasks_wait_and_run(api: Api) -> None:
    api.register("job")
    ids = tasks(api, "k", 5)
    other = tasks(api, None, 2)
    assert [task["id"] for task in api.claim(limit=1)] == ids[:1]
    api.register("job", max_per_key=2)
    assert api.get("/task-types/job").data["is_paused"] is False
    assert claim(api) == [ids[1], *other]


@pytest.mark.parametrize("paused", [True, False])
def test_other_limits_leave_a_pause_as_it_is(api: Api, paused: bool) -> None:
    api.register("job")
    tasks(api, "k", 2)
    if paused:
        api.post("/task-types/job/pause")
    api.register("job", max_per_key=1)
    assert api.get("/task-types/job").data["is_paused"] is paused
    api.post("/task-types/job/resume")
    assert len(claim(api)) == 1


def test_no_lane_outlives_its_tasks(api: Api) -> None:
    api.register("job", max_per_key=1)
    for each in tasks(api, "k", 2):
        assert claim(api) == [each]
        api.post(f"/tasks/{each}/complete", {"worker_id": "w1"})
    assert claim(api) == []
    assert api.sql("SELECT * FROM lanes") == []


def test_a_folded_claim_gets_the_next_task_of_the_key(api: Api) -> None:
    api.register("job", max_per_key=1)
    first, second = tasks(api, "k", 2)
    assert claim(api) == [first]
    body = {"worker_id": "w1", "claim": {"limit": 10}}
    response = api.post(f"/tasks/{first}/complete", body)
    assert [task["id"] for task in response.data["tasks"]] == [second]


def test_blocked_tasks_count_as_pending(api: Api) -> None:
    api.register("job", max_per_key=1)
    ids = tasks(api, "k", 4)
    assert claim(api) == ids[:1]
    counts = api.get("/stats").data["counts"]
    assert (counts["pending"], counts["claimed"]) == (3, 1)
    listed = api.get("/tasks", status="pending", total="true").data
    assert ([task["id"] for task in listed["tasks"]], listed["total"]) == (ids[:0:-1], 3)
    cancelled = api.post("/tasks/cancel", {"filter": {"status": "pending"}, "limit": 100})
    assert cancelled.status == 200, cancelled
    assert list(statuses(api).values()) == ["claimed", *["cancelled"] * 3]


def test_blocked_tasks_are_not_overdue(api: Api) -> None:
    api.register("job", max_per_key=1)
    first, _ = tasks(api, "k", 2)
    past = api.site.db.dialect.after("-86400")
    api.sql(f"UPDATE tasks SET created_at = {past}")
    assert claim(api) == [first]
    assert api.get("/stats").data["oldest_due_age"] is None


def test_an_idempotent_create_is_not_blocked_twice(api: Api) -> None:
    api.register("job", max_per_key=1)
    first = api.create("job", {"n": 1}, concurrency_key="k", dedupe="active")
    again = api.create("job", {"n": 1}, concurrency_key="k", dedupe="active")
    assert again == {**first, "deduplicated": True} or again["id"] == first["id"]
    assert len(statuses(api)) == 1
