"""GET /stats, GET /stats/series"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from app.queue import upkeep
from app.queue.statistics import last_minute, oldest_due, roll_up
from app.queue.upkeep.turn import Budget
from tests.api.caller import TIME, Api

NO_TASKS = dict.fromkeys(("pending", "scheduled", "claimed", "completed", "failed", "cancelled"), 0)
NOTHING = {"p50": None, "p95": None, "p99": None}


@pytest.fixture(params=["read from the history", "rolled up"])
def rolled_up(request: pytest.FixtureRequest, api: Api, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that leaves the history as it is, or rolls it up: what is read is the same."""
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    # Else a claim may take a turn, and roll up what a test is about to move into the past.
    monkeypatch.setattr(upkeep, "is_due", lambda seconds: False)

    def maybe_roll_up() -> None:
        if request.param == "rolled up":
            while roll_up.roll_up(api.site, Budget(60)):
                pass

    return maybe_roll_up


def stats(api: Api, **query: str) -> Any:
    response = api.get("/stats", **query)
    assert response.status == 200, response
    assert TIME.fullmatch(response.data["as_of"])
    return response.data


def settle(api: Api, task: Any, **outcome: Any) -> None:
    verb = "fail" if "error" in outcome else "complete"
    assert api.post(f"/tasks/{task['id']}/{verb}", outcome).status == 200


def test_an_empty_queue(api: Api) -> None:
    found = stats(api)
    assert (found["counts"], found["by_type"]) == (NO_TASKS, [])
    assert found["oldest_due_age"] is None
    for end in ("completed", "failed"):
        assert found[end] == {"minute": 0, "hour": 0, "day": 0}
    assert (found["wait_seconds"], found["run_seconds"]) == (NOTHING, NOTHING)


def one_of_each(api: Api) -> None:
    """A task of each status, and one more that waits, of another type."""
    settle(api, api.claimed())
    settle(api, api.claimed(), error="x", retry=False)
    settle(api, api.claimed(), error="x", delay=1000)
    api.claimed()
    api.post(f"/tasks/{api.create('job')['id']}/cancel")
    api.register("other")
    api.create("other")
    api.create("other", delay=1000)


def test_counts(api: Api, rolled_up: Any) -> None:
    one_of_each(api)
    rolled_up()
    found = stats(api)
    of_job = {
        **NO_TASKS,
        "completed": 1,
        "failed": 1,
        "scheduled": 1,
        "claimed": 1,
        "cancelled": 1,
    }
    of_other = {**NO_TASKS, "pending": 1, "scheduled": 1}
    assert found["by_type"] == [{"type": "job", **of_job}, {"type": "other", **of_other}]
    assert found["counts"] == {name: of_job[name] + of_other[name] for name in NO_TASKS}
    assert stats(api, type="other")["counts"] == of_other
    assert stats(api, type="other")["by_type"] == [{"type": "other", **of_other}]


def test_what_ended_lately(api: Api, rolled_up: Any) -> None:
    one_of_each(api)
    settle(api, api.claimed())
    rolled_up()
    found = stats(api)
    assert found["completed"] == {"minute": 2, "hour": 2, "day": 2}
    assert found["failed"] == {"minute": 1, "hour": 1, "day": 1}
    of_other = stats(api, type="other")
    assert of_other["completed"] == {"minute": 0, "hour": 0, "day": 0}


