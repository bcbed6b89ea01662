"""POST /tasks/retry, /tasks/cancel and /tasks/delete: many tasks in one call."""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import bulk, bulk_tasks, list_count
from tests.api.caller import Api
from tests.api.keys import headers_of, key_with
from tests.support.http_client import Response

ACTIONS = ["retry", "cancel", "delete"]

NOTHING_DONE = {"changed": 0, "skipped": 0, "reasons": []}


def change(api: Api, action: str, **body: Any) -> Response:
    return api.post(f"/tasks/{action}", body)


def changed(api: Api, action: str, **body: Any) -> Any:
    """The response's data."""
    response = change(api, action, **body)
    assert response.status == 200, response
    return response.data


def pending(api: Api, count: int, type: str = "job", **options: Any) -> list[int]:
    api.register(type)
    made = api.post(
        "/tasks", {"tasks": [{"type": type, "params": {}, "dedupe": False, **options}] * count}
    )
    return [task["id"] for task in made.data["tasks"]]


def ended(api: Api, status: str, count: int, type: str = "job", **options: Any) -> list[int]:
    ids = pending(api, count, type, **options)
    for task in api.claim("w1", limit=100, task_types=[type]):
        how = {"completed": ("complete", {}), "failed": ("fail", {"retry": False})}
        call, body = how[status]
        assert api.post(f"/tasks/{task['id']}/{call}", {"worker_id": "w1", **body}).status == 200
    assert {api.task(each)["status"] for each in ids} == {status}
    return ids


def statuses(api: Api, ids: list[int]) -> list[str | None]:
    return [api.get(f"/tasks/{each}").json.get("data", {}).get("status") for each in ids]


def test_failed_tasks_are_retried(api: Api) -> None:
    ids = ended(api, "failed", 3)
    others = ended(api, "completed", 2, "other")
    data = changed(api, "retry", filter={"status": "failed"})
    assert data == {
        **NOTHING_DONE,
        "dry_run": False,
        "matched": 3,
        "matched_is_capped": False,
        "changed": 3,
        "remaining": 0,
        "remaining_is_capped": False,
        "next_before_id": None,
    }
    assert statuses(api, ids) == ["pending"] * 3
    assert statuses(api, others) == ["completed"] * 2


def test_waiting_tasks_are_cancelled(api: Api) -> None:
    ids = pending(api, 3) + pending(api, 1, delay=500)
    assert changed(api, "cancel", filter={"status": "pending"})["changed"] == 4
    assert statuses(api, ids) == ["cancelled"] * 4


def test_workers_of_claimed_tasks_are_asked_to_stop(api: Api) -> None:
    task = api.claimed()
    data = changed(api, "cancel", filter={"type": "job"})
    assert (data["matched"], data["changed"], data["remaining"]) == (1, 1, 0)
    assert api.task(task["id"])["cancel_requested"] is True
    assert api.task(task["id"])["status"] == "claimed"
    with api.unchanged():
        again = changed(api, "cancel", filter={"type": "job"})
    assert (again["matched"], again["changed"], again["skipped"]) == (0, 0, 0)


def test_ended_tasks_are_deleted_with_all_that_is_theirs(api: Api) -> None:
    ids = ended(api, "completed", 3, tags=["t"])
    kept = pending(api, 1, "other", tags=["t"])
    data = changed(api, "delete", filter={"status": "completed"})
    assert (data["matched"], data["changed"], data["remaining"]) == (3, 3, 0)
    assert statuses(api, ids) == [None] * 3
    assert {row["task_id"] for row in api.sql("SELECT task_id FROM task_history")} == set(kept)
    assert {row["task_id"] for row in api.sql("SELECT task_id FROM task_tags")} == set(kept)


def test_claimed_tasks_are_not_deleted(api: Api) -> None:
    waiting = pending(api, 2)
    claimed = api.claim()["id"]
    data = changed(api, "delete", filter={"type": "job"})
    assert (data["matched"], data["changed"], data["remaining"]) == (1, 1, 0)
    assert statuses(api, [claimed]) == ["claimed"]
    assert statuses(api, [each for each in waiting if each != claimed]) == [None]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_single_call_and_one_of_many_do_the_same(api: Api, action: str) -> None:
    """To the task, its history and its tags, but for ids, times and marks."""
    seen = []
    for is_single in (True, False):
        api.clear()
        task = api.claimed(max_attempts=2, tags=["a"])
        task_id = task["id"]
        api.post(f"/tasks/{task_id}/fail", {"error": "x", "delay": 500})
        if is_single:
            assert api.post(f"/tasks/{task_id}/{action}").status == 200
        else:
            assert changed(api, action, ids=[task_id])["changed"] == 1
        rows = api.sql("SELECT * FROM tasks") + api.sql("SELECT * FROM task_history ORDER BY id")
        for row in rows:
            for name in [each for each in row if each.endswith(("id", "_at", "seconds", "waited"))]:
                row[name] = row[name] is None
        seen.append((rows, api.sql("SELECT tag FROM task_tags")))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_dry_run_changes_nothing(api: Api, action: str) -> None:
    ended(api, "failed", 2)
    pending(api, 3)
    expected = {"retry": 2, "cancel": 3, "delete": 5}[action]
    with api.unchanged():
        response = change(api, action, filter={"type": "job"}, dry_run=True)
    assert response.data == {
        **NOTHING_DONE,
        "dry_run": True,
        "matched": expected,
        "matched_is_capped": False,
        "remaining": expected,
        "remaining_is_capped": False,
        "next_before_id": None,
    }
    assert f"{expected} tasks would be" in response.json["message"]


