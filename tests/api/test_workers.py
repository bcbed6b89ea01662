"""Workers: registering, being seen, leaving, and what is shown of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from app.queue import release, worker_stats
from tests.api.caller import TIME, Api, seconds_between

SHOWN = {
    *("id", "host", "version", "task_types", "concurrency", "metadata"),
    *("registered_at", "deregistered_at", "first_seen_at", "last_seen_at", "active_tasks"),
}
STATS = {"done", "failed", "mean_run_seconds", "since"}


def register(api: Api, **body: Any) -> Any:
    response = api.post("/workers/register", body)
    assert response.status == 200, response
    return response.data


def worker(api: Api, worker_id: str = "w1") -> Any:
    response = api.get(f"/workers/{quote(worker_id, safe='')}")
    assert response.status == 200, response
    return response.data


def stats(api: Api, worker_id: str = "w1") -> Any:
    return api.get(f"/workers/{worker_id}/stats").data


def listed(api: Api, **query: str) -> list[str]:
    return [each["id"] for each in api.get("/workers", **query).data["workers"]]


def age(api: Api, worker_id: str, seconds: float) -> None:
    """Make the time it was last seen that old."""
    past = api.site.db.dialect.after(str(-seconds))
    api.sql(f"UPDATE workers SET last_seen_at = {past} WHERE id = :id", id=worker_id)


def claimed(api: Api, count: int, worker_id: str = "w1") -> list[int]:
    api.register("job")
    for _ in range(count):
        api.create("job")
    return [task["id"] for task in api.claim(worker_id, limit=count)]


class TestRegister:
    def test_what_was_told_is_shown(self, api: Api) -> None:
        told = {
            "host": "web-3",
            "version": "2.1",
            "metadata": {"rack": [1, "größe"]},
            "task_types": ["mail.send", "mail.bounce"],
            "concurrency": 4,
        }
        data = register(api, worker_id="w1", **told)
        assert set(data) == SHOWN
        assert {name: data[name] for name in told} == told
        assert data["id"] == "w1"
        assert data["active_tasks"] == 0
        assert data["deregistered_at"] is None
        for each in ("registered_at", "first_seen_at", "last_seen_at"):
            assert TIME.fullmatch(data[each])
        assert worker(api) == data

    def test_without_an_id_one_is_made(self, api: Api) -> None:
        first, second = register(api), register(api, host="web-3")
        assert first["id"] != second["id"]
        assert worker(api, second["id"])["host"] == "web-3"
        assert first["host"] is first["metadata"] is first["task_types"] is None

    def test_again_replaces_what_was_known(self, api: Api) -> None:
        before = register(api, worker_id="w1", host="old", version="1")
        after = register(api, worker_id="w1", host="new")
        assert (after["host"], after["version"]) == ("new", None)
        assert after["first_seen_at"] == before["first_seen_at"]
        assert listed(api) == ["w1"]

    def test_php_writes_empty_metadata_as_a_list(self, api: Api) -> None:
        assert register(api, metadata=[])["metadata"] == {}

    def test_types_as_one_text(self, api: Api) -> None:
        assert register(api, task_types="a, b")["task_types"] == ["a", "b"]

    def test_it_is_no_condition_for_claiming(self, api: Api) -> None:
        register(api, worker_id="w1", task_types=["other"], concurrency=1)
        assert len(claimed(api, 3)) == 3


class TestSignsOfLife:
    def test_a_claim_makes_a_worker_known(self, api: Api) -> None:
        task = api.claimed(worker_id="curl")
        shown = worker(api, "curl")
        assert shown["active_tasks"] == 1
        assert shown["registered_at"] is None
        assert abs(seconds_between(api.task(task["id"])["claimed_at"], shown["last_seen_at"])) < 5

    def test_an_empty_claim_too(self, api: Api) -> None:
        assert api.claim("idle") is None
        assert worker(api, "idle")["active_tasks"] == 0

    @pytest.mark.parametrize(("rested", "noted"), [(5, False), (15, True)])
    def test_a_claim_notes_it_when_it_is_due(self, api: Api, rested: int, noted: bool) -> None:
        claimed(api, 2)
        age(api, "w1", rested)
        before = worker(api)["last_seen_at"]
        claimed(api, 1)
        assert (worker(api)["last_seen_at"] > before) is noted

    @pytest.mark.parametrize(("rested", "noted"), [(45, False), (75, True)])
    def test_an_empty_claim_less_often(self, api: Api, rested: int, noted: bool) -> None:
        api.claim("w1")
        age(api, "w1", rested)
        before = worker(api)["last_seen_at"]
        assert api.claim("w1") is None
        assert (worker(api)["last_seen_at"] > before) is noted

    @pytest.mark.parametrize("many", [False, True])
    def test_a_tasks_heartbeat(self, api: Api, many: bool) -> None:
        (task_id,) = claimed(api, 1)
        age(api, "w1", 300)
        before = worker(api)["last_seen_at"]
        if many:
            api.post("/tasks/heartbeat", {"worker_id": "w1", "tasks": [{"id": task_id}]})
        else:
            api.post(f"/tasks/{task_id}/heartbeat", {"worker_id": "w1"})
        assert seconds_between(before, worker(api)["last_seen_at"]) > 200

    def test_a_heartbeat_of_its_own(self, api: Api) -> None:
        register(api, worker_id="w1", host="web-3")
        age(api, "w1", 300)
        response = api.post("/workers/w1/heartbeat")
        assert response.status == 200
        assert response.data == worker(api)
        assert response.data["host"] == "web-3"
        assert seconds_between(response.data["first_seen_at"], response.data["last_seen_at"]) >= 0

    def test_a_heartbeat_of_nobody(self, api: Api) -> None:
        assert api.post("/workers/new/heartbeat").status == 200
        assert worker(api, "new")["registered_at"] is None

    def test_it_extends_no_lease(self, api: Api) -> None:
        (task_id,) = claimed(api, 1)
        before = api.row(task_id)
        api.post("/workers/w1/heartbeat")
        assert api.row(task_id) == before


class TestDeregister:
    def test_what_it_holds_is_given_back(self, api: Api) -> None:
        register(api, worker_id="w1")
        mine, others = claimed(api, 3), claimed(api, 1, "w2")
        api.post(f"/tasks/{mine[2]}/cancel")
        response = api.post("/workers/w1/deregister")
        assert (response.status, response.data) == (200, {"id": "w1", "released": 3})
        tasks = [api.task(each) for each in mine]
        assert [each["status"] for each in tasks] == ["pending", "pending", "cancelled"]
        assert [each["attempts"] for each in tasks] == [1, 1, 1]
        assert api.task(others[0])["claimed_by"] == "w2"
        last = api.history(mine[0])[-1]
        assert (last["message"], last["worker_id"], last["attempt"]) == ("released", "w1", 1)
        assert TIME.fullmatch(worker(api)["deregistered_at"])

    def test_in_batches(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(release, "BATCH", 2)
        ids = claimed(api, 5)
        assert api.post("/workers/w1/deregister").data["released"] == 5
        assert {api.task(each)["status"] for each in ids} == {"pending"}

    def test_twice_or_unknown(self, api: Api) -> None:
        for worker_id in ("w1", "w1", "nobody"):
            register(api, worker_id="w1")
            response = api.post(f"/workers/{worker_id}/deregister")
            assert (response.status, response.data["released"]) == (200, 0)
        assert listed(api) == ["w1"]

    def test_releases_nothing_where_another_process_has_the_same_name(self, api: Api) -> None:
        task = api.claimed()
        assert api.post("/workers/w1/deregister", {"release": False}).data["released"] == 0
        assert api.task(task["id"])["status"] == "claimed"
        assert TIME.fullmatch(worker(api)["deregistered_at"])

    def test_whoever_claims_again_is_back(self, api: Api) -> None:
        register(api, worker_id="w1")
        api.post("/workers/w1/deregister")
        api.claimed(worker_id="w1")
        assert worker(api)["deregistered_at"] is None

    def test_an_outcome_that_comes_late_is_refused(self, api: Api) -> None:
        (task_id,) = claimed(api, 1)
        api.post("/workers/w1/deregister")
        response = api.post(f"/tasks/{task_id}/complete", {"worker_id": "w1", "attempt": 1})
        assert response.code == "not_claimed"


class TestStats:
    def test_done_and_failed(self, api: Api) -> None:
        ids = claimed(api, 5)
        past = api.site.db.dialect.after("-10")
        api.sql(f"UPDATE tasks SET claimed_at = {past} WHERE claimed_by = 'w1'")
        api.post(f"/tasks/{ids[0]}/complete", {"worker_id": "w1"})
        outcomes = [
            {"id": ids[1]},
            {"id": ids[2], "success": False},
            {"id": ids[3], "success": False, "retry": False},
        ]
        api.post("/tasks/settle", {"worker_id": "w1", "outcomes": outcomes})
        found = stats(api)
        assert set(found) == {"id", "active_tasks", "last_seen_at", *STATS}
        assert (found["done"], found["failed"], found["active_tasks"]) == (2, 2, 1)
        assert 10 <= found["mean_run_seconds"] < 40
        assert TIME.fullmatch(found["since"])

    def test_what_does_not_count(self, api: Api) -> None:
        released, expired, refused = claimed(api, 3)
        api.post(f"/tasks/{released}/release", {"worker_id": "w1"})
        api.make_due(expired)
        claimed(api, 1, "w2")
        api.post(f"/tasks/{refused}/complete", {"worker_id": "other"})
        found = stats(api)
        assert (found["done"], found["failed"], found["mean_run_seconds"]) == (0, 0, None)

    def test_each_worker_for_itself(self, api: Api) -> None:
        for worker_id, count in (("w1", 1), ("w2", 2)):
            for task_id in claimed(api, count, worker_id):
                api.post(f"/tasks/{task_id}/complete", {"worker_id": worker_id})
        found = {each["id"]: each for each in api.get("/workers").data["workers"]}
        assert {each: found[each]["done"] for each in found} == {"w1": 1, "w2": 2}
        for each in found.values():
            assert set(each) == SHOWN | STATS

    def test_older_than_a_day(self, api: Api) -> None:
        (task_id,) = claimed(api, 1)
        api.post(f"/tasks/{task_id}/complete", {"worker_id": "w1"})
        past = api.site.db.dialect.after("-100000")
        api.sql(f"UPDATE task_history SET created_at = {past}")
        found = stats(api)
        assert (found["done"], found["since"]) == (0, None)

    def test_only_the_newest_changes(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        for task_id in claimed(api, 4):
            api.post(f"/tasks/{task_id}/complete", {"worker_id": "w1"})
        monkeypatch.setattr(worker_stats, "CHANGES", 3)
        assert stats(api)["done"] == 3


class TestList:
    def test_the_last_seen_first(self, api: Api) -> None:
        for each, rested in (("a", 50), ("b", 10), ("c", 90)):
            register(api, worker_id=each)
            age(api, each, rested)
        assert listed(api) == ["b", "a", "c"]
        assert listed(api, limit="2") == ["b", "a"]
        assert listed(api, limit="2", offset="2") == ["c"]

    def test_none(self, api: Api) -> None:
        assert api.get("/workers").data == {"workers": [], "count": 0, "limit": 50, "offset": 0}

    def test_a_limit_that_is_too_high(self, api: Api) -> None:
        response = api.get("/workers", limit="500")
        assert response.data["limit"] == 100
        assert "lowered" in response.warnings[0]


IDS = [
    "a/b",
    "a b",
    "größe 🎉",
    "100%",
    "x?y#z",
    "w'1",
    "host:123.456",
    "../../w",
    "%2F",
    "x" * 255,
]


@pytest.mark.parametrize("worker_id", IDS)
def test_ids_of_any_printable_text(api: Api, worker_id: str) -> None:
    register(api, worker_id=worker_id)
    (task_id,) = claimed(api, 1, worker_id)
    address = f"/workers/{quote(worker_id, safe='')}"
    assert worker(api, worker_id)["id"] == worker_id
    assert api.get(f"{address}/stats").data["active_tasks"] == 1
    assert api.post(f"{address}/heartbeat").data["id"] == worker_id
    assert api.post(f"{address}/deregister").data == {"id": worker_id, "released": 1}
    assert api.task(task_id)["status"] == "pending"


@pytest.mark.parametrize("call", ["", "/stats"])
@pytest.mark.parametrize(
    "worker_id", ["W1", "w1 ", " w1", "w2", "w_", "%", "a\nb", "\x00", "x" * 256]
)
def test_ids_that_are_unknown(api: Api, worker_id: str, call: str) -> None:
    register(api, worker_id="w1")
    response = api.get(f"/workers/{quote(worker_id, safe='')}{call}")
    assert (response.status, response.code) == (404, "not_found")


@pytest.mark.parametrize("call", ["heartbeat", "deregister"])
@pytest.mark.parametrize("worker_id", ["w1 ", " w1", "a\nb", "\x00", "x" * 256])
def test_ids_that_cannot_be(api: Api, worker_id: str, call: str) -> None:
    register(api, worker_id="w1")
    with api.unchanged():
        response = api.post(f"/workers/{quote(worker_id, safe='')}/{call}", {})
    assert (response.status, response.code) == (404, "not_found")
