"""Tasks that do not move on."""

from __future__ import annotations

from app.db.connection import id_list
from app.doctor.finding import note, ok, problem
from app.queue import upkeep
from app.queue.lanes import BLOCKED, READY, THROTTLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect
    from app.doctor.finding import Finding
    from app.site import Site

LONG_SECONDS = 600
"""How long after its time a task may wait for the next claim, which sees to it."""

WAITING = (*READY, "scheduled")

MOST = 1000
"""Counted up to so many."""


def check(site: Site) -> list[Finding]:
    """Raises a DatabaseError."""
    found = site.db.run(_overdue) + site.db.run(_held_back) + site.db.run(_limited)
    return found or [ok("no task is stuck")]


def _overdue(connection: Connection) -> list[Finding]:
    sql = connection.dialect
    overdue = (
        f"SELECT status FROM tasks {sql.by_index('tasks_due')} "
        f"WHERE due_at < {sql.after(str(-LONG_SECONDS))} LIMIT {MOST}"
    )
    rows = connection.query(
        f"SELECT status, COUNT(*) AS total FROM ({overdue}) AS overdue GROUP BY status", {}
    )
    totals = {row["status"]: row["total"] for row in rows}
    found = []
    minutes = LONG_SECONDS // 60
    if totals.get("claimed"):
        found.append(
            problem(
                f"{_told(totals['claimed'])} whose lease ended more than {minutes} minutes ago: "
                "the next claim takes back what its worker left, so start a worker"
            )
        )
    if totals.get("scheduled"):
        found.append(
            problem(
                f"{_told(totals['scheduled'])} whose time came more than {minutes} minutes ago: "
                "nobody claims, so start a worker"
            )
        )
    return found


def _held_back(connection: Connection) -> list[Finding]:
    """What is switched off while tasks wait: the whole queue, or types."""
    paused = "SELECT 1 AS one FROM settings WHERE name = :name"
    found = []
    if connection.query(paused, {"name": upkeep.PAUSED_AT}):
        found.append(note("the queue is paused and hands no tasks out: queue resume ends that"))
    types = connection.query(
        "SELECT id, name, is_paused FROM task_types WHERE is_paused = 1 OR is_active = 0 "
        "ORDER BY name LIMIT 100",
        {},
    )
    for row in types:
        waiting = _waiting(connection, connection.dialect, row["id"])
        if waiting and row["is_paused"]:
            found.append(
                problem(
                    f"the task type {row['name']} is paused with {_told(waiting)} waiting: "
                    f"resume it (types resume {row['name']}) or cancel them"
                )
            )
        elif waiting:
            found.append(
                note(
                    f"the task type {row['name']} is not active, and {_told(waiting)} made "
                    "before will still run: cancel them if they should not"
                )
            )
    return found


def _limited(connection: Connection) -> list[Finding]:
    """Types whose limits hold tasks back."""
    types = connection.query(
        "SELECT id, name, max_per_key, rate_tasks FROM task_types "
        "WHERE max_per_key IS NOT NULL OR rate_tasks IS NOT NULL ORDER BY name LIMIT 100",
        {},
    )
    found = []
    for row in types:
        for status, limit in ((BLOCKED, "max_per_key"), (THROTTLED, "rate")):
            waiting = _waiting(connection, connection.dialect, row["id"], [status])
            if waiting:
                found.append(
                    note(
                        f"the {limit} of the task type {row['name']} holds {_told(waiting)} back: "
                        "raise it if they should run sooner"
                    )
                )
    return found


def _waiting(
    connection: Connection, sql: Dialect, type_id: int, statuses: Sequence[str] = WAITING
) -> int:
    some = " UNION ALL ".join(
        f"SELECT * FROM (SELECT 1 AS one FROM tasks {sql.by_index('tasks_status')} "
        f"WHERE type_id = {id_list([type_id])} AND status = '{status}' LIMIT {MOST}) AS {status}"
        for status in statuses
    )
    (row,) = connection.query(f"SELECT COUNT(*) AS total FROM ({some}) AS waiting", {})
    return int(row["total"])


def _told(count: int) -> str:
    if count >= MOST:
        return f"{MOST} or more tasks"
    return f"{count} task" if count == 1 else f"{count} tasks"
