"""Retrying: a task that has ended, or waits for its time, is made pending."""

from __future__ import annotations

from app.errors import Conflict, Duplicate, TryAgain
from app.queue import audit, dedupe, error_groups, history, used_keys
from app.queue.change_id import new_change_id
from app.queue.fencing import GuardedUpdate, transact
from app.queue.find_task import row_or_not_found
from app.queue.task_fields import ALL_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from app.db.connection import Connection, Row, Statement
    from app.queue.access import Access
    from app.queue.audit import Actor
    from app.site import Site

RETRYABLE_STATUSES = ("failed", "cancelled", "scheduled")
RETRYABLE = "status IN ('failed', 'cancelled', 'scheduled')"


def retry(
    site: Site, task_id: int, access: Access | None = None, actor: Actor | None = None
) -> Row:
    """Make a failed, cancelled or scheduled task pending now.

    A task that had ended gets as many attempts more as it had; ``attempts`` goes on counting,
    because a worker of an earlier life may still send its attempt's number.

    Raises NotFound; Conflict when the task is claimed or completed.
    """
    try:
        rows = site.db.run(
            lambda connection: _retry(connection, site, task_id, access, actor), repeatable=False
        )
    except Duplicate:
        raise Conflict(
            f"A newer task with the same dedupe key as task {task_id} has not ended: "
            "leave the work to that one, or cancel it first"
        ) from None
    row = row_or_not_found(rows, task_id)
    if row["status"] != "pending":
        raise Conflict(
            f"Task {task_id} is {row['status']}: only failed, cancelled and waiting tasks "
            "can be retried"
        )
    return row


def _retry(
    connection: Connection,
    site: Site,
    task_id: int,
    access: Access | None,
    actor: Actor | None,
) -> dict[int, Row]:
    """A task that had to give its key to a later one takes it back, if that one has ended: there
    are never two unfinished tasks of one key.
    """
    sql = connection.dialect
    change_id = new_change_id()
    visible, own = ("", {}) if access is None else access.tasks()
    values: dict[str, Any] = {
        "id": task_id,
        "max_attempts": site.settings.max_task_attempts,
        **own,
    }
    look = f"SELECT type_id, former_dedupe_key FROM tasks WHERE id = :id AND {RETRYABLE}{visible}"
    found = connection.query(look, values)
    given_up = [row for row in found if row["former_dedupe_key"] is not None]
    statements: list[Statement] = []
    takes_key, as_seen = "", "former_dedupe_key IS NULL"
    if given_up:
        key = {"key": given_up[0]["former_dedupe_key"], "type_id": given_up[0]["type_id"]}
        holds_it = "dedupe_key = :key AND type_id = :type_id"
        statements = [
            dedupe.give_up_key(holds_it, key, "active"),
            used_keys.delete(holds_it, key),
        ]
        takes_key = "dedupe_key = :key, former_dedupe_key = NULL, "
        as_seen = "former_dedupe_key = :key"
        values.update(key)
    # SQLite reads the old values on the right, MySQL those already assigned: attempts is never
    # assigned, and status comes last.
    update = (
        f"UPDATE tasks {sql.by_primary_key} SET change_id = {change_id}, {takes_key}"
        "max_attempts = CASE WHEN status = 'scheduled' THEN max_attempts ELSE attempts + "
        "COALESCE((SELECT task_types.max_attempts FROM task_types "
        "WHERE task_types.id = tasks.type_id), :max_attempts) END, "
        "due_at = NULL, completed_at = NULL, claimed_by = NULL, cancel_requested = 0, "
        f"ready_at = {sql.now}, "
        f"status = 'pending' WHERE id = :id AND {RETRYABLE} AND {as_seen}{visible}"
    )
    changed = f"id = {int(task_id)} AND change_id = {change_id}"
    noted = history.record(site.settings, sql, changed, worker="NULL", message="retry")
    position = len(statements)
    statements += [(update, values), *noted, error_groups.forget(sql, [task_id])]
    statements += audit.record_task(sql, actor, "task.retry", task_id, change_id)
    updates = [GuardedUpdate([task_id], change_id, position)]
    results, rows = transact(connection, statements, updates, ALL_COLUMNS, access)
    if not results[position].changed and rows.get(task_id, {}).get("status") in RETRYABLE_STATUSES:
        raise TryAgain(f"task {task_id} changed between the look at it and its retry")
    return rows
