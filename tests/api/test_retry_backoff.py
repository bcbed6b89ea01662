"""How long a failed task waits for its next attempt.

The time between the line of the history that the failure wrote and ``run_at`` is the wait; both
come from the database's clock.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Api, seconds_between

ROUNDING = 0.05


def fail(api: Api, task_id: int, **body: Any) -> float:
    """Fail a claimed task: how many seconds it has to wait."""
    data = api.post(f"/tasks/{task_id}/fail", {"error": "x", **body}).data
    assert data["will_retry"] is True
    return seconds_between(api.history(task_id)[-1]["created_at"], data["run_at"])


def about(seconds: float) -> Any:
    return pytest.approx(seconds, rel=0.1, abs=ROUNDING)


def waits(api: Api, task_id: int, count: int) -> list[float]:
    """Claim and fail a task again and again."""
    found = []
    for _ in range(count):
        assert api.claim()["id"] == task_id
        found.append(fail(api, task_id))
        api.make_due(task_id)
    return found


def test_the_wait_doubles(api: Api) -> None:
    api.register("job", retry_delay=1000, retry_max_delay=1_000_000, max_attempts=20)
    task = api.create("job")
    found = waits(api, task["id"], 6)
    assert found == [about(1000 * 2**n) for n in range(6)]


def test_the_wait_is_bounded(api: Api) -> None:
    api.register("job", retry_delay=1000, retry_max_delay=3000, max_attempts=100)
    task = api.create("job")
    expected = [about(each) for each in (1000, 2000, 3000, 3000, 3000)]
    assert waits(api, task["id"], 5) == expected


def test_very_many_attempts(api: Api) -> None:
    api.register("job", retry_delay=1000, retry_max_delay=5000, max_attempts=1000)
    task = api.create("job")
    api.sql("UPDATE tasks SET attempts = 900 WHERE id = :id", id=task["id"])
    assert waits(api, task["id"], 1) == [about(5000)]


def test_the_server_decides_where_the_type_does_not(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.site.settings, "retry_delay", 400.0)
    monkeypatch.setattr(api.site.settings, "retry_max_delay", 600.0)
    api.register("job", max_attempts=5)
    task = api.create("job")
    assert waits(api, task["id"], 3) == [about(400), about(600), about(600)]


def test_a_type_that_decides_one_of_the_two(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.site.settings, "retry_delay", 400.0)
    monkeypatch.setattr(api.site.settings, "retry_max_delay", 600.0)
    api.register("job", max_attempts=5, retry_max_delay=500)
    task = api.create("job")
    assert waits(api, task["id"], 2) == [about(400), about(500)]


def test_no_delay_at_all(api: Api) -> None:
    api.register("job", retry_delay=0)
    task = api.create("job")
    api.claim()
    assert fail(api, task["id"]) == pytest.approx(0, abs=ROUNDING)
    assert api.claim()["attempts"] == 2


def test_a_wait_of_its_own(api: Api) -> None:
    api.register("job", retry_delay=1000)
    task = api.create("job")
    api.claim()
    assert fail(api, task["id"], delay=77.5) == pytest.approx(77.5, abs=ROUNDING)


def test_a_wait_of_its_own_may_exceed_the_bound(api: Api) -> None:
    api.register("job", retry_delay=10, retry_max_delay=20)
    task = api.create("job")
    api.claim()
    assert fail(api, task["id"], delay=86400) == pytest.approx(86400, abs=ROUNDING)


def test_tasks_that_failed_together_do_not_come_back_together(api: Api) -> None:
    api.register("job", retry_delay=10_000, retry_max_delay=10_000)
    for _ in range(20):
        api.create("job")
    found = [fail(api, task["id"]) for task in api.claim(limit=20)]
    assert found == [about(10_000)] * 20
    assert len({round(each) for each in found}) > 10


def test_the_whole_of_a_batch_does_not_come_back_together(api: Api) -> None:
    api.register("job", retry_delay=10_000, retry_max_delay=10_000)
    for _ in range(20):
        api.create("job")
    outcomes = [{"id": task["id"], "success": False} for task in api.claim(limit=20)]
    settled = api.post("/tasks/settle", {"outcomes": outcomes}).data["settled"]
    assert len({each["run_at"][:19] for each in settled}) > 10


def test_the_task_is_claimable_when_the_wait_is_over(api: Api) -> None:
    api.register("job", retry_delay=1000)
    task = api.create("job")
    api.claim()
    fail(api, task["id"])
    assert api.claim() is None
    api.make_due(task["id"])
    again = api.claim("w2")
    assert again["id"] == task["id"]
    assert again["attempts"] == 2
