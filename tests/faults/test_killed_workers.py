"""SIGKILL in the middle, of workers and of the web server's processes: the books balance."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import sqlalchemy

from app.queue.upkeep.reclaim import LEASE_EXPIRED
from tests.faults.calls import create_plain, history, ids_with_status, task
from tests.faults.client_pool import ClientPool, Event
from tests.faults.processes import kill_a_worker
from tests.support.net import until
from tests.support.server import Server

MANY = 15  # hits of a kind before a test believes that it has shown something
CHAOS_SECONDS = 120


def test_tasks_of_killed_workers_are_done_by_others(farm: Server, pool: ClientPool) -> None:
    created = create_plain(farm, 200)
    start_workers(pool, 8, seconds=(0.05, 0.5), late=0.05)

    def is_shown() -> bool:
        return count_expired(farm) >= MANY and "lease_lost" in refusals(pool)

    for _ in until(is_shown, CHAOS_SECONDS, "kills that hit claims, and a late result"):
        created += create_plain(farm, 10, first=len(created))
        time.sleep(0.1)
        pool.kill_one("work_in_chaos")
        start_workers(pool, 1, seconds=(0.05, 0.5), late=0.05)
    finish(farm, pool)

    assert ids_with_status(farm, "completed") == set(created)
    check_books(farm, pool, created)
    assert refusals(pool) <= {"lease_lost", "not_claimed"}


def test_killed_web_processes_lose_nothing_that_was_acknowledged(
    farm: Server, pool: ClientPool
) -> None:
    start_workers(pool, 4, seconds=(0.0, 0.02), late=0)
    pool.start(["produce_in_chaos"] * 4, count=60)
    killed = set()

    def is_shown() -> bool:
        return len(killed) >= MANY and bool(pool.events("trouble"))

    for _ in until(is_shown, CHAOS_SECONDS, "kills of many processes, some in a call"):
        killed.add(kill_a_worker(farm))
        time.sleep(0.2)
    pool.wait_until(lambda: len(pool.events("created")) == 240, "all tasks to be created")
    finish(farm, pool)

    acknowledged = {event["id"]: event["params"] for event in pool.events("created")}
    assert len(acknowledged) == 240
    assert {event["status"] for event in pool.events("created")} <= {200, 201}
    assert {event["status"] for event in pool.events("settled")} <= {200, 409}
    for task_id, params in acknowledged.items():
        assert task(farm, task_id)["params"] == params
    assert ids_with_status(farm, "completed") == set(acknowledged)
    check_books(farm, pool, sorted(acknowledged))


def refusals(pool: ClientPool) -> set[str]:
    return {event["code"] for event in pool.events("settled") if event["status"] != 200}


def count_expired(farm: Server) -> int:
    """How many claims have ended with their leases, whoever held them."""
    sql = sqlalchemy.text("SELECT COUNT(*) FROM task_history WHERE message = :message")
    engine = sqlalchemy.create_engine(farm.database_url)
    with engine.connect() as connection:
        count = connection.execute(sql, {"message": LEASE_EXPIRED}).scalar_one()
    engine.dispose()
    return int(count)


def start_workers(pool: ClientPool, count: int, seconds: tuple[float, float], late: float) -> None:
    pool.start(["work_in_chaos"] * count, lease=1.0, seconds=seconds, late=late)


def finish(farm: Server, pool: ClientPool) -> None:
    pool.wait_until(
        lambda: not (ids_with_status(farm, "pending") | ids_with_status(farm, "claimed")),
        "every task to be completed",
    )
    pool.tell_to_stop()
    pool.join()


def check_file(farm: Server) -> None:
    """On SQLite: every page of the file is in order."""
    engine = sqlalchemy.create_engine(farm.database_url)
    if engine.name == "sqlite":
        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text("PRAGMA integrity_check")).scalars().all()
        assert found == ["ok"]
    engine.dispose()


def check_books(farm: Server, pool: ClientPool, task_ids: list[int]) -> None:
    """Each task was completed once, its acknowledged result stands, and every attempt but the
    completed one ended with its lease.
    """
    check_file(farm)
    acknowledged: dict[int, list[Event]] = defaultdict(list)
    for event in pool.events("completed"):
        acknowledged[event["id"]].append(event)
    for task_id in task_ids:
        found = task(farm, task_id)
        changes = history(farm, task_id)
        assert [change["status"] for change in changes].count("completed") == 1, changes
        assert changes[-1]["status"] == "completed", changes
        assert attempts_of(changes, "claimed") == list(range(1, found["attempts"] + 1)), changes
        assert found["attempts"] == 1 + len(expiries(farm, task_id)), changes
        assert changes[-1]["attempt"] == found["attempts"], changes
        # A task may have none: its worker or its server died between the commit and the response.
        assert len(acknowledged[task_id]) <= 1, acknowledged[task_id]
        for event in acknowledged[task_id]:
            assert (event["result"], event["attempt"]) == (found["result"], found["attempts"])


def attempts_of(changes: list[dict[str, Any]], status: str) -> list[int]:
    return [change["attempt"] for change in changes if change["status"] == status]


def expiries(farm: Server, task_id: int) -> list[dict[str, Any]]:
    return [change for change in history(farm, task_id) if change["message"] == LEASE_EXPIRED]
