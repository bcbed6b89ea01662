"""Lanes hold back the tasks that the limits of their type do not let through yet.

A task of a type with ``max_per_key`` first waits for a slot of its concurrency key (``blocked``).
Where its type has a rate, it then waits for that (``throttled``). Only then is it pending. So a
claim finds none but tasks that may run now, and takes them like any others.

Each key is a lane, and each rate. Whatever may let a task of a lane through makes the lane due, in
its own transaction, and the next claim sees to it (``upkeep/let_through.py``).
"""

from __future__ import annotations

from app.db.connection import id_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from app.db.connection import Dialect, Row, Statement

BLOCKED = "blocked"
THROTTLED = "throttled"
HELD_BACK = (BLOCKED, THROTTLED)
READY = ("pending", *HELD_BACK)
"""The statuses of tasks whose time has come. People know all of them as pending."""

OF_RATE = ""
"""The concurrency key in the row of a type's rate."""

READY_STATUS = (
    "COALESCE((SELECT CASE WHEN task_types.max_per_key IS NOT NULL "
    f"AND concurrency_key IS NOT NULL THEN '{BLOCKED}' "
    f"WHEN task_types.rate_tasks IS NOT NULL THEN '{THROTTLED}' END "
    "FROM task_types WHERE task_types.id = tasks.type_id), 'pending')"
)
"""The status of a task whose time has just come."""

READY_SLOT = (
    "CASE WHEN concurrency_key IS NULL THEN NULL WHEN (SELECT task_types.max_per_key "
    "FROM task_types WHERE task_types.id = tasks.type_id) IS NULL THEN 1 ELSE 0 END"
)
"""Its ``key_slot``."""

HELD_BACK_SQL = f"('{BLOCKED}', '{THROTTLED}')"

TOLD_STATUS = f"CASE WHEN status IN {HELD_BACK_SQL} THEN 'pending' ELSE status END"
"""The status that the history shows and the statistics count."""

TOLD_STATUS_OF_T = TOLD_STATUS.replace("status", "t.status")
"""The same of tasks as ``t``."""


def ready_status(type_row: Row, concurrency_key: str | None) -> str:
    """READY_STATUS of a new task."""
    if type_row["max_per_key"] is not None and concurrency_key is not None:
        return BLOCKED
    return "pending" if type_row["rate_tasks"] is None else THROTTLED


def ready_slot(type_row: Row, concurrency_key: str | None) -> int | None:
    """READY_SLOT of a new task."""
    if concurrency_key is None:
        return None
    return 1 if type_row["max_per_key"] is None else 0


def told_status(status: str) -> str:
    return "pending" if status in HELD_BACK else status


def make_due(sql: Dialect, task_ids: Sequence[int], change_id: int | None = None) -> Statement:
    """Makes the lanes of these tasks due, or of those of them that the change marked."""
    condition = f"id IN ({id_list(task_ids)})"
    if change_id is not None:
        condition += f" AND change_id = {int(change_id)}"
    return _make_due(sql, condition, len(task_ids))


def make_keys_due(sql: Dialect, task_ids: Sequence[int], change_id: int) -> Statement:
    """The same without the lanes of rates: for what ends an attempt, which frees a slot of a key
    and means nothing to a rate.
    """
    condition = f"id IN ({id_list(task_ids)}) AND change_id = {int(change_id)}"
    return _make_due(sql, f"{condition} AND concurrency_key IS NOT NULL", len(task_ids))


def make_new_due(sql: Dialect, made: str, count: int, change_id: int) -> Statement:
    """The same of new tasks, which ``made`` finds; it may name ``:change_id``."""
    return _make_due(sql, made, count, change_id=change_id)


def _make_due(sql: Dialect, condition: str, count: int, **values: Any) -> Statement:
    key = "CASE WHEN k.max_per_key IS NOT NULL THEN t.concurrency_key END"
    found = f"SELECT type_id, concurrency_key FROM tasks {sql.by_primary_key} WHERE {condition}"
    distinct, order = "", ""
    if count > 1:
        # Everybody locks lanes in one order. The LIMIT has MySQL sort what was found, not more.
        found += f" LIMIT {count}"
        distinct, order = "DISTINCT ", "ORDER BY type_id, lane "
    return (
        "INSERT INTO lanes (type_id, concurrency_key, due_at) "
        f"SELECT {distinct}t.type_id AS type_id, COALESCE({key}, '{OF_RATE}') AS lane, {sql.now} "
        f"FROM ({found}) AS t {sql.then_join} task_types AS k ON k.id = t.type_id "
        f"WHERE (k.rate_tasks IS NOT NULL OR {key} IS NOT NULL) {order}{_at(sql)}",
        values,
    )


def are_due(sql: Dialect) -> str:
    """SQL that is 1 when a lane is due."""
    return (
        f"EXISTS (SELECT 1 FROM lanes {sql.by_index('lanes_due')} WHERE lanes.due_at <= {sql.now})"
    )


def count_claims(
    sql: Dialect, rows: Iterable[Row], taken: str, change_id: int
) -> Sequence[Statement]:
    """Counts what a claim took of types with a rate. ``rows`` are the tasks that it tried for;
    ``taken`` is true of those that it got.

    Goes last: every other statement that stores the time of the claim comes before it.
    """
    rated = sorted({row["type_id"] for row in rows if row["rate_tasks"] is not None})
    if not rated:
        return []
    found = (
        f"FROM tasks {sql.by_primary_key} WHERE ({taken}) AND type_id IN ({id_list(rated)}) "
        "GROUP BY type_id"
    )
    return [
        (
            "INSERT INTO rate_claims (type_id, claimed_at, change_id, total) "
            f"SELECT type_id, {sql.now}, {int(change_id)}, COUNT(*) {found}",
            {},
        ),
        (
            "INSERT INTO lanes (type_id, concurrency_key, due_at) "
            f"SELECT type_id, '{OF_RATE}', {sql.now} {found} ORDER BY type_id {_at(sql)}",
            {},
        ),
    ]


def make_lane_due(sql: Dialect, type_id: int, key: str) -> Statement:
    return (
        "INSERT INTO lanes (type_id, concurrency_key, due_at) "
        f"VALUES (:type_id, :key, {sql.now}) {_at(sql)}",
        {"type_id": type_id, "key": key},
    )


def _at(sql: Dialect) -> str:
    """Ends an INSERT of lanes: those that exist become due, if they are not due already."""
    once = sql.or_change("lanes.type_id", "lanes.concurrency_key")
    now = sql.given("due_at")
    return f"{once} due_at = CASE WHEN lanes.due_at <= {now} THEN lanes.due_at ELSE {now} END"