def test_ids_with_reasons_for_those_left_out(api: Api) -> None:
    failed, completed = ended(api, "failed", 1), ended(api, "completed", 1)
    data = changed(api, "retry", ids=[*failed, *completed, 999_999_999, *failed])
    assert (data["matched"], data["changed"], data["skipped"]) == (1, 1, 2)
    reasons = {each["id"]: each for each in data["reasons"]}
    assert reasons[completed[0]]["code"] == "conflict"
    assert "completed" in reasons[completed[0]]["error"]
    assert reasons[999_999_999]["code"] == "not_found"


def test_reasons_are_cut_and_the_number_is_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST_REASONS", 2)
    monkeypatch.setattr(bulk, "BATCH", 2)
    data = changed(api, "delete", ids=[91, 92, 93, 94, 95])
    assert data["skipped"] == 5
    assert [each["id"] for each in data["reasons"]] == [95, 94]


@pytest.mark.parametrize("action", ACTIONS)
def test_no_ids(api: Api, action: str) -> None:
    with api.unchanged():
        assert changed(api, action, ids=[])["matched"] == 0


FILTERS: dict[str, dict[str, Any]] = {
    "status": {"status": "failed"},
    "type": {"type": "mail"},
    "pattern": {"type": "ma%"},
    "tag": {"tag": "a"},
    "worker": {"worker_id": "w1"},
    "created": {"created_after": "2020-01-01", "created_before": "2100-01-01"},
    "two": {"type": "mail", "status": "failed"},
    "none": {"tag": "none"},
    "no type": {"type": "none"},
    "all": {"type": "%"},
    "claimed": {"status": "processing"},
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_filter_means_what_it_means_in_lists(api: Api, action: str, name: str) -> None:
    ended(api, "failed", 2, "mail", tags=["a"])
    ended(api, "completed", 2, "other", tags=["a", "b"])
    pending(api, 2, "mail", tags=["a"])
    pending(api, 1, "mail", delay=500)
    api.claim("w1", task_types=["mail"])
    applies = {
        "retry": lambda task: task["status"] == "failed" or task["run_at"],
        "cancel": lambda task: task["status"] in ("pending", "claimed"),
        "delete": lambda task: task["status"] != "claimed",
    }[action]
    listed = api.get("/tasks", limit="100", **FILTERS[name]).data["tasks"]
    expected = {task["id"] for task in listed if applies(task)}
    before = {row["id"]: row for row in api.sql("SELECT * FROM tasks")}
    assert changed(api, action, filter=FILTERS[name], dry_run=True)["matched"] == len(expected)
    data = changed(api, action, filter=FILTERS[name])
    after = {row["id"]: row for row in api.sql("SELECT * FROM tasks")}
    assert {each for each in before if before[each] != after.get(each)} == expected
    assert (data["changed"], data["remaining"]) == (len(expected), 0)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_loop_with_a_limit(api: Api, action: str) -> None:
    ids = ended(api, "failed", 7) if action == "retry" else pending(api, 7)
    body: dict[str, Any] = {"filter": {"type": "job"}, "limit": 3}
    seen = []
    while True:
        data = changed(api, action, **body)
        seen.append((data["matched"], data["changed"], data["remaining"]))
        if not data["remaining"]:
            break
    assert seen == [(7, 3, 4), (4, 3, 1), (1, 1, 0)]
    assert len(set(statuses(api, ids))) == 1


def test_a_loop_of_ids(api: Api) -> None:
    ids = pending(api, 5)
    first = changed(api, "cancel", ids=ids, limit=3)
    assert (first["changed"], first["remaining"], first["next_before_id"]) == (3, 2, ids[2])
    second = changed(api, "cancel", ids=ids, limit=3, before_id=first["next_before_id"])
    assert (second["matched"], second["changed"], second["remaining"]) == (2, 2, 0)


def test_a_loop_with_before_id_sees_each_task_once(api: Api) -> None:
    """Also when tasks fail again as fast as they are retried."""
    ids = ended(api, "failed", 5)
    before_id = None
    calls = 0
    while True:
        data = changed(api, "retry", filter={"type": "job"}, limit=2, before_id=before_id)
        calls += 1
        for task in api.claim("w1", limit=100):
            api.post(f"/tasks/{task['id']}/fail", {"retry": False})
        before_id = data["next_before_id"]
        if not data["remaining"]:
            break
    assert calls == 3
    assert [api.task(each)["attempts"] for each in ids] == [2] * 5


def test_counts_are_capped(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    pending(api, 5)
    monkeypatch.setattr(bulk_tasks, "MOST_COUNTED", 3)
    data = changed(api, "cancel", filter={"type": "job"}, limit=1)
    assert (data["matched"], data["matched_is_capped"]) == (3, True)
    assert (data["remaining"], data["remaining_is_capped"]) == (3, True)
    data = changed(api, "cancel", filter={"type": "job"}, limit=1)
    assert (data["remaining"], data["remaining_is_capped"]) == (3, False)


def test_counts_that_have_no_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """They say at least so many: one of each of the three statuses is read, then two more."""
    pending(api, 5)
    monkeypatch.setattr(list_count, "COUNT_SECONDS", 0)
    monkeypatch.setattr(list_count, "SURELY_READ", 2)
    data = changed(api, "cancel", filter={"created_after": "2020-01-01"}, limit=1)
    assert (data["matched"], data["matched_is_capped"]) == (3, True)
    assert (data["remaining"], data["remaining_is_capped"]) == (3, True)
    data = changed(api, "delete", filter={"status": "cancelled", "created_after": "2020-01-01"})
    assert (data["matched"], data["matched_is_capped"], data["remaining"]) == (1, False, 0)


def test_a_call_ends_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch is always done, and no other is begun when half of the time is over."""
    pending(api, 5)
    monkeypatch.setattr(bulk, "BATCH", 2)
    monkeypatch.setattr(api.site.db, "seconds_left", iter([10, 6, 4]).__next__)
    data = changed(api, "cancel", filter={"type": "job"})
    assert (data["matched"], data["changed"], data["remaining"]) == (5, 4, 1)


# Dedupe keys


def superseded(api: Api) -> tuple[int, int]:
    """A task that has ended, and a newer one that took its key."""
    api.register("job")
    first = api.create("job", {}, dedupe_key="k")["id"]
    api.post(f"/tasks/{first}/cancel")
    second = api.create("job", {}, dedupe_key="k", dedupe="active")["id"]
    assert second != first
    return first, second


def test_a_task_whose_key_is_in_use_is_left_out(api: Api) -> None:
    first, second = superseded(api)
    others = ended(api, "failed", 2, "other")
    data = changed(api, "retry", filter={"type": "%"})
    assert (data["matched"], data["changed"], data["skipped"], data["remaining"]) == (3, 2, 1, 0)
    (reason,) = data["reasons"]
    assert (reason["id"], reason["code"]) == (first, "conflict")
    assert "newer task" in reason["error"]
    assert statuses(api, [first, second, *others]) == ["cancelled", *["pending"] * 3]


def test_tasks_that_are_left_out_do_not_hold_up_the_others(api: Api) -> None:
    older = ended(api, "failed", 3, "other")
    superseded(api)
    calls = []
    for _ in range(3):
        data = changed(api, "retry", filter={"type": "%"}, limit=1)
        calls.append((data["changed"], data["skipped"]))
    assert calls == [(1, 1)] * 3
    assert statuses(api, older) == ["pending"] * 3


def test_a_key_is_taken_back(api: Api) -> None:
    first, second = superseded(api)
    api.post(f"/tasks/{second}/cancel")
    assert changed(api, "retry", ids=[first])["changed"] == 1
    assert api.row(first)["dedupe_key"] == "k"
    assert api.row(second)["dedupe_key"] is None
    assert changed(api, "retry", ids=[second])["skipped"] == 1


def test_of_several_with_one_key_the_one_that_has_it_is_retried(api: Api) -> None:
    first, second = superseded(api)
    api.post(f"/tasks/{second}/cancel")
    third = api.create("job", {}, dedupe_key="k", dedupe="active")["id"]
    api.post(f"/tasks/{third}/cancel")
    data = changed(api, "retry", filter={"type": "job"})
    assert (data["changed"], data["skipped"]) == (1, 2)
    assert statuses(api, [first, second, third]) == ["cancelled", "cancelled", "pending"]


def test_of_several_that_gave_the_key_up_the_newest_takes_it(api: Api) -> None:
    first, second = superseded(api)
    api.post(f"/tasks/{second}/cancel")
    third = api.create("job", {}, dedupe_key="k", dedupe="active")["id"]
    assert api.claim()["id"] == third
    api.post(f"/tasks/{third}/complete")
    data = changed(api, "retry", filter={"type": "job"})
    assert (data["changed"], data["skipped"]) == (1, 1)
    assert statuses(api, [first, second, third]) == ["cancelled", "pending", "completed"]


# Which tasks are meant


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filter": {}},
        {"filter": []},
        {"filter": {"status": None}},
        {"ids": [1], "filter": {"status": "failed"}},
        {"dry_run": True},
        {"limit": 5},
    ],
    ids=str,
)
def test_it_must_be_clear_which_tasks_are_meant(
    api: Api, action: str, body: dict[str, Any]
) -> None:
    pending(api, 1)
    with api.unchanged():
        response = change(api, action, **body)
    assert response.code == "validation_failed"
    assert response.paths == ["filter"]


@pytest.mark.parametrize("action", ACTIONS)
def test_an_unknown_filter_is_refused(api: Api, action: str) -> None:
    """Ignored, it would let more tasks through than were meant."""
    pending(api, 1)
    with api.unchanged():
        response = change(api, action, filter={"type": "job", "worker": "w7"})
    assert response.code == "validation_failed"
    assert response.paths == ["filter.worker"]
    assert "worker_id" in response.error


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("by", ["ids", "filter"])
def test_a_key_for_some_types_changes_no_others(api: Api, action: str, by: str) -> None:
    made = ended if action == "retry" else lambda *args: pending(args[0], *args[2:])
    own, others = made(api, "failed", 2, "mail.send"), made(api, "failed", 2, "other")
    headers = headers_of(key_with(api, ["admin"], ["mail.%"]))
    before = {each: api.row(each) for each in others}
    body = {"ids": own + others} if by == "ids" else {"filter": {"type": "%"}}
    data = api.call("POST", f"/tasks/{action}", body, headers=headers).data
    skipped = 2 if by == "ids" else 0
    assert (data["matched"], data["changed"], data["skipped"]) == (2, 2, skipped)
    assert {each["code"] for each in data["reasons"]} <= {"not_found"}
    assert {each: api.row(each) for each in others} == before


@pytest.mark.parametrize("action", ACTIONS)
def test_the_audit_log_has_a_line(api: Api, action: str) -> None:
    ended(api, "failed", 2)
    pending(api, 2)
    changed(api, action, filter={"type": "job"}, dry_run=True)
    changed(api, action, filter={"type": "none"})
    lines = "tasks." + action
    assert api.get("/audit", action=lines).data["entries"] == []
    count = changed(api, action, filter={"type": "job"})["changed"]
    (entry,) = api.get("/audit", action=lines).data["entries"]
    assert (entry["target"], entry["actor"]) == (None, "root key")
    assert entry["detail"]["count"] == count
    assert entry["detail"]["filter"] == {"type": "job"}


def failures(api: Api, *errors: str) -> list[int]:
    """A failed task for each error, the oldest first."""
    ids = pending(api, len(errors), tags=["t"])
    for task, error in zip(api.claim("w1", limit=100), errors):
        body = {"worker_id": "w1", "error": error, "retry": False}
        api.post(f"/tasks/{task['id']}/fail", body)
    return ids


def test_an_error_group(api: Api) -> None:
    ids = failures(api, "no such user 7", "timeout", "no such user 8")
    groups = {each["count"]: each["error_group"] for each in api.get("/failures").data["failures"]}
    by_group = {"error_group": groups[2]}
    listed = api.get("/tasks", error_group=str(groups[2])).data["tasks"]
    assert [task["id"] for task in listed] == [ids[2], ids[0]]
    data = changed(api, "retry", filter=by_group)
    assert (data["matched"], data["changed"], data["remaining"]) == (2, 2, 0)
    assert statuses(api, ids) == ["pending", "failed", "pending"]
    assert changed(api, "delete", filter=by_group)["matched"] == 0
    assert api.get("/tasks", error_group=str(groups[2]), status="pending").data["count"] == 0


@pytest.mark.parametrize(
    "others",
    [{"type": "job"}, {"tag": "t"}, {"worker_id": "w1"}, {"tag": "t", "worker_id": "w1"}],
    ids=str,
)
def test_an_error_group_and_other_filters(api: Api, others: dict[str, str]) -> None:
    ids = failures(api, "a", "b", "a")
    groups = {each["count"]: each["error_group"] for each in api.get("/failures").data["failures"]}
    query = {"error_group": str(groups[2]), "status": "failed", **others}
    listed = api.get("/tasks", **query).data["tasks"]
    assert [task["id"] for task in listed] == [ids[2], ids[0]]
    none = dict.fromkeys(others, "none")
    assert api.get("/tasks", error_group=str(groups[2]), **none).data["count"] == 0
