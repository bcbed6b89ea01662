"""POST /tasks/settle: a batch of outcomes, each of which stands or is refused for itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import TIME, Api


def claimed(api: Api, count: int, worker_id: str = "w1") -> list[int]:
    api.register("job")
    for _ in range(count):
        api.create("job")
    return [task["id"] for task in api.claim(worker_id, limit=count)]


def settle(api: Api, outcomes: list[Any], **body: Any) -> Any:
    response = api.post("/tasks/settle", {"worker_id": "w1", "outcomes": outcomes, **body})
    assert response.status == 200, response
    return response.data["settled"]


def test_each_in_its_own_way(api: Api) -> None:
    ids = claimed(api, 5)
    outcomes = [
        {"id": ids[0], "attempt": 1, "success": True, "result": {"n": 0}},
        {"id": ids[1], "attempt": 1, "success": False, "error": "later", "delay": 60},
        {"id": ids[2], "attempt": 1, "success": False, "error": "never", "retry": False},
        {"id": ids[3], "attempt": 1},
        {"id": ids[4], "success": False, "error": {"code": 5}, "stack": "at x"},
    ]
    settled = settle(api, outcomes)
    assert [each["id"] for each in settled] == ids
    statuses = ["completed", "pending", "failed", "completed", "pending"]
    assert [each["status"] for each in settled] == statuses
    assert settled[0] == {"id": ids[0], "status": "completed"}
    assert settled[1]["will_retry"] is True
    assert TIME.fullmatch(settled[1]["run_at"])
    assert settled[2] == {"id": ids[2], "status": "failed", "will_retry": False, "run_at": None}
    tasks = [api.task(each) for each in ids]
    assert [task["status"] for task in tasks] == statuses
    assert tasks[0]["result"] == {"n": 0}
    assert tasks[2]["error_message"] == "never"
    assert tasks[4]["error_traceback"] == "at x"


def test_responses_in_the_order_sent(api: Api) -> None:
    ids = claimed(api, 10)
    mixed = [ids[each] for each in (7, 2, 9, 0, 5, 1, 8, 3, 6, 4)]
    assert [each["id"] for each in settle(api, [{"id": each} for each in mixed])] == mixed


def test_a_hundred_at_once(api: Api) -> None:
    ids = claimed(api, 100)
    settled = settle(api, [{"id": each, "attempt": 1, "result": each} for each in ids])
    assert {each["status"] for each in settled} == {"completed"}
    assert api.task(ids[99])["result"] == ids[99]


def test_more_than_a_hundred(api: Api) -> None:
    ids = claimed(api, 2)
    with api.unchanged():
        response = api.post("/tasks/settle", {"outcomes": [{"id": ids[0]}] * 101})
    assert response.code == "validation_failed"
    assert response.paths == ["outcomes"]


def test_none_at_all(api: Api) -> None:
    response = api.post("/tasks/settle", {"worker_id": "w1", "outcomes": []})
    assert response.status == 200
    assert response.data == {"settled": []}


def test_none_at_all_with_a_claim(api: Api) -> None:
    api.register("job")
    task = api.create("job")
    response = api.post("/tasks/settle", {"worker_id": "w1", "outcomes": [], "claim": {"limit": 5}})
    assert response.data["settled"] == []
    assert [each["id"] for each in response.data["tasks"]] == [task["id"]]


def test_a_refused_one_does_not_spoil_the_rest(api: Api) -> None:
    ids = claimed(api, 5)
    api.post(f"/tasks/{ids[1]}/release")
    api.make_due(ids[2])
    assert api.claim("w2", sort_by="id", sort_order="desc")["id"] == ids[2]
    before = [api.row(ids[1]), api.row(ids[2])]
    outcomes = [{"id": each, "attempt": 1} for each in (*ids[:4], 999_999_999)]
    settled = settle(api, [*outcomes, {"id": ids[4], "attempt": 1, "worker_id": "w3"}])
    codes = [each.get("code") for each in settled]
    assert codes == [None, "not_claimed", "lease_lost", None, "not_found", "not_owner"]
    for each in settled:
        assert set(each) == ({"id", "code", "error"} if each.get("code") else {"id", "status"})
    assert settled[4]["id"] == 999_999_999
    assert [api.row(ids[1]), api.row(ids[2])] == before
    assert api.task(ids[0])["status"] == api.task(ids[3])["status"] == "completed"
    assert api.task(ids[4])["status"] == "claimed"


def test_a_second_time(api: Api) -> None:
    ids = claimed(api, 3)
    outcomes = [
        {"id": ids[0], "attempt": 1, "result": 5},
        {"id": ids[1], "attempt": 1, "success": False, "error": "x"},
        {"id": ids[2], "attempt": 1, "success": False, "error": "x", "retry": False},
    ]
    first = settle(api, outcomes)
    with api.unchanged():
        assert settle(api, outcomes) == first


def test_the_same_task_twice_in_one_batch(api: Api) -> None:
    ids = claimed(api, 2)
    same = {"id": ids[0], "attempt": 1, "result": 1}
    other = [{"id": ids[1], "attempt": 1}, {"id": ids[1], "attempt": 1, "success": False}]
    settled = settle(api, [same, same, *other])
    assert settled[0] == settled[1] == {"id": ids[0], "status": "completed"}
    assert settled[2]["status"] == "completed"
    assert settled[3]["code"] == "not_claimed"
    assert [line["status"] for line in api.history(ids[0])] == ["pending", "claimed", "completed"]


def test_each_may_name_its_worker(api: Api) -> None:
    first, second = claimed(api, 1, "w1")[0], claimed(api, 1, "w2")[0]
    settled = settle(api, [{"id": first}, {"id": second, "worker_id": "w2"}])
    assert [each["status"] for each in settled] == ["completed"] * 2


def test_the_worker_may_be_left_out(api: Api) -> None:
    ids = claimed(api, 2)
    body = {"outcomes": [{"id": each} for each in ids]}
    settled = api.post("/tasks/settle", body).data["settled"]
    assert [each["status"] for each in settled] == ["completed"] * 2


BAD: dict[str, tuple[Any, list[str]]] = {
    "number": (5, ["outcomes[1]"]),
    "null": (None, ["outcomes[1]"]),
    "list": ([], ["outcomes[1]"]),
    "no id": ({"attempt": 1}, ["outcomes[1].id"]),
    "id as text": ({"id": "1"}, ["outcomes[1].id"]),
    "id zero": ({"id": 0}, ["outcomes[1].id"]),
    "id too large": ({"id": 2**63}, ["outcomes[1].id"]),
    "success as text": ({"id": 1, "success": "false"}, ["outcomes[1].success"]),
    "retry as number": ({"id": 1, "retry": 0}, ["outcomes[1].retry"]),
    "two errors": ({"id": -1, "attempt": "1"}, ["outcomes[1].attempt", "outcomes[1].id"]),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_outcome_settles_nothing(api: Api, name: str) -> None:
    outcome, paths = BAD[name]
    ids = claimed(api, 2)
    with api.unchanged():
        response = api.post(
            "/tasks/settle", {"outcomes": [{"id": ids[0]}, outcome, {"id": ids[1]}]}
        )
    assert response.code == "validation_failed"
    assert sorted(response.paths) == paths


def test_a_result_too_large_settles_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "max_result_bytes", 100)
    ids = claimed(api, 2)
    outcomes = [{"id": ids[0]}, {"id": ids[1], "result": "x" * 200}]
    with api.unchanged():
        response = api.post("/tasks/settle", {"outcomes": outcomes})
    assert response.code == "too_large"
    assert "outcomes[1]" in response.error


def test_large_results_travel_together(api: Api) -> None:
    ids = claimed(api, 4)
    outcomes = [{"id": each, "result": f"{each}" * 40_000} for each in ids]
    settle(api, outcomes)
    for each in ids:
        assert api.task(each)["result"] == f"{each}" * 40_000


def test_unknown_fields_are_named_with_their_place(api: Api) -> None:
    ids = claimed(api, 1)
    body = {"outcomes": [{"id": ids[0], "sucess": False}], "worker": "w1"}
    response = api.post("/tasks/settle", body)
    assert sorted(response.warnings) == [
        "unknown field 'outcomes[0].sucess' was ignored",
        "unknown field 'worker' was ignored",
    ]


def test_some_are_released(api: Api) -> None:
    ids = claimed(api, 3)
    outcomes = [
        {"id": ids[0], "attempt": 1, "release": True},
        {"id": ids[1], "attempt": 1, "result": "done"},
        {"id": ids[2], "attempt": 1, "release": True, "delay": 60},
    ]
    settled = settle(api, outcomes)
    assert settled[0] == {"id": ids[0], "status": "pending", "run_at": None}
    assert settled[1] == {"id": ids[1], "status": "completed"}
    assert settled[2]["status"] == "pending"
    assert TIME.fullmatch(settled[2]["run_at"])
    assert [api.task(each)["attempts"] for each in ids] == [1, 1, 1]
    assert [each["id"] for each in api.claim("w2", limit=5)] == [ids[0]]


def test_what_is_not_held_is_not_released(api: Api) -> None:
    mine, theirs = claimed(api, 1) + claimed(api, 1, "w2")
    with api.unchanged():
        refused = settle(api, [{"id": theirs, "attempt": 1, "release": True}])[0]
        stale = settle(api, [{"id": mine, "attempt": 9, "release": True}])[0]
    assert (refused["code"], stale["code"]) == ("not_owner", "lease_lost")