def test_history_that_was_deleted_makes_no_busy_minute(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of the newest rows does not stand for the rate of a minute."""
    monkeypatch.setattr(last_minute, "ROWS", 20)
    monkeypatch.setattr(last_minute, "MOST_MISSING", 2)
    api.register("job")
    for _ in range(25):
        api.create("job", delay=600)
    api.sql("DELETE FROM task_history")
    task = api.create("job")
    api.post("/tasks/claim", {"worker_id": "w"})
    api.post(f"/tasks/{task['id']}/complete", {"worker_id": "w"})
    assert stats(api)["completed"]["minute"] == 1


def ago(api: Api, seconds: float) -> None:
    """Let all that has happened have happened so much earlier."""
    past = api.site.db.dialect.after(str(-seconds))
    api.sql(f"UPDATE task_history SET created_at = {past}")


@pytest.mark.parametrize(
    ("seconds", "within"),
    [(0, 3), (100, 2), (2 * 3600, 1), (25 * 3600, 0)],
)
def test_how_lately(api: Api, rolled_up: Any, seconds: float, within: int) -> None:
    settle(api, api.claimed())
    ago(api, seconds)
    rolled_up()
    found = stats(api)["completed"]
    assert list(found.values()) == [0] * (3 - within) + [1] * within


def test_a_deleted_task_did_what_it_did(api: Api, rolled_up: Any) -> None:
    task = api.claimed()
    rolled_up()
    settle(api, task)
    api.post(f"/tasks/{task['id']}/delete")
    found = stats(api)
    assert found["counts"] == NO_TASKS
    assert (found["completed"]["hour"], found["completed"]["day"]) == (1, 1)


def test_how_long_tasks_wait_and_run(api: Api, rolled_up: Any) -> None:
    api.register("job")
    for waited, ran in [(10, 100)] * 90 + [(50, 500)] * 8 + [(1000, 7000)] * 2:
        task = api.create("job")["id"]
        sql = api.site.db.dialect
        api.sql(f"UPDATE tasks SET created_at = {sql.after(str(-waited))} WHERE id = {task}")
        api.claim()
        api.sql(f"UPDATE tasks SET claimed_at = {sql.after(str(-ran))} WHERE id = {task}")
        api.post(f"/tasks/{task}/complete")
    rolled_up()
    found = stats(api)
    assert found["wait_seconds"] == {
        "p50": pytest.approx(10, rel=0.1),
        "p95": pytest.approx(50, rel=0.1),
        "p99": pytest.approx(1000, rel=0.1),
    }
    assert found["run_seconds"] == {
        "p50": pytest.approx(100, rel=0.1),
        "p95": pytest.approx(500, rel=0.1),
        "p99": pytest.approx(7000, rel=0.1),
    }


class TestOldestDue:
    def age(self, api: Api, **query: str) -> Any:
        return stats(api, **query)["oldest_due_age"]

    def create(self, api: Api, age: float, type: str = "job", **options: Any) -> int:
        api.register(type)
        task_id: int = api.create(type, **options)["id"]
        past = api.site.db.dialect.after(str(-age))
        api.sql(f"UPDATE tasks SET created_at = {past} WHERE id = {task_id}")
        return task_id

    def test_of_pending_tasks(self, api: Api) -> None:
        self.create(api, 500)
        self.create(api, 100, type="other")
        assert self.age(api) == pytest.approx(500, abs=5)
        assert self.age(api, type="other") == pytest.approx(100, abs=5)

    def test_not_since_the_creation_of_a_task_that_was_retried(self, api: Api) -> None:
        for age in (900, 800):
            task_id = self.create(api, age)
            api.post(f"/tasks/{task_id}/cancel")
            api.post(f"/tasks/{task_id}/retry")
        assert self.age(api) == pytest.approx(0, abs=5)
        self.create(api, 300)
        assert self.age(api) == pytest.approx(300, abs=5)

    @pytest.mark.parametrize("piece", [1, 2, 3])
    def test_behind_tasks_that_were_retried(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, piece: int
    ) -> None:
        monkeypatch.setattr(oldest_due, "PIECE", piece)
        retried = [self.create(api, age) for age in (5000, 4000, 3000)]
        self.create(api, 400)
        self.create(api, 300)
        for task_id in retried:
            api.sql(f"UPDATE tasks SET ready_at = {api.site.db.dialect.now} WHERE id = {task_id}")
        assert self.age(api) == pytest.approx(400, abs=5)

    def test_of_a_scheduled_task_that_nobody_has_woken(self, api: Api) -> None:
        task_id = self.create(api, 5, delay=1000)
        assert self.age(api) is None
        past = api.site.db.dialect.after("-70")
        api.sql(f"UPDATE tasks SET due_at = {past} WHERE id = {task_id}")
        assert self.age(api) == pytest.approx(70, abs=5)
        assert self.age(api, type="job") == pytest.approx(70, abs=5)

    def test_tasks_of_paused_types_wait_on_purpose(self, api: Api) -> None:
        self.create(api, 500)
        self.create(api, 100, type="other")
        self.create(api, 50, type="third")
        api.post("/task-types/job/pause")
        assert self.age(api) == pytest.approx(100, abs=5)
        assert self.age(api, type="job") is None

    def test_scheduled_ones_that_nobody_has_woken_wait_so_too(self, api: Api) -> None:
        task_id = self.create(api, 5, delay=1000)
        past = api.site.db.dialect.after("-70")
        api.sql(f"UPDATE tasks SET due_at = {past} WHERE id = {task_id}")
        api.post("/task-types/job/pause")
        assert self.age(api) is None
        assert self.age(api, type="job") is None


def test_of_a_worker(api: Api, rolled_up: Any) -> None:
    settle(api, api.claimed(worker_id="w2"), worker_id="w2")
    settle(api, api.claimed(worker_id="w1"), worker_id="w1", error="x", retry=False)
    api.claimed(worker_id="w1")
    rolled_up()
    found = stats(api, worker_id="w1")
    assert found["counts"] == {**dict.fromkeys(NO_TASKS), "claimed": 1}
    assert (found["by_type"], found["oldest_due_age"]) == ([], None)
    assert found["completed"] == {"minute": 0, "hour": 0, "day": 0}
    assert found["failed"] == {"minute": 1, "hour": 1, "day": 1}
    assert found["run_seconds"]["p50"] is not None
    assert stats(api, worker_id="w2")["completed"] == {"minute": 1, "hour": 1, "day": 1}


def test_without_a_history(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    one_of_each(api)
    counts = stats(api)["counts"]
    monkeypatch.setattr(api.site.settings, "enable_task_history", False)
    api.create("other")
    response = api.get("/stats")
    assert response.data["counts"] == {**counts, "pending": counts["pending"] + 1}
    assert response.data["completed"] == dict.fromkeys(("minute", "hour", "day"))
    assert response.data["wait_seconds"] == NOTHING
    assert response.data["oldest_due_age"] is not None
    assert "ENABLE_TASK_HISTORY" in response.json["warnings"][0]
    roll_up.roll_up(api.site, Budget(60))
    monkeypatch.setattr(api.site.settings, "enable_task_history", True)
    assert stats(api)["counts"] == {**counts, "pending": counts["pending"] + 1}


def test_an_unknown_type(api: Api) -> None:
    assert api.get("/stats", type="none").code == "unknown_type"
    assert api.get("/stats/series", type="none").code == "unknown_type"


def test_a_type_or_a_worker(api: Api) -> None:
    response = api.get("/stats", type="job", worker_id="w")
    assert (response.code, response.json["details"][0]["path"]) == (
        "validation_failed",
        "worker_id",
    )


@pytest.mark.parametrize(
    ("period", "points", "step"), [("hour", 60, 60), ("day", 96, 900), ("week", 168, 3600)]
)
def test_series(api: Api, rolled_up: Any, period: str, points: int, step: int) -> None:
    one_of_each(api)
    settle(api, api.claimed())
    ago(api, 2 * step)
    rolled_up()
    settle(api, api.claimed())
    found = api.get("/stats/series", period=period).data
    assert (len(found["points"]), found["step_seconds"]) == (points, step)
    times = [datetime.fromisoformat(point["at"][:-1]) for point in found["points"]]
    assert {(later - time).total_seconds() for time, later in zip(times, times[1:])} == {step}
    told = [
        (point["created"], point["completed"], point["failed"])
        for point in found["points"]
        if point["created"]
    ]
    assert told == [(8, 2, 1), (1, 1, 0)]
    for point in found["points"]:
        assert (point["wait_p50"] is None) == (not point["created"])
    of_other = api.get("/stats/series", period=period, type="other").data["points"]
    assert sum(point["created"] for point in of_other) == 2


def test_the_series_is_of_an_hour_unless_it_is_said(api: Api) -> None:
    assert len(api.get("/stats/series").data["points"]) == 60
