"""Lanes that are not due although their tasks could go on, or that are not needed any more.

No call leaves any: what lets a task through makes its lane due, in one transaction. But an older
version that served in between knows no lanes, and somebody may have changed the tables by hand. So
all lanes are looked at in turn, a few each minute.
"""

from __future__ import annotations

from app.queue import upkeep
from app.queue.lanes import OF_RATE, THROTTLED
from app.queue.task_action import status_in
from app.queue.upkeep.cursors import TextPosition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.connection import Connection, Dialect, Row, Statement
    from app.site import Site

LANES_AT_ONCE = 100

POSITION = f"{upkeep.ROWS}lanes_position"
"""The row of ``settings`` that holds the last lane that was looked at: its type's id and key."""


def check_idle_lanes(site: Site, is_over: Callable[[], bool]) -> None:
    """Look at the next lanes until the time is over, or all of the rest have been looked at."""
    while site.db.run(_check_some) and not is_over():
        pass


def _check_some(connection: Connection) -> bool:
    """Whether more lanes follow."""
    sql = connection.dialect
    position = TextPosition(POSITION)
    rows = connection.query(*_next_lanes(sql, position.read(connection)))
    statements = [_make_due(sql, row) for row in rows if _may_go_on(row)]
    last = f"{rows[-1]['type_id']} {rows[-1]['concurrency_key']}" if rows else ""
    connection.transact([*statements, *position.store(sql, last)])
    return len(rows) == LANES_AT_ONCE


def _next_lanes(sql: Dialect, position: str) -> Statement:
    """Finds the lanes behind this position that are not due, with what their tasks are doing."""
    type_id, _, key = position.partition(" ")
    tasks = (
        f"FROM tasks {sql.by_index('tasks_key')} WHERE tasks.type_id = lanes.type_id "
        "AND tasks.concurrency_key = lanes.concurrency_key AND key_slot"
    )
    beyond = status_in(("pending", THROTTLED, "claimed"))
    return (
        "SELECT type_id, concurrency_key, "
        "(SELECT max_per_key FROM task_types WHERE task_types.id = lanes.type_id) AS most, "
        f"EXISTS (SELECT 1 {tasks} = 0) AS waits, "
        f"(SELECT COUNT(*) {tasks} = 1 AND {beyond}) AS beyond "
        f"FROM lanes {sql.by_primary_key} WHERE due_at IS NULL AND type_id >= :type_id "
        "AND (type_id > :type_id OR concurrency_key > :key) "
        f"ORDER BY type_id, concurrency_key LIMIT {LANES_AT_ONCE}",
        {"type_id": int(type_id or 0), "key": key},
    )


def _may_go_on(row: Row) -> bool:
    if row["concurrency_key"] == OF_RATE or row["most"] is None:
        return True
    return bool(row["beyond"] < row["most"]) if row["waits"] else not row["beyond"]


def _make_due(sql: Dialect, row: Row) -> Statement:
    values = {"type_id": row["type_id"], "key": row["concurrency_key"]}
    return (
        f"UPDATE lanes SET due_at = {sql.now} WHERE type_id = :type_id "
        "AND concurrency_key = :key AND due_at IS NULL",
        values,
    )
