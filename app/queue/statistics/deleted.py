"""Tasks that are deleted leave the counts. What they did is still told by the activity."""

from __future__ import annotations

from app.db.connection import id_list
from app.queue import error_groups
from app.queue.lanes import told_status
from app.queue.statistics import marks
from app.queue.statistics.changes import CountChange, changes
from app.queue.statistics.stored import add_changes, add_counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.db.connection import Connection, Dialect, Statement


def leave_statistics(connection: Connection, task_ids: Sequence[int]) -> list[Statement]:
    """What must be sent after the statements that delete these tasks and their history, in the same
    transaction: it is open, and has locked the tasks. To be called before they are sent.

    On a cluster each of the statements needs a round trip of its own: ``connection.commit_apart``.
    """
    if not task_ids:
        return []
    sql = connection.dialect
    _, found = connection.send([marks.lock(sql), marks.LOOK])
    rolled_up_to = marks.Marks(found.rows).rolled_up_to
    forget = error_groups.forget(sql, task_ids)
    if rolled_up_to is None:
        return [forget]
    later, now = connection.send(
        [_changes_since(sql, task_ids, rolled_up_to), _counted_as(sql, task_ids)]
    )
    gone = CountChange()
    for row in now.rows:
        status = told_status(row["status"])
        gone.add((row["type_id"], status, int(row["error_group"])), -row["total"])
    # The rows that are not rolled up yet go away with the tasks, so they are added here.
    return [forget, *add_changes(sql, later.rows), *add_counts(sql, gone)]


def _changes_since(sql: Dialect, task_ids: Sequence[int], rolled_up_to: int) -> Statement:
    condition = f"h.task_id IN ({id_list(task_ids)}) AND h.id > {rolled_up_to}"
    return changes(sql, sql.by_index("task_history_task"), condition, {})


def _counted_as(sql: Dialect, task_ids: Sequence[int]) -> Statement:
    group = (
        f"(SELECT p.error_group FROM task_history AS p {sql.by_index('task_history_task')} "
        "WHERE p.task_id = t.id ORDER BY p.id DESC LIMIT 1)"
    )
    each = (
        f"SELECT t.type_id, t.status, "
        f"CASE WHEN t.status = 'failed' THEN COALESCE({group}, 0) ELSE 0 END AS error_group "
        f"FROM tasks AS t {sql.by_primary_key} WHERE t.id IN ({id_list(task_ids)})"
    )
    return (
        f"SELECT type_id, status, error_group, COUNT(*) AS total FROM ({each}) AS c "
        "GROUP BY type_id, status, error_group",
        {},
    )
