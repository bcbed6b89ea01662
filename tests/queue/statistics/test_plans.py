"""How the database finds what statistics are made of, in a long history: never by reading what is
rolled up already, never all tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.queue.delete import delete
from app.queue.list_total import list_total
from app.queue.statistics import last_minute, roll_up
from app.queue.statistics.failures import failures
from app.queue.statistics.series import PERIODS, series
from app.queue.statistics.stats import stats, stats_of_worker
from app.queue.upkeep.turn import Budget
from app.site import Site
from tests.queue.statistics.clients import roll_up_all
from tests.queue.statistics.random_calls import RandomCalls
from tests.queue.test_plans import NUMBERS, Recorder, rows_read
from tests.support.database import mariadb_with_tables
from tests.support.mariadb import DatabaseServer
from tests.support.queue import register, site_at

TASKS = 50_000
ROWS_OF_A_CALL = 3000

FILL = f"""
INSERT INTO tasks (id, type_id, status, urgency, attempts, max_attempts, claimed_by,
    cancel_requested, created_at, params_json)
SELECT n, 1 + n MOD 3, CASE WHEN n MOD 10 = 0 THEN 'failed' ELSE 'completed' END, 0, 1, 1, 'w1', 0,
    UTC_TIMESTAMP(3) - INTERVAL 1 HOUR, '{{}}'
FROM ({NUMBERS}) AS numbers WHERE n BETWEEN 1 AND {TASKS} ORDER BY n;
INSERT INTO task_history (task_id, status, worker_id, attempt, seconds, waited, error_group,
    created_at)
SELECT id, status, 'w1', 1, 1.0, NULL, CASE WHEN status = 'failed' THEN id MOD 50 END, created_at
FROM tasks;
INSERT INTO task_errors SELECT id MOD 50, id, type_id FROM tasks WHERE status = 'failed';
ANALYZE TABLE tasks, task_history, task_errors
"""


@pytest.fixture(scope="module")
def long_url(mariadb: DatabaseServer) -> str:
    url = mariadb_with_tables(mariadb, "tm_long_history")
    site = site_at(url)
    for name in ("a", "b", "c"):
        register(site, name, max_attempts=2)
    mariadb.client(FILL, "tm_long_history")
    roll_up_all(site)
    site.db.close()
    return url


@pytest.fixture
def long_site(long_url: str) -> Iterator[Site]:
    site = site_at(long_url)
    yield site
    site.db.close()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    from app.db.mysql import MySQLConnection

    return Recorder(monkeypatch, MySQLConnection, "EXPLAIN FORMAT=TRADITIONAL")


READS: dict[str, Callable[[Site], Any]] = {
    "stats": stats,
    "stats of a type": lambda site: stats(site, "b"),
    "stats of a worker": lambda site: stats_of_worker(site, "w1"),
    **{f"series of a {each}": lambda site, p=each: series(site, p, "a") for each in PERIODS},  # type: ignore[misc]
    "failures": lambda site: failures(site, None, 100),
    "failures of a type": lambda site: failures(site, "c", 100),
    "total of a type": lambda site: list_total(site, {"type": "a", "status": "failed"}),
}

LARGE = {
    "tasks": {
        *("PRIMARY", "tasks_created", "tasks_status", "tasks_due", "tasks_claim"),
        *("tasks_claim_type", "tasks_key"),
    },
    "task_history": {"PRIMARY", "task_history_task"},
    "task_activity": {"PRIMARY"},
    "worker_activity": {"PRIMARY"},
    "task_errors": {"PRIMARY", "task_errors_task"},
}
ALIASES = {"t": "tasks", "h": "task_history", "p": "task_history", "e": "task_errors"}


def check(recorded: list[Any]) -> None:
    for sql, plan in recorded:
        for step in plan:
            table = ALIASES.get(step["table"], step["table"])
            if table in LARGE and step["select_type"] != "INSERT":
                assert step["type"] in ("const", "eq_ref", "ref", "range"), (sql, step)
                assert step["key"] in LARGE[table], (sql, step)


@pytest.mark.parametrize("name", READS)
def test_reading(
    long_site: Site, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(last_minute, "ROWS", 1000)
    calls = RandomCalls(long_site, 5)
    for _ in range(10):
        calls.call()
    roll_up.roll_up(long_site, Budget(0))
    before = rows_read(long_site)
    READS[name](long_site)
    assert rows_read(long_site) - before < ROWS_OF_A_CALL
    with recorder.recording() as seen:
        READS[name](long_site)
    check(seen)


def test_rolling_up(long_site: Site, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "SETTLED_SECONDS", 0.0)
    calls = RandomCalls(long_site, 6)
    for _ in range(20):
        calls.call()
    before = rows_read(long_site)
    roll_up_all(long_site)
    assert rows_read(long_site) - before < ROWS_OF_A_CALL
    for _ in range(20):
        calls.call()
    with recorder.recording() as seen:
        roll_up_all(long_site)
    check(seen)


def test_deleting(long_site: Site, recorder: Recorder) -> None:
    delete(long_site, 7)
    before = rows_read(long_site)
    delete(long_site, 10)
    assert rows_read(long_site) - before < 300
    with recorder.recording() as seen:
        delete(long_site, 20)
    check(seen)
