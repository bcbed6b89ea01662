"""The statements of pruning: tasks that have ended, found in the order of their ids, and removed.

What was found without a lock is looked at again under one: meanwhile a task may have been retried,
or deleted. A task that somebody has locked is left for another time.
"""

from __future__ import annotations

from app.db.connection import id_list
from app.errors import TryAgain
from app.queue import used_keys
from app.queue.statistics import marks
from app.queue.statistics.deleted import leave_statistics
from app.queue.upkeep.retention import RESULT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Result, Row, Statement
    from app.queue.upkeep.retention import Retention


def look(sql: Dialect, status: str, type_id: int | None, after: int, limit: int) -> Statement:
    """Finds the next tasks of a status, and of one type if it is given, behind an id."""
    index, of_type = "tasks_created", ""
    if type_id is not None:
        index, of_type = "tasks_status", " AND type_id = :type_id"
    return (
        f"SELECT {_columns(sql)} FROM tasks {sql.by_index(index)} "
        f"WHERE status = :status{of_type} AND id > :after ORDER BY tasks.id LIMIT {int(limit)}",
        {"status": status, "type_id": type_id, "after": after},
    )


def is_over(retention: Retention, kind: str, row: Row) -> bool:
    """Whether a task, or its result, has been kept long enough."""
    seconds = retention.seconds(kind, row["type_id"])
    if seconds is None or (kind == RESULT and not row["has_result"]):
        return False
    return row["ended"] is not None and row["ended"] >= seconds


def delete(
    connection: Connection, retention: Retention, status: str, ids: Sequence[int], keeps_keys: bool
) -> int:
    """Delete those of the tasks whose time is over; how many those were. ``keeps_keys`` where
    their dedupe keys are to go on counting.
    """
    sql = connection.dialect
    over = _lock_expired(connection, retention, status, status, ids)
    if not over:
        return 0
    _lock_statistics(connection)
    # A DELETE takes no hint, and an index that begins with the status would be the wrong one.
    condition = f"id IN ({id_list(over)}) AND COALESCE(status, '') = :status"
    values = {"status": status}
    statements = [used_keys.keep(sql, condition, values)] if keeps_keys else []
    # With the history first: what is left of it without its task would be found by nobody.
    statements += [_delete_of_tasks(table, over) for table in ("task_history", "task_tags")]
    statements.append((f"DELETE FROM tasks WHERE {condition}", values))
    position = len(statements) - 1
    statements += leave_statistics(connection, over)
    return _commit(connection, statements)[position].changed


def _delete_of_tasks(table: str, ids: Sequence[int]) -> Statement:
    """Delete what a table holds of these tasks."""
    return f"DELETE FROM {table} WHERE task_id IN ({id_list(ids)})", {}


def clear_results(
    connection: Connection, retention: Retention, status: str, ids: Sequence[int]
) -> int:
    """Delete the results of those of the tasks that have been kept long enough."""
    over = _lock_expired(connection, retention, RESULT, status, ids)
    if not over:
        return 0
    update = (
        f"UPDATE tasks {connection.dialect.by_primary_key} SET result_json = NULL "
        f"WHERE id IN ({id_list(over)}) AND status = :status"
    )
    return _commit(connection, [(update, {"status": status})])[-1].changed


def _columns(sql: Dialect) -> str:
    # Tasks of the first versions may lack the time when they ended.
    ended = sql.seconds_since("COALESCE(completed_at, created_at)")
    return (
        f"id, type_id, {sql.seconds_since('created_at')} AS age, {ended} AS ended, "
        "result_json IS NOT NULL AS has_result"
    )


def _lock_expired(
    connection: Connection, retention: Retention, kind: str, status: str, ids: Sequence[int]
) -> list[int]:
    """Open a transaction that holds those of the tasks whose time is over, if there are any."""
    sql = connection.dialect
    lock = (
        f"SELECT {_columns(sql)} FROM tasks {sql.by_primary_key} "
        f"WHERE id IN ({id_list(ids)}) AND status = :status {connection.lock_what_is_free}"
    )
    found = connection.begin([(lock, {"status": status})])[0].rows
    over = [row["id"] for row in found if is_over(retention, kind, row)]
    if not over:
        connection.rollback()
    return over


def _lock_statistics(connection: Connection) -> None:
    """Raises TryAgain instead of waiting for somebody who is changing them."""
    lock = f"SELECT value FROM settings WHERE name = :name {connection.lock_what_is_free}"
    locked, found = connection.send([(lock, {"name": marks.MARK}), marks.LOOK])
    if marks.Marks(found.rows).has_mark and not locked.rows:
        raise TryAgain("another call rolls the history up")


def _commit(connection: Connection, statements: Sequence[Statement]) -> list[Result]:
    # In a packet, what follows a statement that a rival node has undone would be done all the same.
    commit = connection.commit_apart if connection.is_cluster else connection.commit
    return commit(statements)
