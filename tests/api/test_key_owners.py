"""What was claimed with a key is settled with that key, or by who may do everything."""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import api_keys
from tests.api.caller import Api
from tests.api.keys import WithKey, key_with

SETTLES: dict[str, tuple[str, dict[str, Any]]] = {
    "complete": ("/tasks/{id}/complete", {}),
    "fail": ("/tasks/{id}/fail", {"error": "e"}),
    "progress": ("/tasks/{id}/progress", {"progress": 5}),
    "heartbeat": ("/tasks/{id}/heartbeat", {}),
    "release": ("/tasks/{id}/release", {}),
}
SPOOLED: dict[str, tuple[str, dict[str, Any]]] = {
    "complete": ("/v1/jobs/{id}/complete", {}),
    "fail": ("/v1/jobs/{id}/fail", {"error": "e"}),
    "progress": ("/v1/jobs/{id}/progress", {"progress": 5}),
    "heartbeat": ("/v1/jobs/{id}/heartbeat", {}),
}
HOLDERS = [{"worker_id": "w1", "attempt": 1}, {"worker_id": "w1"}, {"attempt": 1}, {}]


@pytest.fixture
def own(api: Api) -> Api:
    return WithKey(api, key_with(api, ["work"]))


@pytest.fixture
def other(api: Api) -> Api:
    return WithKey(api, key_with(api, ["work"]))


@pytest.fixture
def task_id(api: Api, own: Api) -> int:
    """Claimed with the key of ``own`` by a worker w1."""
    api.register("job")
    api.create("job", {"n": 1}, max_attempts=5)
    return int(own.claim("w1")["id"])


@pytest.mark.parametrize("holder", HOLDERS, ids=["both", "worker", "attempt", "neither"])
@pytest.mark.parametrize("name", SETTLES)
def test_another_key_is_refused(
    api: Api, other: Api, task_id: int, name: str, holder: dict[str, Any]
) -> None:
    path, body = SETTLES[name]
    before = api.row(task_id)
    response = other.post(path.format(id=task_id), {**holder, **body})
    assert (response.status, response.code) == (403, "not_owner")
    assert "another API key" in response.error
    assert api.row(task_id) == before


@pytest.mark.parametrize("name", SPOOLED)
def test_in_spooleds_dialect(api: Api, own: Api, other: Api, task_id: int, name: str) -> None:
    path, body = SPOOLED[name]
    held = {"worker_id": "w1", "lease_id": f"{task_id}-1", **body}
    response = other.call("POST", path.format(id=task_id), held)
    assert (response.status, response.json["code"]) == (409, "LEASE_EXPIRED")
    assert own.call("POST", path.format(id=task_id), held).status == 200


@pytest.mark.parametrize("name", SETTLES)
def test_its_own_is_let_in(own: Api, task_id: int, name: str) -> None:
    path, body = SETTLES[name]
    assert (
        own.post(path.format(id=task_id), {"worker_id": "w1", "attempt": 1, **body}).status == 200
    )


@pytest.mark.parametrize("name", SETTLES)
def test_so_is_the_root_key(api: Api, task_id: int, name: str) -> None:
    path, body = SETTLES[name]
    assert (
        api.post(path.format(id=task_id), {"worker_id": "w1", "attempt": 1, **body}).status == 200
    )


@pytest.mark.parametrize("patterns", [None, ["jo%"]])
@pytest.mark.parametrize("name", SETTLES)
def test_so_is_an_admin(api: Api, task_id: int, name: str, patterns: list[str] | None) -> None:
    admin = WithKey(api, key_with(api, ["admin"], patterns))
    path, body = SETTLES[name]
    assert admin.post(path.format(id=task_id), body).status == 200


def test_what_the_root_key_claimed(api: Api, other: Api) -> None:
    task_id = api.claimed("job")["id"]
    assert other.post(f"/tasks/{task_id}/complete", {"worker_id": "w1"}).code == "not_owner"


def test_after_the_key_was_rotated(api: Api, own: Api, task_id: int) -> None:
    key_id = min(row["id"] for row in api_keys.list_all(api.site, 10))
    renewed = WithKey(api, api_keys.rotate(api.site, key_id).text)
    assert renewed.post(f"/tasks/{task_id}/complete", {"worker_id": "w1"}).status == 200


