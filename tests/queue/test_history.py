"""What the history records of each change: the stored status, how long a task had waited, and which
kind of error ended it.
"""

from __future__ import annotations

from typing import Any

import pytest

from app.queue import history
from app.queue.cancel import cancel
from app.queue.claim import ClaimRequest, claim
from app.queue.create import create
from app.queue.error_groups import group_of
from app.queue.fencing import LeaseRef
from app.queue.new_task import NewTask
from app.queue.release import release
from app.queue.retry import retry
from app.queue.settle import Completion, Failure, settle
from app.site import Site
from tests.support.queue import register


def rows(site: Site, sql: str) -> list[dict[str, Any]]:
    return site.db.run(lambda connection: connection.query(sql, {}))


def move(site: Site, column: str, seconds: float) -> None:
    """Move a time of every task, where it has one."""
    sql = f"UPDATE tasks SET {column} = {site.db.dialect.after(str(seconds))} "
    rows(site, f"{sql} WHERE {column} IS NOT NULL")


def new_task(site: Site, **options: Any) -> int:
    register(site, "job")
    return create(site, [NewTask("job", {}, dedupe=False, **options)])[0].id


def take(site: Site) -> LeaseRef:
    (task,) = claim(site, ClaimRequest("w", 1, 60)).tasks
    return LeaseRef(task["id"], "w", task["attempts"])


def recorded(site: Site, *columns: str) -> list[Any]:
    """These columns of each row of the history: plain values where it is one column."""
    found = rows(site, f"SELECT {', '.join(columns)} FROM task_history ORDER BY id")
    return [tuple(row.values()) if len(columns) > 1 else row[columns[0]] for row in found]


def test_the_stored_status_of_every_change(site: Site) -> None:
    task_id = new_task(site, delay=500)
    move(site, "due_at", -1)
    settle(site, [Failure(take(site), "x", delay=500)])
    move(site, "due_at", -1)
    release(site, take(site), 500)
    retry(site, task_id)
    settle(site, [Completion(take(site), None)])
    assert recorded(site, "status", "message", "worker_id") == [
        ("scheduled", None, None),
        ("pending", history.PROMOTED, None),
        ("claimed", None, "w"),
        ("scheduled", "x", "w"),
        ("pending", history.PROMOTED, None),
        ("claimed", None, "w"),
        ("scheduled", history.RELEASED, "w"),
        ("pending", "retry", None),
        ("claimed", None, "w"),
        ("completed", None, "w"),
    ]
    assert [row["status"] for row in history.read(site, task_id)] == [
        *("pending", "claimed", "pending"),
        *("claimed", "pending", "pending"),
        *("claimed", "completed"),
    ]


def test_a_failure_may_say_what_a_promotion_says(site: Site) -> None:
    task_id = new_task(site)
    settle(site, [Failure(take(site), history.PROMOTED)])
    assert [row["message"] for row in history.read(site, task_id)] == [None, None, history.PROMOTED]


class TestWaited:
    """How long a task had been pending is in the row of its claim, and in no other."""

    def waited(self, site: Site) -> float:
        *before, last = recorded(site, "status", "waited")
        assert last[0] == "claimed"
        assert all((row[1] is None) == (row[0] != "claimed") for row in before)
        return float(last[1])

    def test_since_its_creation(self, site: Site) -> None:
        new_task(site)
        move(site, "created_at", -100)
        take(site)
        assert self.waited(site) == pytest.approx(100, abs=5)

    def test_since_its_time_came(self, site: Site) -> None:
        new_task(site, delay=500)
        move(site, "created_at", -1000)
        move(site, "due_at", -200)
        take(site)
        assert self.waited(site) == pytest.approx(200, abs=5)

    def test_since_its_next_attempt_was_due(self, site: Site) -> None:
        new_task(site)
        move(site, "created_at", -1000)
        settle(site, [Failure(take(site), "x", delay=500)])
        move(site, "due_at", -300)
        take(site)
        assert self.waited(site) == pytest.approx(300, abs=5)

    @pytest.mark.parametrize("delay", [0, 500])
    def test_since_it_was_released(self, site: Site, delay: float) -> None:
        new_task(site)
        move(site, "created_at", -1000)
        release(site, take(site), delay)
        move(site, "due_at", -40)
        take(site)
        assert self.waited(site) == pytest.approx(40 if delay else 0, abs=5)

    def test_since_its_lease_was_taken_back(self, site: Site) -> None:
        new_task(site)
        take(site)
        move(site, "created_at", -1000)
        move(site, "due_at", -100)
        take(site)
        assert self.waited(site) == pytest.approx(0, abs=5)

    def test_since_it_was_retried(self, site: Site) -> None:
        task_id = new_task(site)
        move(site, "created_at", -1000)
        cancel(site, task_id)
        retry(site, task_id)
        take(site)
        assert self.waited(site) == pytest.approx(0, abs=5)

    def test_of_a_task_from_before(self, site: Site) -> None:
        """Earlier versions of the tables did not note since when a task waits."""
        new_task(site)
        move(site, "created_at", -77)
        assert recorded_ready(site) == [None]
        take(site)
        assert self.waited(site) == pytest.approx(77, abs=5)


def recorded_ready(site: Site) -> list[Any]:
    return [row["ready_at"] for row in rows(site, "SELECT ready_at FROM tasks")]


class TestErrorGroups:
    def groups(self, site: Site) -> list[tuple[int, int]]:
        found = rows(
            site,
            "SELECT task_id, error_group FROM task_errors WHERE error_group > 0 ORDER BY task_id",
        )
        return [(row["task_id"], row["error_group"]) for row in found]

    def test_of_what_ended_a_task(self, site: Site) -> None:
        tasks = [new_task(site) for _ in range(3)]
        leases = [take(site) for _ in tasks]
        settle(
            site,
            [
                Failure(leases[0], "no row 17", retry=False),
                Failure(leases[1], "no row 18", retry=True),
                Failure(leases[2], "other", retry=False),
            ],
        )
        assert self.groups(site) == [
            (tasks[0], group_of("no row 1")),
            (tasks[2], group_of("other")),
        ]
        noted = recorded(site, "task_id", "error_group")[-3:]
        assert dict(noted) == {**dict(self.groups(site)), tasks[1]: None}

    def test_of_an_expired_lease(self, site: Site) -> None:
        task_id = new_task(site, max_attempts=1)
        take(site)
        move(site, "due_at", -1)
        assert not claim(site, ClaimRequest("w", 1, 60)).tasks
        assert self.groups(site) == [(task_id, group_of("lease expired"))]
        assert recorded(site, "error_group")[-1] == group_of("lease expired")

    def test_a_retried_task_leaves_its_group(self, site: Site) -> None:
        task_id = new_task(site)
        settle(site, [Failure(take(site), "x", retry=False)])
        retry(site, task_id)
        assert self.groups(site) == []
        settle(site, [Failure(take(site), "y", retry=False)])
        assert self.groups(site) == [(task_id, group_of("y"))]
