"""A claim whose answer was lost is asked for again: `claim_key` and `again`."""

from __future__ import annotations

from typing import Any

import pytest

from app.db import mysql_session
from app.queue.type_limits import TypeLimits
from tests.api.caller import Api, seconds_between


def ids(tasks: list[dict[str, Any]]) -> list[int]:
    return [task["id"] for task in tasks]


def claim(api: Api, key: str, worker_id: str = "w1", **options: Any) -> list[dict[str, Any]]:
    body = {"worker_id": worker_id, "claim_key": key, "limit": 2, **options}
    response = api.post("/tasks/claim", body)
    assert (response.status, response.warnings) == (200, [])
    tasks: list[dict[str, Any]] = response.data["tasks"]
    return tasks


@pytest.fixture
def five(api: Api) -> list[int]:
    api.register("job")
    return [api.create("job", {"n": number})["id"] for number in range(5)]


def test_the_same_tasks_are_handed_out_again(api: Api, five: list[int]) -> None:
    first = claim(api, "k1")
    again = claim(api, "k1", again=True)
    assert ids(first) == ids(again) == five[:2]
    assert [task["attempts"] for task in again] == [1, 1]
    assert [task["type"] for task in again] == ["job", "job"]
    for moving in ("lease_expires_at",):
        for task in (*first, *again):
            task.pop(moving)
    assert first == again
    assert len(api.history(five[0])) == 2


def test_their_leases_start_again(api: Api, five: list[int]) -> None:
    claim(api, "k1", lease=1000)
    for task_id in five[:2]:
        api.post(f"/tasks/{task_id}/heartbeat", {"worker_id": "w1", "lease": 1000})
    before = [api.task(task_id)["lease_expires_at"] for task_id in five[:2]]
    after = [task["lease_expires_at"] for task in claim(api, "k1", again=True)]
    assert [seconds_between(*pair) > 0 for pair in zip(before, after)] == [True, True]


def test_nothing_was_taken_the_first_time(api: Api, five: list[int]) -> None:
    assert ids(claim(api, "k1", again=True)) == five[:2]
    assert ids(claim(api, "k1", again=True)) == five[:2]


def test_another_key_or_another_worker_is_another_claim(api: Api, five: list[int]) -> None:
    assert ids(claim(api, "k1")) == five[:2]
    assert ids(claim(api, "k1", "w2", again=True)) == five[2:4]
    assert ids(claim(api, "k2", again=True)) == five[4:]


def test_without_again_a_key_changes_nothing(api: Api, five: list[int]) -> None:
    assert ids(claim(api, "k1")) == five[:2]
    assert ids(claim(api, "k1")) == five[2:4]


def test_what_has_ended_since_is_not_handed_out(api: Api, five: list[int]) -> None:
    claim(api, "k1")
    api.post(f"/tasks/{five[0]}/complete", {"worker_id": "w1", "attempt": 1})
    assert ids(claim(api, "k1", again=True)) == [five[1]]


def test_what_was_reclaimed_since_is_not_handed_out(api: Api, five: list[int]) -> None:
    claim(api, "k1")
    for task_id in five[:2]:
        api.post(f"/tasks/{task_id}/release", {"worker_id": "w1", "attempt": 1})
    assert ids(claim(api, "other", "w2")) == five[:2]
    assert ids(claim(api, "k1", again=True)) == five[2:4]


def test_nothing_was_taken_and_more_is_due_than_one_look_finds(api: Api) -> None:
    api.register("job", max_attempts=1)
    task_ids = [api.create("job")["id"] for _ in range(150)]
    for _ in range(2):
        api.claim("w2", limit=100)
    api.make_due(*task_ids)
    assert claim(api, "k1", again=True) == []
    found = api.sql("SELECT status, COUNT(*) AS total FROM tasks GROUP BY status")
    assert found == [{"status": "failed", "total": 150}]


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
@pytest.mark.parametrize("log_format", ["ROW", "STATEMENT"])
def test_another_took_the_last_room_since_its_look(
    api: Api, monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    """A host whose log holds statements has transactions that go on seeing what was there."""
    facts = mysql_session._facts

    def be_told(raw: Any, settings: str) -> tuple[Any, ...]:
        return (bool(facts(raw, settings)), log_format, "", 0)

    monkeypatch.setattr(mysql_session, "_facts", be_told)
    monkeypatch.setattr(api.site, "contended_until", 0.0)  # for later tests: it meets a rival
    api.site.db.close()
    # A worker's first row, made under way, would wait for the row that another one makes.
    for worker_id in ("w1", "w2"):
        assert claim(api, "early", worker_id) == []
    api.register("job", max_running=1)
    for _ in range(3):
        api.create("job")
    within_limits = TypeLimits.within
    taken: list[int] = []

    def be_overtaken(self: TypeLimits, *arguments: Any) -> Any:
        if not taken:
            taken.append(0)
            taken[0] = api.claim("w2", sort_by="id", sort_order="desc")["id"]
        return within_limits(self, *arguments)

    monkeypatch.setattr(TypeLimits, "within", be_overtaken)
    assert claim(api, "k1", again=True) == []
    assert [row["id"] for row in api.sql("SELECT id FROM tasks WHERE status = 'claimed'")] == taken
    api.site.db.close()


def test_its_type_was_paused_since(api: Api, five: list[int]) -> None:
    claim(api, "k1")
    api.post("/task-types/job/pause")
    assert ids(claim(api, "k1", again=True)) == five[:2]
    assert claim(api, "k2") == []


def test_folded_into_a_settle(api: Api, five: list[int]) -> None:
    options = {"limit": 2, "claim_key": "k1"}
    body = {"worker_id": "w1", "outcomes": [], "claim": options}
    first = api.post("/tasks/settle", body).data["tasks"]
    options["again"] = True
    assert ids(api.post("/tasks/settle", body).data["tasks"]) == ids(first) == five[:2]