def test_in_a_batch_each_is_judged_alone(api: Api, own: Api, other: Api, task_id: int) -> None:
    api.create("job", {"n": 2})
    mine = other.claim("w1")["id"]
    outcomes = [{"id": task_id, "attempt": 1}, {"id": mine, "attempt": 1}]
    kept = other.post("/tasks/heartbeat", {"worker_id": "w1", "tasks": outcomes}).data["tasks"]
    assert [each.get("code") for each in kept] == ["not_owner", None]
    response = other.post("/tasks/settle", {"worker_id": "w1", "outcomes": outcomes})
    assert [each.get("code") for each in response.data["settled"]] == ["not_owner", None]
    assert [api.task(each)["status"] for each in (task_id, mine)] == ["claimed", "completed"]


class TestRepeats:
    def test_of_an_outcome(self, own: Api, other: Api, task_id: int) -> None:
        done = {"worker_id": "w1", "attempt": 1}
        for _ in range(2):
            assert own.post(f"/tasks/{task_id}/complete", done).status == 200
        assert other.post(f"/tasks/{task_id}/complete", done).code == "not_claimed"

    def test_of_an_outcome_that_another_attempt_followed(
        self, api: Api, own: Api, task_id: int
    ) -> None:
        failed = {"worker_id": "w1", "attempt": 1, "error": "e", "delay": 0}
        assert own.post(f"/tasks/{task_id}/fail", failed).status == 200
        api.make_due(task_id)
        assert own.claim("w2")["attempts"] == 2
        assert own.post(f"/tasks/{task_id}/fail", failed).status == 200

    def test_of_an_outcome_after_which_another_key_claimed(
        self, api: Api, own: Api, other: Api, task_id: int
    ) -> None:
        """Nothing of the other's claim is told."""
        failed = {"worker_id": "w1", "attempt": 1, "error": "e", "delay": 0}
        own.post(f"/tasks/{task_id}/fail", failed)
        api.make_due(task_id)
        assert other.claim("w2")["attempts"] == 2
        assert own.post(f"/tasks/{task_id}/fail", failed).code == "lease_lost"

    def test_of_a_claim(self, api: Api, own: Api, other: Api) -> None:
        """With the name of another key's worker, and its claim's key, nothing of it is read."""
        api.register("job")
        api.create("job", {"n": 1})
        claim = {"worker_id": "w1", "claim_key": "k", "limit": 5}
        taken = own.post("/tasks/claim", claim).data["tasks"]
        assert len(taken) == 1
        again = {**claim, "again": True}
        assert other.post("/tasks/claim", again).data["tasks"] == []
        assert api.post("/tasks/claim", again).data["tasks"] == []
        repeated = own.post("/tasks/claim", again).data["tasks"]
        assert [each["id"] for each in repeated] == [each["id"] for each in taken]


class TestLeaving:
    @pytest.mark.parametrize("path", ["/workers/w1/deregister", "/v1/workers/w1/deregister"])
    def test_a_worker_of_another_key_keeps_what_it_holds(
        self, api: Api, other: Api, task_id: int, path: str
    ) -> None:
        response = other.call("POST", path, {})
        assert response.json["code"].lower() in ("not_owner", "lease_expired")
        assert api.task(task_id)["status"] == "claimed"

    def test_its_own_gives_it_back(self, api: Api, own: Api, task_id: int) -> None:
        assert own.post("/workers/w1/deregister").data["released"] == 1
        assert api.task(task_id)["status"] == "pending"

    def test_without_releasing_nothing_is_touched(self, api: Api, other: Api, task_id: int) -> None:
        assert other.post("/workers/w1/deregister", {"release": False}).status == 200
        assert api.task(task_id)["status"] == "claimed"


def test_a_later_claim_with_the_root_key_belongs_to_it(api: Api, own: Api, task_id: int) -> None:
    own.post(f"/tasks/{task_id}/release", {"worker_id": "w1"})
    assert api.claim("w1")["id"] == task_id
    assert own.post(f"/tasks/{task_id}/complete", {"worker_id": "w1"}).code == "not_owner"
    assert api.post(f"/tasks/{task_id}/complete", {"worker_id": "w1"}).status == 200
