"""Equal tasks are made once: for how long, and what is equal."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.queue.upkeep.prune import prune
from app.queue.upkeep.turn import Budget
from tests.api.caller import Api
from tests.support.http_client import Response


def create(api: Api, params: Any = None, **options: Any) -> Response:
    return api.post("/tasks", {"type": "job", "params": params or {"n": 1}, **options})


def finish(api: Api, task_id: int) -> None:
    assert api.claim()["id"] == task_id
    assert api.post(f"/tasks/{task_id}/complete").status == 200


def make_older(api: Api, task_id: int, seconds: int) -> None:
    past = api.site.db.dialect.after(f"-{seconds}")
    api.sql(f"UPDATE tasks SET created_at = {past} WHERE id = :id", id=task_id)


def test_an_equal_task_is_the_first_one(api: Api) -> None:
    api.register("job")
    first, second = create(api), create(api)
    assert first.status == 201
    assert second.status == 200
    assert set(second.data) == {"id", "type", "status", "dedupe_key", "deduplicated"}
    assert second.data["id"] == first.data["id"]
    assert second.data["type"] == "job"
    assert second.data["status"] == "pending"
    assert second.data["deduplicated"] is True
    assert second.data["dedupe_key"] == first.data["dedupe_key"]
    assert "deduplicated" not in first.data


def test_the_key_is_a_sha256(api: Api) -> None:
    api.register("job")
    assert re.fullmatch("[0-9a-f]{64}", create(api).data["dedupe_key"])


def test_a_duplicate_changes_nothing(api: Api) -> None:
    api.register("job")
    create(api)
    with api.unchanged():
        create(api, priority=9, tags=["x"], delay=5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": {"x": 1, "y": [{"p": 1, "q": 2}]}}, {"a": {"y": [{"q": 2, "p": 1}], "x": 1}}),
        ({"n": 1}, {"n": 1.0}),
        ({"n": 0}, {"n": -0.0}),
        ({"n": [100]}, {"n": [1e2]}),
        ({"t": "é"}, {"t": "\u00e9"}),
    ],
)
def test_equal_params(api: Api, one: Any, other: Any) -> None:
    api.register("job")
    assert create(api, other).data["id"] == create(api, one).data["id"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"n": 1}, {"n": 2}),
        ({"n": 1}, {"n": "1"}),
        ({"n": 1}, {"n": True}),
        ({"n": 0}, {"n": False}),
        ({"n": None}, {"m": None}),
        ({"n": [1, 2]}, {"n": [2, 1]}),
        ({"n": 1.5}, {"n": 1.25}),
        ({"n": 2**53}, {"n": 2**53 + 1}),
        ({"t": "a"}, {"t": "A"}),
        ({"t": "e\u0301"}, {"t": "\u00e9"}),
        ({"t": "a"}, {"t": "a "}),
    ],
)
def test_different_params(api: Api, one: Any, other: Any) -> None:
    api.register("job")
    assert create(api, other).data["id"] != create(api, one).data["id"]


def test_another_type_is_another_task(api: Api) -> None:
    api.register("job")
    api.register("other")
    first = create(api).data
    second = api.post("/tasks", {"type": "other", "params": {"n": 1}})
    assert second.status == 201
    assert second.data["dedupe_key"] != first["dedupe_key"]


def test_forever_lasts_beyond_the_end(api: Api) -> None:
    api.register("job")
    first = create(api).data
    finish(api, first["id"])
    make_older(api, first["id"], 400 * 86400)
    for options in ({}, {"dedupe": "forever"}):
        again = create(api, **options)
        assert again.status == 200
        assert again.data["id"] == first["id"]
        assert again.data["status"] == "completed"


def test_active_lasts_while_unfinished(api: Api) -> None:
    api.register("job")
    first = create(api, dedupe="active").data
    assert create(api, dedupe="active").data["id"] == first["id"]
    assert api.claim()["id"] == first["id"]
    claimed = create(api, dedupe="active")
    assert claimed.data["id"] == first["id"]
    assert claimed.data["status"] == "claimed"
    api.post(f"/tasks/{first['id']}/fail", {"error": "x"})
    waiting = create(api, dedupe="active")
    assert waiting.data["id"] == first["id"]
    assert waiting.data["status"] == "pending"


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_active_ends_with_the_task(api: Api, end: str) -> None:
    api.register("job")
    first = create(api, dedupe="active").data
    if end == "cancelled":
        api.post(f"/tasks/{first['id']}/cancel")
    else:
        assert api.claim()["id"] == first["id"]
        body = {"success": end == "completed", "retry": False}
        api.post(f"/tasks/{first['id']}/complete", body)
    assert api.task(first["id"])["status"] == end
    second = create(api, dedupe="active")
    assert second.status == 201
    assert second.data["id"] != first["id"]
    assert create(api, dedupe="active").data["id"] == second.data["id"]
    assert create(api, dedupe="forever").data["id"] == second.data["id"]


def test_a_number_of_seconds(api: Api) -> None:
    api.register("job")
    first = create(api, dedupe=3600).data
    make_older(api, first["id"], 3500)
    assert create(api, dedupe=3600).data["id"] == first["id"]
    make_older(api, first["id"], 3700)
    second = create(api, dedupe=3600)
    assert second.status == 201
    assert create(api, dedupe=3600.5).data["id"] == second.data["id"]


def test_the_newcomer_decides_how_long_the_first_counts(api: Api) -> None:
    api.register("job")
    first = create(api, dedupe=60).data
    make_older(api, first["id"], 100)
    assert create(api, dedupe="forever").data["id"] == first["id"]


def test_false_makes_a_task_each_time(api: Api) -> None:
    api.register("job")
    first, second = create(api, dedupe=False), create(api, dedupe=False)
    assert first.status == second.status == 201
    assert first.data["id"] != second.data["id"]
    assert first.data["dedupe_key"] is None


def test_a_task_without_dedupe_is_no_original(api: Api) -> None:
    api.register("job")
    first = create(api, dedupe=False).data
    second = create(api)
    assert second.status == 201
    assert second.data["id"] != first["id"]


def test_own_key(api: Api) -> None:
    api.register("job")
    first = create(api, {"n": 1}, dedupe_key="order-17")
    assert first.data["dedupe_key"] == "order-17"
    second = create(api, {"n": 2}, dedupe_key="order-17")
    assert second.status == 200
    assert second.data["id"] == first.data["id"]
    assert second.data["dedupe_key"] == "order-17"
    assert create(api, {"n": 1}, dedupe_key="order-18").status == 201
    assert create(api, {"n": 1}).status == 201


def test_own_keys_are_compared_exactly(api: Api) -> None:
    api.register("job")
    keys = ["order", "Order", "örder", "order%", "order_", "🎉", "'", '"', "k" * 191]
    ids = {create(api, dedupe_key=key).data["id"] for key in keys}
    assert len(ids) == len(keys)
    assert {create(api, dedupe_key=key).data["id"] for key in keys} == ids


def test_own_keys_of_two_types_do_not_meet(api: Api) -> None:
    api.register("job")
    api.register("other")
    create(api, dedupe_key="k")
    assert api.post("/tasks", {"type": "other", "params": {}, "dedupe_key": "k"}).status == 201


def test_own_key_while_active(api: Api) -> None:
    api.register("job")
    first = create(api, {"n": 1}, dedupe_key="k", dedupe="active").data
    finish(api, first["id"])
    assert create(api, {"n": 2}, dedupe_key="k", dedupe="active").status == 201


def test_own_key_and_false_contradict_each_other(api: Api) -> None:
    api.register("job")
    with api.unchanged():
        response = create(api, dedupe=False, dedupe_key="k")
    assert response.code == "validation_failed"
    assert response.paths == ["dedupe_key"]


@pytest.mark.parametrize(
    ("scope", "while_active", "afterwards"),
    [("forever", 200, 200), ("active", 200, 201), (3600, 200, 200), (False, 201, 201)],
)
def test_the_type_may_decide(api: Api, scope: Any, while_active: int, afterwards: int) -> None:
    api.register("job", dedupe=scope)
    first = create(api).data
    assert create(api).status == while_active
    for _ in range(2):
        api.claim()
    api.post(f"/tasks/{first['id']}/complete")
    assert create(api).status == afterwards


def test_the_task_overrides_its_type(api: Api) -> None:
    api.register("job", dedupe=False)
    first = create(api, dedupe="forever").data
    assert create(api, dedupe="forever").data["id"] == first["id"]
    api.register("job", dedupe="forever")
    assert create(api, dedupe=False).status == 201


def test_own_key_counts_where_the_type_does_without(api: Api) -> None:
    api.register("job", dedupe=False)
    first = create(api, {"n": 1}, dedupe_key="k").data
    assert create(api, {"n": 2}, dedupe_key="k").data["id"] == first["id"]
    assert create(api, {"n": 1}).status == create(api, {"n": 1}).status == 201


def test_a_deleted_task_is_no_original(api: Api) -> None:
    api.register("job")
    first = create(api).data
    api.post(f"/tasks/{first['id']}/delete")
    assert create(api).status == 201


def test_doubles_within_a_batch(api: Api) -> None:
    api.register("job")
    known = create(api, {"n": 0}).data["id"]
    numbers = [1, 0, 1, 2, 1.0]
    body = {"tasks": [{"type": "job", "params": {"n": n}} for n in numbers]}
    response = api.post("/tasks", body)
    assert response.status == 201
    assert response.data["created"] == 2
    assert response.data["deduplicated"] == 3
    ids = [each["id"] for each in response.data["tasks"]]
    assert ids[1] == known
    assert ids[0] == ids[2] == ids[4]
    assert len(set(ids)) == 3
    doubles = [each["deduplicated"] for each in response.data["tasks"]]
    assert doubles == [False, True, True, False, True]


def test_a_batch_sent_again_makes_nothing(api: Api) -> None:
    api.register("job")
    body = {"tasks": [{"type": "job", "params": {"n": n}} for n in range(600)]}
    first = api.post("/tasks", body).data
    with api.unchanged():
        again = api.post("/tasks", body).data
    assert again["created"] == 0
    assert again["deduplicated"] == 600
    assert [each["id"] for each in again["tasks"]] == [each["id"] for each in first["tasks"]]


def test_a_batch_after_an_ended_task(api: Api) -> None:
    api.register("job")
    first = create(api).data["id"]
    finish(api, first)
    task = {"type": "job", "params": {"n": 1}, "dedupe": "active"}
    response = api.post("/tasks", {"tasks": [task, task]})
    assert response.data["created"] == 1
    ids = {each["id"] for each in response.data["tasks"]}
    assert len(ids) == 1
    assert first not in ids


def active(api: Api, n: int = 1) -> int:
    return int(api.create("job", {"n": n}, dedupe="active")["id"])


class TestRetryBesideASuccessor:
    """The key of a failed task went to a later one: two unfinished equals would do it twice."""

    def failed_and_followed(self, api: Api) -> tuple[int, int]:
        api.register("job")
        first = active(api)
        api.claim("w1")
        api.post(f"/tasks/{first}/fail", {"worker_id": "w1", "retry": False})
        second = active(api)
        assert second != first
        return first, second

    @pytest.mark.parametrize("claimed", [False, True])
    def test_it_is_refused_while_that_is_unfinished(self, api: Api, claimed: bool) -> None:
        first, _ = self.failed_and_followed(api)
        if claimed:
            api.claim("w1")
        with api.unchanged():
            response = api.post(f"/tasks/{first}/retry")
            assert (response.status, response.code) == (409, "conflict")
            assert "same dedupe key" in response.error

    @pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
    def test_it_takes_the_key_back_when_that_has_ended(self, api: Api, end: str) -> None:
        first, second = self.failed_and_followed(api)
        if end != "cancel":
            api.claim("w1")
        body = {"retry": False} if end == "fail" else {}
        assert api.post(f"/tasks/{second}/{end}", body).status == 200
        assert api.post(f"/tasks/{first}/retry").data["status"] == "pending"
        assert active(api) == first
        assert api.task(second)["dedupe_key"] is None
        response = api.post(f"/tasks/{second}/retry")
        assert (response.status, response.code) == (409, "conflict")

    def test_a_task_that_was_retried_in_between_keeps_its_key(self, api: Api) -> None:
        """Between the look and the change of a create: it must look again."""
        from app.queue import create as creating
        from app.queue.new_task import NewTask

        api.register("job")
        first = active(api)
        api.claim("w1")
        api.post(f"/tasks/{first}/fail", {"worker_id": "w1", "retry": False})
        look = creating._look

        def look_and_be_overtaken(*arguments: Any) -> Any:
            found = look(*arguments)
            if api.task(first)["status"] == "failed":
                assert api.post(f"/tasks/{first}/retry").status == 200
            return found

        creating._look = look_and_be_overtaken
        try:
            made = creating.create(api.site, [NewTask("job", {"n": 1}, dedupe="active")])
        finally:
            creating._look = look
        assert (made[0].id, made[0].deduplicated) == (first, True)

    def test_a_refused_retry_takes_no_key(self, api: Api) -> None:
        first, second = self.failed_and_followed(api)
        finish(api, second)
        api.post(f"/tasks/{first}/retry")
        finish(api, first)
        with api.unchanged():
            assert api.post(f"/tasks/{second}/retry").code == "conflict"
        assert create(api).data["id"] == first

    def test_its_key_is_taken_over_at_that_moment(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An equal task is made between the look at the failed one and its change."""
        from app.queue import fencing

        api.register("job")
        first = active(api)
        api.claim("w1")
        api.post(f"/tasks/{first}/fail", {"worker_id": "w1", "retry": False})
        transact = fencing.transact
        made: list[int] = []

        def be_overtaken(*arguments: Any) -> Any:
            if not made:
                made.append(active(api))
            return transact(*arguments)

        monkeypatch.setattr("app.queue.retry.transact", be_overtaken)
        assert api.post(f"/tasks/{first}/retry").code == "conflict"
        assert made != [first]
        assert api.task(first)["status"] == "failed"


