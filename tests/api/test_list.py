"""GET /tasks"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api


def listed(api: Api, **query: str) -> list[int]:
    """The ids of a list, in its order."""
    response = api.get("/tasks", **query)
    assert response.status == 200, response
    assert response.data["count"] == len(response.data["tasks"])
    return [task["id"] for task in response.data["tasks"]]


def many(api: Api, count: int) -> list[int]:
    """New tasks, the newest first."""
    api.register("job")
    body = {"tasks": [{"type": "job", "params": {"n": n}} for n in range(count)]}
    return [each["id"] for each in api.post("/tasks", body).data["tasks"]][::-1]


@pytest.fixture
def statuses(api: Api) -> dict[str, int]:
    """A task of every status."""
    api.register("job")
    found = {}
    for status in ("completed", "failed", "claimed", "retrying"):
        found[status] = api.claimed()["id"]
    api.post(f"/tasks/{found['completed']}/complete", {"result": {"a": 1}})
    api.post(f"/tasks/{found['failed']}/fail", {"error": "x", "retry": False})
    api.post(f"/tasks/{found['retrying']}/fail", {"error": "x"})
    found["cancelled"] = api.create("job")["id"]
    api.post(f"/tasks/{found['cancelled']}/cancel")
    found["pending"] = api.create("job")["id"]
    found["delayed"] = api.create("job", delay=500)["id"]
    return found


def test_an_empty_list(api: Api) -> None:
    data = api.get("/tasks").data
    assert data == {"tasks": [], "count": 0, "limit": 50, "offset": 0, "next_before_id": None}


def test_the_newest_first(api: Api) -> None:
    ids = many(api, 5)
    assert listed(api) == ids


def test_a_task_in_the_list_is_the_task_itself(api: Api, statuses: dict[str, int]) -> None:
    for task in api.get("/tasks").data["tasks"]:
        assert task == api.task(task["id"])
    assert len(listed(api)) == len(statuses)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", ["delayed", "pending", "retrying"]),
        ("claimed", ["claimed"]),
        ("processing", ["claimed"]),
        ("completed", ["completed"]),
        ("failed", ["failed"]),
        ("cancelled", ["cancelled"]),
    ],
)
def test_by_status(api: Api, statuses: dict[str, int], status: str, expected: list[str]) -> None:
    assert listed(api, status=status) == [statuses[name] for name in expected]


def test_by_worker(api: Api, statuses: dict[str, int]) -> None:
    own = api.claimed("other", worker_id="worker two 🎉")["id"]
    assert listed(api, worker_id="worker two 🎉") == [own]
    shown = [statuses[name] for name in ("claimed", "failed", "completed")]
    assert listed(api, worker_id="w1") == shown
    assert listed(api, worker_id="W1") == []
    assert listed(api, worker_id="w%") == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("mail.send", {"mail.send"}),
        ("mail.%", {"mail.send", "mail.read"}),
        ("%.send", {"mail.send", "fax.send"}),
        ("%", {"mail.send", "mail.read", "fax.send", "50%"}),
        ("MAIL.%", set()),
        ("Mail.send", set()),
        ("mail", set()),
        ("%' OR '1'='1", set()),
        ("no.such", set()),
    ],
)
def test_by_type(api: Api, pattern: str, expected: set[str]) -> None:
    for name in ("mail.send", "mail.read", "fax.send", "50%"):
        api.register(name)
        api.create(name)
    tasks = api.get("/tasks", type=pattern).data["tasks"]
    assert {task["type"] for task in tasks} == expected
    assert len(tasks) == len(expected)


TAGS = ["red", "Red", "redder", 'a"b', "b", "ünï 🎉", "50%", "under_score", "back\\slash", "x,y"]


@pytest.mark.parametrize("tag", TAGS)
def test_by_tag(api: Api, tag: str) -> None:
    api.register("job")
    ids = {each: api.create("job", tags=[each])["id"] for each in TAGS}
    both = api.create("job", tags=["first", tag, "last"])["id"]
    assert listed(api, tag=tag) == [both, ids[tag]]


@pytest.mark.parametrize("tag", ["re", "r%", "r_d", "green", "RED", "[", '"red"', ","])
def test_by_a_tag_that_nothing_has(api: Api, tag: str) -> None:
    api.register("job")
    api.create("job", tags=["red", "blue"])
    assert listed(api, tag=tag) == []


def test_by_time(api: Api) -> None:
    ids = many(api, 4)
    for hour, task_id in enumerate(reversed(ids)):
        stored = f"2026-01-31 {hour:02}:00:00.000"
        api.sql("UPDATE tasks SET created_at = :at WHERE id = :id", at=stored, id=task_id)
    # Created at 03:00, 02:00, 01:00 and 00:00.
    assert listed(api, created_after="2026-01-31T01:30:00Z") == ids[:2]
    assert listed(api, created_before="2026-01-31T01:30:00Z") == ids[2:]
    window = {"created_after": "2026-01-31T00:30:00Z", "created_before": "2026-01-31T02:30:00Z"}
    assert listed(api, **window) == ids[1:3]
    assert listed(api, created_after="2026-01-31T03:30:00+02:00") == ids[:2]
    assert listed(api, created_after="2026-01-31") == ids[:3]
    assert listed(api, created_after="2026-01-31T02:59:59.999Z") == ids[:1]
    assert listed(api, created_after="2099-01-01T00:00:00Z") == []


def created_at(api: Api, times: dict[int, str]) -> None:
    """Have tasks created at these times, as the clock of the database had it."""
    for task_id, at in times.items():
        api.sql("UPDATE tasks SET created_at = :at WHERE id = :id", at=at, id=task_id)


def test_by_time_where_ids_are_missing(api: Api) -> None:
    ids = many(api, 40)[::-1]
    for hole in ids[3:30] + ids[33:35]:
        api.post(f"/tasks/{hole}/delete")
    left = ids[:3] + ids[30:33] + ids[35:]
    created_at(api, {each: f"2026-01-{day + 1:02} 12:00:00.000" for day, each in enumerate(left)})
    for day in range(len(left) + 1):
        morning = f"2026-01-{day + 1:02}T06:00:00Z"
        assert listed(api, created_after=morning) == left[day:][::-1]
        assert listed(api, created_before=morning) == left[:day][::-1]


def test_by_time_when_the_clock_was_set_back(api: Api) -> None:
    ids = many(api, 40)[::-1]
    minutes = [*range(0, 60, 3), *range(0, 60, 3)]
    times = [f"2026-01-31 12:{minute:02}:00.000" for minute in minutes]
    created_at(api, dict(zip(ids, times)))
    found = [each for each, minute in zip(ids, minutes) if minute > 30]
    assert listed(api, created_after="2026-01-31T12:30:00Z") == found[::-1]
    found = [each for each, minute in zip(ids, minutes) if minute < 30]
    assert listed(api, created_before="2026-01-31T12:30:00Z") == found[::-1]


def test_by_time_when_ids_were_not_given_in_order(api: Api) -> None:
    """Tables can be filled by other programs, the newest first."""
    ids = many(api, 28)
    times = [f"2026-01-{day + 1:02} 12:00:00.000" for day in range(28)]
    created_at(api, dict(zip(ids, times)))
    assert listed(api, created_after="2026-01-20T12:00:00Z") == ids[20:]
    assert listed(api, created_before="2026-01-20T12:00:00Z") == ids[:19]
    both = {"created_after": "2026-01-10", "created_before": "2026-01-20"}
    assert listed(api, **both) == ids[9:19]


def test_by_a_pattern_of_very_many_types(api: Api) -> None:
    ids = []
    for n in range(130):
        api.register(f"kind.{n}")
    for n in (*range(120), 5, 7):
        ids.append(api.create(f"kind.{n}", {"n": len(ids)}, tags=["t"])["id"])
    api.register("other")
    other = api.create("other", tags=["t"])["id"]
    ids.reverse()
    assert listed(api)[0] == other
    assert listed(api, type="kind.%") == ids[:50]
    assert listed(api, type="kind.%", limit="100") == ids[:100]
    assert listed(api, type="kind.%", limit="100", offset="100") == ids[100:]
    assert listed(api, type="kind.%", status="pending", limit="10") == ids[:10]
    assert listed(api, type="kind.%", status="failed") == []
    assert listed(api, type="kind.%", tag="t", limit="10", before_id=str(ids[9])) == ids[10:20]
    assert listed(api, type="kind.%", created_after="2020-01-01", limit="7") == ids[:7]
    assert listed(api, type="kind.%", limit="100", before_id=str(ids[60])) == ids[61:]
    assert listed(api, type="%%") == [other, *ids[:49]]


def test_a_tag_given_twice(api: Api) -> None:
    api.register("job")
    own = api.create("job", tags=["t", "t"])["id"]
    assert listed(api, tag="t") == [own]


def test_tags_of_tasks_that_were_created_together(api: Api) -> None:
    api.register("job")
    tags = [["a"], ["b", "a"], [], ["ab"], ["b"]]
    tasks = [{"type": "job", "params": {"n": n}, "tags": each} for n, each in enumerate(tags)]
    ids = [each["id"] for each in api.post("/tasks", {"tasks": tasks}).data["tasks"]]
    assert listed(api, tag="a") == [ids[1], ids[0]]
    assert listed(api, tag="b") == [ids[4], ids[1]]
    assert listed(api, tag="ab") == [ids[3]]


def test_a_deleted_task_leaves_no_tags(api: Api) -> None:
    api.register("job")
    ids = [api.create("job", {"n": n}, tags=["t", str(n)])["id"] for n in range(2)]
    api.post(f"/tasks/{ids[1]}/delete")
    assert listed(api, tag="t") == ids[:1]
    assert listed(api, tag="1") == []


def test_all_filters_together(api: Api, statuses: dict[str, int]) -> None:
    api.register("other")
    wanted = api.create("other", tags=["x"])["id"]
    api.create("other", tags=["y"])
    api.create("job", tags=["x"])
    assert listed(api, status="pending", type="oth%", tag="x") == [wanted]
    assert listed(api, status="failed", type="oth%", tag="x") == []


def test_pages_by_offset(api: Api) -> None:
    ids = many(api, 7)
    pages = [listed(api, limit="3", offset=str(offset)) for offset in (0, 3, 6, 9)]
    assert pages == [ids[:3], ids[3:6], ids[6:], []]
    data = api.get("/tasks", limit="3", offset="3").data
    assert (data["limit"], data["offset"], data["count"]) == (3, 3, 3)


def test_pages_by_the_last_id(api: Api) -> None:
    ids = many(api, 7)
    found: list[int] = []
    query: dict[str, str] = {"limit": "3"}
    for _ in range(10):
        data = api.get("/tasks", **query).data
        found += [task["id"] for task in data["tasks"]]
        if data["next_before_id"] is None:
            break
        query["before_id"] = str(data["next_before_id"])
    assert found == ids
    assert data["next_before_id"] is None


def test_pages_by_the_last_id_stand_still_while_tasks_come(api: Api) -> None:
    ids = many(api, 4)
    first = api.get("/tasks", limit="2").data
    api.create("job")
    assert listed(api, limit="2", before_id=str(first["next_before_id"])) == ids[2:]


def test_pages_of_a_filtered_list(api: Api) -> None:
    many(api, 3)
    tagged = [api.create("job", tags=["t"])["id"] for _ in range(5)][::-1]
    first = api.get("/tasks", tag="t", limit="3").data
    assert [task["id"] for task in first["tasks"]] == tagged[:3]
    assert listed(api, tag="t", limit="3", before_id=str(first["next_before_id"])) == tagged[3:]


def test_the_default_length(api: Api) -> None:
    ids = many(api, 60)
    assert listed(api) == ids[:50]


def test_a_length_over_the_most_is_lowered_and_said_so(api: Api) -> None:
    ids = many(api, 105)
    response = api.get("/tasks", limit="500")
    assert [task["id"] for task in response.data["tasks"]] == ids[:100]
    assert response.data["limit"] == 100
    assert response.data["next_before_id"] == ids[99]
    assert len(response.warnings) == 1
    assert "500" in response.warnings[0]
    assert "100" in response.warnings[0]


def test_the_most_is_not_warned_of(api: Api) -> None:
    many(api, 1)
    assert api.get("/tasks", limit="100").warnings == []


def test_the_greatest_numbers(api: Api) -> None:
    ids = many(api, 2)
    most = str(2**63 - 1)
    assert listed(api, offset=most) == []
    assert listed(api, before_id=most) == ids
    assert listed(api, limit=most) == ids


def test_unknown_parameters_are_named(api: Api) -> None:
    response = api.get("/tasks", stauts="failed")
    assert response.status == 200
    assert response.warnings == ["unknown field 'stauts' was ignored"]


def test_empty_parameters_are_not_given(api: Api) -> None:
    ids = many(api, 2)
    names = ("status", "type", "tag", "worker_id", "created_after", "limit", "before_id")
    query: dict[str, Any] = dict.fromkeys(names, "")
    assert listed(api, **query) == ids
