"""``rate`` of a type: so many claims in any period of so many seconds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api

RATE = {"tasks": 3, "seconds": 60}


def tasks(api: Api, count: int, type: str = "job", **options: Any) -> list[int]:
    return [api.create(type, **options)["id"] for _ in range(count)]


def claim(api: Api, limit: int = 100, **options: Any) -> list[int]:
    return [task["id"] for task in api.claim(limit=limit, **options)]


def pass_time(api: Api, seconds: float) -> None:
    """As if what happened so far was so many seconds earlier."""
    sql = api.site.db.dialect
    for row in api.sql(f"SELECT *, {sql.seconds_since('claimed_at')} AS age FROM rate_claims"):
        api.sql(
            f"UPDATE rate_claims SET claimed_at = {sql.after(':ago')} "
            "WHERE type_id = :type_id AND change_id = :change_id",
            ago=-float(row["age"]) - seconds,
            type_id=row["type_id"],
            change_id=row["change_id"],
        )
    for row in api.sql(f"SELECT *, {sql.seconds_since('due_at')} AS age FROM lanes"):
        if row["age"] is not None:
            api.sql(
                f"UPDATE lanes SET due_at = {sql.after(':ago')} WHERE type_id = :type_id "
                "AND concurrency_key = :key",
                ago=-float(row["age"]) - seconds,
                type_id=row["type_id"],
                key=row["concurrency_key"],
            )


def test_a_rate_is_kept_and_shown(api: Api) -> None:
    api.register("job", rate=RATE)
    assert api.get("/task-types/job").data["rate"] == RATE
    api.register("job", version="2")
    assert api.get("/task-types/job").data["rate"] == RATE
    api.register("job", rate=None)
    assert api.get("/task-types/job").data["rate"] is None


@pytest.mark.parametrize(
    "rate",
    [
        {"tasks": 0, "seconds": 1},
        {"tasks": 1},
        {"seconds": 1},
        {"tasks": 1, "seconds": 0},
        {"tasks": 1.5, "seconds": 1},
        {"tasks": 1, "seconds": 1, "burst": 2},
        [3, 60],
        "3/60",
    ],
)
def test_other_rates_are_refused(api: Api, rate: Any) -> None:
    body = {"name": "job", "version": "1", "param_schema": True, "rate": rate}
    response = api.post("/task-types/register", body)
    assert response.code == "validation_failed"
    assert [each["path"] for each in response.json["details"]] == ["rate"]


def test_no_more_claims_than_the_rate(api: Api) -> None:
    api.register("job", rate=RATE)
    ids = tasks(api, 5)
    assert claim(api, 2) == ids[:2]
    assert claim(api) == ids[2:3]
    assert claim(api) == []
    assert [api.task(each)["waits_for"] for each in ids] == [None] * 3 + ["rate"] * 2


def test_one_claim_takes_only_what_is_allowed(api: Api) -> None:
    api.register("job", rate=RATE)
    ids = tasks(api, 10)
    assert claim(api) == ids[:3]


@pytest.mark.parametrize("sort_by", ["priority", "created_at", "id", "attempts"])
def test_in_every_order(api: Api, sort_by: str) -> None:
    api.register("job", rate=RATE)
    tasks(api, 5)
    assert len(claim(api, 2, sort_by=sort_by)) == 2
    assert len(claim(api, sort_by=sort_by)) == 1


def test_claims_count_for_the_whole_period(api: Api) -> None:
    """The window slides: each claim counts for so many seconds from its own time."""
    api.register("job", rate=RATE)
    ids = tasks(api, 10)
    assert claim(api, 1) == ids[:1]
    pass_time(api, 40)
    assert claim(api) == ids[1:3]
    pass_time(api, 19)
    assert claim(api) == []
    pass_time(api, 1.5)
    assert claim(api) == ids[3:4]
    assert claim(api) == []
    pass_time(api, 40)
    assert claim(api) == ids[4:6]
    pass_time(api, 1000)
    assert claim(api) == ids[6:9]


def test_the_end_of_a_task_frees_nothing(api: Api) -> None:
    api.register("job", rate={"tasks": 1, "seconds": 3600})
    first, _ = tasks(api, 2)
    assert claim(api) == [first]
    assert api.post(f"/tasks/{first}/complete", {"worker_id": "w1"}).status == 200
    assert claim(api) == []


@pytest.mark.parametrize("end", ["release", "expire", "retry"])
def test_another_attempt_counts_again(api: Api, end: str) -> None:
    api.register("job", rate={"tasks": 2, "seconds": 3600})
    first, second = tasks(api, 2)
    assert claim(api, 1) == [first]
    if end == "release":
        api.post(f"/tasks/{first}/release", {"worker_id": "w1"})
    elif end == "expire":
        api.make_due(first)
    else:
        api.post(f"/tasks/{first}/fail", {"worker_id": "w1", "error": "e", "retry": False})
        api.post(f"/tasks/{first}/retry")
    assert claim(api) == [first]
    assert claim(api) == []
    assert api.task(second)["waits_for"] == "rate"


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_task_that_is_taken_away_leaves_its_place(api: Api, end: str) -> None:
    api.register("job", rate={"tasks": 1, "seconds": 3600})
    first, second = tasks(api, 2)
    assert api.claim(task_types=["none"]) is None
    if end == "delete":
        assert api.call("DELETE", f"/tasks/{first}").status == 200
    else:
        assert api.post(f"/tasks/{first}/cancel").status == 200
    assert claim(api) == [second]


def test_other_types_are_not_held_up(api: Api) -> None:
    api.register("job", rate={"tasks": 1, "seconds": 3600}, priority=9)
    api.register("other")
    limited = tasks(api, 30)
    others = tasks(api, 3, "other")
    assert claim(api) == [limited[0], *others]


def test_the_most_urgent_task_comes_first(api: Api) -> None:
    api.register("job", rate={"tasks": 1, "seconds": 60})
    first, _ = tasks(api, 2)
    assert api.claim(task_types=["none"]) is None
    (urgent,) = tasks(api, 1, priority=9)
    assert claim(api) == [urgent]
    pass_time(api, 61)
    assert claim(api) == [first]


def test_a_changed_rate_counts_at_once(api: Api) -> None:
    api.register("job", rate={"tasks": 2, "seconds": 3600})
    ids = tasks(api, 9)
    assert claim(api) == ids[:2]
    api.register("job", rate={"tasks": 5, "seconds": 3600})
    assert claim(api, 1) == ids[2:3]
    api.register("job", rate={"tasks": 4, "seconds": 3600})
    assert claim(api) == ids[3:4]
    api.register("job", rate={"tasks": 1, "seconds": 3600})
    assert claim(api) == []
    api.register("job", rate=None)
    assert claim(api) == ids[4:]


def test_a_rate_that_comes_when_tasks_wait(api: Api) -> None:
    api.register("job")
    ids = tasks(api, 9)
    api.register("job", rate=RATE)
    assert claim(api) == ids[:3]


def test_a_rate_with_keys(api: Api) -> None:
    """A task needs both: a slot of its key, and a claim of the rate."""
    api.register("job", rate={"tasks": 3, "seconds": 60}, max_per_key=1)
    ids = [api.create("job", concurrency_key=key)["id"] for key in "aaaabcd"]
    assert claim(api) == [ids[0], ids[4], ids[5]]
    assert [api.task(each)["waits_for"] for each in (ids[1], ids[6])] == ["concurrency_key", "rate"]
    api.post(f"/tasks/{ids[0]}/complete", {"worker_id": "w1"})
    assert claim(api) == []
    pass_time(api, 61)
    assert claim(api) == [ids[1], ids[6]]


def test_throttled_tasks_are_not_overdue(api: Api) -> None:
    api.register("job", rate={"tasks": 1, "seconds": 3600})
    first, _ = tasks(api, 2)
    past = api.site.db.dialect.after("-86400")
    api.sql(f"UPDATE tasks SET created_at = {past}")
    assert claim(api) == [first]
    assert api.get("/stats").data["oldest_due_age"] is None
    assert api.get("/stats").data["counts"]["pending"] == 1


def test_very_many_claims_are_counted_in_few_rows(api: Api) -> None:
    """Those of a day, with a rate of thousands: merged, and still none counts for too short."""
    api.register("job", rate={"tasks": 5000, "seconds": 86400})
    tasks(api, 3)
    type_id = api.sql("SELECT id FROM task_types")[0]["id"]
    sql = api.site.db.dialect
    for start in range(0, 4990, 10):
        rows = ", ".join(
            f"({type_id}, {sql.after(str(-86000 + 15 * n))}, {n + 1}, 1)"
            for n in range(start, start + 10)
        )
        api.sql(f"INSERT INTO rate_claims (type_id, claimed_at, change_id, total) VALUES {rows}")
    assert len(claim(api, 2)) == 2
    assert len(claim(api, 2)) == 1
    found = api.sql("SELECT COUNT(*) AS entries, SUM(total) AS total FROM rate_claims")[0]
    assert int(found["total"]) == 4993
    assert found["entries"] <= 110
    oldest = api.sql(f"SELECT MAX({sql.seconds_since('claimed_at')}) AS age FROM rate_claims")
    assert 86000 - 864 <= float(oldest[0]["age"]) <= 86010