def test_forever_outlives_a_task_that_was_pruned(api: Api) -> None:
    api.register("job")
    first = create(api).data
    finish(api, first["id"])
    old = api.site.db.dialect.after(f"-{100 * 86400}")
    api.sql(f"UPDATE tasks SET completed_at = {old}, created_at = {old}")
    prune(api.site, Budget(None))
    assert api.get(f"/tasks/{first['id']}").status == 404
    again = create(api)
    assert again.status == 200
    assert {name: again.data[name] for name in ("id", "status", "deduplicated", "dedupe_key")} == {
        "id": first["id"],
        "status": "completed",
        "deduplicated": True,
        "dedupe_key": first["dedupe_key"],
    }
    new = {"type": "job", "params": {"n": 2}}
    many = api.post("/tasks", {"tasks": [{"type": "job", "params": {"n": 1}}, new]})
    assert many.data["tasks"][0]["id"] == first["id"]
    assert [each["deduplicated"] for each in many.data["tasks"]] == [True, False]
    assert create(api, dedupe="active").status == 201


def test_an_idempotency_key_of_spooled_outlives_its_job(api: Api) -> None:
    job = {"queue_name": "job", "payload": {}, "idempotency_key": "once"}
    first = api.post("/v1/jobs", job).json
    finish(api, int(first["id"]))
    old = api.site.db.dialect.after(f"-{100 * 86400}")
    api.sql(f"UPDATE tasks SET completed_at = {old}, created_at = {old}")
    prune(api.site, Budget(None))
    again = api.post("/v1/jobs", job)
    assert (again.status, again.json) == (200, {"id": first["id"], "created": False})
