"""Schedules: each of their times gets its task once, whoever notices."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from app.errors import DatabaseUnavailable
from app.queue import task_types, upkeep
from app.queue.claim import ClaimRequest, claim
from app.queue.fencing import LeaseRef
from app.queue.schedules import making, store
from app.queue.schedules import runs as schedule_runs
from app.queue.schedules.due_times import TIMES_AT_ONCE
from app.queue.schedules.times import from_stored, stored
from app.queue.settle import Completion, settle
from app.queue.upkeep import schedules
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.support.queue import register

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_schedules(site: Site) -> None:
    for table in ("schedules", "schedule_runs"):
        send(site, f"DELETE FROM {table}")
    send(site, "DELETE FROM settings WHERE name LIKE :upkeep", upkeep=f"{upkeep.ROWS}%")
    register(site, "report")


def send(site: Site, sql: str, **values: Any) -> list[Row]:
    return site.db.run(lambda connection: connection.query(sql, values))


def put(site: Site, name: str = "nightly", **values: Any) -> Row:
    every = {} if "cron" in values else {"every": 3600.0}
    return store.put(site, name, {"type": "report", "params": {}, **every, **values})[0]


def let_be_due(site: Site, seconds: float = 1, name: str = "nightly") -> str:
    """As if its next time had come so long ago; that time."""
    now = send(site, f"SELECT {site.db.dialect.now} AS now")[0]["now"]
    moment = stored(from_stored(now) - timedelta(seconds=seconds))
    send(site, "UPDATE schedules SET next_at = :at WHERE name = :name", at=moment, name=name)
    return moment


def make(site: Site) -> None:
    schedules.make_due_tasks(site, Budget(None))


def tasks(site: Site) -> list[Row]:
    return send(site, "SELECT * FROM tasks ORDER BY id")


def runs(site: Site, name: str = "nightly") -> list[tuple[Any, Any]]:
    """Task and message of each, the oldest first."""
    found = store.runs(site, store.get(site, name)["id"])
    return [(run["task_id"], run["message"]) for run in reversed(found)]


def test_a_task_with_everything_that_the_schedule_says(site: Site) -> None:
    put(
        site,
        params={"for": "Grüße"},
        priority=7,
        max_attempts=2,
        timeout=90.5,
        tags=["customer-1"],
    )
    due_at = let_be_due(site)
    make(site)
    (task,) = tasks(site)
    assert json.loads(task["params_json"]) == {"for": "Grüße"}
    assert (task["urgency"], task["max_attempts"], task["status"]) == (-7, 2, "pending")
    assert task["timeout"] == 90.5
    assert task["tags"] == "\ncustomer-1\nschedule:nightly\n"
    row = store.get(site, "nightly")
    assert (row["last_due_at"], row["last_task_id"]) == (due_at, task["id"])
    assert from_stored(row["next_at"]) == from_stored(due_at) + timedelta(hours=1)
    make(site)
    assert len(tasks(site)) == 1


def test_a_claim_that_finds_nothing_else_gets_it(site: Site) -> None:
    put(site)
    claim(site, ClaimRequest("w"))
    claim(site, ClaimRequest("w"))  # the first turn of this queue is behind it
    let_be_due(site)
    send(site, "UPDATE settings SET value = '2020-01-01 00:00:00.000' WHERE name LIKE '%upkeep%'")
    (task,) = claim(site, ClaimRequest("w")).tasks
    assert task["type"] == "report"


def test_the_next_turn_comes_when_a_schedule_is_due(site: Site) -> None:
    put(site, every=3.0)
    claim(site, ClaimRequest("w"))
    claim(site, ClaimRequest("w"))
    look = "SELECT value FROM settings WHERE name = :name"
    times = {
        send(site, look, name=each)[0]["value"]
        for each in (upkeep.NEXT_TURN, upkeep.due_at("schedules"))
    }
    assert times == {store.get(site, "nightly")["next_at"]}


def test_fifty_claims_at_the_due_instant_of_twenty_schedules(site: Site) -> None:
    for number in range(20):
        put(site, f"s{number}")
        let_be_due(site, name=f"s{number}")
    start = threading.Barrier(25)

    def look(number: int) -> None:
        start.wait()
        make(site)

    with ThreadPoolExecutor(25) as pool:
        list(pool.map(look, range(50)))
    made = [task["tags"].strip() for task in tasks(site)]
    assert sorted(made) == sorted(f"schedule:s{number}" for number in range(20))
    assert {len(runs(site, f"s{number}")) for number in range(20)} == {1}


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_what_is_cut_off_is_done_once_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """Whichever of its steps was the last that was done."""
    put(site)
    let_be_due(site)
    left = [lost]
    run = site.db.run

    def run_or_break(work: Any, **more: Any) -> Any:
        result = run(work, **more)
        left[0] -= 1
        if not left[0]:
            raise DatabaseUnavailable("the connection broke after this")
        return result

    with monkeypatch.context() as patched:
        patched.setattr(site.db, "run", run_or_break)
        with pytest.raises(DatabaseUnavailable):
            make(site)
    make(site)
    assert len(tasks(site)) == 1
    assert runs(site) == [(tasks(site)[0]["id"], None)]


@pytest.mark.parametrize(
    ("missed", "seconds", "made", "message"),
    [
        ("once", 60, 1, None),
        ("once", 3.5 * 3600, 1, "missed 3 times"),
        ("skip", 60, 1, None),
        ("skip", 3 * 3600 + 60, 1, "missed 3 times"),
        ("skip", 3.5 * 3600, 0, "missed 4 times"),
        ("all", 3.5 * 3600, 4, None),
    ],
)
def test_missed_times(
    site: Site, missed: str, seconds: float, made: int, message: str | None
) -> None:
    put(site, missed=missed)
    first = from_stored(let_be_due(site, seconds))
    make(site)
    assert len(tasks(site)) == made
    assert {said for _, said in runs(site)} == {message}
    hours = int(seconds // 3600) + 1
    assert from_stored(store.get(site, "nightly")["next_at"]) == first + timedelta(hours=hours)


def test_a_minutely_one_that_nobody_looked_at_for_weeks(site: Site) -> None:
    put(site, cron="* * * * *")
    let_be_due(site, 50 * 86400)
    make(site)
    assert runs(site) == [(tasks(site)[0]["id"], "missed 99 times or more")]
    row = store.get(site, "nightly")
    assert 0 <= (from_stored(row["next_at"]) - from_stored(row["updated_at"])).total_seconds() <= 61


def test_all_of_many_missed_times_come_in_portions(site: Site) -> None:
    put(site, missed="all", every=60.0)
    let_be_due(site, 60 * (TIMES_AT_ONCE + 20) + 5)
    make(site)
    assert len(tasks(site)) == TIMES_AT_ONCE
    make(site)
    assert len(tasks(site)) == TIMES_AT_ONCE + 21


def test_a_time_is_left_out_while_the_task_before_is_unfinished(site: Site) -> None:
    put(site, dedupe="active")
    let_be_due(site)
    make(site)
    first = tasks(site)[0]["id"]
    let_be_due(site)
    make(site)
    assert len(tasks(site)) == 1
    assert runs(site)[1] == (None, f"left out: task {first} of the time before is unfinished")
    (task,) = claim(site, ClaimRequest("w")).tasks
    settle(site, [Completion(LeaseRef(task["id"], "w", task["attempts"]), None)])
    let_be_due(site)
    make(site)
    assert len(tasks(site)) == 2


def test_a_task_that_cannot_be_made_is_told(site: Site) -> None:
    put(site, params={"count": "many"})
    schema = {"properties": {"count": {"type": "integer"}}}
    task_types.register(site, "report", "2", schema, {})
    let_be_due(site)
    make(site)
    assert tasks(site) == []
    ((task_id, message),) = runs(site)
    assert task_id is None
    assert "could not be made: params.count" in message
    task_types.register(site, "report", "3", {}, {})
    let_be_due(site)
    make(site)
    assert len(tasks(site)) == 1


def test_a_paused_one_makes_nothing_and_makes_up_for_nothing(site: Site) -> None:
    put(site, missed="all")
    let_be_due(site, 86400)
    store.set_paused(site, "nightly", True)
    make(site)
    assert tasks(site) == []
    row = store.set_paused(site, "nightly", False)
    make(site)
    assert tasks(site) == []
    assert from_stored(row["next_at"]) > from_stored(row["updated_at"])


def test_a_change_while_its_task_is_made_is_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site)
    let_be_due(site)
    create = making.create

    def change_first(*arguments: Any) -> Any:
        made = create(*arguments)
        put(site, every=7200.0)
        return made

    monkeypatch.setattr(making, "create", change_first)
    make(site)
    row = store.get(site, "nightly")
    assert row["every_seconds"] == 7200
    assert (from_stored(row["next_at"]) - from_stored(row["updated_at"])).total_seconds() == (
        pytest.approx(7200, abs=5)
    )


def test_run_now(site: Site) -> None:
    row = put(site, paused=True)
    first, second = making.run_now(site, row), making.run_now(site, row)
    assert [task["id"] for task in tasks(site)] == [first, second]
    assert store.get(site, "nightly")["next_at"] is None


class TestWhatBecameOfItsTimes:
    """The newest are kept."""

    @pytest.fixture(autouse=True)
    def _few(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(site.settings, "retain_schedule_runs", 3)

    def add(self, site: Site, count: int, task_id: int | None = None) -> None:
        """As if it had had so many earlier times."""
        sql = site.db.dialect
        schedule = store.get(site, "nightly")["id"]
        for number in range(count):
            past = sql.after(str(-86400 - 60 * number))
            send(
                site,
                "INSERT INTO schedule_runs (schedule_id, due_at, made_at, task_id) "
                f"VALUES ({schedule}, {past}, {past}, :task)",
                task=task_id,
            )

    def count(self, site: Site) -> int:
        return int(send(site, "SELECT COUNT(*) AS n FROM schedule_runs")[0]["n"])

    def test_each_new_one_makes_an_old_one_go(self, site: Site) -> None:
        put(site)
        made = []
        for _ in range(5):
            made.append(let_be_due(site))
            make(site)
            send(site, "UPDATE tasks SET status = 'completed'")
        rows = send(site, "SELECT due_at FROM schedule_runs ORDER BY due_at")
        assert [row["due_at"] for row in rows] == made[2:]

    def test_other_schedules_keep_theirs(self, site: Site) -> None:
        put(site, "other")
        let_be_due(site, name="other")
        make(site)
        put(site)
        self.add(site, 5)
        let_be_due(site)
        make(site)
        assert self.count(site) == 4
        assert len(runs(site, "other")) == 1

    def test_many_go_some_at_a_time(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schedule_runs, "FORGOTTEN_AT_ONCE", 4)
        put(site)
        self.add(site, 10)
        for left in (7, 4, 3):
            let_be_due(site)
            make(site)
            assert self.count(site) == left

    def test_one_whose_task_is_unfinished_stays(self, site: Site) -> None:
        """Later times are left out for it, however many they are."""
        put(site, dedupe="active")
        let_be_due(site, 5)
        make(site)
        (task,) = tasks(site)
        for _ in range(6):
            let_be_due(site)
            make(site)
        assert [row["id"] for row in tasks(site)] == [task["id"]]
        assert runs(site)[0] == (task["id"], None)
        assert self.count(site) == 4
        (claimed,) = claim(site, ClaimRequest("w")).tasks
        settle(site, [Completion(LeaseRef(claimed["id"], "w", claimed["attempts"]), None)])
        let_be_due(site)
        make(site)
        assert len(tasks(site)) == 2
        assert self.count(site) == 3


def test_what_became_of_its_times_in_pages(site: Site) -> None:
    schedule = put(site)
    for hour in range(5):
        send(
            site,
            "INSERT INTO schedule_runs (schedule_id, due_at, made_at) VALUES (:id, :at, :at)",
            id=schedule["id"],
            at=f"2026-01-01 {hour:02}:00:00.000",
        )
    newest = store.runs(site, schedule["id"], limit=2)
    assert [str(row["due_at"])[11:13] for row in newest] == ["04", "03"]
    older = store.runs(site, schedule["id"], before=str(newest[-1]["due_at"]))
    assert [str(row["due_at"])[11:13] for row in older] == ["02", "01", "00"]


def test_runs_by_hand_within_one_millisecond_are_all_noted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = put(site, paused=True)
    fixed = f"'{stored(from_stored(row['created_at']))}'"
    monkeypatch.setattr(type(site.db.dialect), "now", fixed)
    made = [making.run_now(site, row) for _ in range(3)]
    found = store.runs(site, row["id"])
    assert [run["task_id"] for run in found] == made[::-1]
    assert {run["message"] for run in found} == {"run by hand"}


def test_runs_by_hand_at_once_are_all_noted(site: Site) -> None:
    row = put(site, paused=True)
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: making.run_now(site, row), range(18)))
    assert sorted(run["task_id"] for run in store.runs(site, row["id"])) == sorted(made)
