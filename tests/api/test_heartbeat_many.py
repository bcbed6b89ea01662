"""POST /tasks/heartbeat: every held task kept in one call, each of them for itself."""

from __future__ import annotations

from typing import Any

from tests.api.caller import Api, seconds_between


def claimed(api: Api, count: int, worker_id: str = "w1", lease: float = 60) -> list[int]:
    api.register("job")
    for _ in range(count):
        api.create("job")
    return [task["id"] for task in api.claim(worker_id, limit=count, lease=lease)]


def heartbeat(api: Api, tasks: list[Any], worker_id: str = "w1") -> Any:
    response = api.post("/tasks/heartbeat", {"worker_id": worker_id, "tasks": tasks})
    assert response.status == 200, response
    return response.data["tasks"]


def test_every_lease_starts_again(api: Api) -> None:
    ids = claimed(api, 3)
    api.sql(f"UPDATE tasks SET due_at = {api.site.db.dialect.after('5')}")
    before = {each: api.task(each)["lease_expires_at"] for each in ids}
    kept = heartbeat(api, [{"id": each, "attempt": 1} for each in ids])
    for each, response in zip(ids, kept):
        assert response == {
            "id": each,
            "lease": 60,
            "lease_expires_at": api.task(each)["lease_expires_at"],
            "cancel_requested": False,
        }
        assert 30 < seconds_between(before[each], response["lease_expires_at"]) <= 56


def test_a_lease_of_its_own_for_each(api: Api) -> None:
    first, second = claimed(api, 2)
    kept = heartbeat(api, [{"id": first, "lease": 500}, {"id": second}])
    assert [each["lease"] for each in kept] == [500, 60]
    assert [api.row(each)["lease"] for each in (first, second)] == [500, 60]


def test_progress_goes_with_it(api: Api) -> None:
    first, second = claimed(api, 2)
    heartbeat(api, [{"id": first, "progress": 40, "message": "nearly half"}, {"id": second}])
    heartbeat(api, [{"id": first}])
    task = api.task(first)
    assert (task["progress"], task["progress_message"]) == (40, "nearly half")
    assert api.task(second)["progress"] is None
    heartbeat(api, [{"id": first, "progress": 60}])
    task = api.task(first)
    assert (task["progress"], task["progress_message"]) == (60, None)


def test_a_message_needs_its_progress(api: Api) -> None:
    (task_id,) = claimed(api, 1)
    with api.unchanged():
        tasks = [{"id": task_id}, {"id": task_id, "message": "soon"}]
        response = api.post("/tasks/heartbeat", {"worker_id": "w1", "tasks": tasks})
    assert response.code == "validation_failed"
    assert response.paths == ["tasks[1].message"]


def test_a_cancel_is_told(api: Api) -> None:
    first, second = claimed(api, 2)
    api.post(f"/tasks/{second}/cancel")
    kept = heartbeat(api, [{"id": first}, {"id": second}])
    assert [each["cancel_requested"] for each in kept] == [False, True]


def test_refusals_are_for_themselves(api: Api) -> None:
    mine, lost, finished = claimed(api, 3)
    (others,) = claimed(api, 1, "w2")
    api.make_due(lost)
    assert api.claim("w1")["attempts"] == 2
    api.post(f"/tasks/{finished}/complete", {"worker_id": "w1"})
    order = [999_999_999, others, mine, lost, finished]
    before = {each: api.row(each) for each in (others, lost, finished)}
    kept = heartbeat(api, [{"id": each, "attempt": 1, "progress": 5} for each in order])
    assert [each["id"] for each in kept] == order
    codes = [each.get("code") for each in kept]
    assert codes == ["not_found", "not_owner", None, "lease_lost", "not_claimed"]
    for refused in (each for each in kept if "code" in each):
        assert set(refused) == {"id", "code", "error"}
        assert refused["error"]
    assert {each: api.row(each) for each in before} == before
    assert api.row(mine)["progress"] == 5


def test_a_task_may_name_its_own_worker(api: Api) -> None:
    (mine,) = claimed(api, 1)
    (others,) = claimed(api, 1, "w2")
    kept = heartbeat(api, [{"id": mine}, {"id": others, "worker_id": "w2"}])
    assert [each.get("code") for each in kept] == [None, None]


def test_responses_in_the_order_sent(api: Api) -> None:
    ids = claimed(api, 8)
    mixed = [ids[each] for each in (7, 2, 0, 5, 1, 3, 6, 4)]
    assert [each["id"] for each in heartbeat(api, [{"id": each} for each in mixed])] == mixed


def test_a_hundred_at_once_and_no_more(api: Api) -> None:
    ids = claimed(api, 100)
    kept = heartbeat(api, [{"id": each, "attempt": 1, "lease": 900} for each in ids])
    assert {each["lease"] for each in kept} == {900}
    with api.unchanged():
        response = api.post("/tasks/heartbeat", {"tasks": [{"id": ids[0]}] * 101})
    assert response.paths == ["tasks"]


def test_none_at_all(api: Api) -> None:
    with api.unchanged():
        assert heartbeat(api, []) == []


def test_one_task_twice(api: Api) -> None:
    (task_id,) = claimed(api, 1)
    kept = heartbeat(api, [{"id": task_id, "lease": 5}, {"id": task_id, "lease": 50}])
    assert [each["id"] for each in kept] == [task_id, task_id]
    assert api.row(task_id)["lease"] == 50
